"""fitted.py: what a fitted MakeMore samples, scores and reports."""

from __future__ import annotations

import itertools
import math
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch

from api.conftest import KINDS, like_names, tiny
from kinds import each_kind
from makemore import MakeMore
from makemore.errors import RunError, UsageError
from makemore.text.corpus import Corpus
from makemore.text.dataset import train_val_test_split
from run_folder import forge


def test_twenty_new_lines_unless_told_otherwise(counted: MakeMore) -> None:
    lines = counted.sample(random_state=0)
    assert len(lines) == len(set(lines)) == 20
    assert not set(lines) & set(like_names(200))
    assert counted.sample(0) == []
    assert len(list(counted.samples(random_state=0))) == 20


def test_without_a_random_state_the_seed_is_fresh(
    counted: MakeMore, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds = iter([7, 8])
    monkeypatch.setattr("makemore.api.checks.secrets.randbelow", lambda below: next(seeds))
    assert counted.sample(10) == counted.sample(10, random_state=7)
    assert counted.sample(10) == counted.sample(10, random_state=8)
    assert counted.sample(10, random_state=7) != counted.sample(10, random_state=8)


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, "7", True])
def test_a_random_state_that_is_no_seed(counted: MakeMore, seed: Any) -> None:
    with pytest.raises(UsageError, match=rf"^seed cannot be {seed!r}"):
        counted.sample(1, random_state=seed)


def test_sampling_options_are_checked_by_name(counted: MakeMore) -> None:
    with pytest.raises(UsageError, match="unknown option 'temprature': did you mean 'temperature'"):
        counted.sample(1, temprature=2.0)
    with pytest.raises(UsageError, match="temperature cannot be -1.0"):
        counted.sample(1, temperature=-1)
    with pytest.raises(UsageError, match="cannot draw -1 lines"):
        counted.sample(-1)


def test_samples_come_one_by_one_with_what_is_known_of_them(counted: MakeMore) -> None:
    endless = counted.samples(10**9, random_state=2, all=True)
    first = list(itertools.islice(endless, 600))
    endless.close()
    texts = [line.text for line in first]
    assert texts == counted.sample(600, random_state=2, all=True)
    origins = {line: name for name, part in counted.split for line in part}
    assert {line.origin for line in first} >= {"new", "train"}
    assert all(line.origin == origins.get(line.text, "new") for line in first)


def test_avoided_lines_are_known_lines(counted: MakeMore) -> None:
    lines = counted.sample(30, random_state=4)
    avoid = Corpus.from_lines(lines[::2])
    found = [line.text for line in counted.samples(30, 4, avoid=avoid)]
    assert found[:15] == lines[1::2] and not set(found) & set(avoid)
    shown = {line.text: line.origin for line in counted.samples(300, 4, avoid=avoid, all=True)}
    assert shown[lines[0]] == "avoid" and shown[lines[1]] == "new"


def test_threads_are_given_back_between_two_lines() -> None:
    maker = MakeMore("bigram", max_steps=2, threads=2).fit(["ab", "ba"])
    before = torch.get_num_threads()
    lines = maker.samples(3, random_state=0, all=True)
    next(lines)
    assert torch.get_num_threads() == before


def test_score_samples_is_the_log_likelihood_of_whole_lines() -> None:
    # Bigrams of "ab" and "b" with add-1 over 3 ids: p(a|.) = p(b|.) = 2/5, p(b|a) = 2/4,
    # p(.|b) = 3/5.
    maker = MakeMore("ngram", order=2, smoothing="add-k", k=1.0).fit(["ab", "b"])
    scores = maker.score_samples(["ab", "b", "", "abc", "a b"])
    expected = [2 / 5 * 2 / 4 * 3 / 5, 2 / 5 * 3 / 5, 1 / 5]
    assert scores[:3] == pytest.approx([math.log(p) for p in expected], rel=1e-12)
    assert scores[3:].tolist() == [-math.inf, -math.inf]  # symbols that it does not know
    assert maker.score(["ab", "abc", "b"]) == pytest.approx(scores[:2].mean())
    assert maker.score(["xyz"]) == maker.score([]) == -math.inf
    assert maker.score_samples([]).shape == (0,)


@pytest.mark.parametrize("model", each_kind(KINDS))
def test_a_model_gives_a_share_to_every_line_and_no_more_than_there_is(model: str) -> None:
    maker = tiny(model).fit(["ab", "b", "aab"])
    lines = ["".join(symbols) for n in range(5) for symbols in itertools.product("ab", repeat=n)]
    scores = maker.score_samples(lines)
    assert scores.shape == (31,) and np.isfinite(scores).all()
    assert 0.2 < np.exp(scores).sum() < 1  # lines of more than 4 symbols have the rest
    # One by one and in any company: the same.
    each = [maker.score_samples([line])[0] for line in lines]
    assert each == pytest.approx(scores.tolist(), rel=1e-5)


def test_report_counts_what_the_scores_say() -> None:
    lines = like_names(200)
    seen, unseen = lines[:30], [f"{line}ya" for line in lines[30:60]]
    maker = tiny("ngram").fit(lines, val=seen + unseen)
    report = maker.report("val")
    part = list(maker.split.val)
    assert part == seen + unseen and list(maker.split.train) == lines
    nll = -maker.score_samples(part)
    symbols = np.array([len(line) + 1 for line in part])
    assert report["nll"] == pytest.approx(nll.sum() / symbols.sum(), rel=1e-12)
    assert report["nll_unseen"] == pytest.approx(nll[30:].sum() / symbols[30:].sum(), rel=1e-12)
    assert report["nll_unseen"] > report["nll"]
    assert report["bits"] == pytest.approx(report["nll"] / math.log(2), rel=1e-12)
    assert report["perplexity"] == pytest.approx(2 ** report["bits"], rel=1e-12)
    assert (report["split"], report["lines"], report["unknown"]) == ("val", 60, 0)
    assert maker.report("train")["nll_unseen"] is None
    nothing = dict.fromkeys(("nll", "nll_unseen", "bits", "perplexity"))
    assert maker.report("test") == {"split": "test", **nothing, "lines": 0, "unknown": 0, "read": 0}
    with pytest.raises(UsageError, match="unknown part"):
        maker.report("tests")


def test_report_of_our_own_split_has_no_copies(counted: MakeMore) -> None:
    parts = train_val_test_split(Corpus.from_lines(like_names(200)))
    for name, part in parts:
        report = counted.report(name)
        assert (report["lines"], report["nll_unseen"]) == (len(part), None)
        assert part.digest() == dict(counted.split)[name].digest()


def test_symbols_of_val_are_known_even_if_train_lacks_them() -> None:
    maker = tiny("ngram").fit(["ab", "b"], val=["xa", "b", "b"])
    assert maker.vocabulary.symbols == ("a", "b", "x")
    assert list(maker.split.val) == ["xa", "b", "b"]  # as given, copies too
    assert maker.report("val")["unknown"] == 0 and maker.report("val")["nll"] > 0


def test_copies_count_when_they_are_kept() -> None:
    lines = ["ab"] * 9 + ["b"]
    for keep, probabilities in ((False, [0.5, 0.5]), (True, [0.9, 0.1])):
        maker = tiny("ngram", smoothing="add-k", k=0.0, keep_copies=keep).fit(lines)
        assert np.exp(maker.score_samples(["ab", "b"])) == pytest.approx(probabilities)


# -- weights that are numbers, and no probabilities -----------------------------------------------


@pytest.mark.parametrize("scale", [1e20, 3e38])
@pytest.mark.parametrize("model", ["mlp", "gru", "transformer"])
def test_huge_weights_under_right_digests_are_refused(
    model: str, scale: float, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    lines = ["".join(parts) for parts in product("kmnr", "aeio", ("la", "ri", "no"))]
    small = {"mlp": {"n_hidden": 8}, "gru": {"n_hidden": 8}, "transformer": {"n_layer": 1}}[model]
    maker = MakeMore(model, max_steps=1, random_state=1, threads=1, n_embd=8, **small)  # type: ignore[arg-type]
    maker.fit(lines).save(folder)
    weights = next(folder.glob("weights-*"))
    tensors = safetensors.numpy.load(weights.read_bytes())
    huge = {name: (np.sign(each) * scale).astype(np.float32) for name, each in tensors.items()}
    forge(folder, weights.name, safetensors.numpy.save(huge))
    with pytest.raises(RunError) as caught:
        MakeMore.load(folder)
    assert str(caught.value) == (
        f"the weights give no probabilities: some are far too large ({folder}): train again, or "
        "take a copy of the run"
    )


def test_what_is_no_number_in_some_contexts_alone_is_refused_where_it_comes() -> None:
    lines = ["".join(parts) for parts in product("kmnr", "aeio", ("la", "ri", "no"))]
    maker = MakeMore("transformer", max_steps=1, random_state=1, threads=1, n_layer=1).fit(lines)
    model = maker.model_
    assert isinstance(model, torch.nn.Module)
    with torch.no_grad():
        next(model.parameters())[1] = math.inf  # after one symbol of the twelve
    for use in (
        lambda: maker.sample(30, 1, all=True), lambda: maker.top(3, all=True),
        lambda: maker.score_samples(lines), lambda: maker.report("train"),
    ):  # fmt: skip
        with np.errstate(all="ignore"), pytest.raises(RunError, match="no probabilities"):
            use()


def test_lines_that_go_back_to_one_draw_are_warned_of() -> None:
    maker = tiny("ngram").fit(like_names(200))
    assert maker.sample(3, 1)  # an easy request: no warning, which here would be an error
    with pytest.warns(UserWarning, match=r"lines go back to \d+ draws?, .* ask for shorter lines"):
        assert len(maker.sample(20, 1, contains="nadonadona")) == 20
    with pytest.warns(UserWarning, match="go back to"):
        assert len(list(maker.samples(20, 1, contains="nadonadona"))) == 20
