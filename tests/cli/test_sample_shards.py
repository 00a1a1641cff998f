"""makemore sample --shard: n processes that never talk print the lines that one would."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from cli.conftest import LINES, SCRIPT, failed, lines_of, objects
from conftest import Call, Cli
from makemore import MakeMore
from makemore.api import train_directory
from makemore.errors import Unsatisfiable, UsageError
from makemore.runs.run import Run
from makemore.training import Saved


def parts(call: Call, run: Path, n: int, *words: str) -> list[list[str]]:
    """The lines that each shard prints, of commands that succeed."""
    found = []
    for index in range(n):
        ended = call("sample", run, "--seed", "7", "--shard", f"{index + 1}/{n}", *words)
        assert ended.returncode == 0, ended.stderr
        found.append(lines_of(ended))
    return found


def test_shards_print_n_lines_together(counted: Path, call: Call) -> None:
    each = parts(call, counted, 4, "-n", "400")
    lines = [line for part in each for line in part]
    assert len(lines) == 400 == len(set(lines))
    assert not set(lines) & {line for _, part in Run.load(counted).split for line in part}
    maker = MakeMore.load(counted)
    assert each == [maker.sample(400, 7, shard=f"{i}/4") for i in (1, 2, 3, 4)]
    ended = call("sample", counted, "--seed", "7", "--shard", "2/4", "-n", "400")
    assert ended.stdout == "".join(line + "\n" for line in each[1])  # the same bytes
    assert ended.stderr == f"makemore: shard 2/4: {len(each[1])} of 400 lines are its part\n"


def test_a_shard_of_a_run_that_may_go_on_is_warned_of(tmp_path: Path, call: Call) -> None:
    folder = tmp_path / "half"
    events = train_directory(folder, LINES, model="bigram", max_steps=9, save_interval=0.0)
    next(event for event in events if isinstance(event, Saved) and event.step)
    events.close()
    for words in (("--shard", "1/2"), ()):
        ended = call("sample", folder, "-n", "4", "--seed", "1", *words)
        assert ended.returncode == 0
        assert ("not trained to its end; shards" in ended.stderr) == bool(words)


def test_one_of_one_is_the_command_without(counted: Path, call: Call) -> None:
    alone = call("sample", counted, "--seed", "7", "-n", "40")
    ended = call("sample", counted, "--seed", "7", "-n", "40", "--shard", "1/1")
    assert (ended.stdout, ended.stderr) == (alone.stdout, alone.stderr)


def test_conditions_and_forms_are_those_of_sample(counted: Path, call: Call) -> None:
    avoid = parts(call, counted, 2, "-n", "60", "--prefix", "ka")
    Path("taken.txt").write_text("\n".join(avoid[0] + avoid[1]))
    words = ("-n", "60", "--prefix", "ka", "--avoid", "taken.txt", "--min-distance", "2")
    each = parts(call, counted, 2, *words)
    lines = [line for part in each for line in part]
    assert len(set(lines)) == 60 and not set(lines) & {*avoid[0], *avoid[1]}
    assert all(line.startswith("ka") for line in lines)
    ended = call("sample", counted, "--seed", "7", "--shard", "1/2", "--json", "--rank", *words)
    assert [record["text"] for record in objects(ended)] != each[0]
    assert sorted(record["text"] for record in objects(ended)) == sorted(each[0])
    every = parts(call, counted, 2, "-n", "100", "--all")
    assert sum(map(len, every)) == 100 and all("\t" in line for part in every for line in part)


def test_a_shard_whose_lines_come_to_an_end_prints_what_there_is(ngram: Path, call: Call) -> None:
    words = ("sample", ngram, "--seed", "1", "-n", "50", "--pattern", "k[ai]{1,3}(n|ri)",
             "--style", "plain")  # fmt: skip
    printed = list[str]()
    for shard in ("1/2", "2/2"):
        ended = call(*words, "--shard", shard)
        assert ended.returncode == 7 and "and there is no other" in ended.stderr
        assert "of 50 lines are its part" in ended.stderr
        printed += ended.stdout.splitlines()
    alone = call(*words)
    assert alone.returncode == 7 and 10 < len(alone.stdout.splitlines()) < 50
    assert sorted(printed) == sorted(alone.stdout.splitlines())


def test_what_cannot_be_is_refused_before_a_line_is_drawn(counted: Path, call: Call) -> None:
    for shard in ("0/4", "5/4", "4", "a/b", "1/0", "1/2000", ""):
        failed(call("sample", counted, "--seed", "1", "--shard", shard), 2, "--shard")
    failed(call("sample", counted, "--shard", "1/4"), 2, "--shard", "--seed 1")
    ended = call("sample", counted, "--seed", "1", "--shard", "1/4", "--remember")
    failed(ended, 2, "--remember", "--avoid FILE")
    maker = MakeMore.load(counted)
    with pytest.raises(UsageError, match="same seed"):
        maker.sample(5, shard="1/4")
    with pytest.raises(UsageError, match="remember"):
        maker.sample(5, 1, shard="1/4", remember=True)


def test_a_short_list_is_drawn_tidily_to_the_end() -> None:
    """One process goes on with plain lines once no tidy one is left; a shard cannot know that."""
    maker = MakeMore("ngram", order=3).fit(LINES[:30])
    conditions = {"max_length": 4, "prefix": "ka"}
    alone = maker.sample(40, 1, **conditions)
    tidy = list[str]()
    for shard in ("1/2", "2/2"):
        with pytest.raises(Unsatisfiable, match="--style plain"):
            for line in maker.samples(40, 1, shard=shard, **conditions):
                tidy.append(line.text)
    assert tidy and set(tidy) < set(alone)
    with pytest.raises(Unsatisfiable):
        for line in maker.samples(40, 1, style="tidy", **conditions):
            tidy.remove(line.text)
    assert not tidy


@pytest.mark.slow
def test_a_shard_that_was_killed_prints_the_same_bytes_again(cli: Cli, counted: Path) -> None:
    words = ["sample", str(counted), "-n", "40000", "--seed", "3", "--shard", "2/3",
             "--style", "plain"]  # fmt: skip
    whole = cli(*words).stdout
    silent = subprocess.DEVNULL
    with subprocess.Popen([SCRIPT, *words], stdout=subprocess.PIPE, stderr=silent) as started:
        assert started.stdout is not None
        some = started.stdout.read(2000)
        started.send_signal(signal.SIGKILL)
    assert whole.encode().startswith(some)
    assert cli(*words).stdout == whole
