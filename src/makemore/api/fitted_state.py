"""FittedState: a plan and a model with its weights, and how lines are handed to them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Self

from makemore import parallel
from makemore.api.avoided import to_avoid
from makemore.api.label_values import LabelValues
from makemore.api.not_fitted import not_fitted
from makemore.api.own_form import read_in_own_form, refuse_other_forms, without_labels
from makemore.api.plan import Plan
from makemore.models import CountModel, Model
from makemore.text import Corpus, Split, TextConfig, Vocabulary
from makemore.text.config import text_config
from makemore.text.opening import is_file
from makemore.text.python_lines import Lines, strings_of

# Lines from which on work is worth the second or two that a graphics card takes to begin.
WORTH_A_CARD = 20_000


class FittedState:
    """Holds a plan and a model with its weights; both are None before fit or load.

    A trailing underscore marks what is learned, as in scikit-learn.
    """

    plan_: Plan | None = None
    model_: Model | None = None
    folder_: Path | None = None  # the run directory that it was loaded from
    _best: tuple[int, float | None] | None = None  # step and val of the weights that count
    label_values_ = LabelValues()  # of which type the labels of y were
    # What is computed once it is needed: the classifier of the labels, the lines of _repr_html_.
    _cache: dict[str, Any]

    @property
    def _plan(self) -> Plan:
        """Return the plan. Raises NotFitted before fit or load."""
        if self.plan_ is None:
            raise not_fitted()
        return self.plan_

    @property
    def _model(self) -> Model:
        """Return the model. Raises NotFitted before fit or load."""
        if self.model_ is None:
            raise not_fitted()
        return self.model_

    def to(self, device: str, lines: int | None = None) -> Self:
        """Move the model to a device (cpu, cuda, mps), to draw and score there; returns self.

        device: auto is a graphics card, if there is one and work is enough for it
        lines: how many will be drawn or scored; None: enough
        Counts stay on the CPU. Raises UsageError for a device that this machine does not have.
        """
        if isinstance(self._model, CountModel):
            return self
        if device == "auto" and lines is not None and lines < WORTH_A_CARD:
            device = "cpu"
        from makemore.models import NeuralModel
        from makemore.training.device import choose_device

        assert isinstance(self._model, NeuralModel)  # noqa: S101 (a model counts or is a network)
        self._model.to(choose_device(device))
        self._cache.clear()  # what was computed elsewhere
        return self

    @contextmanager
    def evaluation(self) -> Iterator[None]:
        """Use evaluation mode and the run's number of threads inside `with`.

        The last bits of a sum depend on that number, and so do scores.
        """
        if isinstance(self._model, CountModel):  # no mode, no torch
            yield
            return
        from makemore.scoring import eval_mode
        from makemore.training.device import threads

        with threads(self._plan.config.threads), eval_mode(self._model):
            yield

    @contextmanager
    def stepping(self, threads: int | None = None) -> Iterator[None]:
        """Use evaluation mode inside `with`, and compute parts of a step at the same time.

        threads: how many parts; None for one a core
        """
        if isinstance(self._model, CountModel):
            yield
            return
        from makemore.scoring import eval_mode
        from makemore.training.device import one_thread_each

        # Each part is computed by one thread, so lines do not depend on the number of cores.
        with one_thread_each(threads or parallel.default_threads()), eval_mode(self._model):
            yield

    @property
    def n_parameters(self) -> int:
        """Count the parameters that the model learned, or the numbers that it counted."""
        return self._model.n_parameters

    @property
    def split(self) -> Split:
        """Return the split of the text that the model learned."""
        return self._plan.split

    @property
    def text_config(self) -> TextConfig:
        """Return how the text that the model learned was read."""
        return text_config(self._plan.config.resolved)

    @property
    def vocabulary(self) -> Vocabulary:
        """Return the vocabulary of the text that the model learned."""
        return self._plan.vocabulary

    def _to_avoid(self, lines: Corpus | Lines | None) -> Corpus | None:
        """Make a corpus of lines to avoid, in the form that the run's own text has, or plain."""
        if is_file(lines):
            lines = self._read(lines)
        return to_avoid(lines, self.vocabulary)

    def _as_is(self, lines: Lines) -> Corpus:
        """Make a corpus of lines without cleaning; those of a file are cleaned where it is read."""
        if is_file(lines):
            return without_labels(self._read(lines, keep_copies=True), self.vocabulary)
        return corpus_as_is(lines)

    def _read(self, file: os.PathLike[str] | BinaryIO, keep_copies: bool = False) -> Corpus:
        """Read a file as the text that was learned was read. Raises DataError for another table."""
        lines, _ = read_in_own_form(file, self.text_config, keep_copies)
        name = os.fspath(file) if isinstance(file, os.PathLike) else getattr(file, "name", "lines")
        refuse_other_forms(lines, str(name))
        return lines


def corpus_as_is(lines: Lines) -> Corpus:
    """Make a corpus of lines without cleaning, so that there is one score for each, in order."""
    return Corpus.exactly(strings_of(lines, ordered=True))
