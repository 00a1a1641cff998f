"""Drawing: answers requests by a child process, many at once, in the order of their coming.

Requests of equal conditions are answered together. What takes too long, or whose clients have all
left, is ended with its process; the next request starts a new one.
"""

from __future__ import annotations

import asyncio
from asyncio import Task
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

from makemore.errors import SystemFault, Unsatisfiable
from makemore.web.server.drawing.frames import Message
from makemore.web.server.drawing.process import Child
from makemore.web.server.drawing.waiting import (
    Busy,
    Job,
    error_of,
    lines_to_try,
    message_of,
    take_batch,
)
from makemore.web.server.requests import ExplainRequest, SampleRequest, ScoreRequest

MOST_WAITING = 1024
SECONDS = 10.0  # that a request may take
SOFT = 0.8  # the share of it after which the child itself ends a request, with what it has
START_SECONDS = 60.0  # for a child to start, import torch and load a run
GRACE = 0.5  # seconds for what nobody waits for any more: most ends by itself


class Drawing:
    """Draws, scores and explains in a child process that is started with the first request."""

    def __init__(self, most_waiting: int = MOST_WAITING, seconds: float = SECONDS) -> None:
        self.most_waiting, self.seconds = most_waiting, seconds
        self._waiting = deque[Job]()
        self._most_lines = 512  # of a batch, until it is known how fast they are drawn
        self._more = asyncio.Event()  # a request has come, or a client has left
        self._child: Child | None = None
        self._running: Task[None] | None = None
        self._closed = False

    async def sample(self, folder: Path, request: SampleRequest) -> dict[str, Any]:
        """Draw lines: {"seed", "samples", "notes"}, those of `makemore sample FOLDER --seed SEED`.

        Raises UsageError, Unsatisfiable, RunError; Busy where too many wait; SystemFault.
        """
        asked = {"seed": request.seed, "n": request.n}
        return await self._ask("sample", folder, asked, request.options, request.n)

    async def score(self, folder: Path, request: ScoreRequest) -> dict[str, Any]:
        """Score lines: {"scores", "notes"}, those of `makemore score FOLDER --json`."""
        return await self._ask("score", folder, {"lines": list(request.lines)})

    async def explain(self, folder: Path, request: ExplainRequest) -> dict[str, Any]:
        """Explain a text: {"text", "symbols", ...}, those of `makemore explain --json`."""
        return await self._ask("explain", folder, vars(request))

    async def close(self) -> None:
        """End the child; whoever still waits gets a SystemFault."""
        self._closed = True
        if self._running is not None:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running
        await self._end_child()
        for job in self._waiting:
            _fail(job, SystemFault("the server is ending", None, "start it again"))
        self._waiting.clear()

    async def _ask(
        self, kind: str, folder: Path, asked: Message, conditions: Any = None, lines: int = 1
    ) -> dict[str, Any]:
        """Wait for the answer to a request; nothing of it is computed once the caller has left."""
        if self._closed:
            raise SystemFault("the server is ending", None, "start it again")
        if len(self._waiting) >= self.most_waiting:
            self._forget_those_who_left()
        if len(self._waiting) >= self.most_waiting:
            raise Busy(len(self._waiting))
        answer = asyncio.get_running_loop().create_future()
        answer.add_done_callback(lambda _: self._more.set())
        self._waiting.append(Job(kind, str(folder), conditions, asked, answer, lines))
        self._more.set()
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        result: dict[str, Any] = await answer
        return result

    def _forget_those_who_left(self) -> None:
        self._waiting = deque(job for job in self._waiting if not job.answer.done())

    # -- the child --------------------------------------------------------------------------------

    async def _run(self) -> None:
        """Answer what waits, batch after batch, for as long as the server runs."""
        while True:
            batch = take_batch(self._waiting, self._most_lines)
            if not batch:
                self._more.clear()
                await self._more.wait()
                continue
            try:
                await self._answer(batch)
            except Exception as error:  # whatever it is, nobody must wait for ever
                await self._child_died(batch, str(error))
            except asyncio.CancelledError:
                for job in batch:
                    _fail(job, SystemFault("the server is ending", None, "start it again"))
                raise

    async def _answer(self, batch: list[Job]) -> None:
        """Let the child answer a batch; end it where that takes too long, or nobody waits."""
        if self._child is None or self._child.ended:
            self._child = await Child.start()
        loop = asyncio.get_running_loop()
        await self._child.send(message_of(batch, SOFT * self.seconds))
        late, answering = loop.time() + START_SECONDS, list[Job]()
        while (message := await self._next_message(self._child, answering, late)) is not None:
            if "done" in message:
                took = loop.time() - (late - self.seconds)
                self._most_lines = lines_to_try(self._most_lines, batch, took)
                return
            if "opened" in message:
                late, answering = loop.time() + self.seconds, batch
                continue
            job = batch[message["id"]]
            if job.answer.done():  # its client has left
                continue
            if "error" in message:
                job.answer.set_exception(error_of(message["error"]))
            else:
                job.answer.set_result(message["result"])
        await self._end_child()
        for job in batch:
            _fail(job, too_long(self.seconds))

    async def _next_message(
        self, child: Child, answering: list[Job], late: float
    ) -> Message | None:
        """Wait for a message; None once it is too late, or GRACE after nobody waits any more.

        answering: what is being computed; none while a run is loaded, which others need, too
        Raises ConnectionError where the child has ended.
        """
        loop, receiving = asyncio.get_running_loop(), asyncio.ensure_future(child.receive())
        try:
            while not receiving.done():
                self._more.clear()
                if answering and all(job.answer.done() for job in answering):
                    late = min(late, loop.time() + GRACE)
                changed = asyncio.ensure_future(self._more.wait())
                await asyncio.wait(
                    {receiving, changed}, timeout=max(0.0, late - loop.time()),
                    return_when=asyncio.FIRST_COMPLETED,
                )  # fmt: skip
                changed.cancel()
                if loop.time() >= late and not receiving.done():
                    return None
        finally:
            if not receiving.done():
                receiving.cancel()
        if (message := receiving.result()) is None:
            raise ConnectionError("the process that draws has ended")
        return message

    async def _child_died(self, batch: list[Job], why: str) -> None:
        """Try the requests of a child that died again, each alone; one that was alone fails."""
        await self._end_child()
        for job in reversed(batch):
            if job.alone or len(batch) == 1:
                _fail(job, SystemFault(f"this could not be computed: {why}", None, "try again"))
            elif not job.answer.done():
                job.alone = True
                self._waiting.appendleft(job)

    async def _end_child(self) -> None:
        if self._child is not None:
            child, self._child = self._child, None
            await child.kill()


def too_long(seconds: float) -> Unsatisfiable:
    """Make the error for a request that was ended because it took too long."""
    to_do = "ask for fewer lines, or loosen the conditions"
    return Unsatisfiable(f"this takes more than {seconds:g} s", None, to_do)


def _fail(job: Job, error: Exception) -> None:
    if not job.answer.done():
        job.answer.set_exception(error)
