"""LabelPredictor: the labels that a trained model knows, and which of them a line has."""

from __future__ import annotations

import numbers
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from makemore.api.checks import check_part
from makemore.api.fitted_state import FittedState
from makemore.errors import UsageError
from makemore.text.labels import parse_mixture
from makemore.text.python_lines import Lines

if TYPE_CHECKING:
    from makemore.scoring.classifier import Classifier


class LabelPredictor(FittedState):
    """Predicts labels of lines, and turns a label into the first input of a draw."""

    @property
    def _labels(self) -> Classifier:
        """Return the classifier of the labels. Raises UsageError without labels."""
        from makemore.scoring.classifier import Classifier

        plan, shares = self._plan, self._plan.label_shares
        # Validation lines were not learned from, so they show how often a posterior is right.
        if shares is None:
            raise UsageError("this model knows no labels", None, "fit it with y=labels")
        if "classifier" not in self._cache:  # kept: its calibration scores many validation lines
            self._cache["classifier"] = Classifier(
                self._model, plan.vocabulary, shares, plan.split.val
            )
        return self._cache["classifier"]

    @property
    def classes_(self) -> NDArray[Any]:
        """List the labels (n_labels,), sorted, of the type that y had; empty without labels.

        A run directory holds them as strings.
        """
        return self._by_name[self._class_order]

    @property
    def _by_name(self) -> NDArray[Any]:
        """List the labels in the order of the vocabulary, which sorts their names."""
        return self.label_values_.restored(self._plan.vocabulary.labels)

    @property
    def _class_order(self) -> NDArray[np.int64]:
        """Sort the labels: numbers by value, where their names begin "10", "2"."""
        return np.argsort(self._by_name, kind="stable")

    @property
    def label_shares(self) -> dict[str, float]:
        """Estimate p(label) by the training lines: label's name -> probability; empty without."""
        shares = self._plan.label_shares
        names = self._plan.vocabulary.labels
        return {} if shares is None else dict(zip(names, shares.tolist(), strict=True))

    def predict(self, lines: Lines) -> NDArray[Any]:
        """Predict the most probable label of each line (n,). Raises UsageError without labels."""
        # Not calibrated first: that never changes which label is the most probable.
        with self.evaluation():
            return np.asarray(self._by_name[self._labels.likeliest(self._as_is(lines))])

    def predict_proba(self, lines: Lines) -> NDArray[np.float64]:
        """Compute p(label | line) (n, n_labels), in the order of `classes_`; each row sums to 1.

        Calibrated on the validation lines (see scoring/classifier.py). A line with an unknown
        symbol has `label_shares`. Raises UsageError without labels.
        """
        with self.evaluation():
            scores = self._labels.calibrated(self._labels.posterior(self._as_is(lines)))
        return np.asarray(scores.posterior)[:, self._class_order]

    def accuracy(self, name: str) -> dict[str, Any]:
        """Measure the accuracy of `predict` on one part (train, val, test).

        The values are those of Classifier.accuracy. Raises UsageError without labels.
        """
        part = check_part(name, self._plan.split)
        with self.evaluation():
            return self._labels.accuracy(part)

    def _label_inputs(self, label: str) -> dict[int, float] | None:
        """Choose the first inputs of draws, label id -> probability; None for a run without labels.

        label: one label, a mixture (`a=.7,b=.3`), or "" for the frequencies in the training lines.
        """
        names, vocabulary = self._plan.vocabulary.labels, self._plan.vocabulary
        if not names:
            if label:
                raise UsageError("the run has no labels", "--label", "train with --labels")
            return None
        prior = parse_mixture(label, names) if label else self.label_shares
        # A label of validation lines alone has probability 0.
        return {vocabulary.label_id(name): p for name, p in prior.items() if p > 0}

    def _with_label_name(self, sampling: Any) -> Any:
        """Replace a label of the type that y had, such as the number 1, by its name in the run."""
        label = sampling.get("label")
        if isinstance(label, (numbers.Real, np.bool_)) and self.label_values_.kind is not str:
            return {**sampling, "label": self.label_values_.name(label)}
        return sampling
