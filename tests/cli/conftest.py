"""What the tests of commands share: texts, runs of small models, and how a command fails."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from kinds import each_kind
from makemore import MakeMore, parallel
from makemore.cli import progress, waiting

SCRIPT = Path(sys.executable).parent / "makemore"
TINY = ("--n-layer", "1", "--n-head", "2", "--n-embd", "8", "--threads", "1", "--seed", "5")
SMALL: dict[str, Any] = {"n_layer": 1, "n_head": 2, "n_embd": 8, "threads": 1, "random_state": 1}

LINES = ["".join(parts) for parts in product("kmnr", "aeio", ("la", "ri", "no", "sa"))]
TEXT = "\n".join(LINES) + "\n"
NAMES = ["emma", "olivia", "ava", "isabella", "sophia", "charlotte", "mia", "amelia"]
PLAIN = "\n".join(NAMES).encode() + b"\n"

Command = Callable[..., subprocess.CompletedProcess[str]]


def like_names(number: int) -> list[str]:
    """Distinct lines of syllables, more of them of eight letters than chance would give."""
    luck, found = random.Random(7), dict[str, None]()

    def syllables(count: int) -> str:
        return "".join(luck.choice("bdklmnrst") + luck.choice("aeio") for _ in range(count))

    while len(found) < number:
        found[syllables(luck.randint(1, 3)) + luck.choice(("", "n", "l", "s"))] = None
        if len(found) > 60 and luck.random() < 0.5:
            found[syllables(4)] = None
    return list(found)[:number]


SYLLABLES = like_names(1200)


@pytest.fixture(autouse=True)
def one_thread_unless_more_are_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "usable_cores", lambda: 1)
    # On a machine that is busy any command may take some seconds: nobody is told so here.
    monkeypatch.setattr(waiting.Waiting, "FIRST", 600.0)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "names.txt"
    path.write_text(TEXT)
    return path


# -- finished runs, never to be changed -----------------------------------------------------------


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a run of a model with these options and lines, unless there is one already."""
    above = tmp_path_factory.mktemp("runs")
    there: dict[str, Path] = {}

    def of(model: str, lines: list[str], **options: Any) -> Path:
        key = repr((model, lines, options))
        if key not in there:
            there[key] = above / str(len(there)) / "run"
            MakeMore(model, **options).fit(lines).save(there[key])
        return there[key]

    return of


@pytest.fixture
def ngram(runs: Callable[..., Path], tmp_path: Path) -> Path:
    """A copy, which a test may change."""
    return Path(shutil.copytree(runs("ngram", LINES, order=3, random_state=5), tmp_path / "run"))


@pytest.fixture(scope="session")
def bigram(runs: Callable[..., Path]) -> Path:
    return runs("ngram", LINES, order=2, smoothing="add-k", k=1.0)


@pytest.fixture(scope="session")
def counted(runs: Callable[..., Path]) -> Path:
    """A run of counts, for what no other model would do otherwise."""
    return runs("ngram", SYLLABLES, order=4)


# A network draws as counts do, and takes longer: its draws by commands are slow tests.
@pytest.fixture(scope="session", params=each_kind(["ngram", "transformer"]))
def run(request: pytest.FixtureRequest, counted: Path, runs: Callable[..., Path]) -> Path:
    if request.param == "ngram":
        return counted
    return runs("transformer", SYLLABLES, max_steps=30, **SMALL)


@pytest.fixture(scope="session", params=["ngram", "transformer"])
def named(request: pytest.FixtureRequest, runs: Callable[..., Path]) -> Path:
    """A run of eight names."""
    if request.param == "ngram":
        return runs("ngram", NAMES, order=3)
    return runs("transformer", NAMES, max_steps=20, **SMALL)


@pytest.fixture(scope="session")
def few_names(runs: Callable[..., Path]) -> Path:
    """Counts of eight names."""
    return runs("ngram", NAMES, order=3)


# -- what a command showed ------------------------------------------------------------------------


def strict(line: str) -> dict[str, Any]:
    """A JSON object without NaN and Infinity, which are no JSON."""

    def refuse(word: str) -> None:
        raise ValueError(word)

    value = json.loads(line, parse_constant=refuse)
    assert isinstance(value, dict)
    return value


def objects(ended: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """What a command showed with --json."""
    return [strict(line) for line in lines_of(ended)]


def lines_of(ended: subprocess.CompletedProcess[str]) -> list[str]:
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.split("\n")[:-1]  # a sampled line may hold other line ends


def failed(ended: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """The command failed with this code and one short line on stderr that holds these words."""
    assert ended.returncode == code, ended.stderr
    assert ended.stdout == ""
    message = ended.stderr.splitlines()[-1]
    assert message.startswith("makemore: error: ")
    assert sum("error" in line for line in ended.stderr.splitlines()) == 1
    assert "Traceback" not in ended.stderr and "our bug" not in ended.stderr
    assert ended.stderr.replace("\n", "").isprintable()
    for word in words:
        assert word in message


def learn(call: Command, body: bytes | str, *options: str) -> subprocess.CompletedProcess[str]:
    """Train counts on a file with this body."""
    Path("lines.txt").write_bytes(body if isinstance(body, bytes) else body.encode())
    return call("train", "lines.txt", "-o", "run", "--model", "ngram", "--order", "3", *options)


def config_of(folder: str) -> dict[str, Any]:
    return strict(Path(folder, "config.json").read_text())


def typed(options: dict[str, Any]) -> list[str]:
    """Options as they are typed."""
    words = []
    for key, value in options.items():
        flag = "--" + key.replace("_", "-")
        words += [flag] if value is True else [flag, str(value)]
    return words


def stop_at(patch: pytest.MonkeyPatch, step: int, number: int, times: int = 1) -> None:
    """Send this process a signal as soon as a step of the training was taken."""
    of_view = progress.ProgressView.step

    def signalled(view: progress.ProgressView, event: Any) -> None:
        of_view(view, event)
        if event.step == step:
            for _ in range(times):
                os.kill(os.getpid(), number)

    patch.setattr(progress.ProgressView, "step", signalled)


def bigram_nll(line: str, train_lines: list[str]) -> float:
    """Nats of a line by add-one counts of pairs, worked out as the lecture does."""
    pairs = Counter(
        pair for known in train_lines for pair in zip("." + known, known + ".", strict=True)
    )
    symbols = {symbol for known in LINES for symbol in known} | {"."}
    total = 0.0
    for first, second in zip("." + line, line + ".", strict=True):
        row = sum(pairs[first, other] for other in symbols)
        total -= math.log((pairs[first, second] + 1) / (row + len(symbols)))
    return total
