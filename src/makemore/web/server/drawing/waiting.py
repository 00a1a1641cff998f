"""Waiting: requests that wait for the child, and which of them it answers together."""

from __future__ import annotations

from asyncio import Future
from collections import deque
from dataclasses import dataclass
from typing import Any

import makemore.errors
from makemore.errors import MakemoreError, SystemFault
from makemore.web.server.drawing.frames import Message

MOST_REQUESTS = 256  # that are drawn together
FEWEST_LINES, MOST_LINES = 64, 4096  # that are drawn together, by how fast a model draws them
TOO_LONG = 2.0  # seconds for a batch, though no single request is too much


class Busy(SystemFault):
    """Reports that more requests wait than the server keeps: HTTP 503, with Retry-After."""

    retry_after = 5  # seconds

    def __init__(self, waiting: int) -> None:
        what = f"{waiting} requests are waiting for their lines already"
        super().__init__(what, None, f"try again in {self.retry_after} s")


@dataclass(eq=False)  # two requests for the same are two
class Job:
    """Holds a request and the future of its answer.

    conditions: what requests have in common that may be answered together; None: not with others
    """

    kind: str
    folder: str
    conditions: Any
    request: Message
    answer: Future[dict[str, Any]]
    lines: int = 1  # that it asks for
    alone: bool = False  # it was with others in a child that died: maybe it is why

    def goes_with(self, other: Job) -> bool:
        """Tell whether two requests can be answered together."""
        if self.alone or other.alone or self.conditions is None:
            return False
        ours = self.kind, self.folder, self.conditions
        return ours == (other.kind, other.folder, other.conditions)


def take_batch(waiting: deque[Job], most_lines: int = MOST_LINES) -> list[Job]:
    """Take the request that has waited longest, and those that can be answered with it.

    most_lines: that they may ask for together, unless one alone asks for more
    """
    while waiting and waiting[0].answer.done():
        waiting.popleft()
    if not waiting:
        return []
    batch, rest = [waiting.popleft()], list[Job]()
    lines = batch[0].lines
    for job in waiting:
        fits = len(batch) < MOST_REQUESTS and lines + job.lines <= most_lines
        if fits and not job.answer.done() and job.goes_with(batch[0]):
            batch.append(job)
            lines += job.lines
        else:
            rest.append(job)
    waiting.clear()
    waiting.extend(rest)
    return batch


def lines_to_try(most_lines: int, batch: list[Job], took: float) -> int:
    """Choose how many lines the next batch may have, by the seconds that this one took.

    Who came first waits for the whole batch, and a batch has the time limit of one request.
    """
    if took > TOO_LONG:
        return max(FEWEST_LINES, most_lines // 2)
    full = 2 * sum(job.lines for job in batch) > most_lines
    return min(MOST_LINES, 2 * most_lines) if full and took < TOO_LONG / 3 else most_lines


def message_of(batch: list[Job], seconds: float) -> Message:
    """Write the message for requests that are answered together; each has its index as its id."""
    first = batch[0]
    return {
        "kind": first.kind, "folder": first.folder, "seconds": seconds,
        "options": dict(first.conditions or ()),
        "requests": [{**job.request, "id": index} for index, job in enumerate(batch)],
    }  # fmt: skip


def error_of(record: Message) -> MakemoreError:
    """Make the error again that the child describes."""
    kind: type[MakemoreError] = getattr(makemore.errors, record["kind"])
    return kind(record["what"], record["where"], record["to_do"])
