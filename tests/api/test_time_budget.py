"""What is chosen for a time: the arithmetic by hand, the recorded choice, and a real clock once."""

from __future__ import annotations

import json
import math
import signal
import time
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from conftest import Call
from makemore import MakeMore
from makemore.api import time_budget
from makemore.api.budget_clock import MOST_SHARE, replay_options
from makemore.api.candidates import Candidate, fill, total
from makemore.api.lineup import COUNTS, SHORT
from makemore.api.members import members_of
from makemore.api.time_budget import USED, BudgetPlanner, choose
from makemore.errors import UsageError
from makemore.runs.run import Run
from makemore.text.corpus import Corpus
from makemore.text.dataset import Split, train_val_test_split
from makemore.training.config import parse_seconds
from makemore.training.pace import end_of
from warm import Warm

LINES = ["".join(parts) for parts in product("kmnr", "aeio", ("la", "ri", "no", "sa"))]
PARTS = train_val_test_split(Corpus.from_lines(LINES))


@pytest.mark.parametrize(
    "text, expected",
    [("60", 60), ("60s", 60), ("10m", 600), ("1h", 3600), ("1.5 h", 5400), (" 0.5s ", 0.5)],
)
def test_times_as_people_write_them(text: str, expected: float) -> None:
    assert parse_seconds(text) == expected


@pytest.mark.parametrize(
    "text", ["", "0", "0s", "-1", "1d", "1e3", "10 minutes", "²", "inf", "nan"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no time"):
        parse_seconds(text)


def candidate(steps: int, step: float, evaluation: float = 0.0, glimpse: float = 0.0) -> Candidate:
    return Candidate("gru", {}, steps, step, evaluation, glimpse)


def test_costs_are_those_of_steps_evaluations_and_glimpses() -> None:
    alone = candidate(400, 0.1)
    assert alone.seconds(1.0, 0) == pytest.approx(40) and alone.seconds(0.5, 0) == pytest.approx(20)
    # 20 evaluations, one before the first step and one of the whole
    assert candidate(400, 0.1, 0.2).seconds(1.0, 0.1) == pytest.approx(40 + 22 * 0.3)
    # Long ones are made less often: between two of them steps of 2 / 0.15 seconds.
    slow = candidate(400, 0.1, 2.0)
    assert slow.least_interval == math.ceil(2 / 0.15 / 0.1)
    assert slow.seconds(1.0, 0) == pytest.approx(40 + (400 / slow.least_interval + 2) * 2)
    assert Candidate("gru", {}, 400, 0.1, 2.0, 0, every=100).seconds(1, 0) == pytest.approx(52)
    two = [candidate(400, 0.1, 0.1, 0.02), candidate(200, 0.2, 0.2, 0.05)]
    first = 40 + 22 * 0.12 + 0.1
    second = 40 + 22 * 0.22 + 0.3
    assert total(two, 1.0) == pytest.approx(first + second)


def test_the_time_is_filled_and_never_exceeded() -> None:
    each = [candidate(400, 0.1, 1.0, 0.1), candidate(300, 0.05, 1.0, 0.1)]
    for left in (10.0, 60.0, 150.0):
        share = fill(each, left)
        assert 0.97 * left < total(each, share) <= left
    assert fill(each, 1e6) == MOST_SHARE
    assert fill([], 5.0) == MOST_SHARE and fill(each, 0.0) < 1e-6


@pytest.fixture
def speeds(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Seconds of a step by model; wider ones take longer. 1,000 steps each, nothing is trained."""
    found = {"transformer": 0.1, "lstm": 0.05, "gru": 0.05, "wavenet": 0.05}

    def timed(
        self: BudgetPlanner, name: str, options: Any, budget: float, known: Any = ()
    ) -> Candidate:
        cost = found[name] * (options.get("n_embd", 64) / 64) ** 2
        return Candidate(name, options, 1000, cost, 0.0, 0.0)

    monkeypatch.setattr(BudgetPlanner, "timed", timed)
    return found


def chosen(limit: float, model: str | None = None, parts: Split = PARTS, **asked: Any) -> Any:
    return choose(parts, asked, model, limit, time.monotonic())


@pytest.mark.parametrize("prior", ["none", "builtin"])
def test_more_time_gives_more_members_and_all_of_it_is_used(
    prior: str, speeds: dict[str, float]
) -> None:
    counts, networks = [], [each.split()[0] for each in SHORT]
    names = ["transformer", *networks] if prior == "builtin" else networks
    for limit in (10, 30, 60, 120, 600, 1200):
        choice = chosen(limit, prior=prior)
        members = members_of(choice.options["members"])
        assert choice.model == "ensemble" and members[: len(COUNTS)] == members_of(
            ", ".join(COUNTS)
        )
        learning = members[len(COUNTS) :]
        assert [name for name, _ in learning] == names[: len(learning)]
        cost = sum(
            own["max_steps"] * speeds[name] * (own.get("n_embd", 64) / 64) ** 2
            for name, own in learning
        )
        assert cost <= USED * limit
        assert cost > (USED - 0.03) * limit or "by heart" in choice.why
        counts.append(len(learning))
    assert counts[0] >= 1 and counts == sorted(counts) and counts[-1] == len(names)


def test_little_time_or_text_is_for_counts() -> None:
    assert chosen(3).model == "ngram" and "no time" in chosen(3).why
    few = train_val_test_split(Corpus.from_lines(LINES[:20]))
    alone = chosen(600, parts=few, prior="none")
    assert alone.model == "ngram" and "too few lines" in alone.why


def test_beside_a_prior_few_lines_need_none_to_weigh_by(speeds: dict[str, float]) -> None:
    few = train_val_test_split(Corpus.from_lines(LINES[:20]))
    assert "from a prior" in chosen(60, parts=few).why


def test_a_model_that_takes_too_long_leaves_the_counts(speeds: dict[str, float]) -> None:
    speeds.update(dict.fromkeys(speeds, 10.0))
    assert chosen(60).model == "ngram"
    assert chosen(60, "transformer").options["max_steps"] == 5  # it was typed


def test_a_model_that_was_typed_grows_with_the_time(speeds: dict[str, float]) -> None:
    widths = [chosen(t, "transformer").options.get("n_embd", 64) for t in (60, 100, 200, 400, 4000)]
    assert widths == sorted(widths) and widths[0] == 64 and widths[-1] == 128
    assert chosen(60, "gru").options == {"max_steps": pytest.approx(1200 * USED, abs=2)}
    assert "by heart" in chosen(600, "gru").why
    assert chosen(60, "ngram").options == {}
    assert chosen(400, "transformer", n_embd=32).options.keys() == {"dropout", "max_steps"}
    assert chosen(60, "transformer", dropout=0.5).options.keys() == {"max_steps"}


def test_members_that_were_typed_stay_as_they_are(speeds: dict[str, float]) -> None:
    typed = "gru n_hidden=9, ngram order=3, transformer"
    members = members_of(chosen(60, "ensemble", members=typed).options["members"])
    assert [name for name, _ in members] == ["gru", "ngram", "transformer"]
    assert members[0][1]["n_hidden"] == 9 and members[1] == ("ngram", {"order": 3})
    assert members[0][1]["max_steps"] * 0.05 + members[2][1]["max_steps"] * 0.1 <= USED * 60


def test_steps_and_time_are_not_both() -> None:
    with pytest.raises(UsageError, match="--max-steps"):
        chosen(60, max_steps=5)


def test_more_is_dropped_from_a_small_text(monkeypatch: pytest.MonkeyPatch, speeds: Any) -> None:
    assert chosen(60, "transformer").options["dropout"] == 0.2
    monkeypatch.setattr(time_budget, "SMALL_TEXT", 10)
    assert chosen(60, "transformer").options["dropout"] == 0.1


def test_nothing_is_dropped_where_no_line_is_seen_often(speeds: dict[str, float]) -> None:
    assert chosen(20, "transformer").options["dropout"] == 0.0
    assert chosen(60, "transformer").options["dropout"] > 0.0
    assert "dropout" not in chosen(20, "transformer", dropout=0.3).options  # it was typed
    assert "dropout" not in chosen(10, "gru").options  # its own stays


def test_a_candidate_is_timed_by_its_own_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    pilot = BudgetPlanner(PARTS, {"threads": 1, "batch_size": 16}, 60.0, time.monotonic())
    began = time.monotonic()
    fast = pilot.timed("bigram", {}, 2.0)
    slow = pilot.timed("transformer", {"n_layer": 2, "n_embd": 64, "n_head": 2}, 2.0)
    assert time.monotonic() - began < 8  # twice 2 seconds, and a busy machine
    assert 0 < fast.step < slow.step and slow.evaluation > 0 and slow.glimpse > 0
    # One that is known is not timed again.
    monkeypatch.setattr(time_budget, "time_candidate", None)
    assert pilot.timed(slow.name, slow.options, 5.0, [fast, slow]) is slow


# -- as a command ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_what_was_chosen_stands_in_the_run_and_is_not_chosen_again(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "n.txt").write_text("\n".join(LINES))
    command = ("train", "n.txt", "--model", "gru", "--n-hidden", "8", "--time", "4s", "-o", "run",
               "--threads", "1")  # fmt: skip
    began = time.monotonic()
    done = call(*command)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < 8
    assert "makemore: gru (" in done.stderr and "lines in 4 s" in done.stderr
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert config["asked"] == {"n_hidden": 8, "time": 4.0}
    progress = Run.load(tmp_path / "run").progress  # beside other work the end was moved
    ends = progress.get("ends", [])
    assert end_of(ends, config["resolved"]["max_steps"]) == progress["step"]
    monkeypatch.setattr(time_budget, "choose", None)
    again = call(*command[:-1], "1")
    assert again.returncode == 0 and "this run is finished" in again.stderr
    other = call(*(part.replace("4s", "5s") for part in command))
    assert other.returncode == 2 and "time = 4.0, not 5.0" in other.stderr
    without = call("train", "n.txt", "--model", "gru", "--n-hidden", "8", "-o", "run")
    assert without.returncode == 2 and "with time = 4.0, not without it" in without.stderr
    assert call("sample", "run", "-n", "2", "--seed", "1").returncode == 0


def test_counts_are_chosen_where_there_is_no_time(call: Call, tmp_path: Path) -> None:
    (tmp_path / "n.txt").write_text("\n".join(LINES))
    done = call("train", "n.txt", "--time", "2")
    assert done.returncode == 0 and "no time for more than counts" in done.stderr
    run = Run.load(tmp_path / "runs/n-2s")
    assert run.config.model == "ngram" and run.config.asked == {"time": 2.0}
    assert "finished" in call("train", "n.txt", "--time", "2s").stderr
    bad = call("train", "n.txt", "--time", "soon")
    assert bad.returncode == 2 and "'soon' is no time" in bad.stderr


DRIVER = """
import os, signal
import makemore.api.time_budget, makemore.training.trainer

def timed(self, name, options, budget, known=()):
    return makemore.api.time_budget.Candidate(name, options, 10, 0.4, 0.0, 0.0)

makemore.api.time_budget.BudgetPlanner.timed = timed
function, calls = makemore.training.gradients.nll, []

def nll(*arguments):
    calls.append(None)
    if len(calls) == NTH:
        os.kill(os.getpid(), signal.SIGKILL)
    return function(*arguments)

makemore.training.gradients.nll = nll
"""


@pytest.mark.slow
def test_killed_and_resumed_it_keeps_its_time_and_can_be_taken_again(
    warm: Warm, tmp_path: Path
) -> None:
    command = ("train", "n.txt", "--time", "30s", "-o", "run", "--threads", "1", "--members",
               "ngram, gru n_hidden=8, mlp n_hidden=8", "--save-interval", "0")  # fmt: skip
    driver = tmp_path / "driver.py"
    (tmp_path / "n.txt").write_text("\n".join(LINES))
    used = 0.0
    for kill in (3, 5, 20):
        driver.write_text(DRIVER.replace("NTH", str(kill)))
        started = warm.start(*command, cwd=tmp_path, before=driver)
        assert started.wait() == -signal.SIGKILL, started.err
        runs = [tmp_path / "run", *(tmp_path / "run/members").glob("*")]
        seconds = max(Run.load(folder).progress.get("seconds", 0.0) for folder in runs
                      if (folder / "checkpoint.json").exists())  # fmt: skip
        assert seconds > used  # what was used before is counted on, within a member, too
        used = seconds
        # From now on the config says what is trained.
        driver.write_text("import makemore.api.time_budget as a\na.choose = None\n")
    started = warm.start(*command, cwd=tmp_path, before=driver)
    assert started.wait() == 0, started.err
    run = Run.load(tmp_path / "run")
    assert run.config.asked["time"] == 30.0 and used < run.progress["seconds"] <= 30.0
    assert {member for member, _, _ in run.progress["ends"]} == {1, 2}
    # The recorded steps, without a clock: the same weights to the last bit.
    again = MakeMore(run.config.model, **replay_options(run)).fit(LINES)
    assert again.model_ is not None
    weights = again.model_.tensors()
    assert weights.keys() == run.weights.keys()
    assert all((weights[key] == value).all() for key, value in run.weights.items())
