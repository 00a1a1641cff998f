"""estimator.py: MakeMore as scikit-learn's users expect it, and what a plan resolves."""

from __future__ import annotations

import copy
import itertools
import math
import random
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import makemore
from conftest import Cli
from makemore import MakeMore
from makemore.api.plan import MAX_VAL_LINES, REFERENCE_LINES, Plan, resolved, split_options
from makemore.errors import DataError, RunError, UsageError
from makemore.models.core import registry
from makemore.models.gru import GRU
from makemore.models.mlp import MLP
from makemore.models.ngram import NGram
from makemore.options import options_of
from makemore.runs.run import Run
from makemore.text.corpus import Corpus
from makemore.text.dataset import Split, train_val_test_split
from makemore.training.config import TrainingConfig

KINDS = registry.model_names()
SMALL = {
    "members": "ngram order=3, gru n_hidden=8",
    "n_embd": 8, "n_hidden": 8, "n_skip": 8, "n_layer": 1, "n_head": 2, "block_size": 3, "order": 3,
}  # fmt: skip


def like_names(number: int, seed: int = 7) -> list[str]:
    """Distinct lines of consonants and vowels by turns."""
    draws = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < number:
        pairs = draws.randint(1, 4)
        found["".join(draws.choice("bdkmnrst") + draws.choice("aeio") for _ in range(pairs))] = None
    return list(found)


def tiny(model: str = "gru", **options: Any) -> MakeMore:
    small = {k: v for k, v in SMALL.items() if k in options_of(registry.get_model(model).Options)}
    return MakeMore(model, **{**small, "max_steps": 3, "threads": 1, **options})


@pytest.fixture(scope="module")
def counted() -> MakeMore:
    return tiny("ngram", random_state=5).fit(like_names(200))


@pytest.fixture(scope="module")
def learned() -> MakeMore:
    return tiny("gru", random_state=5).fit(like_names(200))


def weights(maker: MakeMore) -> dict[str, Any]:
    assert maker.model_ is not None
    return {name: value.tolist() for name, value in maker.model_.tensors().items()}


# -- as scikit-learn has it -----------------------------------------------------------------------


def test_parameters_are_those_of_the_constructor_and_a_clone_is_made_of_them() -> None:
    maker = MakeMore("gru", random_state=3, n_hidden=8, max_steps=2)
    params = {
        "model": "gru", "random_state": 3, "time": None, "n_hidden": 8, "max_steps": 2
    }  # fmt: skip
    assert maker.get_params() == maker.get_params(deep=False) == params
    assert MakeMore(**maker.get_params()).get_params() == params
    assert copy.deepcopy(maker).get_params() == params
    assert MakeMore().get_params() == {"model": None, "random_state": None, "time": None}
    maker.get_params()["n_hidden"] = 9
    assert maker.get_params() == params


def test_set_params_changes_some_and_keeps_the_others() -> None:
    maker = MakeMore("gru", random_state=3, n_hidden=8)
    assert maker.set_params(n_hidden=4, max_steps=1) is maker
    assert maker.get_params() == {
        "model": "gru", "random_state": 3, "time": None, "n_hidden": 4, "max_steps": 1
    }  # fmt: skip
    maker.set_params(model="ngram", random_state=None)
    assert (maker.model, maker.random_state) == ("ngram", None)


def test_repr_is_the_call_that_makes_it() -> None:
    assert repr(MakeMore()) == "MakeMore()"
    assert repr(MakeMore(time="60s")) == "MakeMore(time='60s')"
    maker = MakeMore("gru", random_state=0, n_hidden=8, learning_rate=0.1)
    text = "MakeMore(model='gru', random_state=0, n_hidden=8, learning_rate=0.1)"
    assert repr(maker) == text


def test_fit_gives_the_maker_back_and_takes_any_iterable() -> None:
    lines = like_names(60)
    maker = tiny("ngram")
    assert maker.fit(iter(lines)) is maker
    same = tiny("ngram").fit(tuple(lines), None)
    assert maker.sample(20, random_state=1) == same.sample(20, random_state=1)
    # A second fit forgets the first.
    assert weights(maker.fit(["ab", "ba"])) == weights(tiny("ngram").fit(["ab", "ba"]))


def test_the_random_state_is_the_seed_of_weights_and_order() -> None:
    lines = like_names(60)
    first = weights(tiny(random_state=1).fit(lines))
    assert weights(tiny(random_state=1).fit(lines)) == first
    assert weights(tiny(random_state=2).fit(lines)) != first
    assert weights(tiny().fit(lines)) == weights(tiny(random_state=3407).fit(lines))


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("gru", {"n_hiden": 3}, "unknown option 'n_hiden': did you mean 'n_hidden'?"),
        ("gru", {"max_step": 3}, "unknown option 'max_step': did you mean 'max_steps'?"),
        ("gru", {"keep_copy": True}, "unknown option 'keep_copy': did you mean 'keep_copies'?"),
        ("gru", {"order": 3}, "unknown option 'order'"),  # a knob of another model
        ("grru", {}, "unknown model 'grru': did you mean 'gru'?"),
        ("gru", {"n_hidden": 0}, "n_hidden cannot be 0 (--n-hidden): give 1 or more"),
        ("gru", {"n_layer": 10**9}, "n_layer cannot be 1000000000 (--n-layer)"),
        ("gru", {"learning_rate": math.inf}, "learning_rate cannot be inf"),
        ("gru", {"batch_size": 0}, "batch_size cannot be 0"),
        ("gru", {"max_steps": 0}, "max_steps cannot be 0"),
        ("gru", {"max_steps": 2**63}, "max_steps cannot be 9223372036854775808"),
        ("gru", {"random_state": -1}, "seed cannot be -1 (--seed): give 0 or more"),
        ("gru", {"random_state": 2**64}, "seed cannot be 18446744073709551616"),
        ("gru", {"random_state": 0.5}, "seed cannot be 0.5 (--seed): give a whole number"),
        ("gru", {"random_state": True}, "seed cannot be True"),
        ("transformer", {"n_embd": 10, "n_head": 3}, "n_embd 10 cannot be divided among n_head 3"),
    ],
)
def test_options_that_cannot_be_are_refused_by_name(
    model: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(message)}"):
        MakeMore(model, **options).fit(["emma", "ava"])


def test_lines_that_cannot_be_used_are_refused() -> None:
    for lines, message in (
        ([], "no lines to learn from"),
        (["", "  "], "no lines to learn from .*2 blank"),
        (["a", 1], "line 2 is no string but int"),
        (["a\nb"], "line 1 holds a line feed"),
    ):
        with pytest.raises(DataError, match=message):
            tiny("ngram").fit(lines)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "use",
    [
        lambda maker: maker.sample(),
        lambda maker: next(maker.samples()),
        lambda maker: maker.score_samples(["a"]),
        lambda maker: maker.score(["a"]),
        lambda maker: maker.report("train"),
        lambda maker: maker.n_parameters,
        lambda maker: maker.split,
        lambda maker: maker.vocabulary,
        lambda maker: next(maker.training()),
    ],
)
def test_nothing_can_be_used_before_fit(use: Callable[[MakeMore], Any]) -> None:
    with pytest.raises(UsageError, match="^nothing was learned yet: call fit first"):
        use(MakeMore("ngram"))


def test_saving_before_fit_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing was learned yet"):
        MakeMore("ngram").save(tmp_path / "run")
    assert not (tmp_path / "run").exists()


# -- sampling and scoring -------------------------------------------------------------------------


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
    monkeypatch.setattr("makemore.api.fitted.secrets.randbelow", lambda below: next(seeds))
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


def test_the_command_line_gives_the_same_lines(counted: MakeMore, tmp_path: Path, cli: Cli) -> None:
    counted.save(tmp_path / "run")
    done = cli("sample", "run", "-n", "12", "--seed", "9", "--temperature", "1.5")
    assert done.returncode == 0
    lines = counted.sample(12, random_state=9, temperature=1.5)
    assert done.stdout == "".join(line + "\n" for line in lines)


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


@pytest.mark.parametrize("model", KINDS)
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
    assert maker.report("test") == {
        "split": "test", "nll": None, "nll_unseen": None, "bits": None, "perplexity": None,
        "lines": 0, "unknown": 0,
    }  # fmt: skip


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
    shares = {
        keep: np.exp(tiny("ngram", smoothing="add-k", k=0.0, keep_copies=keep).fit(lines)
                     .score_samples(["ab", "b"])).tolist()
        for keep in (False, True)
    }  # fmt: skip
    assert shares[False] == pytest.approx([0.5, 0.5])
    assert shares[True] == pytest.approx([0.9, 0.1])


# -- numpy's numbers, few lines, and what stays untouched -----------------------------------------


def test_numbers_of_numpy_are_numbers(tmp_path: Path) -> None:
    lines = like_names(60)
    maker = tiny(
        "gru", n_hidden=np.int64(8), max_steps=np.int32(3), learning_rate=np.float32(0.25),
        dropout=0, random_state=np.uint8(3),
    ).fit(lines)  # fmt: skip
    same = tiny("gru", n_hidden=8, max_steps=3, learning_rate=0.25, dropout=0.0, random_state=3)
    assert weights(maker) == weights(same.fit(lines))
    found = maker.sample(
        np.int64(9), np.uint16(4), temperature=np.float32(0.5), top_k=np.int64(5), all=True
    )
    assert found == same.sample(9, 4, temperature=0.5, top_k=5, all=True)
    maker.save(tmp_path / "run")  # JSON knows none of numpy's
    asked = Run.load(tmp_path / "run").config.asked
    assert asked == {
        **{k: v for k, v in SMALL.items() if k in ("n_embd", "n_layer")},
        "n_hidden": 8, "max_steps": 3, "learning_rate": 0.25, "dropout": 0.0, "seed": 3,
    }  # fmt: skip
    assert {type(value) for value in asked.values()} == {int, float}


@pytest.mark.parametrize("model", KINDS)
@pytest.mark.parametrize("lines", [["a"], ["emma", "ava"], ["anna"] * 3])
def test_a_line_or_two_are_enough(model: str, lines: list[str]) -> None:
    maker = tiny(model).fit(lines)
    assert [len(part) for _, part in maker.split] == [len(set(lines)), 0, 0]
    assert np.isfinite(maker.score_samples(lines)).all()
    assert maker.report("val")["nll"] is None and maker.report("train")["nll"] > 0
    assert len(maker.sample(5, random_state=0, all=True)) == 5


def test_more_steps_learn_more() -> None:
    lines = ["anna"] * 3
    by_heart = {"dropout": 0.0, "soft_targets": 0.0}
    before = tiny("gru", max_steps=1, **by_heart).fit(lines).score(lines)
    after = tiny("gru", max_steps=150, **by_heart).fit(lines).score(lines)
    assert before < -5 and after > -1


def test_threads_and_random_numbers_of_the_program_stay_as_they_were() -> None:
    torch.manual_seed(11)
    torch.set_num_threads(3)
    states = torch.get_rng_state().tolist(), random.getstate(), repr(np.random.get_state())
    maker = tiny("gru", threads=2, dropout=0.5).fit(like_names(60))
    assert torch.get_num_threads() == 3
    model: Any = maker.model_
    step, seen = model.step, set()

    def watched(*arguments: Any) -> Any:
        seen.add(torch.get_num_threads())
        return step(*arguments)

    model.step = watched
    maker.sample(5, all=True)
    assert seen == {1}  # rounds are shared out, no product is: the same lines on every machine
    maker.score(["anna"])
    maker.report("train")
    lines = maker.samples(10**6, all=True)
    next(lines)
    lines.close()
    assert torch.get_num_threads() == 3
    torch.set_num_threads(1)
    after = torch.get_rng_state().tolist(), random.getstate(), repr(np.random.get_state())
    assert after == states


def test_sampling_gives_the_training_mode_back(learned: MakeMore) -> None:
    model: Any = learned.model_
    for mode in (True, False):
        model.train(mode)
        first = learned.sample(10, random_state=0, all=True)
        assert model.training is mode
        learned.score(["anna"])
        assert model.training is mode
    model.train()
    assert learned.sample(10, random_state=0, all=True) == first  # no dropout in samples


# -- save and load --------------------------------------------------------------------------------


@pytest.mark.parametrize("model", KINDS)
def test_a_saved_model_samples_and_scores_as_before(model: str, tmp_path: Path) -> None:
    lines = [*like_names(80), "a.b", "zoë 😀"]
    maker = tiny(model, random_state=6).fit(lines)
    maker.save(tmp_path / "run")
    again = MakeMore.load(tmp_path / "run")
    for options in ({}, {"all": True, "temperature": 2.0}, {"prefix": "ka", "max_length": 30}):
        before = list(maker.samples(15, random_state=1, **options))
        assert list(again.samples(15, random_state=1, **options)) == before
    assert again.score_samples(lines).tolist() == maker.score_samples(lines).tolist()
    assert [again.report(name) for name, _ in maker.split] == [
        maker.report(name) for name, _ in maker.split
    ]
    params = maker.get_params()
    del params["threads"]  # no part of what a run is
    assert again.get_params() == params
    assert again.vocabulary.symbols == maker.vocabulary.symbols
    assert again.n_parameters == maker.n_parameters > 0
    # And it can be fitted again, from the same beginning.
    assert weights(again.set_params(threads=1).fit(lines)) == weights(maker)


def test_save_refuses_a_run_that_is_there(counted: MakeMore, tmp_path: Path) -> None:
    counted.save(tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with pytest.raises(RunError, match="^there is a run already .*: give another directory$"):
        tiny("ngram").fit(["ab"]).save(tmp_path / "run")
    del before[tmp_path / "run" / "lock"]  # names the last process that held it
    assert all(path.read_bytes() == body for path, body in before.items())
    assert MakeMore.load(tmp_path / "run").sample(5, 1) == counted.sample(5, 1)


def test_save_refuses_a_folder_of_somebody_else(counted: MakeMore, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(RunError, match="not empty and no run"):
        counted.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_load_of_what_is_no_run(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(RunError, match="no run"):
            MakeMore.load(folder)


# -- imports --------------------------------------------------------------------------------------


def loaded_after(code: str, *arguments: str) -> set[str]:
    """The modules that are loaded once `code` has run in a process of its own."""
    code = f"import sys\n{code}\nprint('|'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split("|"))


def test_importing_makemore_loads_nothing_heavy() -> None:
    loaded = loaded_after("import makemore; makemore.DataError, makemore.__version__")
    assert "makemore.errors" in loaded
    assert not loaded & {"torch", "numpy", "matplotlib", "click", "rich", "safetensors", "faker"}
    assert "numpy" in loaded_after("import makemore; makemore.Corpus")


def test_counts_are_loaded_and_sampled_without_torch(counted: MakeMore, tmp_path: Path) -> None:
    counted.save(tmp_path / "run")
    code = (
        "from makemore import MakeMore\n"
        "maker = MakeMore.load(sys.argv[1])\n"
        "lines = maker.sample(9, random_state=1, prefix='ka', temperature=0.8, top_p=0.99)\n"
        "assert lines == sys.argv[2:], lines\n"
    )
    lines = counted.sample(9, random_state=1, prefix="ka", temperature=0.8, top_p=0.99)
    loaded = loaded_after(code, str(tmp_path / "run"), *lines)
    assert "makemore.models.ngram" in loaded
    assert not {name for name in loaded if name.split(".")[0] in ("torch", "matplotlib", "rich")}


def test_the_public_names_are_all_there() -> None:
    for name in makemore.__all__:
        assert getattr(makemore, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Makemore'"):
        makemore.Makemore  # noqa: B018


# -- what a plan resolves -------------------------------------------------------------------------


def parts_of(number: int) -> Split:
    return train_val_test_split(Corpus.from_lines(like_names(number)))


def plan(model: str, number: int = 200, **asked: Any) -> Plan:
    return Plan.make(model, asked, parts_of(number), "names.txt")


def test_a_plan_holds_every_value_and_what_was_asked() -> None:
    parts = parts_of(200)
    made = Plan.make(
        "gru", {"n_hidden": 8, "learning_rate": 1, "threads": 1, "log_interval": 3}, parts, "x.txt"
    )
    config = made.config
    assert config.asked == {"n_hidden": 8, "learning_rate": 1.0}  # what names the run
    assert type(config.asked["learning_rate"]) is float
    assert config.resolved == {
        **asdict(made.options), **asdict(made.recipe), "encoding": "utf-8", "errors": "strict",
        "max_line": 1000, "max_vocab": 30_000, "keep_copies": False, "symbols": "character",
        "labels": False, "label_column": None, "text_column": None,
    }  # fmt: skip
    assert None not in (made.recipe.max_steps, made.recipe.eval_interval, made.recipe.threads)
    assert config.data == {"name": "x.txt", "digest": parts.digest()}
    assert config.vocab_size == len(made.vocabulary) == 13
    assert config.block_size == max(part.longest for _, part in parts) + 1 == 9
    assert (config.model, config.threads, config.round_size) == ("gru", 1, 16_384)
    assert config.version == makemore.__version__


def test_what_is_asked_goes_before_the_models_recipe_and_that_before_the_defaults() -> None:
    assert GRU.recipe["learning_rate"] != TrainingConfig().learning_rate
    _, recipe, _ = split_options(GRU, {})
    assert recipe.learning_rate == GRU.recipe["learning_rate"]
    assert recipe.batch_size == TrainingConfig().batch_size
    _, recipe, text = split_options(GRU, {"learning_rate": 0.5, "keep_copies": True})
    assert recipe.learning_rate == 0.5 and text.keep_copies


def test_the_context_comes_from_the_model_or_the_text() -> None:
    assert plan("mlp", block_size=5).config.block_size == 5
    assert plan("ngram", order=4).config.block_size == 3
    long = Split(*(Corpus.exactly([line]) for line in ("ab", "a" * 100, "b")))
    assert Plan.make("gru", {}, long, "").config.block_size == 101  # of all parts
    longer = Split(*(Corpus.exactly([line]) for line in ("ab", "a" * 1000, "b")))
    assert Plan.make("transformer", {}, longer, "").config.block_size == 256


@pytest.mark.parametrize(
    ("model", "items"),
    [("gru", lambda part: len(part)), ("mlp", lambda part: sum(len(line) + 1 for line in part))],
)
def test_a_batch_is_no_larger_than_what_there_is(
    model: str, items: Callable[[Corpus], int]
) -> None:
    number = items(parts_of(60).train)
    assert number < 512
    assert plan(model, 60).recipe.batch_size == number  # the default gives way
    assert plan(model, 60, batch_size=number).recipe.batch_size == number
    message = f"^a batch of {number + 1} is more than the {number} there are .*at most {number}$"
    with pytest.raises(UsageError, match=message):
        plan(model, 60, batch_size=number + 1)


@pytest.mark.parametrize(
    ("lines", "share"),
    [
        (1, 0.06),
        (300, 0.06),
        (1000, 0.3 * 0.25**0.65),
        (4000, 0.3),
        (5000, 0.3),
        (12_500, 0.5),
        (25_000, 1),
        (50_000, 2),
        (10**5, 2),
    ],
)
def test_steps_go_by_the_size_of_the_text(lines: int, share: float) -> None:
    assert REFERENCE_LINES == 25_000
    train = Corpus.exactly(["ab"] * lines)
    _, recipe, _ = split_options(MLP, {})
    assert recipe.max_steps is not None
    steps = resolved(MLP, recipe, {}, train.lengths).max_steps
    assert steps == round(recipe.max_steps * share)
    # But what was asked for is done.
    _, recipe, _ = split_options(MLP, {"max_steps": 77})
    assert resolved(MLP, recipe, {"max_steps": 77}, train.lengths).max_steps == 77


def test_an_evaluation_comes_twenty_times_and_at_most_every_ten_steps() -> None:
    assert plan("gru", max_steps=1000).recipe.eval_interval == 50
    assert plan("gru", max_steps=100).recipe.eval_interval == 10
    assert plan("gru", max_steps=1000, eval_interval=7).recipe.eval_interval == 7


def test_counting_is_one_step_on_one_thread() -> None:
    made = plan("ngram", max_steps=50)
    assert (made.recipe.max_steps, made.recipe.threads) == (1, 1)
    assert made.config.asked == {"max_steps": 50}


def test_a_plan_builds_its_model_from_its_seed() -> None:
    def table(**asked: Any) -> list[Any]:
        model: Any = plan("gru", n_hidden=4, n_embd=4, **asked).build_seeded()
        return model.tensors()["embedding.weight"].tolist()

    assert table() == table(seed=3407) != table(seed=1)
    assert isinstance(plan("ngram").build_seeded(), NGram)


def test_at_most_20000_lines_of_val_are_evaluated_while_training_whatever_their_order() -> None:
    assert MAX_VAL_LINES == 20_000
    lines = like_names(500)
    part = Corpus.exactly(lines).lowest(100)
    again = Corpus.exactly(lines[::-1]).lowest(100)
    assert len(part) == 100 and set(part) == set(again)
    assert [lines.index(line) for line in part] == sorted(lines.index(line) for line in part)
    hashes = Corpus.exactly(lines).hashes()
    kept = np.isin(hashes, part.hashes())
    assert hashes[kept].max() < hashes[~kept].min()
    assert part.lowest(100) is part


def test_one_string_is_no_list_of_lines():
    with pytest.raises(DataError, match="one string"):
        MakeMore("ngram").fit("emma")
    maker = MakeMore("ngram").fit(["emma", "ava"])
    with pytest.raises(DataError, match="one string"):
        maker.score_samples("emma")


def test_batch_norm_is_never_given_a_batch_of_one():
    with pytest.raises(UsageError, match="batches of 2"):
        MakeMore("deep_mlp", batch_size=1, max_steps=2, n_hidden=4).fit(["ab", "b"])
    # 3 windows in batches of 2 would leave one alone
    maker = MakeMore("deep_mlp", batch_size=2, max_steps=4, n_hidden=4).fit(["ab"])
    assert np.isfinite(maker.score_samples(["ab"])).all()
    assert len(maker.sample(3, random_state=1, all=True)) == 3


def test_threads_are_given_back_between_two_lines():
    import torch

    maker = MakeMore("bigram", max_steps=2, threads=2).fit(["ab", "ba"])
    before = torch.get_num_threads()
    lines = maker.samples(3, random_state=0, all=True)
    next(lines)
    assert torch.get_num_threads() == before


def test_a_part_that_is_none_is_named():
    with pytest.raises(UsageError, match="unknown part"):
        MakeMore("ngram").fit(["emma", "ava"]).report("tests")
