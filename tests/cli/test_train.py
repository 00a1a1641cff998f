"""makemore train: what a run holds, what it refuses, and how it is stopped and goes on.

Numbers in names of tests are those of the list of faults that the project was planned with.
"""

from __future__ import annotations

import math
import os
import signal
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import (
    LINES,
    NAMES,
    PLAIN,
    TEXT,
    TINY,
    config_of,
    failed,
    learn,
    lines_of,
    stop_at,
    strict,
)
from conftest import Call, Cli
from makemore import MakeMore
from makemore.cli import progress
from makemore.runs import logs
from makemore.runs.run import Run
from makemore.runs.writer import RunWriter
from makemore.text import builtin_lists
from makemore.training import Step

pytestmark = pytest.mark.usefixtures("text")

COUNTS = ("train", "names.txt", "-o", "run", "--model", "ngram")
NEURAL = ("train", "names.txt", "-o", "run", *TINY)


def logged(kind: str | None = None) -> list[dict[str, float]]:
    entries = [strict(line) for line in Path("run/metrics.jsonl").read_text().splitlines()]
    return [entry for entry in entries if kind in (None, entry["kind"])]


def previews() -> list[list[str]]:
    """[step, line] of what was shown while it trained."""
    return [row.split("\t") for row in Path("run/samples.txt").read_text().splitlines()]


# -- a run ----------------------------------------------------------------------------------------


def test_train_makes_a_run_and_shows_20_new_lines(call: Call) -> None:
    ended = call(*NEURAL, "--max-steps", "3")
    shown = lines_of(ended)
    assert len(shown) == len(set(shown)) == 20
    assert not set(shown) & set(LINES)
    assert all(set(line) <= set(TEXT) for line in shown)
    assert "64 lines" in ended.stderr and "step 3/3" in ended.stderr
    assert "makemore sample run -n 50" in ended.stderr
    config = config_of("run")
    assert config["model"] == "transformer"
    assert config["asked"] == {"n_layer": 1, "n_head": 2, "n_embd": 8, "max_steps": 3, "seed": 5}
    assert config["resolved"]["batch_size"] <= 64 and config["threads"] == 1


def test_the_first_word_that_is_no_command_is_the_file(call: Call) -> None:
    assert len(lines_of(call("names.txt", "--model", "ngram", "--order", "3"))) == 20
    assert Run.load("runs/names-ngram").config.data["name"] == "names"
    again = call("./names.txt", "--model", "ngram", "--order", "3")
    assert again.returncode == 0 and "this run is finished; 20 more" in again.stderr


def test_the_shown_lines_can_be_drawn_again_by_their_seed(call: Call) -> None:
    ended = call(*COUNTS)
    seed = ended.stderr.split("(--seed ")[1].split(")")[0]
    assert call("sample", "run", "--seed", seed).stdout == ended.stdout
    assert call(*COUNTS).stdout != ended.stdout  # a fresh seed each time


def test_a_finished_run_shows_20_more_and_is_not_trained_again(call: Call) -> None:
    def bodies() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()}

    assert call(*NEURAL, "--max-steps", "3").returncode == 0
    before = bodies()
    again = call(*NEURAL, "--max-steps", "3")
    assert len(lines_of(again)) == 20 and bodies() == before
    assert "finished" in again.stderr and "step 3/3" not in again.stderr


def test_other_options_are_refused_and_named(call: Call) -> None:
    assert call(*NEURAL, "--max-steps", "3").returncode == 0
    before = Path("run/checkpoint.json").read_bytes()
    failed(call(*NEURAL, "--max-steps", "4"), 2, "max_steps = 3, not 4", "--fresh")
    failed(call(*NEURAL), 2, "max_steps")
    failed(call(*NEURAL, "--max-steps", "3", "--patience", "2"), 2, "patience")
    failed(call("train", "names.txt", "-o", "run", "--model", "gru"), 2, "--model", "'transformer'")
    assert Path("run/checkpoint.json").read_bytes() == before
    # What does not name the run may change.
    for other in (("--save-interval", "0", "--log-interval", "1"), ("--threads", "2")):
        assert call(*NEURAL, "--max-steps", "3", *other).returncode == 0


def test_fresh_starts_over_and_leaves_what_is_not_ours(call: Call) -> None:
    assert call(*COUNTS).returncode == 0
    Path("run/mine.txt").write_text("mine")
    assert call(*COUNTS, "--order", "2", "--fresh").returncode == 0
    assert config_of("run")["asked"] == {"order": 2}
    # And with the default model, since none is named.
    assert call(*NEURAL, "--max-steps", "2", "--fresh").returncode == 0
    assert config_of("run")["model"] == "transformer"
    assert Path("run/mine.txt").read_text() == "mine"


def test_fresh_starts_a_damaged_run_over(call: Call) -> None:
    assert call(*COUNTS).returncode == 0
    Path("run/checkpoint.json").write_bytes(b"{")
    failed(call(*COUNTS), 4, "checkpoint.json")
    assert call(*COUNTS, "--fresh").returncode == 0


def test_without_a_file_a_run_goes_on_with_its_own_lines(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_at(patch, 2, signal.SIGINT)
        assert call(*NEURAL, "--max-steps", "5").returncode == 130
    Path("names.txt").unlink()
    ended = call("train", "-o", "run", *TINY, "--max-steps", "5")
    assert ended.returncode == 0 and "going on from step 2" in ended.stderr
    assert Run.load("run").progress["finished"]


def test_without_a_file_or_a_run_it_learns_the_built_in_names(call: Call) -> None:
    assert len(lines_of(call("train", "--model", "ngram"))) == 20
    parts = Run.load("runs/names-ngram").split
    assert sum(len(part) for _, part in parts) == len(builtin_lists.builtin_names()) > 5000


def test_val_and_test_files_are_taken_as_given(call: Call) -> None:
    Path("val.txt").write_text("kala\nnew\nkala\n")
    Path("test.txt").write_text("wxy\n")
    ended = call(*COUNTS, "--val", "val.txt", "--test", "test.txt")
    assert ended.returncode == 0
    assert "2 of 3 lines of val stand in the training text" in ended.stderr
    assert "lines of test" not in ended.stderr
    parts = {name: list(part) for name, part in Run.load("run").split}
    assert parts == {"train": LINES, "val": ["kala", "new", "kala"], "test": ["wxy"]}
    failed(call(*COUNTS, "--val", "val.txt"), 2, "other data")
    failed(call("train", "-o", "run", "--val", "val.txt"), 2, "come with FILE")


def test_the_next_lines_are_what_this_shell_would_find(cli: Cli) -> None:
    beside = str(Path(sys.executable).parent)
    for path, command in ((beside, "makemore"), ("/nonexistent", f"{beside}/makemore")):
        assert f"  {command} sample run -n 50" in cli(*COUNTS, env={"PATH": path}).stderr


@pytest.mark.parametrize("number", [1, 2, 9])
def test_2_few_lines_all_train(number: int, call: Call) -> None:
    lines = [*NAMES, "zoe"][:number]
    Path("lines.txt").write_text("\n".join(lines))
    ended = call("train", "lines.txt", "-o", "run", *TINY, "--max-steps", "2")
    shown = lines_of(ended)
    assert len(set(shown)) == 20 and not set(shown) & set(lines)
    assert "too few lines to hold some back: all train, and the last weights count" in ended.stderr
    assert ("1 distinct line" in ended.stderr) == (number == 1)
    found = Run.load("run")
    assert [len(part) for _, part in found.split] == [number, 0, 0]
    assert found.progress["best_step"] == 2


def test_3_copies_of_one_line_leave_little_to_make(call: Call) -> None:
    ended = learn(call, b"a\n" * 1000)
    assert ended.returncode == 0 and "found 1 of 20 lines" in ended.stderr
    assert ended.stdout == "aa\n"  # twice the longest line is the limit
    assert "1 line, 999 copies dropped" in ended.stderr
    assert "warning: 1 distinct line" in ended.stderr
    assert call("verify", "run").returncode == 0  # what was learned is kept


@pytest.mark.slow
def test_15_one_long_line_does_not_make_a_wide_model(call: Call) -> None:
    Path("names.txt").write_bytes(PLAIN + b"a" * 260 + b"\n" + b"x" * 1_000_000)
    ended = call(*NEURAL, "--max-steps", "1")
    assert ended.returncode == 0 and "1 too long" in ended.stderr
    assert Run.load("run").config.block_size == 256


@pytest.mark.parametrize(
    "folder",
    ["a b", "\u00fc/\u4e2d", "run/", "./x/../y", "new\nline", "esc\x1b[31m", "-dash", "~", "a'b"],
)
def test_22_run_directories_of_any_name(folder: str, call: Call) -> None:
    Path("x").mkdir()
    ended = call("train", "names.txt", f"--out={folder}", "--model", "ngram")
    assert ended.returncode == 0 and ended.stderr.replace("\n", "").isprintable()
    assert Path(folder, "checkpoint.json").is_file()
    assert len(lines_of(call("sample", "-n", "2", "--", folder))) == 2


def test_22_run_directories_that_cannot_be_made(call: Call) -> None:
    Path("file").write_text("")
    for folder, code in (("x" * 300, 5), ("file", 4), ("file/run", 5), ("/dev/null/run", 5)):
        failed(call("train", "names.txt", "-o", folder, "--model", "ngram"), code, folder[:100])
    assert sorted(os.listdir()) == ["file", "names.txt"]


def test_23_a_run_is_as_private_as_the_umask_says_and_logs_hold_no_lines(call: Call) -> None:
    before = os.umask(0o077)
    try:
        assert call(*NEURAL, "--max-steps", "11").returncode == 0
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in [Path("run"), *Path("run").rglob("*")]}
    assert modes == {0o600, 0o700} and stat.S_IMODE(Path("run").stat().st_mode) == 0o700
    assert previews() and not {line for _, line in previews()} & set(LINES)
    assert not any(line in Path("run/metrics.jsonl").read_text() for line in LINES)


# -- options --------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["--n-layers 2", "--modle gru", "--max-step 5", "--nonsense"])
def test_an_option_that_is_none_is_refused(wrong: str, call: Call) -> None:
    failed(call("train", "names.txt", *wrong.split()), 2, wrong.split()[0])


def test_near_names_are_offered(call: Call) -> None:
    failed(call("train", "names.txt", "--model", "transformr"), 2, "did you mean 'transformer'")
    failed(call("train", "names.txt", "--max-step", "5"), 2, "--max-steps")
    failed(call("train", "names.txt", "--optimizer", "adam"), 2, "adamw")
    failed(call("-i", "names.txt", "-o", "out", "--type", "transformr"), 2, "transformer")
    assert os.listdir() == ["names.txt"]


OUT_OF_RANGE = [
    "--max-steps 0", "--max-steps -1", "--max-steps 9223372036854775808", "--max-steps 1.5",
    "--batch-size 0", "--batch-size 65", "--batch-size 99999", "--learning-rate 0",
    "--learning-rate -0.1", "--learning-rate inf", "--learning-rate nan", "--learning-rate 1e400",
    "--seed -1", "--seed 18446744073709551616", "--n-layer 0", "--n-layer 1000000000", "--n-head 0",
    "--n-head 3", "--n-embd 1000000", "--dropout 1", "--dropout -0.1", "--dropout nan",
    "--momentum 1", "--weight-decay -1", "--warmup-steps -1", "--patience 0", "--threads 0",
    "--threads 99999", "--device nothing", "--max-line 0", "--grad-clip 0", "--eval-interval 0",
    "--schedule square", "--encoding nothing",
]  # fmt: skip


@pytest.mark.parametrize("option", OUT_OF_RANGE)
def test_26_options_are_checked_before_anything_is_written(option: str, call: Call) -> None:
    name, value = option.split()
    code, word = (3, value) if name == "--encoding" else (2, name)
    failed(call(*NEURAL, name, value), code, word)
    assert os.listdir() == ["names.txt"]


# -- stop and go on -------------------------------------------------------------------------------

STOPS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("number", STOPS)
def test_27_to_29_a_signal_stops_and_saves_and_the_same_command_goes_on(
    number: int, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers = [signal.getsignal(each) for each in STOPS]
    command = (*NEURAL, "--max-steps", "6", "--log-interval", "1", "--eval-interval", "2")
    with monkeypatch.context() as patch:
        stop_at(patch, 3, number)
        ended = call(*command)
    assert ended.returncode == 128 + number and ended.stdout == ""
    assert "stopped and saved in run; the same command goes on" in ended.stderr
    assert Run.load("run").progress["step"] == 3
    assert [signal.getsignal(each) for each in STOPS] == handlers
    ended = call(*command)
    assert ended.returncode == 0 and "going on from step 3" in ended.stderr
    assert [entry["step"] for entry in logged("batch")] == [1, 2, 3, 4, 5, 6]
    assert [entry["step"] for entry in logged("val")] == [0, 2, 4, 6]


def test_other_threads_are_a_warning_that_names_what_they_cost(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_at(patch, 2, signal.SIGINT)
        assert call(*NEURAL, "--max-steps", "4").returncode == 130
    ended = call(*NEURAL, "--max-steps", "4", "--threads", "2")
    assert ended.returncode == 0
    assert "warning: the run had 1 threads; its bits will differ now" in ended.stderr
    assert ended.stderr.count("warning") == 1


def test_an_ignored_signal_stays_ignored(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what nohup does
    try:
        stop_at(monkeypatch, 1, signal.SIGHUP)
        assert call(*NEURAL, "--max-steps", "2").returncode == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_interrupt_ends_at_once(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_at(monkeypatch, 3, signal.SIGINT, times=2)
    ended = call(*NEURAL, "--max-steps", "6")
    assert ended.returncode == 130 and "Traceback" not in ended.stderr
    assert Run.load("run").progress["step"] == 0  # the checkpoint before is whole


# -- the log and the loss -------------------------------------------------------------------------


def test_the_log_is_strict_json_with_rising_steps(call: Call) -> None:
    steps = ("--max-steps", "25", "--eval-interval", "10")
    assert call(*NEURAL, *steps, "--learning-rate", "0.01").returncode == 0
    for entry in logged():
        assert entry.keys() >= {"step", "kind", "nll", "lr", "symbols", "seconds"}
        assert isinstance(entry["nll"], float) and entry["seconds"] >= 0
    assert [entry["step"] for entry in logged("batch")] == [10, 20]
    for part in ("train", "val"):
        assert [entry["step"] for entry in logged(part)] == [0, 10, 20, 25]
    assert abs(logged()[0]["nll"] - math.log(11)) < 0.1  # 10 letters and the boundary, guessed
    rates = [entry["lr"] for entry in logged("batch")]
    assert rates == pytest.approx([0.01 * (1 - 9 / 25), 0.01 * (1 - 19 / 25)])
    assert {step for step, _ in previews()} == {"0", "10", "20", "25"}
    assert not {line for _, line in previews()} & set(LINES)


def test_numbers_that_are_none_are_null_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()
    with RunWriter(Path("run")) as writer:
        log = logs.RunLog(writer, every=1)
        for number in (math.nan, math.inf, -math.inf, 1.5):
            log.step(1, number, 0.1, 5)
    assert [entry["nll"] for entry in logged()] == [None, None, None, 1.5]
    assert [entry["symbols"] for entry in logged()] == [5, 10, 15, 20]


class Loss:
    """A loss that counts how often it is read: on a card, each time waits for the steps so far."""

    reads = 0

    def __float__(self) -> float:
        self.reads += 1
        return 2.0


def test_the_log_reads_a_loss_only_for_an_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()
    loss = Loss()
    with RunWriter(Path("run")) as writer:
        log = logs.RunLog(writer, every=4)
        for step in range(1, 10):
            log.step(step, loss, 0.1, 5)
    assert [(entry["step"], entry["nll"], entry["symbols"]) for entry in logged()] == [
        (4, 2.0, 20), (8, 2.0, 40)
    ]  # fmt: skip
    assert loss.reads == 2


def test_the_bar_reads_a_loss_some_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    maker = MakeMore("bigram", max_steps=1, verbose=0).fit(LINES)
    view, loss = progress.ProgressView(maker), Loss()
    for step in range(1, 101):
        now[0] += 0.01
        event: Any = Step(step, loss, 0.1, 30)  # type: ignore[arg-type]
        view.step(event)
    assert 8 <= loss.reads <= 11
    assert view.progress.symbols == 99 * 30  # each step is counted all the same


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_24_a_loss_that_is_no_number_ends_it(optimizer: str, call: Call) -> None:
    wild = ("--optimizer", optimizer, "--learning-rate", "1e30", "--save-interval", "0")
    ended = call(*NEURAL, "--max-steps", "50", *wild)
    assert ended.returncode == 6 and ended.stdout == ""
    message = ended.stderr.splitlines()[-1]
    assert message.startswith("makemore: error: training diverged")
    assert "step " in message and "learning rate " in message and "e+" in message
    assert 1 <= int(message.split("(step ")[1].split(",")[0]) <= 10  # of 50
    assert call("verify", "run").returncode == 0  # every value that was saved is finite
    assert len(lines_of(call("sample", "run", "-n", "3"))) == 3


def test_25_a_training_that_ends_far_above_guessing_has_diverged(call: Call) -> None:
    wild = ("--optimizer", "sgd", "--schedule", "constant", "--learning-rate", "30")
    ended = call(*NEURAL, "--max-steps", "5", "--eval-interval", "5", *wild)
    assert ended.returncode == 6 and ended.stdout == ""
    assert "worse than guessing; try a smaller --learning-rate" in ended.stderr
    last = ended.stderr.splitlines()[-1]
    assert "nats a symbol, and blind guessing has 2.40 (step 5, learning rate 30)" in last
    assert "give a smaller --learning-rate, such as 3, and --fresh" in last
    # Nothing is lost: the best weights stay, and so does the log of how it went.
    progress = Run.load("run").progress
    assert (progress["best_step"], progress["step"]) == (0, 5) and not progress["finished"]
    assert [entry["step"] for entry in logged() if entry["kind"] == "val"] == [0, 5]
    assert call("verify", "run").returncode == 0
    # The same command does not call it finished, and takes no step more.
    again = call(*NEURAL, "--max-steps", "5", "--eval-interval", "5", *wild)
    assert again.returncode == 6 and again.stderr.splitlines()[-1] == last
    gone_on = call(*NEURAL, "--max-steps", "5", "--learning-rate", "0.01", "--fresh")
    assert len(lines_of(gone_on)) == 20


# -- the lines at the end -------------------------------------------------------------------------


def test_a_list_of_which_all_lines_are_known_is_trained_all_the_same(call: Call) -> None:
    Path("two.txt").write_text("a\nb\n")
    counts = ("--model", "ngram", "--order", "1", "--smoothing", "add-k", "--k", "0.001")
    ended = call("train", "two.txt", "-o", "two", *counts)
    shown = lines_of(ended)  # no line is longer than twice the longest of the text
    assert sorted(shown) == ["aa", "ab", "ba", "bb"]
    assert (
        "the training is done, and there are no more new lines: found 4 of 20 lines" in ended.stderr
    )
    assert "  makemore sample two --all   " in ended.stderr and "-n 50" not in ended.stderr
    assert lines_of(call("sample", "two", "--all", "-n", "50"))[49]
    again = call("train", "two.txt", "-o", "two", *counts)
    assert again.returncode == 0 and sorted(lines_of(again)) == sorted(shown)
    ended = call("sample", "two", "-n", "50")
    assert ended.returncode == 7 and "use --all, which refuses none" in ended.stderr
    ended = call("sample", "two", "-n", "50", "--remember")  # which --all would contradict
    assert ended.returncode == 7 and "--all" not in ended.stderr
    assert "leave out --remember, which never repeats a line" in ended.stderr
    ended = call("-o", "two", "--sample-only")
    assert ended.returncode == 7 and ": makemore sample two --all refuses none\n" in ended.stderr


@pytest.mark.slow
def test_the_lines_at_the_end_say_of_which_step_they_are(call: Call) -> None:
    steps = ("--max-steps", "12", "--eval-interval", "4")
    for rate in ("0.01", "0.5"):  # the second is high: an earlier evaluation may stay the best
        ended = call(*NEURAL, *steps, "--learning-rate", rate, "--optimizer", "adamw", "--fresh")
        best = Run.load("run").progress["best_step"]
        of_step = f" of step {best}, the best by val" if best else ""
        assert f"makemore: 20 new lines{of_step} (--seed " in ended.stderr
    assert "20 new lines (--seed" in call(*COUNTS, "--fresh").stderr  # counted at once
    Path("few.txt").write_text("\n".join(NAMES))
    ended = call("train", "few.txt", "-o", "few", *TINY, "--max-steps", "3")
    assert "20 new lines of step 3 (--seed " in ended.stderr  # nothing was held back
