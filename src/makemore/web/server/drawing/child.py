"""Child: the process that answers; messages come on its standard input until that ends.

{"kind": "sample", "folder", "options", "seconds", "requests": [{"id", "seed", "n"}...]}
-> {"opened": true}, an answer for each request, {"done": true}
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import BinaryIO

from makemore.errors import MakemoreError
from makemore.web.server.drawing.answers import answers, error_record
from makemore.web.server.drawing.frames import Message, framed, read_frame
from makemore.web.server.drawing.open_runs import OpenRuns


def main() -> None:
    """Answer messages until the server closes the pipe."""
    results = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not stand among the answers
    runs = OpenRuns()
    try:
        while (message := read_frame(sys.stdin.buffer)) is not None:
            answer(message, runs, results)
    except BrokenPipeError:  # the server has gone
        pass


def answer(message: Message, runs: OpenRuns, results: BinaryIO) -> None:
    """Write the answers of one message, each as soon as it is there."""
    for each in _answers(message, runs):
        results.write(framed(each))
        results.flush()
    results.write(framed({"done": True}))
    results.flush()


def _answers(message: Message, runs: OpenRuns) -> Iterator[Message]:
    try:
        run = runs(message["folder"])
    except MakemoreError as error:
        record = error_record(error)
        yield from ({"id": each["id"], "error": record} for each in message["requests"])
        return
    yield {"opened": True}  # the time of a request begins here
    yield from answers(message, run)


if __name__ == "__main__":
    main()
