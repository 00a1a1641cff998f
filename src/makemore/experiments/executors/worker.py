"""Worker: a process that does work one after another, told by its stdin, and answers by its stdout.

It has its own session, so that ^C is not for it, and ends itself when its parent has gone. No
torch here: what the process does is in child.py.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from makemore.errors import SystemFault

if TYPE_CHECKING:
    from makemore.experiments.trial import Record, Settings
    from makemore.text import Split

# The text is read before torch is imported, so that starting one worker does not wait for it; -P:
# files of the current folder are no modules.
START = (
    "import sys; told = sys.stdin.buffer.readline(); "
    "from makemore.experiments.executors.child import work; work(told)"
)


@dataclass(frozen=True)
class Job:
    """What workers are told once: the text, and which kind of work they do with it.

    kind: `trial` of a sweep, `row` of a comparison
    shared: what is the same in each piece of work, such as the model's name
    """

    kind: str
    shared: dict[str, Any]
    parts: Split
    plugin: str | None = None

    def told(self) -> bytes:
        """Write it as one line of JSON. A plugin goes as its text: it is needed on all machines."""
        texts = [part.text() for _, part in self.parts]
        labels = [part.label_of_each() for _, part in self.parts]
        plugin = None
        if self.plugin is not None:
            plugin = [Path(self.plugin).name, Path(self.plugin).read_text("utf-8"), self.plugin]
        return json.dumps({
            "kind": self.kind, "shared": self.shared, "plugin": plugin, "parts": texts,
            "labels": labels,
        }).encode()  # fmt: skip


class Worker:
    """A process that works, with the number that says which card it computes on."""

    def __init__(self, told: bytes, number: int) -> None:
        self.name, self.number = "", number
        pipe = subprocess.PIPE
        command = [sys.executable, "-P", "-c", START]
        # As the command line sets it (cli/startup.py), which a Dask worker has not run.
        spin = {} if "OMP_WAIT_POLICY" in os.environ else {"GOMP_SPINCOUNT": "10000"}
        self.process = subprocess.Popen(  # noqa: S603 (our own code)
            command, stdin=pipe, stdout=pipe, env={**spin, **os.environ}, start_new_session=True
        )
        self._tell(told)

    def start(self, name: str, settings: Settings) -> None:
        """Give it a piece of work, known by a name."""
        self.name = name
        self._tell(json.dumps([self.number, settings]).encode())

    def _tell(self, line: bytes) -> None:
        assert self.process.stdin is not None  # noqa: S101 (it is a pipe)
        try:
            self.process.stdin.write(line + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it died; its answer will say so

    def has_answered(self, seconds: float) -> bool:
        """Wait at most so long; tells whether `answer` would return at once."""
        assert self.process.stdout is not None  # noqa: S101 (it is a pipe)
        return bool(select.select([self.process.stdout], [], [], seconds)[0])

    def answer(self) -> Record:
        """Return what came of its work, once its stdout can be read."""
        assert self.process.stdout is not None  # noqa: S101 (it is a pipe)
        line = self.process.stdout.readline()
        if line.endswith(b"\n"):
            found: Record = json.loads(line)
            return found
        code = self.process.wait()
        how = f"ended with exit code {code}"
        if code < 0:
            how = f"was killed by signal {-code}" + " (no memory?)" * (code == -signal.SIGKILL)
        return killed(how)

    @property
    def dead(self) -> bool:
        return self.process.returncode is not None

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass


def killed(how: str) -> Record:
    """Record work whose process ended under it."""
    return {"error": f"the worker {how}", "kind": "killed", "code": SystemFault.exit_code}
