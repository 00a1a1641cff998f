"""Checked run: a run directory, read once it is known that lines can be drawn as asked for.

It stands apart from the session so that drawing loads nothing of training.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from makemore.models import Model
from makemore.models.core.base import log_softmax, no_probabilities
from makemore.options import make
from makemore.runs import Run
from makemore.sampling import SamplingConfig
from makemore.sampling.constraints.automaton import compile_constraints
from makemore.sampling.constraints.spelling import as_in_text, encode_prefix


def run_under(folder: str | os.PathLike[str], constraints: Mapping[str, Any]) -> Run:
    """Read a run directory for sampling, and check that some line can satisfy the constraints.

    Raises Unsatisfiable or UsageError before the model is made: to find that no line can satisfy
    them takes no model, and importing torch alone takes a second.
    """
    make(SamplingConfig, constraints)  # what is wrong with them is told before a run is read
    run = Run.load(folder)
    options = make(SamplingConfig, as_in_text(run.vocabulary, constraints))
    encode_prefix(run.vocabulary, options.prefix)
    longest = run.vocabulary.longest([run.split.train])
    # The same limit as the sampler's: twice the longest training line.
    compile_constraints(run.vocabulary, options, 2 * longest, not options.all)
    return run


PROBED = 64  # symbols whose successors are looked at


def check_probabilities(model: Model) -> None:
    """Raise RunError for a model whose logits are not finite, although its weights are.

    After the first input and after one symbol: weights that overflow do so nearly everywhere.
    Weights of any size may have the right digest, as whoever changes them can compute it.
    """
    first = np.arange(model.vocab_size, model.vocab_size + model.n_labels)[:PROBED]
    first = first if len(first) else np.zeros(1, dtype=np.int64)
    symbols = np.arange(min(PROBED, model.vocab_size))
    with np.errstate(all="ignore"):  # what overflows here is told below
        logits, _ = model.step(first, model.initial_state(len(first)))
        state = model.initial_state(len(symbols))
        _, state = model.step(np.full(len(symbols), first[0]), state)
        after, _ = model.step(symbols, state)
        if np.isnan(log_softmax(logits)).any() or np.isnan(log_softmax(after)).any():
            raise no_probabilities()
