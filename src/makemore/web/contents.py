"""Contents: what a page holds beside its program: of a run, or of a prior.

The payloads are those of page/src/contract.ts, as JSON has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

FORMAT = 1  # of the payloads: the page's program refuses another one


@dataclass(frozen=True)
class RunPage:
    """Holds what a page has of a run.

    payload: PagePayload of contract.ts; weights, known: the arrays beside it, as bytes
    lines: the training lines, if they are given away, too
    change: the largest change of a log-probability by half precision, nats; None: not rounded
    """

    payload: dict[str, Any]
    weights: bytes
    known: bytes
    lines: str | None
    change: float | None


@dataclass(frozen=True)
class PriorPage:
    """Holds what a page has of a prior: PriorPayload of contract.ts, and the arrays beside it."""

    payload: dict[str, Any]
    weights: bytes
    known: bytes
