"""main.py and commands/: what is typed, what comes back on which stream, and the exit code."""

from __future__ import annotations

import hashlib
import json
import math
import os
import pty
import resource
import shutil
import signal
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import product
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest

from makemore import MakeMore, parallel
from makemore.cli import progress
from makemore.cli.commands import score
from makemore.cli.main import NAMES, run
from makemore.models.core import registry
from makemore.runs import logs
from makemore.runs.run import Run
from makemore.runs.writer import RunWriter
from makemore.text import builtin_lists
from makemore.version import __version__
from warm import Warm

Call = Callable[..., subprocess.CompletedProcess[str]]
Cli = Callable[..., subprocess.CompletedProcess[str]]

LINES = ["".join(parts) for parts in product("kmnr", "aeio", ("la", "ri", "no", "sa"))]
TEXT = "\n".join(LINES) + "\n"
TINY = ("--n-layer", "1", "--n-head", "2", "--n-embd", "8", "--threads", "1", "--seed", "5")
SCRIPT = Path(sys.executable).parent / "makemore"


@pytest.fixture(autouse=True)
def one_thread_unless_more_are_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "default_threads", lambda: 1)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "names.txt"
    path.write_text(TEXT)
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A finished run of a model, never to be changed."""
    above = tmp_path_factory.mktemp("made")
    options: dict[str, dict[str, Any]] = {
        "ngram": {"order": 3},
        "bigram": {"order": 2, "smoothing": "add-k", "k": 1.0},
        "transformer": {"n_layer": 1, "n_head": 2, "n_embd": 8, "max_steps": 3, "threads": 1},
    }

    def of(name: str) -> Path:
        if not (above / name).exists():
            model = "ngram" if name == "bigram" else name
            MakeMore(model, random_state=5, **options[name]).fit(LINES).save(above / name)
        return above / name

    return of


@pytest.fixture
def ngram(made: Callable[[str], Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(made("ngram"), tmp_path / "run"))


def strict(line: str) -> dict[str, Any]:
    def refuse(word: str) -> None:
        raise ValueError(word)

    value = json.loads(line, parse_constant=refuse)
    assert isinstance(value, dict)
    return value


def failed(ended: subprocess.CompletedProcess[str], code: int, *words: str) -> str:
    """The message of a command that failed: short, one line, to stderr, with these words."""
    assert ended.returncode == code, ended.stderr
    assert ended.stdout == ""
    message = ended.stderr.splitlines()[-1]
    assert message.startswith("makemore: error: ")
    assert sum("error" in line for line in ended.stderr.splitlines()) == 1
    assert "Traceback" not in ended.stderr and "our bug" not in ended.stderr
    assert ended.stderr.replace("\n", "").isprintable()
    for word in words:
        assert word in message
    return message


def config_of(folder: Path) -> dict[str, Any]:
    return strict((folder / "config.json").read_text())


# -- train ----------------------------------------------------------------------------------------


def test_train_makes_a_run_and_shows_20_new_lines(call: Call, text: Path, tmp_path: Path) -> None:
    ended = call("train", text, "-o", "run", *TINY, "--max-steps", "3")
    assert ended.returncode == 0
    shown = ended.stdout.splitlines()
    assert len(shown) == len(set(shown)) == 20
    assert not set(shown) & set(LINES)
    assert all(set(line) <= set(TEXT) for line in shown)
    assert "64 lines" in ended.stderr and "step 3/3" in ended.stderr
    assert "makemore sample run -n 50" in ended.stderr
    config = config_of(tmp_path / "run")
    assert config["model"] == "transformer"
    assert config["asked"] == {"n_layer": 1, "n_head": 2, "n_embd": 8, "max_steps": 3, "seed": 5}
    assert config["resolved"]["batch_size"] <= 64 and config["threads"] == 1


def test_the_first_word_that_is_no_command_is_the_file(
    call: Call, text: Path, tmp_path: Path
) -> None:
    ended = call(text, "--model", "ngram", "--order", "3")
    assert ended.returncode == 0 and len(ended.stdout.splitlines()) == 20
    assert Run.load(tmp_path / "runs/names-ngram").config.data["name"] == "names"
    again = call("./names.txt", "--model", "ngram", "--order", "3")
    assert again.returncode == 0 and "this run is finished; 20 more" in again.stderr


def test_the_shown_lines_can_be_drawn_again_by_their_seed(call: Call, text: Path) -> None:
    ended = call(text, "-o", "run", "--model", "ngram")
    seed = ended.stderr.split("(--seed ")[1].split(")")[0]
    assert call("sample", "run", "--seed", seed).stdout == ended.stdout
    other = call(text, "-o", "run", "--model", "ngram")
    assert other.stdout != ended.stdout  # a fresh seed each time


def test_a_finished_run_shows_20_more_and_is_not_trained_again(
    call: Call, text: Path, tmp_path: Path
) -> None:
    command = ("train", text, "-o", "run", *TINY, "--max-steps", "3")
    assert call(*command).returncode == 0
    before = {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()}
    again = call(*command)
    assert again.returncode == 0 and len(again.stdout.splitlines()) == 20
    assert "finished" in again.stderr and "step" not in again.stderr.split("what you can")[0]
    assert {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()} == before


def test_other_options_are_refused_and_named(call: Call, text: Path, tmp_path: Path) -> None:
    command = ("train", text, "-o", "run", *TINY)
    assert call(*command, "--max-steps", "3").returncode == 0
    before = (tmp_path / "run/checkpoint.json").read_bytes()
    failed(call(*command, "--max-steps", "4"), 2, "max_steps = 3, not 4", "--fresh")
    failed(call(*command), 2, "max_steps")
    failed(call(*command, "--max-steps", "3", "--patience", "2"), 2, "patience")
    failed(call("train", text, "-o", "run", "--model", "gru"), 2, "--model", "'transformer'")
    assert (tmp_path / "run/checkpoint.json").read_bytes() == before
    # What does not name the run may change.
    again = call(*command, "--max-steps", "3", "--save-interval", "0", "--log-interval", "1")
    assert again.returncode == 0
    other_threads = call(*command, "--max-steps", "3", "--threads", "2")
    assert other_threads.returncode == 0


def test_fresh_starts_over_and_leaves_what_is_not_ours(
    call: Call, text: Path, tmp_path: Path
) -> None:
    assert call("train", text, "-o", "run", "--model", "ngram").returncode == 0
    (tmp_path / "run/mine.txt").write_text("mine")
    other = call("train", text, "-o", "run", "--model", "ngram", "--order", "2", "--fresh")
    assert other.returncode == 0 and config_of(tmp_path / "run")["asked"] == {"order": 2}
    assert (tmp_path / "run/mine.txt").read_text() == "mine"
    tiny = ("--model", "transformer", *TINY, "--max-steps", "2")
    neural = call("train", text, "-o", "run", *tiny, "--fresh")
    assert neural.returncode == 0 and config_of(tmp_path / "run")["model"] == "transformer"


def test_fresh_starts_a_damaged_run_over(call: Call, text: Path, tmp_path: Path) -> None:
    command = ("train", text, "-o", "run", "--model", "ngram")
    assert call(*command).returncode == 0
    (tmp_path / "run/checkpoint.json").write_bytes(b"{")
    failed(call(*command), 4, "checkpoint.json")
    assert call(*command, "--fresh").returncode == 0


def test_changed_data_are_refused(call: Call, text: Path, tmp_path: Path) -> None:
    command = ("train", text, "-o", "run", "--model", "ngram")
    assert call(*command).returncode == 0
    digest = config_of(tmp_path / "run")["data"]["digest"]
    text.write_text(TEXT.replace("kala", "kalo"))  # as many lines, as many letters
    failed(call(*command), 2, "other data", digest[:12])
    text.write_text(TEXT + TEXT)  # copies are dropped: the same lines
    assert call(*command).returncode == 0


def test_without_a_file_a_run_goes_on_with_its_own_lines(
    call: Call, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = (*TINY, "--max-steps", "5")
    with monkeypatch.context() as patch:
        stop_at(patch, 2, signal.SIGINT)
        assert call("train", text, "-o", "run", *options).returncode == 130
    text.unlink()
    ended = call("train", "-o", "run", *options)
    assert ended.returncode == 0 and "going on from step 2" in ended.stderr
    assert Run.load(tmp_path / "run").progress["finished"]


def test_without_a_file_or_a_run_it_learns_the_built_in_names(call: Call, tmp_path: Path) -> None:
    ended = call("train", "--model", "ngram")
    assert ended.returncode == 0 and len(ended.stdout.splitlines()) == 20
    found = Run.load(tmp_path / "runs/names-ngram")
    assert sum(len(part) for _, part in found.split) == len(builtin_lists.builtin_names()) > 5000


def test_standard_input_is_a_file_too(call: Call, tmp_path: Path) -> None:
    ended = call("train", "-", "--model", "ngram", input=TEXT.encode())
    assert ended.returncode == 0
    assert Run.load(tmp_path / "runs/stdin-ngram").config.data["name"] == "stdin"
    assert call("-", "--model", "ngram", input=TEXT.encode()).returncode == 0
    failed(call("-", "--model", "ngram", input=b"ava\nmia\n"), 2, "other data")
    # A pipe cannot be read twice, but the run has its lines.
    ended = call("train", "-o", "runs/stdin-ngram", "--model", "ngram")
    assert ended.returncode == 0


def test_val_and_test_files_are_taken_as_given(call: Call, text: Path, tmp_path: Path) -> None:
    (tmp_path / "val.txt").write_text("kala\nnew\nkala\n")
    (tmp_path / "test.txt").write_text("wxy\n")
    command = ("train", text, "-o", "run", "--model", "ngram", "--val", "val.txt")
    ended = call(*command, "--test", "test.txt")
    assert ended.returncode == 0
    assert "2 of 3 lines of val stand in the training text" in ended.stderr
    assert "lines of test" not in ended.stderr
    parts = {name: list(part) for name, part in Run.load(tmp_path / "run").split}
    assert parts == {"train": LINES, "val": ["kala", "new", "kala"], "test": ["wxy"]}
    failed(call(*command), 2, "other data")


def test_too_few_lines_to_hold_some_back_all_train(call: Call, tmp_path: Path) -> None:
    (tmp_path / "few.txt").write_text("ava\nmia\n")
    ended = call("few.txt", *TINY, "--max-steps", "2")
    assert "all train, and the last weights count" in ended.stderr
    found = Run.load(tmp_path / "runs/few-transformer")
    assert [len(part) for _, part in found.split] == [2, 0, 0]
    assert found.progress["best_step"] == 2


@pytest.mark.parametrize("wrong", ["--n-layers 2", "--modle gru", "--max-step 5", "--nonsense"])
def test_an_option_that_is_none_is_refused(wrong: str, call: Call, text: Path) -> None:
    failed(call("train", text, *wrong.split()), 2, wrong.split()[0])


def test_near_names_are_offered(call: Call, text: Path, tmp_path: Path) -> None:
    failed(call("train", text, "--model", "transformr"), 2, "did you mean 'transformer'")
    failed(call("train", text, "--max-step", "5"), 2, "--max-steps")
    failed(call("train", text, "--optimizer", "adam"), 2, "adamw")
    failed(call("-i", text, "-o", "out", "--type", "transformr"), 2, "transformer")
    assert sorted(os.listdir(tmp_path)) == ["names.txt"]


def test_a_models_options_are_its_own(call: Call, text: Path) -> None:
    failed(call("train", text, "--model", "gru", "--n-head", "2"), 2, "--n-head")
    failed(call("train", text, "--order", "2"), 2, "--order")
    own = call("train", "--model", "gru", "--help").stdout
    assert "--n-hidden" in own and "--n-head" not in own


# -- stop and go on -------------------------------------------------------------------------------


def stop_at(patch: pytest.MonkeyPatch, step: int, number: int, times: int = 1) -> None:
    """Send this process a signal as soon as a step of the training was taken."""
    of_view = progress.ProgressView.step

    def signalled(view: progress.ProgressView, event: Any) -> None:
        of_view(view, event)
        if event.step == step:
            for _ in range(times):
                os.kill(os.getpid(), number)

    patch.setattr(progress.ProgressView, "step", signalled)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_stops_and_saves_and_the_same_command_goes_on(
    number: int, code: int, call: Call, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    command = ("train", text, "-o", "run", *TINY, "--max-steps", "6", "--log-interval", "1",
               "--eval-interval", "2")  # fmt: skip
    with monkeypatch.context() as patch:
        stop_at(patch, 3, number)
        ended = call(*command)
    assert ended.returncode == code and ended.stdout == ""
    assert "stopped and saved in run; the same command goes on" in ended.stderr
    assert Run.load(tmp_path / "run").progress["step"] == 3
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == handlers
    ended = call(*command)
    assert ended.returncode == 0 and "going on from step 3" in ended.stderr
    lines = [strict(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    steps = {kind: [e["step"] for e in lines if e["kind"] == kind] for kind in ("batch", "val")}
    assert steps == {"batch": [1, 2, 3, 4, 5, 6], "val": [0, 2, 4, 6]}


def test_other_threads_are_a_warning_that_names_what_they_cost(
    call: Call, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("train", text, "-o", "run", *TINY, "--max-steps", "4")
    with monkeypatch.context() as patch:
        stop_at(patch, 2, signal.SIGINT)
        assert call(*command).returncode == 130
    ended = call(*command, "--threads", "2")
    assert ended.returncode == 0
    assert "warning: the run had 1 threads; its bits will differ now" in ended.stderr
    assert ended.stderr.count("warning") == 1


def test_an_ignored_signal_stays_ignored(
    call: Call, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what nohup does
    try:
        stop_at(monkeypatch, 1, signal.SIGHUP)
        assert call("train", text, "-o", "run", *TINY, "--max-steps", "2").returncode == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_interrupt_ends_at_once(
    call: Call, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_at(monkeypatch, 3, signal.SIGINT, times=2)
    ended = call("train", text, "-o", "run", *TINY, "--max-steps", "6")
    assert ended.returncode == 130 and "Traceback" not in ended.stderr
    assert Run.load(tmp_path / "run").progress["step"] == 0  # the checkpoint before is whole


def test_the_log_is_strict_json_with_rising_steps(call: Call, text: Path, tmp_path: Path) -> None:
    call(
        "train",
        text,
        "-o",
        "run",
        *TINY,
        "--max-steps",
        "25",
        "--eval-interval",
        "10",
        "--learning-rate",
        "0.01",
    )
    entries = [strict(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    for entry in entries:
        assert entry.keys() >= {"step", "kind", "nll", "lr", "symbols", "seconds"}
        assert isinstance(entry["nll"], float) and entry["seconds"] >= 0
    steps = {k: [e["step"] for e in entries if e["kind"] == k] for k in ("batch", "train", "val")}
    assert steps == {"batch": [10, 20], "train": [0, 10, 20, 25], "val": [0, 10, 20, 25]}
    assert abs(entries[0]["nll"] - math.log(11)) < 0.1  # 10 letters and the boundary, guessed
    rates = [entry["lr"] for entry in entries if entry["kind"] == "batch"]
    assert rates == pytest.approx([0.01 * (1 - 9 / 25), 0.01 * (1 - 19 / 25)])
    shown = (tmp_path / "run/samples.txt").read_text().splitlines()
    assert {line.split("\t")[0] for line in shown} == {"0", "10", "20", "25"}
    assert not {line.split("\t")[1] for line in shown} & set(LINES)


def test_numbers_that_are_none_are_null_in_the_log(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with RunWriter(tmp_path / "run") as writer:
        log = logs.RunLog(writer, every=1)
        for number in (math.nan, math.inf, -math.inf, 1.5):
            log.step(1, number, 0.1, 5)
    lines = (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    assert [strict(line)["nll"] for line in lines] == [None, None, None, 1.5]
    assert [strict(line)["symbols"] for line in lines] == [5, 10, 15, 20]


# -- sample ---------------------------------------------------------------------------------------


def test_the_same_seed_is_the_same_bytes_on_the_command_line_and_in_python(
    call: Call, made: Callable[[str], Path]
) -> None:
    for name in ("ngram", "transformer"):
        folder = made(name)
        fifty = call("sample", folder, "-n", "50", "--seed", "3").stdout
        assert fifty.splitlines() == MakeMore.load(folder).sample(50, 3)
        five = call("sample", folder, "-n", "5", "--seed", "3")
        assert fifty.startswith(five.stdout) and len(five.stdout.splitlines()) == 5
        assert five.stderr == ""
        assert call("sample", folder, "-n", "5", "--seed", "4").stdout != five.stdout


def test_a_fresh_seed_is_shown_and_can_be_typed(call: Call, ngram: Path) -> None:
    first, second = call("sample", ngram), call("sample", ngram)
    assert first.stdout != second.stdout and len(first.stdout.splitlines()) == 20
    seed = first.stderr.removeprefix("makemore: --seed ").strip()
    assert seed.isdigit() and call("sample", ngram, "--seed", seed).stdout == first.stdout


def test_lines_are_new_and_each_comes_once(call: Call, ngram: Path, tmp_path: Path) -> None:
    shown = call("sample", ngram, "-n", "60", "--seed", "1").stdout.splitlines()
    assert len(shown) == len(set(shown)) == 60 and not set(shown) & set(LINES)
    (tmp_path / "avoid.txt").write_text("\n".join(shown[:30]))
    others = call("sample", ngram, "-n", "30", "--seed", "1", "--avoid", "avoid.txt").stdout
    assert others.splitlines() == shown[30:]


def test_all_shows_where_a_line_stands(call: Call, ngram: Path) -> None:
    shown = call("sample", ngram, "-n", "300", "--seed", "1", "--all").stdout.splitlines()
    parts = {text: name for name, part in Run.load(ngram).split for text in part}
    origins = Counter()
    for line in shown:
        text, origin = line.removesuffix(" capped").split("\t")
        assert origin == parts.get(text, "new")
        origins[origin] += 1
    assert len(shown) == 300 and origins["train"] > 10 and origins["new"] > 10


def test_samples_as_json(call: Call, ngram: Path) -> None:
    ended = call("sample", ngram, "-n", "40", "--seed", "1", "--all", "--json")
    maker = MakeMore.load(ngram)
    for line in ended.stdout.splitlines():
        sample = strict(line)
        assert sample.keys() >= {"text", "origin", "nll", "capped"}
        assert sample["origin"] in ("new", "train", "val", "test")
        if not sample["capped"]:
            assert sample["nll"] == pytest.approx(-maker.score_samples([sample["text"]])[0])
    assert len(ended.stdout.splitlines()) == 40


def test_the_ways_to_draw(call: Call, ngram: Path) -> None:
    greedy = call("sample", ngram, "-n", "3", "--temperature", "0", "--all").stdout.splitlines()
    assert len(set(greedy)) == 1
    ways = (
        ("--temperature", "0.5"), ("--top-k", "2"), ("--top-p", "0.5"), ("--min-p", "0.5"),
        ("--prefix", "ka"), ("--min-length", "6"), ("--max-length", "3"),
    )  # fmt: skip
    plain = call("sample", ngram, "-n", "5", "--seed", "1", "--all").stdout
    for way in ways:
        ended = call("sample", ngram, "-n", "5", "--seed", "1", "--all", *way)
        assert ended.returncode == 0 and len(ended.stdout.splitlines()) == 5
        assert ended.stdout != plain, way
    shown = call("sample", ngram, "-n", "9", "--prefix", "ka", "--max-length", "5").stdout
    assert all(line.startswith("ka") and len(line) <= 5 for line in shown.split())


def test_what_cannot_be_found_is_told_with_what_was(call: Call, ngram: Path) -> None:
    ended = call("sample", ngram, "-n", "5", "--temperature", "0", "--prefix", "k")
    assert ended.returncode == 7
    found = len(ended.stdout.splitlines())
    assert f"found {found} of 5 lines after" in ended.stderr
    failed(call("sample", ngram, "--min-length", "5", "--max-length", "4"), 7, "no line")


def test_a_run_is_sampled_while_it_is_training(call: Call, ngram: Path) -> None:
    with RunWriter(ngram):
        assert len(call("sample", ngram, "-n", "3").stdout.splitlines()) == 3
        ended = call("-o", ngram, "--sample-only")
        assert ended.returncode == 0 and len(ended.stdout.splitlines()) == 50
        failed(call("train", "-o", ngram, "--order", "3", "--seed", "5"), 5, str(os.getpid()))


# -- score, eval, verify, models, fetch -----------------------------------------------------------


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


def test_scores_are_those_of_the_lecture(call: Call, made: Callable[[str], Path]) -> None:
    folder = made("bigram")
    learned = list(Run.load(folder).split.train)
    lines = ["kala", "", "mmm", "xyz", "kala", " no "]
    ended = call("score", folder, input="\n".join(lines).encode())
    assert ended.returncode == 0 and ended.stderr == ""
    shown = [line.split("\t") for line in ended.stdout.splitlines()]
    assert [text for _, text in shown] == ["kala", "", "mmm", "xyz", "kala", "no"]
    for nll, text in shown:
        expected = math.inf if text == "xyz" else bigram_nll(text, learned)
        assert float(nll) == pytest.approx(expected, abs=1e-4)


def test_scores_as_json_name_unknown_symbols(
    call: Call, made: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = made("bigram")
    (tmp_path / "a.txt").write_text("kala\n\nxkyx\n")
    found = [strict(s) for s in call("score", folder, "a.txt", "--json").stdout.splitlines()]
    assert [entry.keys() >= {"text", "nll", "symbols", "unknown"} for entry in found] == [True] * 3
    assert [(e["text"], e["symbols"], e["unknown"]) for e in found] == [
        ("kala", 5, []), ("", 1, []), ("xkyx", 5, ["x", "y"]),
    ]  # fmt: skip
    assert found[2]["nll"] is None and found[0]["nll"] > 0
    given = MakeMore.load(folder).score_samples(["kala", "", "xkyx"])
    assert [-found[0]["nll"], -found[1]["nll"], -math.inf] == pytest.approx(list(given))


def test_bytes_that_are_no_text_are_named_by_their_line(call: Call, ngram: Path) -> None:
    ended = call("score", ngram, input=b"kala\nmari\nk\xffla\nnino\n")
    assert ended.returncode == 3
    assert "standard input:3:2" in ended.stderr and "no utf-8" in ended.stderr
    assert len(ended.stdout.splitlines()) in (0, 2)  # never a line for what was not read
    failed(call("score", ngram, "missing.txt"), 3, "missing.txt", "No such file")
    (ngram.parent / "folder").mkdir()
    failed(call("score", ngram, "folder"), 3, "folder", "directory")


def test_scores_in_bits_and_among_the_training_lines(
    call: Call, made: Callable[[str], Path]
) -> None:
    folder = made("bigram")
    learned = list(Run.load(folder).split.train)
    each = [bigram_nll(line, learned) / (len(line) + 1) for line in learned]
    body = b"kala\n\nrrrrrr\nxkyx\n"
    found = [strict(row) for row in call("score", folder, "--json", input=body).stdout.splitlines()]
    for entry in found[:3]:
        nll = bigram_nll(entry["text"], learned)
        assert entry["bits"] == pytest.approx(nll / math.log(2))
        assert entry["per_symbol"] == pytest.approx(nll / entry["symbols"])
        less = sum(other > nll / entry["symbols"] + 1e-9 for other in each)
        assert entry["percentile"] == pytest.approx(100 * less / len(each))
    assert found[0]["percentile"] > 0 == found[2]["percentile"]
    assert [found[3][key] for key in ("bits", "per_symbol", "percentile")] == [None] * 3
    table = call("score", folder, "--table", input=body).stdout.splitlines()
    assert table[0].split() == ["nats", "bits/symbol", "percentile", "line"]
    for row, entry in zip(table[1:4], found, strict=False):
        numbers = entry["nll"], entry["bits"] / entry["symbols"], entry["percentile"]
        assert [float(cell) for cell in row.split()[:3]] == pytest.approx(numbers, abs=0.05)
        assert row.endswith("  " + entry["text"])
    assert table[4].split() == ["inf", "inf", "-", "xkyx"]


def test_scores_symbol_by_symbol(call: Call, made: Callable[[str], Path], tmp_path: Path) -> None:
    folder = made("bigram")
    (tmp_path / "a.txt").write_text("kala\n\nkax\n")
    shown = call("score", folder, "a.txt", "--each").stdout.splitlines()
    cells = [[cell.split() for cell in row.split("  ")] for row in shown]
    assert [[symbol for symbol, _ in row] for row in cells] == [[*"kala."], ["."], [*"kax"]]
    found = [strict(row) for row in
             call("score", folder, "a.txt", "--each", "--json").stdout.splitlines()]  # fmt: skip
    for entry, row in zip(found, cells, strict=True):
        symbols = [each["symbol"] for each in entry["surprisals"]]
        assert symbols == [None if symbol == "." else symbol for symbol, _ in row]
        for each, (_, nats) in zip(entry["surprisals"], row, strict=True):
            expected = math.inf if each["nats"] is None else each["nats"]
            assert float(nats) == pytest.approx(expected, abs=0.006)
    for entry in found[:2]:
        assert sum(each["nats"] for each in entry["surprisals"]) == pytest.approx(entry["nll"])
    assert found[2]["surprisals"][-1] == {"symbol": "x", "nats": None}
    assert "surprisals" not in strict(call("score", folder, "--json", input=b"ka").stdout)
    for other in ("--json", "--each"):
        failed(call("score", folder, "a.txt", "--table", other), 2, "--table")


def test_a_symbol_that_is_a_dot_or_a_space_can_be_told_from_the_end(
    call: Call, tmp_path: Path
) -> None:
    lines = [f"{a}. {b}" for a, b in product("abcd", "efgh")]
    MakeMore("ngram", order=2).fit(lines).save(tmp_path / "run")
    row = call("score", "run", "--each", input=b"a. e").stdout
    assert row.startswith("a ") and "  '.' " in row and "  ' ' " in row and "  . " in row


@pytest.mark.parametrize("form", [(), ("--each",), ("--table",), ("--json", "--each")])
def test_scoring_streams(
    form: tuple[str, ...], ngram: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some thousands of lines at a time: the first have their answers before the last are read."""
    told = 0
    behind = []

    def count(_: object) -> None:
        nonlocal told
        told += 1

    def lines() -> Iterator[bytes]:
        for number in range(10_000):
            behind.append(number - told)
            yield b"kala\n"

    monkeypatch.setattr(score, "result", count)
    monkeypatch.setattr(score, "result_json", count)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=lines()))
    assert run(["score", str(ngram), *form]) == 0
    assert told == 10_000 + (form == ("--table",)) and max(behind) <= score.LINES_AT_ONCE


def test_eval_gives_the_losses_of_each_part(call: Call, made: Callable[[str], Path]) -> None:
    folder = made("bigram")
    parts = {name: list(part) for name, part in Run.load(folder).split}
    found = [strict(s) for s in call("eval", folder, "--json").stdout.splitlines()]
    assert [entry.get("split") for entry in found] == ["train", "val", None]
    for entry in found[:2]:
        keys = {"split", "nll", "nll_unseen", "bits", "perplexity", "lines"}
        assert entry.keys() >= keys
        lines = parts[entry["split"]]
        symbols = sum(len(line) + 1 for line in lines)
        nll = sum(bigram_nll(line, parts["train"]) for line in lines) / symbols
        assert entry["nll"] == pytest.approx(nll) and entry["lines"] == len(lines)
        assert entry["bits"] == pytest.approx(nll / math.log(2))
        assert entry["perplexity"] == pytest.approx(math.exp(nll))
    shares = [found[2][key] for key in ("new", "repeated", "copied", "cut or empty")]
    assert sum(shares) == pytest.approx(1) and found[2]["samples"] == 1000
    table = call("eval", folder).stdout.splitlines()
    assert [line.split()[0] for line in table] == ["part", "train", "val", "of"]
    assert f"{found[0]['nll']:.4f}" in table[1]


def test_looks_at_the_test_part_are_counted(call: Call, ngram: Path) -> None:
    before = (ngram / "checkpoint.json").read_bytes()
    for look in (1, 2, 3):
        ended = call("eval", ngram, "--test", "--json")
        assert f"look {look} at the test part" in ended.stderr
        assert [strict(s).get("split") for s in ended.stdout.splitlines()][2] == "test"
    logged = [strict(line) for line in (ngram / "looks.jsonl").read_text().splitlines()]
    assert len(logged) == 3 and {entry["nll"] for entry in logged} == {logged[0]["nll"]}
    assert "look" not in call("eval", ngram).stderr
    assert (ngram / "checkpoint.json").read_bytes() == before  # outside the digests
    assert call("verify", ngram).returncode == 0


def test_verify_names_what_is_damaged_and_goes_back(call: Call, text: Path, tmp_path: Path) -> None:
    call("train", text, "-o", "run", *TINY, "--max-steps", "3")
    whole = call("verify", "run")
    assert whole.returncode == 0
    tensors = MakeMore.load(tmp_path / "run").n_parameters
    assert whole.stdout == f"whole: transformer, {tensors:,} parameters\n"
    weights = tmp_path / "run/weights-3.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    ended = call("verify", "run")
    assert ended.returncode == 4 and "--restore" in ended.stderr
    assert ended.stdout == "weights-3.safetensors: not what was saved\n"
    failed(call("sample", "run"), 4, "makemore verify run --restore")
    ended = call("verify", "run", "--restore")
    assert ended.returncode == 0 and "whole: transformer" in ended.stdout
    assert Run.load(tmp_path / "run").progress["step"] == 0
    assert len(call("sample", "run", "-n", "3").stdout.splitlines()) == 3
    failed(call("verify", "run", "--restore"), 4, "no checkpoint before")
    ended = call("train", text, "-o", "run", *TINY, "--max-steps", "3")
    assert ended.returncode == 0 and "going on from step 0" in ended.stderr


def test_models_are_listed_with_their_papers(call: Call) -> None:
    found = [strict(line) for line in call("models", "--json").stdout.splitlines()]
    by_name = {entry["model"]: entry for entry in found}
    assert by_name.keys() >= {
        "bigram", "bow", "gru", "lstm", "mlp", "ngram", "rnn", "transformer", "wavenet",
    }  # fmt: skip
    for name, author in (
        ("mlp", "Bengio et al. 2003"), ("rnn", "Mikolov et al. 2010"), ("gru", "Cho et al. 2014"),
        ("lstm", "Graves 2013"), ("transformer", "Vaswani et al. 2017"),
        ("wavenet", "van den Oord et al. 2016"),
    ):  # fmt: skip
        assert author in by_name[name]["paper"]
    assert by_name["mlp"]["options"]["--block-size"] == 3
    shown = call("models").stdout
    assert all(name in shown for name in by_name) and "--n-head" in shown


@pytest.fixture
def server() -> Any:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(TEXT.encode())

        def log_message(self, *arguments: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}/names.txt"
        http.shutdown()
        thread.join()


def test_fetch_keeps_only_what_was_expected(
    server: str, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed(call("fetch", "names", "--url", server), 3, "sha256", server)
    assert os.listdir(tmp_path) == []
    monkeypatch.setattr(builtin_lists, "NAMES_SHA256", hashlib.sha256(TEXT.encode()).hexdigest())
    ended = call("fetch", "names", "--url", server)
    assert ended.returncode == 0 and ended.stdout == "names.txt\n"
    assert (tmp_path / "names.txt").read_text() == TEXT


# -- data -----------------------------------------------------------------------------------------

CYRILLIC = ["".join(parts) for parts in product("кмнр", "аеио", ("лат", "рик", "ном", "сад"))]


def test_data_says_what_is_in_a_list_and_what_to_do(call: Call, tmp_path: Path) -> None:
    planted = [CYRILLIC[0], "", "Aннa", "ан\u200bна", "x" * 1200, "\u202eанна"]
    (tmp_path / "list.txt").write_text("\n".join(CYRILLIC + planted) + "\n")
    before = (tmp_path / "list.txt").read_bytes()
    ended = call("data", "list.txt")
    assert ended.returncode == 0
    assert ended.stderr == "makemore: now type: makemore list.txt\n"
    shown = dict(row.split(maxsplit=1) for row in ended.stdout.splitlines()[:8])
    assert (shown["lines"], shown["blank"], shown["copies"]) == ("70", "1", "1")
    assert shown["distinct"] == "67" and shown["too"] == "long     1"
    assert "\n\nmixed scripts: 1 line\n" in ended.stdout
    assert "Aннa   U+0041 LATIN CAPITAL LETTER A, U+0061 LATIN SMALL LETTER A" in ended.stdout
    assert "ан\\u200bна   U+200B ZERO WIDTH SPACE" in ended.stdout
    assert "\u202e" not in ended.stdout and "\u200b" not in ended.stdout  # escaped in a pipe, too
    assert "--max-line" in ended.stdout and "--keep-copies" in ended.stdout
    assert max(map(len, ended.stdout.splitlines())) <= 100
    assert (tmp_path / "list.txt").read_bytes() == before
    assert os.listdir(tmp_path) == ["list.txt"]
    longer = strict(call("data", "list.txt", "--max-line", "2000", "--json").stdout)
    assert (longer["too_long"], longer["lengths"]["longest"]) == (0, 1200)


def test_data_as_json_is_one_object(call: Call, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(
        "\n".join([*CYRILLIC, "Aннa", CYRILLIC[0]]).encode("utf-16")
    )
    failed(call("data", "list.txt"), 3, "--encoding utf-16")
    ended = call("data", "list.txt", "--json", "--encoding", "utf-16")
    assert ended.returncode == 0 and ended.stderr == "" and ended.stdout.count("\n") == 1
    found = strict(ended.stdout)
    assert found.keys() >= {
        "lines", "blank", "too_long", "copies", "distinct", "lengths", "longest_line", "symbols",
        "scripts", "near", "findings",
    }  # fmt: skip
    assert (found["lines"], found["distinct"], found["copies"]) == (66, 65, 1)
    assert found["symbols"] == "".join(sorted(set("".join(CYRILLIC)) | set("Aннa")))
    by_name = {finding["name"]: finding for finding in found["findings"]}
    assert by_name["mixed scripts"]["lines"] == 1
    assert by_name["mixed scripts"]["examples"][0]["lines"] == ["Aннa"]
    assert by_name["near copies"]["lines"] == found["near"]["lines"] == 64
    assert by_name["copies"]["examples"] == [{"lines": [CYRILLIC[0]], "about": "2 times"}]


def test_data_with_a_model_shows_what_surprises_it(call: Call, ngram: Path) -> None:
    lines = [*LINES, "lllllll", "kalq", "яна"]
    (ngram.parent / "list.txt").write_text("\n".join(lines) + "\n")
    ended = call("data", "list.txt", "--model", ngram)
    assert ended.returncode == 0
    told = ended.stdout.partition("What surprises")[2]
    assert told.splitlines()[2].split()[1:3] == ["lllllll", "l"]
    assert "unknown to the model: 2 lines" in told and "kalq   q" in told and "яна   а н я" in told
    found = strict(call("data", "list.txt", "--model", ngram, "--json").stdout)
    assert len(found["surprising"]) == 10 and found["surprising"][0]["text"] == "lllllll"
    per_symbol = [line["per_symbol"] for line in found["surprising"]]
    assert per_symbol == sorted(per_symbol, reverse=True)
    scored = strict(call("score", ngram, "--json", input=b"lllllll").stdout)
    assert per_symbol[0] == pytest.approx(scored["per_symbol"])
    assert found["unknown"] == {"lines": 2, "examples": [
        {"text": "kalq", "unknown": ["q"]}, {"text": "яна", "unknown": ["а", "н", "я"]},
    ]}  # fmt: skip


@pytest.mark.parametrize(
    ("body", "words"),
    [(b"", "no lines"), (b"\n \n", "2 blank"), (b"\0a\0\0\1b\0\n", "binary"),
     (b"\xff\n", "--encoding"), (b"x" * 1001, "1 longer than 1000"), (b"PK\x03\x04", "zip")],
)  # fmt: skip
def test_data_of_what_is_no_list(body: bytes, words: str, call: Call, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(body)
    failed(call("data", "list.txt"), 3, words)
    failed(call("data", "-", input=body), 3, words)


def test_data_of_hardly_anything_and_of_nothing(call: Call, tmp_path: Path) -> None:
    one = call("data", "-", input=b"anna")
    assert one.returncode == 0 and one.stderr == ""  # what to type next would read it once more
    assert "few lines: 1 line\n" in one.stdout and one.stdout.count("\n\n") == 1
    numbers = call("data", "-", input=b"12\n34\n")
    assert "scripts      no letters" in numbers.stdout
    failed(call("data"), 2, "FILE")
    failed(call("data", "missing.txt"), 3, "No such file")
    failed(call("data", "-", "--model", "missing", input=b"anna"), 4, "no run directory")
    failed(call("data", "-", "--max-line", "0", input=b"anna"), 2, "--max-line")


def test_data_with_nothing_to_look_at(call: Call, tmp_path: Path) -> None:
    parts = ("ka", "no", "ri", "mu", "te")
    lines = ["".join(five) for five in product(parts, repeat=5)]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    assert "Nothing to look at" in call("data", "list.txt").stdout


# -- the original's command line ------------------------------------------------------------------


def test_the_originals_command_line(call: Call, text: Path, tmp_path: Path) -> None:
    command = ("-i", text, "-o", "names", "--max-steps", "2", "--n-layer", "1", "--n-embd", "8")
    ended = call(*command)
    assert ended.returncode == 0 and len(ended.stdout.splitlines()) == 20
    config = config_of(tmp_path / "names")
    assert config["model"] == "transformer" and config["resolved"]["n_head"] == 4
    again = call(*command, "--resume")
    assert again.returncode == 0 and "finished" in again.stderr


def test_sample_only_prints_50(call: Call, text: Path) -> None:
    call("-i", text, "-o", "names", "--type", "bigram", "--max-steps", "2")
    ended = call("-i", text, "-o", "names", "--sample-only")
    assert ended.returncode == 0 and len(ended.stdout.splitlines()) == 50
    seed = ended.stderr.removeprefix("makemore: --seed ").strip()
    typed = call("-o", "names", "--sample-only", "--seed", seed)
    assert typed.stdout == ended.stdout and typed.stderr == ""
    assert call("sample", "names", "-n", "50", "--seed", seed).stdout == ended.stdout
    top = call("-o", "names", "--sample-only", "--seed", seed, "--top-k", "3").stdout
    assert top == call("sample", "names", "-n", "50", "--seed", seed, "--top-k", "3").stdout
    assert top != ended.stdout
    none = call("-o", "names", "--sample-only", "--seed", seed, "--top-k", "-1")
    assert none.stdout == ended.stdout


def test_resume_and_sample_only_need_a_run(call: Call, text: Path, tmp_path: Path) -> None:
    failed(call("-i", text, "-o", "names", "--resume"), 4, "no run to resume", "names")
    failed(call("-i", text, "-o", "names", "--sample-only"), 4, "no run")
    assert os.listdir(tmp_path) == ["names.txt"]
    text.unlink()
    failed(call("-o", "names"), 3, "'names.txt'")


def test_minus_one_is_none_and_other_models_knobs_are_noted(
    call: Call, text: Path, tmp_path: Path
) -> None:
    ended = call(
        "-i", text, "-o", "a", "--type", "bigram", "--max-steps", "-1", "-n", "4", "--n-layer", "9",
        "--n-head", "2", "--n-embd", "8", "--n-embd2", "8",
    )  # fmt: skip
    assert ended.returncode == 0
    for knob in ("n_layer", "n_head", "n_embd", "n_hidden"):
        assert f"{knob} is ignored: bigram has none" in ended.stderr
    assert "-n (workers) is ignored" in ended.stderr
    config = config_of(tmp_path / "a")
    assert config["asked"] == {} and config["resolved"]["max_steps"] == 30


def test_learning_rate_or_decay_choose_adamw(call: Call, text: Path, tmp_path: Path) -> None:
    small = ("--max-steps", "1", "--n-layer", "1", "--n-embd", "8")
    for number, typed in enumerate((("-l", "0.001"), ("-w", "0.1"), ())):
        assert call("-i", text, "-o", f"o{number}", *small, *typed).returncode == 0
    resolved = [config_of(tmp_path / f"o{number}")["resolved"] for number in range(3)]
    assert [values["optimizer"] for values in resolved] == ["adamw", "adamw", "muon"]
    assert resolved[0]["learning_rate"] == 0.001 and resolved[1]["weight_decay"] == 0.1


def test_n_embd2_is_the_hidden_size(call: Call, text: Path, tmp_path: Path) -> None:
    ended = call("-i", text, "-o", "a", "--type", "mlp", "--n-embd2", "7", "--max-steps", "1")
    assert ended.returncode == 0 and "ignored" not in ended.stderr
    assert config_of(tmp_path / "a")["resolved"]["n_hidden"] == 7


# -- help and usage -------------------------------------------------------------------------------


def test_no_arguments_are_a_question(call: Call) -> None:
    shown = call()
    assert shown.returncode == 0 and shown.stderr == ""
    assert shown.stdout == call("--help").stdout == call("-h").stdout
    for name in NAMES:
        assert (f"  {name} " in shown.stdout) == (name != "original")
    assert call("--version").stdout == f"makemore, version {__version__}\n"


@pytest.mark.parametrize("name", NAMES)
def test_each_command_explains_itself(name: str, call: Call) -> None:
    shown = call(name, "--help")
    assert shown.returncode == 0 and shown.stderr == ""
    assert shown.stdout.startswith(f"Usage: makemore {name}") and len(shown.stdout) > 200


USAGE = {
    "sample": "DIR", "sample a b": "b", "score": "DIR", "verify": "DIR", "eval": "DIR",
    "sample run -n x": "x", "sample run --seed x": "x", "train a.txt b.txt": "b.txt",
    "fetch poems": "poems", "sample run --nonsense": "--nonsense", "--nonsense": "--nonsense",
    "-i": "-i", "train --max-steps": "--max-steps", "train --model": "--model",
    "train --model nothing": "nothing", "train --plugin none.py": "none.py",
    "sample run --plugin none.py": "none.py", "models --plugin none.py": "none.py",
}  # fmt: skip


@pytest.mark.parametrize("line", USAGE)
def test_what_cannot_be_right_is_a_usage_error(line: str, call: Call, tmp_path: Path) -> None:
    failed(call(*line.split()), 2, USAGE[line])
    assert os.listdir(tmp_path) == []


BAD_OPTIONS = [
    "--max-steps 0", "--max-steps -1", "--max-steps 9223372036854775808", "--max-steps 1.5",
    "--batch-size 0", "--batch-size 99999", "--learning-rate 0", "--learning-rate -1",
    "--learning-rate inf", "--learning-rate nan", "--learning-rate 1e400", "--seed -1",
    "--seed 18446744073709551616", "--n-layer 0", "--n-layer 1000000000", "--n-head 3",
    "--dropout 1", "--dropout -0.1", "--patience 0", "--threads 0", "--device nothing",
    "--max-line 0", "--grad-clip 0", "--eval-interval 0", "--schedule square", "--encoding nothing",
]  # fmt: skip


@pytest.mark.parametrize("option", BAD_OPTIONS)
def test_options_are_checked_before_anything_is_written(
    option: str, call: Call, text: Path, tmp_path: Path
) -> None:
    code = 3 if option == "--encoding nothing" else 2
    failed(call("train", text, "-o", "run", "--n-embd", "8", *option.split()), code)
    assert os.listdir(tmp_path) == ["names.txt"]


# -- exit codes and messages ----------------------------------------------------------------------


@pytest.mark.parametrize("command", ["sample", "score", "eval", "verify"])
def test_a_folder_that_is_no_run_is_said_so(command: str, call: Call, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    failed(call(command, "folder"), 4, "no run here", "folder")
    failed(call(command, "missing"), 4, "no run directory", "missing")
    (tmp_path / "folder/letter.txt").write_text("mine")
    failed(call("train", "-o", "folder", "--model", "ngram"), 4, "not empty and no run", "folder")
    assert os.listdir(tmp_path / "folder") == ["letter.txt"]


def test_a_file_that_is_missing_is_the_datas_fault(call: Call, tmp_path: Path) -> None:
    for line in ("missing.txt", "train missing.txt", "-i missing.txt -o run"):
        failed(call(*line.split()), 3, "No such file")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (MemoryError(), 5, "not enough memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), 5, "memory"),
        (OSError(28, "No space left on device"), 5, "no space left on device"),
        (KeyboardInterrupt(), 130, ""),
        (ZeroDivisionError("by \x1b[31m zero\n"), 1, "ZeroDivisionError"),
    ],
)
def test_what_goes_wrong_below_has_its_code(
    error: BaseException, code: int, words: str, call: Call, ngram: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def fail(run: Run) -> MakeMore:
        raise error

    monkeypatch.setattr(MakeMore, "of_run", fail)
    ended = call("sample", ngram)
    assert ended.returncode == code and ended.stdout == ""
    assert words in ended.stderr and "Traceback" not in ended.stderr
    assert ended.stderr.replace("\n", "").isprintable() and ended.stderr.count("\n") <= 3
    assert ("our bug" in ended.stderr) == (code == 1)
    if code == 1:
        with pytest.raises(ZeroDivisionError):
            run(["sample", str(ngram)], debug=True)


HOSTILE_NAMES = {  # and what has to be read in the message
    "new\nline": "new\\nline", "esc\x1b[31m": "esc\\x1b[31m", "\x07bell": "'\\x07bell",
    "quote'\"": "quote", "bidi\u202e": "bidi\\u202e", "$(touch pwned)": "$(touch pwned)",
    "%s{0}": "%s{0}", "\udcff\udcfe": "\\udcfe",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_file_names_are_shown_escaped(name: str, call: Call, tmp_path: Path) -> None:
    for line in (("train", name), ("sample", name), ("verify", name), ("-i", name, "-o", "run")):
        ended = call(*line)
        code = 3 if line[0] in ("train", "-i") else 4
        assert HOSTILE_NAMES[name] in failed(ended, code) and ended.stderr.count("\n") == 1
    (tmp_path / name).write_bytes(TEXT.encode())
    ended = call("train", name, "--model", "ngram")
    assert ended.returncode == 0 and len(ended.stdout.splitlines()) == 20
    assert ended.stderr.replace("\n", "").isprintable()
    folder = next((tmp_path / "runs").iterdir())
    assert call("sample", folder, "-n", "2").returncode == 0
    assert not (tmp_path / "pwned").exists()


# -- a model of one's own -------------------------------------------------------------------------

PLUGIN = '''
"""Uniform: every symbol is as likely as any other.

Paper: none
"""
from dataclasses import dataclass
import numpy as np
from makemore.models.core.base import CountModel; from makemore.models.core.registry import register
from makemore.options import option

@register("uniform")
class Uniform(CountModel):
    @dataclass(frozen=True)
    class Options:
        block_size: int = option(1, "symbols that it does not look at", minimum=1, maximum=9)

    input_kind = "window"

    def __init__(self, vocab_size, block_size, options):
        self.vocab_size, self.block_size, self.options = vocab_size, block_size, options

    def fit_counts(self, ids, offsets):
        pass

    def forward(self, inputs):
        return np.full((len(inputs), self.vocab_size), -np.log(self.vocab_size))

    def initial_state(self, batch):
        return np.zeros((batch, self.block_size), dtype=np.int64)

    def step(self, ids, state):
        return self.forward(state), state

    @property
    def n_parameters(self):
        return 0

    def tensors(self):
        return {"nothing": np.zeros(1, np.uint8)}

    def load_tensors(self, tensors):
        pass
'''


def test_a_plugin_is_typed_again_to_be_loaded(call: Call, text: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN)
    plugin = ("--plugin", "mine.py")
    try:
        command = ("train", text, "-o", "run", *plugin, "--model", "uniform", "--block-size", "2")
        assert call(*command).returncode == 0
        assert "mine.py" not in (tmp_path / "run/config.json").read_text()  # no run names code
        found = strict(call("eval", "run", *plugin, "--json").stdout.splitlines()[0])
        assert found["nll"] == pytest.approx(math.log(11))
        assert call("verify", "run", *plugin).stdout == "whole: uniform, 0 parameters\n"
        assert len(call("sample", "run", *plugin, "-n", "3").stdout.splitlines()) == 3
        assert (
            call("score", "run", *plugin, input=b"ka\n").stdout == f"{3 * math.log(11):.4f}\tka\n"
        )
        assert "--block-size" in call("train", *plugin, "--model", "uniform", "--help").stdout
        assert "uniform" in call("models", *plugin).stdout
    finally:
        registry._register.pop("uniform", None)
    failed(call("sample", "run"), 4, "'uniform' is not known here", "--plugin")
    (tmp_path / "bad.py").write_text("1 / 0")
    failed(call("models", "--plugin", "bad.py"), 2, "bad.py", "ZeroDivisionError")


# -- as a process of its own ----------------------------------------------------------------------


def test_the_command_runs_as_a_process(cli: Cli, call: Call, ngram: Path) -> None:
    ended = cli("sample", ngram, "-n", "5", "--seed", "3")
    assert ended.returncode == 0 and ended.stderr == ""
    assert ended.stdout == call("sample", ngram, "-n", "5", "--seed", "3").stdout
    failed(cli("sample", "missing"), 4, "missing")
    failed(cli("sample"), 2, "DIR")
    debug = cli("sample", "missing", "--debug")
    assert debug.returncode == 1 and "Traceback" in debug.stderr and "RunError" in debug.stderr


STATED = """
import sys
from makemore.cli import main as cli
for arguments in ([], ["--help"], ["--version"], *([name, "--help"] for name in cli.NAMES)):
    assert cli.run(arguments) == 0
print([m for m in ("numpy", "torch", "rich", "safetensors", "faker") if m in sys.modules])
"""
NO_TORCH = """
import sys
from makemore.cli import main as cli
assert cli.run(sys.argv[1:]) == 0
print([name for name in ("torch", "matplotlib", "rich") if name in sys.modules])
"""


def python(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60)


def test_help_waits_for_neither_numpy_nor_torch() -> None:
    ended = python("-c", STATED)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == "[]"


def test_a_count_model_is_sampled_and_verified_without_torch(ngram: Path) -> None:
    for line in (("sample", ngram, "-n", "2"), ("verify", ngram)):
        ended = python("-c", NO_TORCH, *line)
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout.splitlines()[-1] == "[]"


def test_help_is_there_at_once(cli: Cli) -> None:
    def seconds(act: Callable[[], object]) -> float:
        """Of the processor, in a child: a wall clock would also see what else the machine does."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        act()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    cli("--help")  # writes the bytecode
    helps = [seconds(lambda: cli("--help")) for _ in range(7)]
    clicks = [seconds(lambda: python("-c", "import click")) for _ in range(7)]
    took, click_alone = statistics.median(helps), statistics.median(clicks)
    assert took < max(0.15, 4 * click_alone)


def test_a_reader_that_leaves_ends_it_quietly(ngram: Path) -> None:
    for line, code in (
        (["sample", str(ngram), "--all", "-n", "100000"], 141),
        (["--help"], 141),
        (["sample", str(ngram), "-n", "3"], 141),
    ):
        read, write = os.pipe()
        process = subprocess.Popen([SCRIPT, *line], stdout=write, stderr=subprocess.PIPE)
        os.close(write)
        if line[-1] == "100000":
            assert os.read(read, 1)
        os.close(read)
        errors = process.communicate(timeout=60)[1].decode()
        assert process.returncode == code
        assert "Traceback" not in errors and "Exception" not in errors and "error" not in errors


def test_streams_that_are_closed_or_full_end_it_with_its_code(ngram: Path) -> None:
    def shell(line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", f"{SCRIPT} {line}"], capture_output=True, text=True, timeout=60
        )

    assert shell(f"sample {ngram} -n 3 >&-").returncode == 0
    assert shell(f"sample {ngram} -n 3 2>&-").stdout.count("\n") == 3
    assert shell(f"sample {ngram} -n 3 <&- >&- 2>&-").returncode == 0
    assert shell("sample missing 2>&-").returncode == 4
    if Path("/dev/full").exists():
        ended = shell(f"sample {ngram} -n 3 --seed 1 > /dev/full")
        assert ended.returncode == 5
        assert ended.stderr == "makemore: error: cannot read or write: no space left on device\n"


STRANGE_LINES = [
    "caf\u00e9", "\u674e\u660e", "\u05d0\u05d1", "e\u0301e", "a\x1b[31mb", "x\x07y", "n\u202eo",
    "a\x85b", "\U0001f469\u200d\U0001f680", "k\u2028l", "\x1b]0;t\x07z", "a\rb", "b\x00c",
]  # fmt: skip


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose samples hold letters, control characters and what reorders a terminal."""
    folder = tmp_path_factory.mktemp("strange") / "run"
    MakeMore("ngram", order=3).fit(STRANGE_LINES).save(folder)
    return folder


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C", "LANG": None, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "POSIX", "TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "1"},
        {"HOME": "/nonexistent", "TMPDIR": "/nonexistent", "PYTHONIOENCODING": "ascii"},
        {"HOME": None, "PATH": "/usr/bin:/bin", "TERM": None},
    ],
    ids=["LC_ALL=C", "dumb", "no HOME", "bare"],
)
def test_any_environment_gives_the_same_bytes(
    environment: dict[str, str | None], cli: Cli, strange: Path
) -> None:
    ended = cli("sample", strange, "-n", "30", "--seed", "1", env=environment)
    assert ended.returncode == 0 and ended.stderr == ""
    expected = MakeMore.load(strange).sample(30, 1)
    assert ended.stdout.split("\n")[:-1] == expected and not "".join(expected).isascii()
    failed(cli("sample", "caf\u00e9\u202e", env=environment), 4, "no run directory at 'caf")


def on_terminal(
    warm: Warm, cwd: Path, *arguments: str | Path, before: Path | None = None
) -> tuple[int, str]:
    """Exit code and all that a person sees of a command on a terminal."""
    ours, theirs = pty.openpty()
    started = warm.start(*arguments, cwd=cwd, before=before, tty=os.ttyname(theirs))
    shown = b""
    ended = Thread(target=lambda: (codes.append(started.wait()), os.close(theirs)))
    codes: list[int] = []
    ended.start()
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # what Linux says when the other side has closed
            break
        if not part:
            break
        shown += part
    ended.join()
    os.close(ours)
    return codes[0], shown.decode()


def test_control_characters_are_escaped_on_a_terminal_and_exact_in_a_pipe(
    cli: Cli, warm: Warm, strange: Path, tmp_path: Path
) -> None:
    code, shown = on_terminal(warm, tmp_path, "sample", strange, "-n", "60", "--seed", "1")
    exact = cli("sample", strange, "-n", "60", "--seed", "1").stdout
    assert code == 0
    assert {"\x1b", "\x07", "\u202e"} & set(exact) and "\\x1b" not in exact
    lines = shown.replace("\r\n", "\n")
    assert not {"\x1b", "\x07", "\x00", "\r", "\u202e", "\u2028", "\x85"} & set(lines)
    assert "\\x1b[" in lines and "\\u202e" in lines or "\\x07" in lines
    assert "\u200d" in lines or "\u200d" not in exact  # joiners make one picture of two
    assert lines.count("\n") == exact.count("\n") == 60


DUMB = """
import os
os.environ.update(TERM="dumb", COLUMNS="40", NO_COLOR="1")
"""


def test_training_on_a_dumb_terminal_shows_no_control_characters(
    warm: Warm, tmp_path: Path
) -> None:
    (tmp_path / "lines.txt").write_bytes("\n".join(STRANGE_LINES[:7]).encode())
    (tmp_path / "dumb.py").write_text(DUMB)
    code, shown = on_terminal(
        warm, tmp_path, "train", "lines.txt", "-o", "run", *TINY, "--max-steps", "4",
        before=tmp_path / "dumb.py",
    )  # fmt: skip
    assert code == 0, shown
    assert "\\x1b[31m" in shown or "\\x07" in shown
    assert not {"\x07", "\u202e", "\x00"} & set(shown)
    assert "Traceback" not in shown and "4/4" in shown


def test_modules_that_were_planted_in_a_run_are_not_imported(cli: Cli, ngram: Path) -> None:
    for name in ("json", "torch", "numpy", "click", "conftest", "makemore", "sitecustomize"):
        (ngram / f"{name}.py").write_text("raise SystemExit('pwned')")
    ended = cli("sample", ".", "-n", "3", "--seed", "1", cwd=ngram)
    assert ended.returncode == 0 and len(ended.stdout.splitlines()) == 3
    assert cli("verify", ".", cwd=ngram).returncode == 0


def test_a_misspelt_command_is_named(call, tmp_path):
    done = call("smaple", tmp_path / "run")
    assert done.returncode == 3
    assert "did you mean sample?" in done.stderr


def test_val_without_file_is_no_way_to_change_a_run(call, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("emma\nava\nolivia\n")
    run = tmp_path / "run"
    assert call("train", names, "-o", run, "--model", "ngram").returncode == 0
    done = call("train", "-o", run, "--val", names)
    assert done.returncode == 2
    assert "come with FILE" in done.stderr


def test_fresh_starts_with_the_default_model_unless_one_is_named(call, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("emma\nava\nolivia\n")
    run = tmp_path / "run"
    assert call("train", names, "-o", run, "--model", "ngram").returncode == 0
    again = call("train", names, "-o", run, "--fresh", "--max-steps", "1", "--n-embd", "8")
    assert again.returncode == 0, again.stderr
    assert Run.load(run).config.model == "transformer"


def test_the_next_lines_are_what_this_shell_would_find(cli, tmp_path):
    (tmp_path / "names.txt").write_text("emma\nava\nolivia\n")
    arguments = ("train", "names.txt", "-o", "run", "--model", "ngram")
    beside = str(Path(sys.executable).parent)
    # where the shell finds makemore by its name, and where it does not
    named = cli(*arguments, env={"PATH": beside})
    assert "  makemore sample run -n 50" in named.stderr
    unnamed = cli(*arguments, env={"PATH": "/nonexistent"})
    assert f"  {beside}/makemore sample run -n 50" in unnamed.stderr
