"""What every model has to hold that is to learn labels: the battery's checks with a label first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from battery import (
    Check,
    Ids,
    answers,
    any_loss,
    build,
    by_gradients,
    fit_labelled,
    mixed,
    reach,
    small_options,
    some_inputs,
    some_lines,
    steps,
    steps_are_forward,
    with_noise,
)  # fmt: skip
from makemore.errors import RunError
from makemore.models.core.base import CountModel, Model
from makemore.models.core.label_counts import PerLabelCounts
from makemore.models.core.neural import NeuralModel
from makemore.training.device import seeded

LABELS = 3


def with_labels(kind: type[Model], V: int = 9, block_size: int = 6, **options: Any) -> Any:
    """A small model that tells 3 labels apart, with noise on every weight or with counts."""
    chosen = small_options(kind, block_size - 1, options)
    block = kind.context_for(chosen, block_size - 1) + (kind.input_kind == "window")
    made: Any = kind
    if issubclass(kind, CountModel):
        counted = PerLabelCounts(kind, V, block, chosen, LABELS)
        fit_labelled(counted, *some_lines(V))
        return counted
    with seeded(0):
        model = made(V, block, chosen)
    model.add_labels(LABELS)
    if kind.is_ensemble:
        return mixed(model)
    return with_noise(model, labelled_inputs(model, 64))


def labelled_inputs(model: Model, rows: int = 6, length: int | None = None) -> Ids:
    """(rows, block_size) ids with a label first, then those of a line; windows are not full."""
    inputs = some_inputs(model, rows, length)
    inputs[:, 0] = model.vocab_size + np.arange(rows) % model.n_labels
    return inputs


def step_is_forward_with_a_label(kind: type[Model], **options: Any) -> None:
    for block_size in (2, 6, 7):
        model = with_labels(kind, block_size=block_size, **options)
        history = labelled_inputs(model, 6, 2 * block_size + 3)
        steps_are_forward(model, history, {1: [3, 1, 1, 0, 5]})


def the_label_matters(kind: type[Model], **options: Any) -> None:
    """Another label, another answer; where it is out of reach (a bigram's), none."""
    model = with_labels(kind, **options)
    history = labelled_inputs(model, 6, 4)
    other = history.copy()
    other[:, 0] = model.vocab_size + (other[:, 0] - model.vocab_size + 1) % model.n_labels
    for length in (1, 4):
        found, _ = steps(model, history[:, :length])
        changed, _ = steps(model, other[:, :length])
        change = abs(found[-1] - changed[-1]).max()
        within = length <= reach(model)
        assert change > 1e-3 if within else change == 0


def a_label_is_learned(kind: type[NeuralModel], **options: Any) -> None:
    """The row of a label gets a gradient, those of labels that no line has get none."""
    model = with_labels(kind, **options).train()
    inputs = labelled_inputs(model, 64)
    inputs[:, 0] = model.vocab_size + 1
    any_loss(model, inputs).backward()  # type: ignore[no-untyped-call]
    V = model.vocab_size
    tables = [
        part.weight.grad
        for part in model.modules()
        if isinstance(part, torch.nn.Embedding) and part.num_embeddings == V + LABELS
    ]
    assert len(tables) == 1 and tables[0] is not None
    assert tables[0][V + 1].abs().max() > 0
    assert tables[0][[V, V + 2]].abs().max() == 0


def labels_leave_the_other_weights(kind: type[NeuralModel], **options: Any) -> None:
    """They draw nothing: all other weights, and the next random number, are those without."""
    made: Any = kind
    chosen = build(kind, **options).options
    block = kind.context_for(chosen, 5)
    found = []
    for number in (0, LABELS, 20):  # more labels than symbols, too
        with seeded(0):
            model = made(9, block, chosen)
            if number:
                model.add_labels(number)
            found.append((model.tensors(), torch.rand(1).item()))
    for tensors, luck in found[1:]:
        assert luck == found[0][1] and list(tensors) == list(found[0][0])
        for name, value in found[0][0].items():
            same = tensors[name][: len(value)] if value.ndim else tensors[name]
            np.testing.assert_array_equal(same, value)


def labels_are_saved(kind: type[Model], **options: Any) -> None:
    model, fresh = with_labels(kind, **options), with_labels(kind, **options)
    inputs = labelled_inputs(model)
    if isinstance(model, CountModel):
        inputs[:, 1:] = 0  # the start of a line, which all counts have seen
    if by_gradients(kind):
        fresh.load_tensors({name: np.zeros_like(value) for name, value in model.tensors().items()})
    elif kind.is_ensemble:
        fresh.weights = np.array([[1.0, 0.0, 0.0]] * 2)
    else:
        fresh.tables = [type(table)(9, table.block_size, table.options) for table in fresh.tables]
    assert not np.array_equal(answers(fresh, inputs), answers(model, inputs))
    fresh.load_tensors(model.tensors())
    np.testing.assert_array_equal(answers(fresh, inputs), answers(model, inputs))
    tensors = model.tensors()
    name = next(iter(tensors))
    lacking = {k: v for k, v in tensors.items() if k != name}
    for damaged in (lacking, {**tensors, "99.x": tensors[name]}, {**tensors, "x": tensors[name]}):
        with pytest.raises(RunError):
            fresh.load_tensors(damaged)


LABEL_CHECKS: list[Check] = [step_is_forward_with_a_label, the_label_matters, labels_are_saved]
LABEL_GRADIENT_CHECKS: list[Check] = [a_label_is_learned, labels_leave_the_other_weights]


def checks(kind: type[Model]) -> list[Check]:
    """The checks that a model of this class has to pass if it is to learn labels."""
    return LABEL_CHECKS + (LABEL_GRADIENT_CHECKS if by_gradients(kind) else [])
