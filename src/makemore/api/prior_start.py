"""Prior start: sets a network's first weights to those of a prior, for the symbols of a new list.

The rows of symbols that the prior knows are taken over; the list's other symbols start as those of
the other case, or as the mean. The network has no output but the list's own symbols, so that it
cannot write Cyrillic into English names. Which of the lists that the prior has read is nearest is
asked of the prior itself: the one under whose label the new lines have the highest likelihood.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from makemore.api.plan import Plan
from makemore.api.prior import Prior, load_prior, split_name
from makemore.errors import RunError, UsageError
from makemore.models import Model, NeuralModel, get_model
from makemore.models.core.base import Arrays
from makemore.models.core.layers import skip_init
from makemore.options import make
from makemore.scoring import surprisals
from makemore.text import Corpus, Vocabulary
from makemore.text.vocabulary import BOUNDARY

EMBEDDING = "embedding.weight"
BY_SYMBOL = (EMBEDDING, "head.weight", "head.bias")  # tensors with a row for each symbol
BY_POSITION = ("position.weight",)  # with a row for each position
GLANCE, LOOK = 8, 60  # lines that all lists of the prior are compared by, then the best of them
BEST = 24  # lists that are compared by LOOK lines


def start_from_prior(plan: Plan, model: Model) -> None:
    """Set the first weights of the plan's model to those of its prior; without one do nothing.

    The model is on any device. Raises UsageError, RunError as `load_prior` does.
    """
    prior = load_prior(plan.recipe.prior)
    if prior is None or not isinstance(model, NeuralModel):
        return
    check_shapes(prior)
    own = model.tensors()
    tensors = {
        name: adapted(name, array, own[name], prior.vocabulary, plan.vocabulary)
        for name, array in prior.tensors.items()
    }
    rows = prior.tensors[EMBEDDING][len(prior.vocabulary) :]  # (lists, n_embd)
    if len(rows):
        # The list's own row is what the network reads first: in place of the boundary, or of each
        # of its labels.
        tensors[EMBEDDING][BOUNDARY] = nearest(prior, tensors, rows, plan)
        tensors[EMBEDDING][len(plan.vocabulary) :] = tensors[EMBEDDING][BOUNDARY]
    model.load_tensors(tensors)


def check_shapes(prior: Prior) -> None:
    """Raise RunError if a prior's weights are not those of its model, options and vocabulary."""
    try:
        kind: Any = get_model(prior.model)
        with torch.device("meta"), skip_init():  # shapes without memory
            model = kind(len(prior.vocabulary), prior.block_size, make(kind.Options, prior.options))
            if prior.vocabulary.labels:
                model.add_labels(len(prior.vocabulary.labels))
        model.check_tensors(prior.tensors)
    except (RunError, UsageError) as error:
        raise RunError(error.what, split_name(prior.name)[0], "make the prior again") from None


def adapted(
    name: str, array: NDArray[np.float32], own: NDArray[np.float32], read: Vocabulary,
    vocabulary: Vocabulary,
) -> NDArray[np.float32]:  # fmt: skip
    """Select and extend the rows of a prior's tensor to those of a model of another vocabulary.

    own: the model's tensor with random weights, whose shape it gets; read: the prior's vocabulary
    """
    if name in BY_POSITION:  # a longer line than the prior has read: the last position again
        return array[np.minimum(np.arange(len(own)), len(array) - 1)]
    if name not in BY_SYMBOL:
        return array
    rows = read.encode_symbols(vocabulary.symbols)  # (V - 1,)
    other_case = read.encode_symbols([symbol.swapcase() for symbol in vocabulary.symbols])
    rows = np.where(rows < 0, other_case, rows)
    new = own.copy()
    new[0] = array[0]
    new[1 : len(vocabulary)] = np.where(
        (rows < 0).reshape(-1, *[1] * (array.ndim - 1)),
        array[1 : len(read)].mean(axis=0), array[rows],
    )  # fmt: skip
    return new


def nearest(
    prior: Prior, tensors: Arrays, rows: NDArray[np.float32], plan: Plan
) -> NDArray[np.float32]:
    """Find the row (n_embd,) of the list under which the training lines are the most likely.

    tensors: the prior's, for the plan's vocabulary; rows: (lists, n_embd), one for each list
    """
    kind: Any = get_model(prior.model)
    vocabulary = plan.vocabulary
    judge = kind(len(vocabulary), plan.config.block_size, plan.options)
    judge.add_labels(len(rows))
    table = tensors[EMBEDDING][: len(vocabulary)]
    judge.load_tensors({**tensors, EMBEDDING: np.concatenate([table, rows])})
    judge.eval()
    chosen = np.arange(len(rows))
    for n_lines, keep in ((GLANCE, BEST), (LOOK, 1)):
        nats = given_each_list(judge, vocabulary, plan.split.train.lowest(n_lines), chosen)
        chosen = chosen[np.argsort(nats, kind="stable")[:keep]]
    return rows[chosen[0]]


def given_each_list(
    judge: NeuralModel, vocabulary: Vocabulary, lines: Corpus, lists: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Compute the nll of lines as a whole given each of these lists, nats (n_lists,)."""
    encoded = vocabulary.encode(lines)
    ids = np.tile(encoded.ids, len(lists)).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(np.tile(encoded.lengths, len(lists)))])
    labels = np.repeat(lists + len(vocabulary), len(lines))
    with torch.no_grad():
        each = surprisals(judge, ids, offsets, labels)
    return np.asarray(each.reshape(len(lists), -1).sum(axis=1))
