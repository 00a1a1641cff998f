"""Process: starts the child that answers, talks to it, and ends it."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE, Process

from makemore.web.server.drawing.frames import Message, framed, next_frame
from makemore.web.server.own_python import environment, python_command

MODULE = "makemore.web.server.drawing.child"


class Child:
    """Holds the process and its pipes."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @classmethod
    async def start(cls) -> Child:
        """Start a child of one thread, out of reach of the Ctrl-C that ends the server."""
        process = await asyncio.create_subprocess_exec(
            *python_command(MODULE), stdin=PIPE, stdout=PIPE, start_new_session=True, limit=2**20,
            env=environment(OMP_NUM_THREADS="1", GOMP_SPINCOUNT="10000"),
        )  # fmt: skip
        return cls(process)

    @property
    def pid(self) -> int:
        """Return the number of the process."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self._process.returncode is not None

    async def send(self, message: Message) -> None:
        """Send a message. Raises ConnectionError where the child has ended."""
        assert self._process.stdin is not None  # noqa: S101 (a pipe, as it was started)
        self._process.stdin.write(framed(message))
        await self._process.stdin.drain()

    async def receive(self) -> Message | None:
        """Wait for what it answers next; None where it has ended."""
        assert self._process.stdout is not None  # noqa: S101
        return await next_frame(self._process.stdout)

    async def kill(self) -> None:
        """End the process at once, whatever it computes, and wait for its end."""
        if not self.ended:
            self._process.kill()
        await self._process.wait()
