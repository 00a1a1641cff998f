"""Tags: tells scikit-learn (1.6 and newer) what a MakeMore takes and what it is."""

from __future__ import annotations

import importlib
from typing import Any


def tags_of(labelled: bool) -> Any:
    """Make scikit-learn's Tags: takes one array of strings; estimates a density.

    labelled: it predicts labels, too, so that scorers which need p(label | line) take it. Only
    scikit-learn asks for tags, so it is imported here and nowhere else.
    """
    utils = importlib.import_module("sklearn.utils")
    takes = utils.InputTags(one_d_array=True, two_d_array=False, string=True)
    return utils.Tags(
        estimator_type="classifier" if labelled else "density_estimator",
        target_tags=utils.TargetTags(required=False),
        classifier_tags=utils.ClassifierTags() if labelled else None,
        input_tags=takes,
        no_validation=True,  # of numbers, of which it takes none
    )
