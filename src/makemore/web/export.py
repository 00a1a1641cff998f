"""Export: what a page holds of a run: weights, vocabulary, hashes of known lines, and a card.

The names are those of page/src/contract.ts, which reads them. No line of the list is in it unless
that is asked for, and nothing that tells of the machine or the day: the same run gives the same
bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from makemore.analysis.novelty import copied_from_train
from makemore.api import MakeMore, Plan
from makemore.api.not_fitted import not_fitted
from makemore.models import Model
from makemore.models.core.base import Arrays
from makemore.runs.archive import opened
from makemore.runs.logs import read_metrics
from makemore.scoring import eval_mode, surprisals
from makemore.text import Corpus
from makemore.version import __version__
from makemore.web.arrays import Weights, packed, rounded, widened
from makemore.web.contents import RunPage
from makemore.web.map_history import maps_over_time
from makemore.web.run_facts import RunFacts, losses_over_time

MEASURED = 2000  # lines by which it is measured what half precision changes
NOT_STATED = "not stated"  # the licence of a list that nobody named


def run_page(
    maker: MakeMore, weights: Weights = "float16", lines: bool = False, license: str = NOT_STATED
) -> RunPage:
    """Collect what a page holds of a model that was fitted or loaded.

    weights: float16 halves the file; RunPage.change says what it changes
    lines: whether the training lines are given away with the page
    license: what the card says of who may use it for what
    Raises UsageError for a model or a rule of symbols that no page computes, RunError for a
    damaged log.
    """
    if maker.plan_ is None or maker.model_ is None:
        raise not_fitted()
    plan, model = maker.plan_, maker.model_
    # Raises before anything takes seconds.
    facts = RunFacts.of(plan.config, plan.vocabulary, plan.split, plan.prior_lines)
    tensors = rounded(model.tensors(), weights)
    listed, body = packed(tensors)
    change = change_of_logs(plan, model, tensors)
    payload = {
        **facts.payload(), "tensors": listed, "losses": losses_of(maker, plan),
        "history": history_of(maker),
        "card": {
            "digest": plan.config.data["digest"], "license": license,
            "copies": copied_from_train(maker), "made": made_of(plan, change),
        },
    }  # fmt: skip
    payload["model"]["nParameters"] = model.n_parameters
    if maps := maps_over_time(maker):  # of a training with --watch
        payload["maps"] = maps
    own = plan.split.train.written() if lines else None
    return RunPage(payload, body, facts.known, own, change)


def change_of_logs(plan: Plan, model: Model, tensors: Arrays) -> float | None:
    """Measure the largest change of a log-probability by rounded weights, nats.

    Over all symbols of validation lines, of training lines where there are none. None where no
    tensor is rounded.
    """
    if not any(array.dtype == np.float16 for array in tensors.values()):
        return None
    other = plan.build()
    other.load_tensors(widened(tensors))
    lines = measured_lines(plan)
    encoded, labels = plan.vocabulary.encode(lines), plan.vocabulary.encode_labels(lines)
    ids = encoded.ids.astype(np.int64)
    each = []
    for network in (model, other):
        with eval_mode(network):
            each.append(surprisals(network, ids, encoded.offsets, labels))
    return float(np.abs(each[0] - each[1]).max(initial=0.0))


def measured_lines(plan: Plan) -> Corpus:
    """Take the lines that `change_of_logs` measures by."""
    part = plan.split.val if len(plan.split.val) else plan.split.train
    return part.lowest(MEASURED)


def losses_of(maker: MakeMore, plan: Plan) -> dict[str, float | None]:
    """Compute the nll of training and validation lines, nats a symbol, as people read them.

    Of training lines a sample, as while training: all of them would take a minute.
    """
    train, _ = plan.evaluation_lines
    losses = {"train": maker.scores(train).mean(), "val": maker.report("val")["nll"]}
    return {name: None if nll is None else round(nll, 4) for name, nll in losses.items()}


def history_of(maker: MakeMore) -> list[dict[str, Any]]:
    """Read the losses of each evaluation from the run's log; [] for a model without a run."""
    if maker.folder_ is None:
        return []
    with opened(maker.folder_) as folder:
        return losses_over_time(read_metrics(folder))


def made_of(plan: Plan, change: float | None) -> str:
    """Say in the card by what the page was made, and what is rounded in it."""
    if change is None:
        return f"makemore {__version__}; no number is rounded"
    part = "validation" if len(plan.split.val) else "training"
    return (
        f"makemore {__version__}; weights in half precision, which changes a log-probability by "
        f"at most {change:.2g} nats ({len(measured_lines(plan)):,} {part} lines)"
    )
