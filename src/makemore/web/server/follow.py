"""Follow: tells clients what changes in the runs, as server-sent events.

While somebody listens, the run directories are looked at, by one look for all who listen. While
nobody does, nothing is looked at. A client that does not read is dropped: what waits for it is
bounded.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from typing import Any

from makemore.web.server.log import LOG
from makemore.web.server.runs import Runs, Told

EVERY = 0.3  # seconds between two looks while some run trains
IDLE = 1.5  # while none does; a training that is started at a terminal is seen by then
FINDS = 1.5  # seconds between two looks for new runs
BEAT = 15.0  # seconds after which a comment shows that the stream is alive
WAITING = 500  # events that wait for one client, before it is dropped
COMMENT = b": alive\n\n"


class Listener:
    """Holds what waits for one client; run: the id of the only run that it follows."""

    def __init__(self, run: str | None) -> None:
        self.run = run
        self.waiting: asyncio.Queue[bytes | None] = asyncio.Queue(WAITING)
        self.dropped = False

    def put(self, event: bytes) -> None:
        """Add an event, or drop the client if too many wait."""
        if self.dropped:
            return
        try:
            self.waiting.put_nowait(event)
        except asyncio.QueueFull:
            self.dropped = True

    def end(self) -> None:
        """End the stream, as the server does when it ends."""
        self.dropped = True
        with suppress(asyncio.QueueFull):
            self.waiting.put_nowait(None)


class Follower:
    """Looks at the runs while somebody listens, and passes on what has changed."""

    def __init__(self, runs: Runs) -> None:
        self.runs = runs
        self._listeners: set[Listener] = set()
        self._task: asyncio.Task[None] | None = None
        self._sooner = asyncio.Event()
        self._found = -FINDS  # time of the last look for new runs
        self._ids = itertools.count(1)
        self._closed = False

    async def look(self) -> None:
        """Look at the runs now, and tell all who listen."""
        now = asyncio.get_running_loop().time()
        finds = now - self._found >= FINDS
        self._found = now if finds else self._found
        self.tell(await asyncio.to_thread(self.runs.look, finds))

    def tell(self, events: Iterable[Told]) -> None:
        """Pass events on, each written once for all."""
        for name, data in events:
            written = None
            for listener in self._listeners:
                id = data["id"] if name == "run" else data["run"]
                if listener.run in (None, id):
                    written = written or self.written(name, data)
                    listener.put(written)

    def written(self, name: str, data: dict[str, Any]) -> bytes:
        """Write an event as it goes over the wire; JSON has no line ends outside of its escapes."""
        body = json.dumps(data, allow_nan=False, separators=(",", ":"))
        return f"id: {next(self._ids)}\nevent: {name}\ndata: {body}\n\n".encode()

    def wake(self) -> None:
        """Look sooner: a training has begun or ended."""
        self._sooner.set()

    async def follow(self, run: str | None) -> AsyncIterator[bytes]:
        """Yield the events of one run, or of all, beginning with what each run is now."""
        listener = Listener(run)
        await self.look()
        for each in self.runs.ordered():
            if run in (None, each.id):
                listener.put(self.written("run", self.runs.record(each)))
        self._listeners.add(listener)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._looking())
        try:
            yield COMMENT  # the headers go out with it, also where there are no runs
            while not self._closed and not (listener.dropped and listener.waiting.empty()):
                try:
                    event = await asyncio.wait_for(listener.waiting.get(), BEAT)
                except TimeoutError:
                    event = COMMENT
                if event is None:
                    return
                yield event
        finally:
            self._listeners.discard(listener)

    async def _looking(self) -> None:
        while self._listeners:
            self._sooner.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._sooner.wait(), EVERY if self.runs.trains else IDLE)
            try:
                await self.look()
            except Exception:  # a fault of ours; who listens is told what the next look sees
                LOG.exception("a look at the runs failed")
        self._task = None

    def close(self) -> None:
        """End all streams."""
        self._closed = True
        for listener in list(self._listeners):
            listener.end()
