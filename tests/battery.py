"""What every model has to hold: plain functions that take a model class.

tests/models/test_models.py runs them over all models that are registered. So does a plugin:

    for check in battery.checks(MyModel):
        check(MyModel)

Further keywords are options of the model, laid over small ones. A model of gradients is checked
with weights that were shaken: at the start many models answer everything alike, and a check that
compares equal answers finds nothing.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from makemore import MakeMore
from makemore.errors import RunError
from makemore.models.core import registry
from makemore.models.core.base import CountModel, Model, log_softmax
from makemore.models.core.label_counts import PerLabelCounts
from makemore.models.core.neural import NeuralModel
from makemore.models.core.state import select
from makemore.options import make, options_of
from makemore.sampling.config import SamplingConfig
from makemore.sampling.prefix_tree import PrefixCache
from makemore.scoring.line_tensors import LineTensors
from makemore.scoring.loss import nll
from makemore.text.config import TextConfig
from makemore.training.batches import Batches
from makemore.training.config import TrainingConfig
from makemore.training.device import seeded
from makemore.training.optimizers import make_optimizers
from makemore.training.trainer import train_steps

Check = Callable[..., None]
Ids = NDArray[np.int64]

MEMBERS = "ngram order=4, gru n_hidden=24, lstm n_layer=1 n_hidden=16"
SMALL = {"members": MEMBERS, "n_embd": 16, "n_hidden": 24, "n_skip": 16, "n_layer": 2, "n_head": 2}

# Inputs that reach a model's logits, where these are fewer than it may be given.
REACH = {"bigram": 1}


def small_options(kind: type[Model], block_size: int, options: dict[str, Any]) -> Any:
    wanted = {**SMALL, "block_size": block_size, "order": block_size + 1}
    known = options_of(kind.Options)
    return make(kind.Options, {k: v for k, v in wanted.items() if k in known} | options)


def build(kind: type[Model], V: int = 9, block_size: int = 6, **options: Any) -> Any:
    """A small model with the initial weights of seed 0; block_size - 1 is the longest line."""
    chosen = small_options(kind, block_size, options)
    with seeded(0):
        return kind(V, kind.context_for(chosen, block_size - 1), chosen)  # type: ignore[call-arg]


def full_size(name: str, V: int = 27, **options: Any) -> Any:
    """As a training on names.txt would make it: its longest line has 15 symbols."""
    kind = registry.get_model(name)
    chosen = make(kind.Options, options)
    with seeded(3407):
        return kind(V, kind.context_for(chosen, 15), chosen)  # type: ignore[call-arg]


def shaken(kind: type[Model], V: int = 9, block_size: int = 6, **options: Any) -> Any:
    """A small model whose answers differ: counted from lines, or with noise on every weight."""
    model = build(kind, V, block_size, **options)
    if isinstance(model, CountModel):
        model.fit_counts(*some_lines(V))
        return model
    if kind.is_ensemble:
        return mixed(model)
    return with_noise(model, some_inputs(model, 64))


def with_noise(model: Any, inputs: Ids) -> Any:
    """The model with noise on every weight; its BatchNorm's statistics are those of the inputs."""
    with seeded(1), torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        for _ in range(10):
            model.train()(torch.from_numpy(inputs))
    return model.eval()


def mixed(model: Any) -> Any:
    """An ensemble whose members have learned something, and weigh more the later they come.

    After what no line begins with, less.
    """
    ids, offsets = some_lines(model.vocab_size)
    labels = np.arange(len(offsets) - 1) % max(1, model.n_labels) + model.vocab_size
    model.know(ids, offsets, labels if model.n_labels else None)
    for number in range(len(model.members)):
        member = model.made(number)
        if isinstance(member, PerLabelCounts):
            fit_labelled(member, ids, offsets)
        elif isinstance(member, CountModel):
            member.fit_counts(ids, offsets)
        else:
            with seeded(1, number), torch.no_grad():
                for parameter in member.parameters():
                    parameter.add_(0.3 * torch.randn_like(parameter))
        model.take_over(number, member)
        model.weights[:, number] = number + 1, len(model.members) - number
    model.weights /= model.weights.sum(axis=1, keepdims=True)
    return model.eval()


def fit_labelled(model: PerLabelCounts, ids: Ids, offsets: Ids) -> None:
    """Other symbols are common after each label."""
    V, number = model.vocab_size, np.arange(len(offsets) - 1) % model.n_labels
    of_symbol = np.repeat(number, np.diff(offsets))
    model.fit_counts(1 + (ids - 1 + 2 * of_symbol) % (V - 1), offsets, V + number)


def some_lines(V: int, n_lines: int = 100, longest: int = 8) -> tuple[Ids, Ids]:
    """Lines in which low ids are common: (n_symbols,) ids and (n_lines + 1,) offsets."""
    chance = np.random.default_rng(0)
    lengths = chance.integers(1, longest + 1, n_lines)
    ids = 1 + (chance.random(lengths.sum()) ** 2 * (V - 1)).astype(np.int64)
    return ids, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def some_inputs(model: Model, rows: int = 5, length: int | None = None) -> Ids:
    """(rows, block_size) ids as they stand before a symbol: a boundary, then those of a line.

    The longest of `some_lines` come first, so that a model of counts has seen their contexts;
    where a line ends too early, other symbols go on.
    """
    T = model.block_size if length is None else length
    ids, offsets = some_lines(model.vocab_size)
    inputs = np.random.default_rng(2).integers(1, model.vocab_size, (rows, T))
    inputs[:, :1] = 0
    order = np.argsort(-np.diff(offsets), kind="stable")
    for row, line in zip(range(rows), order, strict=False):
        begin = ids[offsets[line] : offsets[line + 1]][: max(0, T - 1)]
        inputs[row, 1 : 1 + len(begin)] = begin
    return inputs


def answers(model: Model, inputs: Ids) -> NDArray[Any]:
    """The logits of `forward`, as numpy."""
    if isinstance(model, CountModel):
        return model.forward(inputs)
    assert isinstance(model, NeuralModel)
    with torch.no_grad():
        return model(torch.from_numpy(inputs)).numpy()


def whole(model: Model, history: Ids) -> NDArray[Any]:
    """history (B, n), boundary or label first -> logits (B, V) after it, by `forward` alone.

    Past block_size as the docs have it: a window slides; a model of sequences that is limited
    starts again from its last block_size // 2 inputs whenever there is no room left. A label stays
    the first input.
    """
    block, first = model.block_size, history[:, :1]
    labelled = int(first[0, 0] >= model.vocab_size)
    if model.input_kind == "window":
        ids = np.pad(history[:, labelled:], ((0, 0), (block, 0)))
        ids = ids[:, ids.shape[1] - block + labelled :]
        return answers(model, np.concatenate([first, ids], axis=1) if labelled else ids)
    start = 0
    for end in range(1, history.shape[1]):
        if model.limited and end - start == block:
            start = end - block // 2
    inputs = history[:, start:].copy()
    if labelled and start and block // 2:
        inputs[:, :1] = first
    return answers(model, inputs)[:, -1]


def reach(model: Model) -> int:
    return REACH.get(model.name, model.block_size)


def steps(model: Model, history: Ids) -> tuple[list[NDArray[Any]], Any]:
    """The logits (B, V) after each input of history (B, n), by `step`; and the last state."""
    state, found = model.initial_state(len(history)), []
    for place in range(history.shape[1]):
        logits, state = model.step(history[:, place], state)
        found.append(logits)
    return found, state


# -- what holds for every model -------------------------------------------------------------------


def documented(kind: type[Model], **options: Any) -> None:
    """A first line, a paper, frozen options with help, none of a name that others have."""
    first, paper = registry.about(kind)
    assert len(first) > 10 and len(paper) > 10
    assert dataclasses.is_dataclass(kind.Options) and kind.Options.__dataclass_params__.frozen
    own = options_of(kind.Options)
    assert set(own) == {field.name for field in dataclasses.fields(kind.Options)}
    assert all(knob.help for knob in own.values())
    for others in (TrainingConfig, TextConfig, SamplingConfig):
        assert not own.keys() & options_of(others).keys()
    assert make(kind.Options, {}) == kind.Options()
    make(TrainingConfig, {}, kind.recipe)  # the model's own recipe is one


def shapes(kind: type[Model], **options: Any) -> None:
    for V in (2, 9, 300):
        for block_size in (1, 6):
            model = shaken(kind, V, block_size, **options)
            assert (model.vocab_size, model.block_size) == (V, block_size)
            assert model.n_parameters > 0 and isinstance(model.n_parameters, int)
            for rows in (1, 5):
                inputs = some_inputs(model, rows)
                logits = answers(model, inputs)
                places = (rows,) if kind.input_kind == "window" else inputs.shape
                assert logits.shape == (*places, V)
                assert logits.dtype.kind == "f" and np.isfinite(logits).all()
                each, _ = steps(model, inputs[:, :1])
                assert each[0].shape == (rows, V)


def rows_are_independent(kind: type[Model], **options: Any) -> None:
    model = shaken(kind, **options)
    inputs = some_inputs(model, 7)
    alone = np.concatenate([answers(model, row[None]) for row in inputs])
    assert alone.std(axis=0).max() > 0.05
    np.testing.assert_allclose(answers(model, inputs), alone, atol=1e-5)


def no_look_ahead(kind: type[Model], **options: Any) -> None:
    """What stands in place t + 1 or later changes nothing in the logits of places 0 to t."""
    model = shaken(kind, block_size=8, **options)
    inputs = some_inputs(model)
    if kind.input_kind == "window":  # nothing of what is to come stands in a window: steps show it
        for place in range(1, 8):
            seen, _ = steps(model, inputs[:, :place])
            all_seen, _ = steps(model, inputs)
            np.testing.assert_array_equal(seen[-1], all_seen[place - 1])
        return
    before = answers(model, inputs)
    for place in range(1, 8):
        others = inputs.copy()
        others[:, place:] = 1 + others[:, place:] % (model.vocab_size - 1)
        after = answers(model, others)
        np.testing.assert_allclose(after[:, :place], before[:, :place], atol=1e-5)
        assert abs(after[:, place] - before[:, place]).max() > 1e-3


def looks_back(kind: type[Model], **options: Any) -> None:
    """Every input within reach changes the last logits; one beyond it changes nothing."""
    model = shaken(kind, **options)
    history = some_inputs(model, 40)
    last = whole(model, history)
    for back in range(1, model.block_size + 1):
        others = history.copy()
        others[:, -back] = 1 + others[:, -back] % (model.vocab_size - 1)
        change = abs(whole(model, others) - last).max()
        assert change > 1e-5 if back <= reach(model) else change == 0, f"{back} inputs back"
    if kind.input_kind == "window":
        longer = np.concatenate([1 + history[:, :1] % (model.vocab_size - 1), history], axis=1)
        np.testing.assert_array_equal(steps(model, longer)[0][-1], steps(model, history)[0][-1])


def steps_are_forward(model: Model, history: Ids, reorder: dict[int, list[int]]) -> float:
    """At every position, also for rows that were taken in another order, or twice.

    Gives the least deviation of the logits of a position: 0 where all were alike.
    """
    state, deviations = model.initial_state(len(history)), []
    for place in range(history.shape[1]):
        logits, state = model.step(history[:, place], state)
        assert logits.shape == (len(history), model.vocab_size)
        expected = whole(model, history[:, : place + 1])
        np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4)
        deviations.append(float(logits.std()))
        if place in reorder:
            rows = np.array(reorder[place])
            state, history = select(state, rows), history[rows]
    return min(deviations)


def step_is_forward(kind: type[Model], **options: Any) -> None:
    model = shaken(kind, block_size=8, **options)
    reorder = {1: [3, 1, 1, 0, 5], 4: [2, 2, 0, 3, 1, 4]}
    assert steps_are_forward(model, some_inputs(model, 6, 8), reorder) > 0.05


def packed_lines_are_alone(kind: type[Model], **options: Any) -> None:
    """Where lines may stand in a row one after another, none sees another; places start anew."""
    if not kind.packs:
        return
    model = shaken(kind, **options)
    lines = [some_inputs(model, 3, length) for length in (2, 6, 1, 5)]
    logits = answers(model, np.concatenate(lines, axis=1))
    alone = np.concatenate([answers(model, line) for line in lines], axis=1)
    assert alone.std() > 0.05
    np.testing.assert_allclose(logits, alone, rtol=0, atol=1e-4)
    with pytest.raises(ValueError, match="block_size"):
        answers(model, np.concatenate([lines[0], some_inputs(model, 3, 7)], axis=1))


def remembered_is_stepped(kind: type[Model], **options: Any) -> None:
    """A memory answers as steps do for prefixes that it knows, for new ones, and for both."""
    model = shaken(kind, **options)
    known, here = PrefixCache(model, SamplingConfig()), np.zeros(1, dtype=np.int64)
    logits, root = model.step(here, model.initial_state(1))
    known.begin(logits)
    for seed in (0, 0, 1):  # all new; all known; some of each
        inputs = 1 + np.random.default_rng(seed).integers(0, 2, (5, 12))
        nodes, rows = here.repeat(5), np.zeros(5, dtype=np.int64)
        held, plain = select(root, rows), select(root, rows)
        for place in range(1, model.block_size + 3):
            level, nodes, held = known.step(place, nodes, inputs[:, place - 1], held)
            logits, plain = model.step(inputs[:, place - 1], plain)
            np.testing.assert_allclose(level.logs[nodes], log_softmax(logits), atol=1e-5)


def steps_past_block_size(kind: type[Model], **options: Any) -> None:
    for block_size in (1, 5, 6):
        model = shaken(kind, block_size=block_size, **options)
        steps_are_forward(model, some_inputs(model, 3, 3 * block_size + 2), {})


def forward_knows_its_limit(kind: type[Model], **options: Any) -> None:
    model = shaken(kind, **options)
    if kind.input_kind == "sequence":
        inputs = some_inputs(model, 2, model.block_size + 1)
        if model.limited:
            with pytest.raises(ValueError, match="block_size"):
                answers(model, inputs)
        else:
            assert answers(model, inputs).shape == (2, model.block_size + 1, model.vocab_size)


def step_gives_numpy(kind: type[Model], **options: Any) -> None:
    """Numbers, not a graph; the state's rows are the batch; the mode stays as it was."""
    model = shaken(kind, **options)
    history = some_inputs(model, 4)
    expected = steps(model, history)[0][-1]
    for training in (True, False):
        if isinstance(model, NeuralModel):
            model.train(training)
        found, state = steps(model, history)
        assert type(found[-1]) is np.ndarray and found[-1].dtype.kind == "f"
        np.testing.assert_array_equal(found[-1], expected)  # no dropout, no batch statistics
        for part in leaves(state):
            assert len(part) == len(history)
            assert not getattr(part, "requires_grad", False)
        if isinstance(model, NeuralModel):
            assert all(part.training is training for part in model.modules())
            assert all(parameter.grad is None for parameter in model.parameters())


def leaves(state: Any) -> list[Any]:
    if isinstance(state, tuple):
        return [leaf for part in state for leaf in leaves(part)]
    return [state]


def starts_near_uniform(kind: type[Model], **options: Any) -> None:
    """The first loss is near log V: not confidently wrong."""
    for V in (2, 27, 300):
        model = build(kind, V, **options)
        inputs = some_inputs(model, 256)
        if isinstance(model, NeuralModel):
            loss = any_loss(model.train(), inputs)
        else:
            loss = nll(torch.from_numpy(answers(model, inputs)), any_targets(model, inputs))
        assert abs(loss.item() - math.log(V)) < 0.1


def any_targets(model: Model, inputs: Ids) -> Tensor:
    shape = inputs.shape if model.input_kind == "sequence" else inputs.shape[:1]
    return torch.from_numpy(np.random.default_rng(4).integers(0, model.vocab_size, shape))


def any_loss(model: NeuralModel, inputs: Ids) -> Tensor:
    """The loss of a model in its mode, with targets that have nothing to do with the inputs."""
    with seeded(0):
        return nll(model(torch.from_numpy(inputs)), any_targets(model, inputs))


def saved_and_loaded_is_equal(kind: type[Model], **options: Any) -> None:
    model, fresh = shaken(kind, **options), build(kind, **options)
    inputs = some_inputs(model)
    expected = answers(model, inputs)
    if isinstance(fresh, NeuralModel):
        fresh.eval()
    assert not np.array_equal(answers(fresh, inputs), expected)
    tensors = model.tensors()
    fresh.load_tensors({name: value.copy() for name, value in tensors.items()})
    np.testing.assert_array_equal(answers(fresh, inputs), expected)
    again = fresh.tensors()
    assert list(again) == list(tensors)
    for name, value in tensors.items():
        assert again[name].dtype == value.dtype and np.array_equal(again[name], value)
        value.fill(0)  # what was given out is a copy
    np.testing.assert_array_equal(answers(model, inputs), expected)


def damaged_tensors_are_refused(kind: type[Model], **options: Any) -> None:
    """Each time RunError names the tensor, and the model is what it was before."""
    model = shaken(kind, **options)
    inputs = some_inputs(model)
    whole_set, expected = model.tensors(), answers(model, inputs)
    for name, value in whole_set.items():
        extra = {**whole_set, f"{name}2": value}
        for damaged, named in (
            ({k: v for k, v in whole_set.items() if k != name}, name),
            (extra, f"{name}2"),
            ({k: v for k, v in extra.items() if k != name}, name),
            ({**whole_set, name: value[None]}, name),
            ({**whole_set, name: value.astype(np.complex64)}, name),
        ):
            with pytest.raises(RunError) as caught:
                model.load_tensors(damaged)
            assert f"tensor '{named}'" in caught.value.what
    np.testing.assert_array_equal(answers(model, inputs), expected)


NAMES = """
anna hanna jana nina lena elena mira amira maria marian martin tina ina lina alina aline elin ella
bella mela pamela ela lea thea bea rea mia lia julia ulla nelli emil amil jamil karl carla ada ida
edda frida erna berna verena irene rene andre andrea lars mars tomas toma omar anton tonia sonja
""".split()


def same_seed_same_names(kind: type[Model], **options: Any) -> None:
    small = dataclasses.asdict(small_options(kind, 3, options))
    common = {"max_steps": 4, "batch_size": 8, "device": "cpu", "threads": 1, **small}
    one, two, other = (
        MakeMore(kind.name, random_state=seed, **common).fit(NAMES) for seed in (5, 5, 6)
    )
    tensors = [maker.model_.tensors() for maker in (one, two, other) if maker.model_ is not None]
    assert tensors[0] and all(np.array_equal(tensors[0][k], tensors[1][k]) for k in tensors[0])
    drawn = one.sample(12, random_state=7, all=True)
    assert two.sample(12, random_state=7, all=True) == drawn
    assert one.sample(12, random_state=8, all=True) != drawn
    if issubclass(kind, NeuralModel):
        assert not all(np.array_equal(tensors[0][k], tensors[2][k]) for k in tensors[0])


# -- what holds for models that learn by gradients ------------------------------------------------


def every_parameter_gets_a_gradient(kind: type[NeuralModel], **options: Any) -> None:
    model = build(kind, **options).train()
    any_loss(model, some_inputs(model, 64)).backward()  # type: ignore[no-untyped-call]
    assert dict(model.named_parameters())
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, f"{name} has no gradient"
        assert parameter.grad.abs().max() > 0, f"{name} has a gradient of zeros"
        assert parameter.grad.isfinite().all()


def overfits_one_batch(kind: type[NeuralModel], **options: Any) -> None:
    """A few lines are learned by heart, down to what the inputs within reach leave open."""
    lines = [[5, 3, 8, 1], [2, 7, 4, 6], [1, 1, 3, 8], [5, 3, 2, 7, 7], [6, 4, 6, 4, 5]]
    off = {"dropout": 0.0} if "dropout" in options_of(kind.Options) else {}
    model = build(kind, **{**options, **off})
    recipe = make(TrainingConfig, {"max_steps": 100, "optimizer": "adamw", "learning_rate": 0.05})
    offsets = np.cumsum([0, *map(len, lines)])
    read = LineTensors(np.concatenate(lines), offsets, kind.input_kind, model.block_size)
    batches = Batches(read, 10**6, seed=0)
    events = train_steps(model, make_optimizers(model, recipe), batches, recipe)
    losses = [float(event.loss) for event in events]
    floor = left_open(lines, reach(model))
    assert losses[0] > floor + 1
    assert floor - 1e-3 < losses[-1] < floor + 0.1


def left_open(lines: Sequence[Sequence[int]], context: int) -> float:
    """Nats a symbol that nobody can know: the entropy of what follows the same last inputs."""
    after: defaultdict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
    for line in lines:
        padded = (*[0] * context, *line, 0)
        for place in range(context, len(padded)):
            after[padded[place - context : place]][padded[place]] += 1
    rows = [np.array([*row.values()]) for row in after.values()]
    nats = sum(float(-(row * np.log(row / row.sum())).sum()) for row in rows)
    return nats / sum(row.sum() for row in rows)


def by_gradients(kind: type[Model]) -> bool:
    """Whether a model learns by gradients itself: an ensemble's members do, each for itself."""
    return issubclass(kind, NeuralModel) and not kind.is_ensemble


CHECKS: list[Check] = [
    documented,
    shapes,
    rows_are_independent,
    no_look_ahead,
    looks_back,
    step_is_forward,
    packed_lines_are_alone,
    remembered_is_stepped,
    steps_past_block_size,
    forward_knows_its_limit,
    step_gives_numpy,
    starts_near_uniform,
    saved_and_loaded_is_equal,
    damaged_tensors_are_refused,
    same_seed_same_names,
]
GRADIENT_CHECKS: list[Check] = [every_parameter_gets_a_gradient, overfits_one_batch]


def checks(kind: type[Model]) -> list[Check]:
    """The checks that a model of this class has to pass."""
    return CHECKS + (GRADIENT_CHECKS if by_gradients(kind) else [])
