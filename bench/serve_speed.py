"""How fast `makemore serve` answers: its start, many clients at once, and a training it watches.

python bench/serve_speed.py --names names.txt --runs FOLDER [--json OUT]
"""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from measure import Bench, alternating, parser, spread, words_of
from splits import by_hash
from trained import trained

MAKEMORE = str(Path(sys.executable).with_name("makemore"))
STARTS, TURNS, TRAININGS, SHORT = 9, 5, 3, 1
CLIENTS, NAMES = 500, 10  # clients at the same time, and names that each asks for
STEPS = 300  # of the training that is watched: half a minute
LINK = re.compile(r"http://127\.0\.0\.1:(\d+)/\?token=(\S+)")


@dataclass
class Server:
    """A server that runs; began: when its process was started."""

    port: int
    token: str
    began: float

    def ask(self, method: str, path: str, body: object = None) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        sent = None if body is None else json.dumps(body)
        connection.request(method, path, sent, headers)
        answer = connection.getresponse()
        told = answer.read()
        connection.close()
        assert answer.status in (200, 202), told
        return told

    def watch(self, ends: threading.Event) -> int:
        """Read events, and fetch new weights as an open page does; counts how often."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request("GET", "/api/events", headers={"Authorization": f"Bearer {self.token}"})
        answer, fetched = connection.getresponse(), 0
        while not ends.is_set() and (line := answer.readline()):
            if line.startswith(b"event: weights"):
                self.ask("GET", "/api/weights?run=watched")
                fetched += 1
        connection.close()
        return fetched


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    environment = dict(os.environ)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    began = time.perf_counter()
    command = [MAKEMORE, "serve", str(folder), "--port", "0", "--no-open"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        found = LINK.match(process.stdout.readline().decode())
        assert found is not None
        try:
            yield Server(int(found[1]), found[2], began)
        finally:
            process.terminate()


def start(folder: Path) -> float:
    """Seconds from the start of the process to the whole page."""
    with serving(folder) as server:
        server.ask("GET", "/")
        return time.perf_counter() - server.began


def crowd(server: Server, run: str, seed: int) -> float:
    """Seconds until all clients have their names, each with a seed of its own."""
    missing: list[int] = []

    def ask(number: int) -> None:
        body = {"run": run, "n": NAMES, "seed": seed + number}
        if len(json.loads(server.ask("POST", "/api/sample", body))["samples"]) != NAMES:
            missing.append(number)

    clients = [threading.Thread(target=ask, args=(number,)) for number in range(CLIENTS)]
    began = time.perf_counter()
    for each in clients:
        each.start()
    for each in clients:
        each.join()
    assert not missing
    return time.perf_counter() - began


def train(folder: Path, text: Path, steps: int, watched: bool) -> float:
    """Seconds of a training by the command line; a server looks at it, or nobody does."""
    run = folder / "watched"
    command = [
        MAKEMORE, "train", str(text), "-o", str(run), "--model", "transformer", "--fresh",
        "--max-steps", str(steps),
    ]  # fmt: skip
    if not watched:
        return seconds(command)
    with serving(folder) as server:
        ends, counts = threading.Event(), []
        reader = threading.Thread(target=lambda: counts.append(server.watch(ends)), daemon=True)
        reader.start()
        found = seconds(command)
        ends.set()
    reader.join(20)
    assert counts and counts[0] > 0, "no weights came"
    return found


def seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def main(arguments: list[str] | None = None) -> None:
    options = parser(__doc__).parse_args(arguments)
    bench, words = Bench("serve_speed", options), words_of(options)
    turns = SHORT if options.short else TURNS
    with tempfile.TemporaryDirectory() as name:
        folder, parts = Path(name), by_hash(words)
        text = folder / "names.txt"
        text.write_text("\n".join(words) + "\n")
        for model in ("gru", "ngram"):
            trained(model, parts, options).save(folder / model)
        starts = [start(folder) for _ in range(SHORT if options.short else STARTS)]
        bench.add({"what": "start to the whole page", "unit": "s", "figure": spread(starts)})
        with serving(folder) as server:
            for model in ("gru", "ngram"):
                server.ask("POST", "/api/sample", {"run": model})  # the child starts
                waits = [crowd(server, model, 1000 * turn) for turn in range(turns)]
                what = f"{CLIENTS} clients, {NAMES} names each: {model}"
                bench.add({"what": what, "unit": "s", "figure": spread(waits)})
        steps = 40 if options.short else STEPS
        sides = {
            f"training of {steps:,} steps, {how}": lambda watched=how == "watched": train(
                folder, text, steps, watched
            )
            for how in ("nobody looks", "watched")
        }
        for what, figure in alternating(sides, SHORT if options.short else TRAININGS).items():
            bench.add({"what": what, "unit": "s", "figure": figure})
    bench.finish()


if __name__ == "__main__":
    main()
