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
MOST_LINES = 4096  # that are drawn together: some seconds of work for a small network


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


def take_batch(waiting: deque[Job]) -> list[Job]:
    """Take the request that has waited longest, and those that can be answered with it."""
    while waiting and waiting[0].answer.done():
        waiting.popleft()
    if not waiting:
        return []
    batch, rest, lines = [waiting.popleft()], list[Job](), 0
    lines = batch[0].lines
    for job in waiting:
        fits = len(batch) < MOST_REQUESTS and lines + job.lines <= MOST_LINES
        if fits and not job.answer.done() and job.goes_with(batch[0]):
            batch.append(job)
            lines += job.lines
        else:
            rest.append(job)
    waiting.clear()
    waiting.extend(rest)
    return batch


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
