"""An ensemble: its mixture by hand, its weights against a search, each member against it alone."""

from __future__ import annotations

import os
import signal
import threading
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import battery
from conftest import Call
from makemore import MakeMore
from makemore.api.fit import SPLIT_PRIOR, WEIGHT_PRIOR, fit_ensemble_weights
from makemore.api.members import members_of, text_of
from makemore.api.plan import Plan
from makemore.errors import RunError, UsageError
from makemore.models.core.base import CountModel
from makemore.models.core.state import select
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

MEMBERS = "ngram order=4, mlp n_embd=4 n_hidden=8, transformer n_layer=1 n_head=2 n_embd=8"
LINES = ["".join(parts) for parts in product("kmnr", "aeio", ("la", "ri", "no", "sa"))]


def mixture(members: str = MEMBERS, V: int = 9, labels: int = 0) -> Ensemble:
    """An ensemble of members that have learned something; sequences of 8 inputs."""
    model = Ensemble(V, 8, Ensemble.Options(members))
    if labels:
        model.add_labels(labels)
    mixed: Ensemble = battery.mixed(model)
    return mixed


def trained(members: str, lines: list[str] = LINES, **options: Any) -> MakeMore:
    common = {"max_steps": 4, "batch_size": 16, "threads": 1, "random_state": 5}
    return MakeMore("ensemble", members=members, **{**common, **options}).fit(lines)


# -- the mixture ----------------------------------------------------------------------------------


def test_each_log_probability_is_the_weighted_sum_of_the_members() -> None:
    model, inputs = mixture(), battery.some_inputs(mixture())
    model.know(inputs[0, 1:], np.array([0, 7]))
    new = (inputs != inputs[0]).cumsum(axis=1) > 0  # other than the only line that is known
    assert new.any() and not new[0].any() and not new[:, 0].any()
    for both in ([[1 / 6, 2 / 6, 3 / 6], [0.5, 0.1, 0.2]], [[-0.5, 1.2, 0.4], [0.3, 0.3, 0.0]]):
        model.weights = np.array(both)
        weights = np.moveaxis(model.weights[new.astype(int)], -1, 0)[..., None]  # (K, B, T, 1)
        counts, mlp, transformer = model.members
        assert isinstance(counts, NGram) and isinstance(mlp, torch.nn.Module)
        assert isinstance(transformer, torch.nn.Module)
        expected = np.zeros((*inputs.shape, 9))
        with torch.no_grad():
            logits = transformer(torch.from_numpy(inputs))
            expected += weights[2] * logits.log_softmax(-1).numpy()
            for place in range(inputs.shape[1]):
                before = np.concatenate([np.zeros((len(inputs), 3), np.int64), inputs], axis=1)
                window = before[:, place + 1 : place + 4]  # the three inputs up to this one
                expected[:, place] += weights[0, :, place] * counts.forward(window)
                said = mlp(torch.from_numpy(window)).log_softmax(-1).numpy()
                expected[:, place] += weights[1, :, place] * said
        expected = np.exp(expected)
        expected /= expected.sum(-1, keepdims=True)
        found = np.exp(battery.answers(model, inputs))
        np.testing.assert_allclose(found, expected, atol=1e-6)
        np.testing.assert_allclose(found.sum(-1), 1, atol=1e-5)


def test_what_one_member_holds_for_impossible_another_may_allow() -> None:
    model = Ensemble(3, 8, Ensemble.Options("ngram order=1, ngram order=2"))
    model.weights = np.array([[0.5, 0.5], [-0.5, 1.5]])
    never, known = torch.tensor([[0.5, 0.5, 0.0]]).log(), np.array([False])
    found = model.mix([never, torch.tensor([[0.2, 0.2, 0.6]]).log()], known).exp()
    assert torch.isfinite(found).all() and 0 < found[0, 2] < 1e-5
    assert torch.isfinite(model.mix([never, never], ~known)).all()


def test_step_is_forward_and_its_state_can_be_taken_apart() -> None:
    for members in (MEMBERS, "ngram, bigram", "rnn n_hidden=8, wavenet n_embd=4"):
        model = mixture(members)
        history = battery.some_inputs(model, 6, 8)
        state = model.initial_state(6)
        for place in range(8):
            logits, state = model.step(history[:, place], state)
            expected = battery.answers(model, history[:, : place + 1])[:, -1]
            np.testing.assert_allclose(logits, expected, atol=1e-4)
            if place == 3:
                rows = np.array([5, 0, 0, 3, 2, 1])
                state, history = select(state, rows), history[rows]


def test_what_has_no_weight_is_asked_nothing() -> None:
    model = mixture()
    inputs = battery.some_inputs(model)
    model.weights = np.array([[0.0, 1.0, 0.0]] * 2)
    alone = model.members[1]
    assert model.learned == [1] and alone is not None and model.n_parameters == alone.n_parameters
    assert {name.partition(".")[0] for name in model.tensors()} == {"weights", "known", "1"}
    model.members[0] = model.members[2] = None
    windows = model.windows(torch.from_numpy(inputs), 3)
    with torch.no_grad():
        expected = alone(windows.flatten(0, 1)).log_softmax(-1).view(*inputs.shape, -1)  # type: ignore[operator]
    np.testing.assert_allclose(battery.answers(model, inputs), expected, atol=1e-6)


def test_before_any_has_learned_all_symbols_are_alike() -> None:
    model = Ensemble(9, 8, Ensemble.Options(MEMBERS))
    assert battery.answers(model, battery.some_inputs(model)).std() == 0
    logits, state = model.step(np.zeros(3, np.int64), model.initial_state(3))
    assert logits.shape == (3, 9) and logits.std() == 0 and len(state) == 1
    assert model.n_parameters == 0 and list(model.tensors()) == ["weights", "known"]


def test_members_that_read_windows_see_the_label_too() -> None:
    model = mixture(labels=2)
    inputs = battery.labelled_inputs(model)
    found = model.windows(torch.from_numpy(inputs), 4).numpy()
    assert (found[:, :, 0] == inputs[:, :1]).all()
    line = inputs.copy()
    line[:, 0] = 0
    np.testing.assert_array_equal(
        found[:, 0, 1:], np.column_stack([line[:, :1] * 0] * 2 + [line[:, 0]])
    )
    np.testing.assert_array_equal(found[:, 5, 1:], line[:, 3:6])


def test_it_has_a_limit_if_one_of_its_members_has() -> None:
    assert mixture().limited and not mixture("ngram, gru n_hidden=4, mlp").limited
    with pytest.raises(ValueError, match="block_size"):
        mixture()(torch.zeros(1, 9, dtype=torch.long))
    assert mixture("ngram, gru n_hidden=4")(torch.zeros(1, 9, dtype=torch.long)).shape == (1, 9, 9)


# -- the weights ----------------------------------------------------------------------------------


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

    of_all = searched(np.full(len(targets), True), np.full(3, 1 / 3), WEIGHT_PRIOR)
    for number, rows in enumerate((~new, new)):
        expected = searched(rows, of_all, SPLIT_PRIOR)
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


# -- tensors --------------------------------------------------------------------------------------


def test_weights_that_are_none_are_refused() -> None:
    model = mixture()
    inputs, whole = battery.some_inputs(model), model.tensors()
    expected = battery.answers(model, inputs)
    for row in ([np.nan, 0.5, 0.5], [np.inf, 0.0, 0.0], [0.5, 0.5], [[0.2, 0.3, 0.5]]):
        with pytest.raises(RunError, match="'weights'"):
            model.load_tensors({**whole, "weights": np.array([row, row])})
    with pytest.raises(RunError, match="'weights'"):
        model.load_tensors({**whole, "weights": whole["weights"][0]})
    with pytest.raises(RunError, match="expected float64"):
        model.load_tensors({**whole, "weights": whole["weights"].astype(np.float32)})
    for name in ("9.head.weight", "x", "-1.x", "00.counts", ".", "1", "weights.x", "²"):
        with pytest.raises(RunError, match="unknown tensor"):
            model.load_tensors({**whole, name: np.zeros(1)})
    with pytest.raises(RunError, match=r"lacks tensor '2\."):
        model.load_tensors({k: v for k, v in whole.items() if not k.startswith("2.")})
    with pytest.raises(RunError, match=r"unknown tensor '0\."):  # a member without a weight
        model.load_tensors({**whole, "weights": np.array([[0.0, 0.5, 0.5]] * 2)})
    np.testing.assert_array_equal(battery.answers(model, inputs), expected)


def test_a_member_that_has_not_learned_takes_no_memory() -> None:
    huge = "ngram order=3, transformer n_layer=64 n_embd=4096 n_head=1"
    model = Ensemble(9, 8, Ensemble.Options(huge))
    counts = mixture("ngram order=3").tensors()
    model.load_tensors({**counts, "weights": np.array([[1.0, 0.0]] * 2)})
    assert model.members[1] is None
    with pytest.raises(RunError, match=r"lacks tensor '1\."):  # nor does one that lacks its weights
        model.load_tensors({**counts, "weights": np.array([[0.5, 0.5]] * 2)})


def test_what_training_lines_begin_with_is_checked() -> None:
    model = mixture()
    inputs, whole = battery.some_inputs(model), model.tensors()
    expected = battery.answers(model, inputs)
    with pytest.raises(RunError, match="lacks tensor 'known'"):
        model.load_tensors({name: value for name, value in whole.items() if name != "known"})
    for codes in (np.array([[0]]), np.array([0.0]), np.array([0], dtype=np.int32)):
        with pytest.raises(RunError, match=r"'known' is .*, expected int64\[n\]"):
            model.load_tensors({**whole, "known": codes})
    for wrong in ([0, 0], [3, 2], [-1, 2], [9], [0, 27]):  # 9 inputs: 27 is of the fourth prefix
        with pytest.raises(RunError, match="'known' holds"):
            model.load_tensors({**whole, "known": np.array(wrong)})
    np.testing.assert_array_equal(battery.answers(model, inputs), expected)
    model.load_tensors({**whole, "known": np.array([0, 11], dtype=np.int64)})  # "", then 2
    assert model.is_new(torch.tensor([[0, 2, 1], [0, 1, 2]])).tolist() == [
        [False, False, True], [False, True, True],
    ]  # fmt: skip


# -- what is typed --------------------------------------------------------------------------------


def test_members_are_written_as_they_are_read() -> None:
    text = (
        "ngram, mlp batch_norm=true block_size=3, gru n_hidden=9 learning_rate=0.2 grad_clip=none"
    )
    found = members_of(text)
    assert found == [
        ("ngram", {}), ("mlp", {"batch_norm": True, "block_size": 3}),
        ("gru", {"n_hidden": 9, "learning_rate": 0.2, "grad_clip": None}),
    ]  # fmt: skip
    assert text_of(found) == text and members_of(text_of(found)) == found
    assert members_of(Ensemble.Options().members)[2] == ("ngram", {})


@pytest.mark.parametrize(
    "text, message",
    [
        ("ngrm", "unknown model 'ngrm'"),
        ("ngram, , gru", "unknown model ''"),
        ("", "unknown model ''"),
        ("ngram, ensemble", "ensemble is no member"),
        ("gru n_hiden=3", "unknown option of gru 'n_hiden': did you mean 'n_hidden'"),
        ("gru threads=3", "unknown option of gru 'threads'"),
        ("gru n_hidden", "n_hidden cannot be ''"),
        ("gru n_hidden=x", "n_hidden cannot be 'x'"),
        ("gru n_hidden=0", "n_hidden cannot be 0"),
        ("mlp batch_norm=maybe", "batch_norm cannot be 'maybe'"),
        (", ".join(["ngram"] * 65), "65 members"),
    ],
)
def test_members_that_cannot_be_are_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        trained(text)


def test_what_is_typed_for_the_whole_holds_for_each_that_does_not_say_otherwise() -> None:
    parts = train_val_test_split(Corpus.from_lines(LINES))
    asked = {
        "members": "ngram, gru n_hidden=8, mlp max_steps=7 seed=1 learning_rate=0.5",
        "max_steps": 3, "learning_rate": 0.25, "seed": 10, "threads": 1, "save_interval": 2.0,
    }  # fmt: skip
    plan = Plan.make("ensemble", asked, parts, "x")
    counts, gru, mlp = plan.member_plans()
    assert [each.recipe.max_steps for each in (counts, gru, mlp)] == [1, 3, 7]
    assert plan.recipe.max_steps == 11
    assert [each.recipe.seed for each in (counts, gru, mlp)] == [10, 11, 1]
    assert (gru.recipe.learning_rate, mlp.recipe.learning_rate) == (0.25, 0.5)
    assert {each.recipe.save_interval for each in (counts, gru, mlp)} == {2.0}
    assert {each.config.threads for each in (counts, gru, mlp)} == {1}
    # All values stand in the config, steps included, so that they are the same again.
    assert "gru n_hidden=8 max_steps=3, mlp max_steps=7" in plan.config.resolved["members"]
    again = Plan.make("ensemble", {**asked, "members": plan.config.resolved["members"]}, parts, "x")
    assert again.config.resolved == plan.config.resolved


def test_beside_counts_members_are_taught_less_of_what_counts_say() -> None:
    parts, small = train_val_test_split(Corpus.from_lines(LINES)), "gru n_hidden=8, rnn n_hidden=8"
    alone = Plan.make("gru", {}, parts, "x").recipe.soft_targets
    assert alone >= 0.5

    def soft(members: str, **asked: float) -> list[float]:
        plan = Plan.make("ensemble", {"members": members, **asked}, parts, "x")
        plans = plan.member_plans()
        assert all(p.recipe.soft_targets == p.config.resolved["soft_targets"] for p in plans)
        return [p.recipe.soft_targets for p in plans if p.config.model != "ngram"]

    assert soft(small) == [alone, alone]
    assert soft(f"ngram, {small}") == [round(0.25 * alone, 3)] * 2
    assert soft(f"ngram, {small} soft_targets=0.3") == [round(0.25 * alone, 3), 0.3]
    assert soft(f"ngram, {small}", soft_targets=0.4) == [0.4, 0.4]


# -- training -------------------------------------------------------------------------------------


def test_each_member_is_what_it_is_alone_and_val_weighs_them() -> None:
    lines = builtin_names()[::20]
    common: dict[str, Any] = {
        "max_steps": 30, "batch_size": 64, "threads": 1, "soft_targets": 0.3,
    }  # fmt: skip
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
    parts = train_val_test_split(Corpus.from_lines(LINES))
    asked = {"members": "ngram, gru n_hidden=4, mlp n_hidden=4", "max_steps": 3, "threads": 1}
    maker = MakeMore("ensemble")
    maker.begin(Plan.make("ensemble", asked, parts, "x"))
    events = list(maker.training())
    steps = [event.step for event in events if isinstance(event, Step)]
    assert steps == [2, 3, 4, 5, 6, 7]
    best = [event.step for event in events if isinstance(event, Evaluated) and event.best]
    assert best == [1, 4, 7]  # after each member, the whole
    told = [event.val or 0.0 for event in events if isinstance(event, Evaluated) and event.best]
    assert max(told) < told[0] + 0.01  # what has learned nothing, in 3 steps, does no harm


def test_what_learns_by_steps_alone_is_refused_in_words(call: Call, tmp_path: Path) -> None:
    (tmp_path / "n.txt").write_text("\n".join(LINES))
    for command in (["lr-find", "n.txt"], ["train", "n.txt", "--overfit-batch"]):
        done = call(*command, "--model", "ensemble")
        assert done.returncode == 2 and "ensemble is several models" in done.stderr


# -- as a run -------------------------------------------------------------------------------------

RUN = ("train", "names.txt", "-o", "run", "--model", "ensemble", "--members",
       "ngram, gru n_hidden=8 dropout=0.2, transformer n_layer=1 n_head=2 n_embd=8",
       "--max-steps", "6", "--eval-interval", "3", "--batch-size", "16", "--threads", "1",
       "--seed", "5", "--log-interval", "1", "--save-interval", "0")  # fmt: skip

DRIVER = """
import os, signal
import makemore.api.fit, makemore.runs.writer, makemore.training.trainer

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

KILLS = (
    (
        "at(makemore.runs.writer.RunWriter, 'member', 1)",
        "at(makemore.api.fit, '_of_val', 1)",
        "at(os, 'rmdir', 1)",
        "at(os, 'rmdir', 2)",
        "at(makemore.training.trainer, 'nll', 3)",
        "at(makemore.runs.writer.RunWriter, 'commit_logs', 2)",
        "at(os, 'unlink', 3)",
        "at(makemore.api.fit, 'losses', 2)",
    ),
    (
        "at(os, 'replace', 4)",
        "at(makemore.training.trainer, 'nll', 2)",
        "at(makemore.runs.writer.RunWriter, 'commit_logs', 3, after=True)",
        "at(os, 'replace', 12)",
        "at(makemore.training.trainer, 'nll', 2)",
        "at(makemore.api.fit, '_evaluated', 1)",
        "at(makemore.api.fit, '_commit', 1)",
    ),
)


@pytest.fixture(scope="module")
def unbroken(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return warm.ended(workplace(tmp_path_factory.mktemp("unbroken"), LINES), *RUN) / "run"


def same(run: Path, unbroken: Path) -> None:
    assert Run.load(run).progress["finished"] and verify(run) == []
    names = [path.name for path in unbroken.glob("weights-*")]
    assert len(names) == 2
    for name in (*names, "config.json"):
        assert (run / name).read_bytes() == (unbroken / name).read_bytes()
    assert not (run / "members").exists()


def test_a_run_holds_the_whole_and_nothing_of_the_way(unbroken: Path) -> None:
    maker = MakeMore.load(unbroken)
    assert isinstance(maker.model_, Ensemble) and maker.model_.learned == [0, 1, 2]
    assert not (unbroken / "members").exists()
    assert Run.load(unbroken).progress["step"] == 13
    assert len(maker.sample(3, random_state=1)) == 3


@pytest.mark.parametrize("kills", KILLS)
def test_killed_anywhere_it_ends_with_the_same_bytes(
    warm: Warm, unbroken: Path, tmp_path: Path, kills: tuple[str, ...]
) -> None:
    folder, driver = workplace(tmp_path, LINES), tmp_path / "driver.py"
    for plan in kills:
        driver.write_text(DRIVER.replace("SIGNAL", "SIGKILL") + plan)
        started = warm.start(*RUN, cwd=folder, before=driver)
        assert started.wait() == -signal.SIGKILL, f"{plan}: {started.err}"
        if (folder / "run" / "checkpoint.json").exists():
            assert verify(folder / "run") == []
            assert len(MakeMore.load(folder / "run").sample(3, random_state=1, all=True)) == 3
    started = warm.start(*RUN, cwd=folder)
    assert started.wait() == 0 and "going on from step" in started.err, started.err
    same(folder / "run", unbroken)


def test_stopped_by_a_signal_in_each_member_it_goes_on(
    warm: Warm, unbroken: Path, tmp_path: Path
) -> None:
    folder, driver = workplace(tmp_path, LINES), tmp_path / "driver.py"
    for nth in (2, 2, 5, 3):
        text = f"at(makemore.training.trainer, 'nll', {nth})"
        driver.write_text(DRIVER.replace("SIGNAL", "SIGTERM") + text)
        started = warm.start(*RUN, cwd=folder, before=driver)
        assert started.wait() == 143, started.err
        assert "the same command goes on" in started.err
        assert list((folder / "run" / "members").iterdir())
    assert warm.start(*RUN, cwd=folder).wait() == 0
    same(folder / "run", unbroken)


def test_lines_come_as_soon_as_the_first_member_is_in(tmp_path: Path) -> None:
    parts, stop = train_val_test_split(Corpus.from_lines(LINES)), threading.Event()
    asked = {"members": "ngram, gru n_hidden=4", "max_steps": 5, "threads": 1, "save_interval": 0.0}
    maker = MakeMore("ensemble")
    maker.begin(Plan.make("ensemble", asked, parts, "x"))
    with RunWriter(tmp_path / "run") as writer:
        for event in maker.training(writer, None, stop):
            if isinstance(event, Saved) and event.step == 3:
                stop.set()
    early = MakeMore.load(tmp_path / "run")
    assert isinstance(early.model_, Ensemble) and early.model_.learned == [0]
    counts = MakeMore("ngram").fit(LINES)
    assert early.report("val")["nll"] == pytest.approx(counts.report("val")["nll"], abs=1e-6)
    assert (tmp_path / "run/members/1/checkpoint.json").exists()


def test_fresh_removes_what_is_ours_and_nothing_else(call: Call, tmp_path: Path) -> None:
    test_lines_come_as_soon_as_the_first_member_is_in(tmp_path)
    (tmp_path / "run/members/1/mine.txt").write_text("mine")
    (tmp_path / "run/members/mine").mkdir()
    (tmp_path / "n.txt").write_text("\n".join(LINES))
    done = call("train", "n.txt", "-o", "run", "--model", "ngram", "--fresh")
    assert done.returncode == 0, done.stderr
    left = {str(path.relative_to(tmp_path / "run")) for path in tmp_path.rglob("run/members/**/*")}
    assert left == {"members/1", "members/1/mine.txt", "members/mine"}


def test_a_link_in_place_of_members_is_refused(call: Call, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "n.txt").write_text("\n".join(LINES))
    (tmp_path / "run").mkdir()
    (tmp_path / "run/lock").touch()
    (tmp_path / "run/members").symlink_to(tmp_path / "elsewhere")
    done = call("train", "n.txt", "-o", "run", "--model", "ensemble", "--members", "ngram")
    assert done.returncode == 4 and "members is a link" in done.stderr
    assert os.listdir(tmp_path / "elsewhere") == []


def test_a_member_of_another_training_starts_over(tmp_path: Path) -> None:
    parts, model = train_val_test_split(Corpus.from_lines(LINES)), "ensemble"
    asked = {"members": "gru n_hidden=4, ngram", "max_steps": 3, "threads": 1, "soft_targets": 0.3}
    with RunWriter(tmp_path / "run") as writer:
        maker = MakeMore(model)
        maker.begin(Plan.make(model, asked, parts, "x"))
        events = maker.training(writer)
        next(events)
        own_asked = {key: value for key, value in asked.items() if key != "members"}
        other = Plan.make("gru", {**own_asked, "n_hidden": 4, "seed": 1}, parts, "x")
        left = MakeMore("gru")
        left.begin(other)
        with writer.member(0) as own:
            list(left.training(own))
        list(events)
    alone = Plan.make("gru", {**own_asked, "n_hidden": 4}, parts, "x")
    expected = MakeMore("gru")
    expected.begin(alone)
    list(expected.training())
    assert expected.model_ is not None and left.model_ is not None
    found = Run.load(tmp_path / "run").weights
    for name, value in expected.model_.tensors().items():
        np.testing.assert_array_equal(found[f"0.{name}"], value)
    assert any((found[f"0.{k}"] != v).any() for k, v in left.model_.tensors().items())


def test_counts_alone_need_no_gradient() -> None:
    maker = trained("ngram order=2, ngram order=4")
    assert isinstance(maker.model_, Ensemble) and not len(maker.model_.parts)
    assert all(isinstance(member, CountModel) for member in maker.model_.members)
    parts = Split(maker.split.train, maker.split.val, maker.split.val.take(slice(0)))
    assert Plan.make("ensemble", {"members": "ngram, ngram"}, parts, "x").recipe.max_steps == 2
