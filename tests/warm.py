"""Commands as processes of their own without the seconds that each import of torch takes.

One process imports everything and then forks itself for each command. What is forked has its own
session, working directory and streams, and can be killed like any other:

    started = warm.start("train", "names.txt", cwd=folder)
    os.kill(started.pid, signal.SIGKILL)
    assert started.wait() == -signal.SIGKILL
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Started:
    pid: int
    warm: Warm
    folder: Path

    def wait(self) -> int:
        """The exit code; -N if signal N ended it."""
        return int(self.warm.answer())

    @property
    def out(self) -> str:
        return (self.folder / "stdout").read_bytes().decode()

    @property
    def err(self) -> str:
        return (self.folder / "stderr").read_bytes().decode()


def workplace(above: Path, lines: Sequence[str]) -> Path:
    """A new folder with these lines as names.txt, for a command to work in."""
    folder = above / "work"
    folder.mkdir()
    (folder / "names.txt").write_text("\n".join(lines))
    return folder


class Warm:
    def __init__(self) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([sys.executable, __file__], stdin=pipe, stdout=pipe)

    def start(
        self, *arguments: str | Path, cwd: Path, before: Path | None = None, tty: str | None = None
    ) -> Started:
        """Start a command; one at a time. `before` is a Python file that the process runs first.

        Its streams are the files stdout and stderr in cwd/.. , or the terminal of that name.
        """
        streams = cwd.parent / f"{cwd.name}.streams"
        streams.mkdir(exist_ok=True)
        asked = {
            "arguments": [str(argument) for argument in arguments], "cwd": str(cwd),
            "before": str(before) if before else None,
            "streams": [tty or str(streams / name) for name in ("stdout", "stderr")],
        }  # fmt: skip
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(asked).encode() + b"\n")
        self.process.stdin.flush()
        return Started(self.answer(), self, streams)

    def ended(self, folder: Path, *command: str | Path) -> Path:
        """The folder, once a command has ended there as it should."""
        started = self.start(*command, cwd=folder)
        assert started.wait() == 0, started.err
        return folder

    def answer(self) -> int:
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())

    def close(self) -> None:
        self.process.communicate()


def serve() -> None:
    # Torch and all else that a command asks for, what only the first optimizer imports included.
    for name in (
        "torch._dynamo",
        "safetensors.numpy",
        "makemore.api.estimator",
        "makemore.training.trainer",
    ):
        importlib.import_module(name)
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            os._exit(run(asked))
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def run(asked: dict[str, Any]) -> int:
    os.setsid()
    os.chdir(asked["cwd"])
    for number, path in enumerate([os.devnull, *asked["streams"]]):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, number)
        os.close(handle)
    sys.stdin, sys.stdout, sys.stderr = (open(n, mode) for n, mode in enumerate("rww"))
    sys.argv = ["makemore", *asked["arguments"]]
    try:
        if asked["before"]:
            runpy.run_path(asked["before"])
        from makemore.cli.main import main

        main()
    except SystemExit as leave:
        sys.stdout.flush()
        return int(leave.code or 0)
    return 0


if __name__ == "__main__":
    serve()
