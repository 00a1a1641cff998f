"""fit.py: an ensemble's weights against a search, each member against it alone, and its runs."""

from __future__ import annotations

import json
import os
import signal
import threading
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from conftest import Call
from makemore import MakeMore
from makemore.api import train_directory
from makemore.api.fit import _of_val
from makemore.api.mixture_weights import STRENGTHS, fit_ensemble_weights
from makemore.api.plan import Plan
from makemore.models.core.base import CountModel
from makemore.models.ensemble import Ensemble
from makemore.models.ngram import NGram
from makemore.runs.manifest import verify
from makemore.runs.run import Run
from makemore.runs.writer import RunWriter
from makemore.scoring.neural_scorer import log_probabilities
from makemore.scoring.scorer import surprisals
from makemore.text.builtin_lists import builtin_names
from makemore.text.corpus import Corpus
from makemore.text.dataset import Split, train_val_test_split
from makemore.training.events import Evaluated, Saved, Step
from warm import Warm, workplace

LINES = ["".join(parts) for parts in product("kmnr", "aeio", ("la", "ri", "no", "sa"))]
PARTS = train_val_test_split(Corpus.from_lines(LINES))


def trained(members: str, lines: list[str] = LINES, **options: Any) -> MakeMore:
    common = {"max_steps": 4, "batch_size": 16, "threads": 1, "random_state": 5}
    return MakeMore("ensemble", members=members, **{**common, **options}).fit(lines)


def begun(model: str = "ensemble", **asked: Any) -> MakeMore:
    """A training whose events are still to come."""
    maker = MakeMore(model)
    maker.begin(Plan.make(model, {"max_steps": 3, "threads": 1, **asked}, PARTS, "x"))
    return maker


def loss(weights: Any, logs: Any, targets: Any) -> float:
    mixed = torch.from_numpy(np.tensordot(weights, np.asarray(logs, dtype=np.float64), 1))
    return float(torch.nn.functional.cross_entropy(mixed, torch.from_numpy(targets)))


def opinions(scales: list[float], n: int = 400) -> tuple[Any, Any]:
    """Log-probabilities of models that know a part of the truth, and draws from the truth."""
    chance = np.random.default_rng(0)
    truth = chance.normal(0, 2, (n, 5))
    noisy = np.stack([truth + chance.normal(0, scale, truth.shape) for scale in scales])
    logs = torch.from_numpy(noisy).log_softmax(-1).numpy().astype(np.float32)
    chances = np.exp(truth) / np.exp(truth).sum(1, keepdims=True)
    return logs, np.array([chance.choice(5, p=row) for row in chances])


@pytest.mark.parametrize("scales", [[1.0, 1.0, 1.0], [1.0, 1.3, 2.0], [0.5, 3.0, 3.0]])
def test_the_weights_are_those_that_a_search_finds(scales: list[float]) -> None:
    logs, targets = opinions(scales)
    new = np.arange(len(targets)) % 3 == 0
    found = fit_ensemble_weights(logs, targets, new)

    def searched(rows: Any, near: Any, prior: float) -> Any:
        weights = torch.from_numpy(near.copy()).requires_grad_()
        search = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")
        truth, given = torch.from_numpy(targets[rows]), torch.from_numpy(logs[:, rows]).double()

        def closure() -> Any:
            search.zero_grad()
            mixed = torch.einsum("k,knv->nv", weights, given)
            nats = torch.nn.functional.cross_entropy(mixed, truth)
            pull = (weights - torch.from_numpy(near)).square().sum()
            nats = nats + prior / int(rows.sum()) / 2 * pull
            nats.backward()
            return nats

        search.step(closure)  # type: ignore[no-untyped-call]
        return weights.detach().numpy()

    of_all = searched(np.full(len(targets), True), np.full(3, 1 / 3), STRENGTHS[0])
    for number, rows in enumerate((~new, new)):
        expected = searched(rows, of_all, STRENGTHS[1])
        np.testing.assert_allclose(found[number], expected, atol=1e-4)
        own = logs[:, rows], targets[rows]
        assert loss(found[number], *own) < loss(of_all, *own)
    alone = [loss(row, logs, targets) for row in np.eye(3)]
    assert loss(of_all, logs, targets) < min(alone)


def test_weights_are_those_of_all_where_nothing_says_otherwise() -> None:
    logs, targets = opinions([0.5, 1.0])
    known, new = fit_ensemble_weights(logs, targets, np.full(len(targets), False))
    np.testing.assert_allclose(known, new, atol=0.05)  # new: those of all; known: fitted once more
    other = fit_ensemble_weights(logs, targets, np.full(len(targets), True))
    np.testing.assert_array_equal(other, [new, known])


def test_weights_where_there_is_little_to_go_by() -> None:
    logs, targets = opinions([0.5, 3.0])

    def fitted(logs: Any, targets: Any) -> Any:
        found = fit_ensemble_weights(logs, targets, np.full(len(targets), False))
        assert np.isfinite(found).all()
        return found[1]  # those of all

    np.testing.assert_array_equal(fitted(logs[:, :0], targets[:0]), [0.5, 0.5])
    few, many = fitted(logs[:, :5], targets[:5]), fitted(logs, targets)
    assert abs(few[0] - 0.5) < abs(many[0] - 0.5)  # the prior holds them together
    twice = fitted(logs[[0, 0]], targets)  # two that are the same
    assert twice[0] == pytest.approx(twice[1])
    sure = np.log(np.array([[[1.0, 0.0]] * 4, [[0.0, 1.0]] * 4]) + 1e-300).astype(np.float32)
    found = fitted(sure, np.array([0, 1, 0, 1]))
    assert found[0] == pytest.approx(found[1], abs=1e-3)
    wrong = fitted(sure, np.array([1, 1, 1, 1]))  # the first is always mistaken
    assert wrong[0] < 0.5 < wrong[1]
    np.testing.assert_array_equal(fitted(logs[:1], targets), [1.0])


# -- training -------------------------------------------------------------------------------------


def test_each_member_is_what_it_is_alone_and_val_weighs_them() -> None:
    lines = builtin_names()[::20]
    common = {"max_steps": 30, "batch_size": 64, "threads": 1, "soft_targets": 0.3}
    members = "ngram order=5, gru n_hidden=16, mlp n_hidden=16 dropout=0.2, ngram order=2"
    maker = trained(members, lines, **common)
    model = maker.model_
    assert isinstance(model, Ensemble)
    prefixes = {line[:end] for line in maker.split.train for end in range(len(line) + 1)}
    assert len(model.known.codes) == len(prefixes)  # of train, and of nothing else
    alone = [
        MakeMore("ngram", order=5).fit(lines),
        MakeMore("gru", n_hidden=16, random_state=6, **common).fit(lines),
        MakeMore("mlp", n_hidden=16, dropout=0.2, random_state=7, **common).fit(lines),
        MakeMore("ngram", order=2).fit(lines),
    ]
    text = maker.vocabulary.encode(maker.split.val)
    logs = []
    for member, other in zip(model.members, alone, strict=True):
        assert member is not None and other.model_ is not None
        expected = other.model_.tensors()
        for name, value in member.tensors().items():
            np.testing.assert_array_equal(value, expected[name])
        own, targets, new = log_probabilities(model, member, text)
        logs.append(own)
        nats = surprisals(other.model_, text.ids, text.offsets)
        assert -own[np.arange(len(own)), targets].mean() == pytest.approx(nats.mean(), abs=1e-5)
    np.testing.assert_allclose(model.weights, fit_ensemble_weights(np.stack(logs), targets, new))
    assert ((model.weights > 0.02).sum(axis=1) >= 2).all()  # none is the best everywhere
    val, each = maker.report("val")["nll"], np.stack(logs)
    nats = [
        loss(weights, each[:, rows], targets[rows]) * rows.sum()
        for weights, rows in zip(model.weights, (~new, new), strict=True)
    ]
    assert val == pytest.approx(sum(nats) / len(targets), abs=1e-5)
    assert val < min(other.report("val")["nll"] for other in alone) - 0.005


def test_without_val_all_weigh_alike() -> None:
    maker = trained("ngram, bigram, gru n_hidden=4", LINES[:20])
    assert not len(maker.split.val) and isinstance(maker.model_, Ensemble)
    np.testing.assert_array_equal(maker.model_.weights, np.full((2, 3), 1 / 3))


def test_labels_and_graphemes_are_learned_as_by_one_model() -> None:
    labels = ["x" if line[1] in "ae" else "y" for line in LINES]
    members = "ngram, mlp n_hidden=8, gru n_hidden=8"
    common = {"max_steps": 4, "batch_size": 16, "threads": 1}
    maker = MakeMore("ensemble", members=members, **common).fit(LINES, labels)
    assert np.mean(maker.predict(LINES) == np.array(labels)) > 0.9
    assert maker.predict_proba(LINES[:3]).sum(axis=1) == pytest.approx(1)
    shares = []
    for label in "xy":
        drawn = maker.sample(400, random_state=1, label=label, all=True)
        shares.append(np.mean([line[1:2] in ("a", "e") for line in drawn]))
    assert shares[0] > 0.55 and shares[1] < 0.2  # so little was learned: 0.65 and 0.09
    flags = trained(members, [line.replace("a", "e\u0301") for line in LINES], symbols="grapheme")
    assert "e\u0301" in flags.vocabulary.symbols and len(flags.sample(5, random_state=1)) == 5


def test_events_count_the_steps_of_all_members() -> None:
    events = list(begun(members="ngram, gru n_hidden=4, mlp n_hidden=4").training())
    steps = [event.step for event in events if isinstance(event, Step)]
    assert steps == [2, 3, 4, 5, 6, 7]
    best = [event.step for event in events if isinstance(event, Evaluated) and event.best]
    assert best == [1, 4, 7]  # after each member, the whole
    told = [event.val or 0.0 for event in events if isinstance(event, Evaluated) and event.best]
    assert max(told) < told[0] + 0.01  # what has learned nothing, in 3 steps, does no harm


@pytest.fixture
def list_file(tmp_path: Path) -> None:
    (tmp_path / "n.txt").write_text("\n".join(LINES))


@pytest.mark.usefixtures("list_file")
def test_what_learns_by_steps_alone_is_refused_in_words(call: Call) -> None:
    for command in (["lr-find", "n.txt"], ["train", "n.txt", "--overfit-batch"]):
        done = call(*command, "--model", "ensemble")
        assert done.returncode == 2 and "ensemble is several models" in done.stderr


def test_counts_alone_need_no_gradient() -> None:
    maker = trained("ngram order=2, ngram order=4")
    assert isinstance(maker.model_, Ensemble) and not len(maker.model_.parts)
    assert all(isinstance(member, CountModel) for member in maker.model_.members)


# -- as a run -------------------------------------------------------------------------------------

RUN = ("train", "names.txt", "-o", "run", "--model", "ensemble", "--members",
       "ngram, gru n_hidden=8 dropout=0.2, transformer n_layer=1 n_head=2 n_embd=8",
       "--max-steps", "6", "--eval-interval", "3", "--batch-size", "16", "--threads", "1",
       "--seed", "5", "--log-interval", "1", "--save-interval", "0")  # fmt: skip

DRIVER = """
import os, signal
import makemore.api.fit, makemore.runs.writer
from makemore.training import gradients

def at(owner, name, nth, after=False):
    function, calls = getattr(owner, name), []
    def patched(*arguments, **more):
        calls.append(None)
        if len(calls) == nth and not after:
            os.kill(os.getpid(), signal.SIGNAL)
        result = function(*arguments, **more)
        if len(calls) == nth and after:
            os.kill(os.getpid(), signal.SIGNAL)
        return result
    setattr(owner, name, patched)

"""

# The signal that ends each process but the last, and where.
ENDS: list[Any] = [
    ("SIGKILL", ("at(gradients, 'nll', 3)", "at(makemore.api.fit, '_commit', 1)")),
    ("SIGTERM", ("at(gradients, 'nll', 2)",)),
    pytest.param("SIGTERM", [
        f"at(gradients, 'nll', {nth})" for nth in (2, 2, 5, 3)
    ], marks=pytest.mark.slow),
    pytest.param("SIGKILL", (
        "at(makemore.runs.writer.RunWriter, 'member', 1)",
        "at(makemore.api.fit, '_of_val', 1)",
        "at(os, 'rmdir', 1)",
        "at(os, 'rmdir', 2)",
        "at(gradients, 'nll', 3)",
        "at(makemore.runs.writer.RunWriter, '_synced', 3)",
        "at(os, 'unlink', 3)",
        "at(makemore.api.fit, 'losses', 2)",
    ), marks=pytest.mark.slow),
    pytest.param("SIGKILL", (
        "at(os, 'replace', 4)",
        "at(gradients, 'nll', 2)",
        "at(makemore.runs.writer.RunWriter, '_synced', 4, after=True)",
        "at(os, 'replace', 12)",
        "at(gradients, 'nll', 2)",
        "at(makemore.api.fit, '_evaluated', 1)",
        "at(makemore.api.fit, '_commit', 1)",
    ), marks=pytest.mark.slow),
]  # fmt: skip


@pytest.fixture(scope="module")
def unbroken(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return warm.ended(workplace(tmp_path_factory.mktemp("unbroken"), LINES), *RUN) / "run"


@pytest.mark.slow
def test_a_run_holds_the_whole_and_nothing_of_the_way(unbroken: Path) -> None:
    maker = MakeMore.load(unbroken)
    assert isinstance(maker.model_, Ensemble) and maker.model_.learned == [0, 1, 2]
    assert not (unbroken / "members").exists()
    assert Run.load(unbroken).progress["step"] == 13
    assert len(maker.sample(3, random_state=1)) == 3


@pytest.mark.slow
@pytest.mark.parametrize(("name", "plans"), ENDS)
def test_killed_or_stopped_anywhere_it_ends_with_the_same_bytes(
    warm: Warm, unbroken: Path, tmp_path: Path, name: str, plans: tuple[str, ...]
) -> None:
    folder, driver = workplace(tmp_path, LINES), tmp_path / "driver.py"
    run = folder / "run"
    for plan in plans:
        driver.write_text(DRIVER.replace("SIGNAL", name) + plan)
        started = warm.start(*RUN, cwd=folder, before=driver)
        code = 143 if name == "SIGTERM" else -signal.SIGKILL
        assert started.wait() == code, f"{plan}: {started.err}"
        if name == "SIGTERM":
            assert "the same command goes on" in started.err
            assert list((run / "members").iterdir())
        if (run / "checkpoint.json").exists():
            assert verify(run) == []
            assert len(MakeMore.load(run).sample(3, random_state=1, all=True)) == 3
    started = warm.start(*RUN, cwd=folder)
    assert started.wait() == 0 and "going on from step" in started.err, started.err
    assert Run.load(run).progress["finished"] and verify(run) == []
    names = [path.name for path in unbroken.glob("weights-*")]
    assert len(names) == 2
    for each in (*names, "config.json"):
        assert (run / each).read_bytes() == (unbroken / each).read_bytes()
    assert not (run / "members").exists()


def logged(run: Path) -> list[tuple[int, str]]:
    entries = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [(entry["step"], entry["kind"]) for entry in entries]


def test_each_line_of_the_logs_stands_once(tmp_path: Path) -> None:
    train_logged(tmp_path / "run")
    evaluations = [("train", "val"), (0, 2, 4, 6, 8)]
    steps = sorted([(step, "batch") for step in range(1, 9)] + [*product(*evaluations[::-1])])
    assert sorted(logged(tmp_path / "run")) == steps
    drawn = (tmp_path / "run/samples.txt").read_text().splitlines()
    assert len(drawn) == len(set(drawn)) > 8


def train_logged(run: Path) -> None:
    """Train two small members on few lines, or go on with them, each step saved and logged."""
    members = "mlp n_hidden=4, rnn n_hidden=4"
    options: dict[str, Any] = {
        "members": members, "max_steps": 4, "eval_interval": 2, "log_interval": 1,
        "save_interval": 0.0, "threads": 1, "seed": 5, "batch_size": 8,
    }  # fmt: skip
    with closing(train_directory(run, LINES, model="ensemble", **options)) as events:
        for _ in events:
            pass


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    "nth", [4, *(pytest.param(nth, marks=pytest.mark.slow) for nth in range(1, 14) if nth != 4)]
)
def test_a_fault_at_any_commit_loses_no_line_of_the_logs_and_doubles_none(
    nth: int, after: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    unbroken_logs: tuple[list[tuple[int, str]], str],
) -> None:  # fmt: skip
    commit, calls = RunWriter._replace_manifest, list[None]()

    def failing(writer: RunWriter, manifest: dict[str, Any]) -> None:
        calls.append(None)
        if len(calls) == nth and not after:
            raise OSError("the disk is gone")
        commit(writer, manifest)
        if len(calls) == nth:
            raise OSError("the disk is gone")

    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(RunWriter, "_replace_manifest", failing)
        with pytest.raises(OSError, match="gone"):
            train_logged(run)
    train_logged(run)
    assert (logged(run), (run / "samples.txt").read_text()) == unbroken_logs
    assert verify(run) == [] and not (run / "members").exists()


@pytest.fixture(scope="module")
def unbroken_logs(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[tuple[int, str]], str]:
    run = tmp_path_factory.mktemp("unbroken") / "run"
    train_logged(run)
    return logged(run), (run / "samples.txt").read_text()


def test_lines_come_as_soon_as_the_first_member_is_in(tmp_path: Path) -> None:
    stop = threading.Event()
    maker = begun(members="ngram, gru n_hidden=4", max_steps=5, save_interval=0.0)
    with RunWriter(tmp_path / "run") as writer:
        for event in maker.training(writer, None, stop):
            if isinstance(event, Saved) and event.step == 3:
                stop.set()
    early = MakeMore.load(tmp_path / "run")
    assert isinstance(early.model_, Ensemble) and early.model_.learned == [0]
    counts = MakeMore("ngram").fit(LINES)
    assert early.report("val")["nll"] == pytest.approx(counts.report("val")["nll"], abs=1e-6)
    assert (tmp_path / "run/members/1/checkpoint.json").exists()


@pytest.mark.usefixtures("list_file")
def test_fresh_removes_what_is_ours_and_nothing_else(call: Call, tmp_path: Path) -> None:
    test_lines_come_as_soon_as_the_first_member_is_in(tmp_path)
    (tmp_path / "run/members/1/mine.txt").write_text("mine")
    (tmp_path / "run/members/mine").mkdir()
    done = call("train", "n.txt", "-o", "run", "--model", "ngram", "--fresh")
    assert done.returncode == 0, done.stderr
    left = {str(path.relative_to(tmp_path / "run")) for path in tmp_path.rglob("run/members/**/*")}
    assert left == {"members/1", "members/1/mine.txt", "members/mine"}


@pytest.mark.usefixtures("list_file")
def test_a_link_in_place_of_members_is_refused(call: Call, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run/lock").touch()
    (tmp_path / "run/members").symlink_to(tmp_path / "elsewhere")
    done = call("train", "n.txt", "-o", "run", "--model", "ensemble", "--members", "ngram")
    assert done.returncode == 4 and "members is a link" in done.stderr
    assert os.listdir(tmp_path / "elsewhere") == []


def test_a_member_of_another_training_starts_over(tmp_path: Path) -> None:
    gru = {"n_hidden": 4, "soft_targets": 0.3}
    with RunWriter(tmp_path / "run") as writer:
        events = begun(members="gru n_hidden=4, ngram", soft_targets=0.3).training(writer)
        next(events)
        other = begun("gru", seed=1, **gru)
        with writer.member(0) as own:
            list(other.training(own))
        list(events)
    alone = begun("gru", **gru)
    list(alone.training())
    assert alone.model_ is not None and other.model_ is not None
    found = Run.load(tmp_path / "run").weights
    for name, value in alone.model_.tensors().items():
        np.testing.assert_array_equal(found[f"0.{name}"], value)
    assert any((found[f"0.{k}"] != v).any() for k, v in other.model_.tensors().items())


def test_weights_of_a_long_sorted_list_are_fitted_on_lines_from_all_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = sorted(f"{a}{b}{c}" for a in "abcdefghij" for b in "klmnop" for c in "qrstu")
    split = Split(*(Corpus.from_lines(lines) for _ in range(3)))
    plan = Plan.make("ensemble", {"members": "ngram order=1, ngram order=2"}, split, "")
    model, member = plan.build(), NGram(len(plan.vocabulary), 0, NGram.Options(order=1))
    rows = 100  # of 1,200 targets
    monkeypatch.setattr("makemore.api.fit.MAX_VAL_CELLS", rows * len(plan.vocabulary) * 2)
    _, targets, _ = _of_val(plan, model, member)  # type: ignore[arg-type]
    starts = {int(target) for target in targets[::4]}  # each line has four targets
    assert 90 <= len(targets) <= rows and len(starts) >= 8 and targets[3] == 0
