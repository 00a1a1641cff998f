"""TPE: trials are chosen by the losses before them, and by nothing else."""

from __future__ import annotations

import json
import logging
import math
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from test_sweep import RESULT, inside, text
from test_trial import PARTS

from conftest import Call
from makemore.experiments import tpe
from makemore.experiments.sweep import FILE, Sweep
from makemore.experiments.tpe import RANDOM_FIRST, different
from makemore.experiments.trial import axis, digest, random_draws

needs_optuna = pytest.mark.skipif(find_spec("optuna") is None, reason="needs optuna")
pytestmark = [pytest.mark.usefixtures("unrendered")]
__all__ = ["inside", "text"]

AXES = ("learning_rate=0.0001..1.0", "n_hidden=1..300", "batch_norm=true,false", "grad_clip=none,1")


def sweep_of(number: int, *axes: str, **fixed: Any) -> Sweep:
    return Sweep("mlp", PARTS, fixed, tuple(axis("mlp", each) for each in axes), (), tpe=number)


def chosen(sweep: Sweep, number: int, records: Any, running: Any) -> dict[str, Any]:
    return tpe.chosen(sweep.axes, sweep.fixed.get("seed", 42), number, records, running)


def record(sweep: Sweep, number: int, options: dict[str, Any], **came: Any) -> dict[str, Any]:
    return sweep.record_of(str(number), options, {**RESULT, **came})


def loss_of(options: dict[str, Any]) -> float:
    """Lowest at a rate of 0.01 and 200 neurons with BatchNorm."""
    return (
        2 + 0.3 * abs(math.log10(options["learning_rate"]) + 2) + 0.4 * (not options["batch_norm"])
        + abs(options["n_hidden"] - 200) / 300
    )  # fmt: skip


def searched(sweep: Sweep, until: int, known: dict[str, Any] | None = None) -> dict[str, Any]:
    """The records of a sweep by one worker, which goes on with what is known."""
    records = dict(known or {})
    for number in range(len(records), until):
        options = chosen(sweep, number, records, {})
        records[str(number)] = record(sweep, number, options, val=loss_of(options))
    return records


@needs_optuna
def test_one_worker_goes_on_exactly_from_what_was_written() -> None:
    sweep = sweep_of(16, *AXES, seed=5)
    whole = searched(sweep, 16)
    assert searched(sweep, 16) == whole
    for cut in (5, 11):
        first = json.loads(json.dumps({str(n): whole[str(n)] for n in range(cut)}))
        assert searched(sweep, 16, first) == whole
    assert searched(sweep_of(16, *AXES, seed=6), 12) != {str(n): whole[str(n)] for n in range(12)}
    assert all(sweep.name_of(each) == name for name, each in whole.items())


@needs_optuna
def test_it_begins_as_random_draws_and_then_does_better() -> None:
    sweep = sweep_of(40, *AXES, seed=1)
    records = searched(sweep, 40)
    drawn = random_draws(sweep.axes, 40, 1)
    assert [each["options"] for each in records.values()][:RANDOM_FIRST] == drawn[:RANDOM_FIRST]
    ours = [each["val"] for each in records.values()][RANDOM_FIRST:]
    others = [loss_of(options) for options in drawn[RANDOM_FIRST:]]
    assert sum(ours) / len(ours) < sum(others) / len(others) - 0.15
    assert min(ours) <= min(others)
    assert len({each["id"] for each in records.values()}) == 40
    for each in records.values():
        assert 0.0001 <= each["options"]["learning_rate"] <= 1
        assert type(each["options"]["n_hidden"]) is int and 1 <= each["options"]["n_hidden"] <= 300


@needs_optuna
def test_diverged_trials_are_bad_and_those_of_the_machine_say_nothing() -> None:
    """Above a rate of 0.01 all fail: those of bad options are left, the machine's are tried on."""
    rates: dict[str, list[float]] = {}
    for kind in ("diverged", "killed"):
        sweep, records = sweep_of(40, "learning_rate=0.0001..1.0", seed=2), {}
        rates[kind] = []
        for number in range(40):
            options = chosen(sweep, number, records, {})
            rate = options["learning_rate"]
            came = {"val": 2.0 + 0.01 * math.log10(rate), "train": 2.0}  # a larger one is worse
            one = record(sweep, number, options, **came)
            if rate > 0.01:
                failed = {"error": "x", "kind": kind, "code": 6}
                one = sweep.record_of(str(number), options, failed)
            records[str(number)] = one
            rates[kind].append(rate)
    late = {kind: sum(rate > 0.01 for rate in each[12:]) for kind, each in rates.items()}
    assert late["diverged"] < late["killed"] / 2 or late["diverged"] <= 3


@needs_optuna
def test_what_runs_counts_so_that_several_workers_try_different_things() -> None:
    sweep = sweep_of(30, *AXES, seed=3)
    records = searched(sweep, 12)
    running: dict[str, Any] = {}
    for number in range(12, 20):
        running[str(number)] = chosen(sweep, number, records, running)
    assert len({digest(each) for each in running.values()}) == 8
    assert chosen(sweep, 13, records, {"12": running["12"]}) == running["13"]


@needs_optuna
def test_few_combinations_are_each_tried_once() -> None:
    sweep = sweep_of(12, "n_hidden=1..4", "batch_norm=true,false", "grad_clip=none")
    assert different(sweep.axes) == 8
    assert different(sweep_of(1, *AXES).axes) == math.inf
    records: dict[str, Any] = {}
    for number in range(8):
        options = chosen(sweep, number, records, {})
        records[str(number)] = record(sweep, number, options, val=2.0)
    assert len({each["id"] for each in records.values()}) == 8
    more = sweep_of(20, "n_hidden=1..16")
    records = {}
    for number in range(16):
        options = chosen(more, number, records, {})
        records[str(number)] = record(more, number, options, val=float(options["n_hidden"]))
    assert sorted(each["options"]["n_hidden"] for each in records.values()) == list(range(1, 17))


@needs_optuna
def test_all_failed_and_optuna_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    import optuna

    before = optuna.logging.get_verbosity()
    sweep = sweep_of(13, *AXES)
    records: dict[str, Any] = {}
    for number in range(13):
        options = chosen(sweep, number, records, {})
        failed = {"error": "x", "kind": ("killed", "diverged")[number % 2], "code": 5}
        records[str(number)] = sweep.record_of(str(number), options, failed)
    assert capfd.readouterr() == ("", "") and optuna.logging.get_verbosity() == before
    assert logging.getLogger("optuna").handlers  # its own, as it was


# -- the command ----------------------------------------------------------------------------------


@needs_optuna
def test_a_search_that_was_stopped_goes_on_to_the_same_table(
    text, call: Call, inside, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr("makemore.analysis.novelty.DRAWS", 50)
    command = ("sweep", text, "--model", "ngram", "--vary", "order=1..9", "--vary", "k=0.01..10.0",
               "--vary", "smoothing=add-k,kneser-ney", "--tpe", "12", "--workers", "1")  # fmt: skip
    done = call(*command, "-o", "whole", "--json")
    assert done.returncode == 0, done.stderr
    whole = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["number"] for each in whole] == list(range(12)) and len(inside) == 12
    lines = (tmp_path / "whole" / FILE).read_text().splitlines()
    assert json.loads(lines[0])["drawn"] == {"random": None, "tpe": 12}
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / FILE).write_text("\n".join(lines[:12]) + '\n{"id": "')
    again = call(*command, "-o", "cut", "--json")
    found = [json.loads(line) for line in again.stdout.splitlines()]
    assert [{**each, "seconds": 0} for each in found] == [{**each, "seconds": 0} for each in whole]
    assert len(inside) == 13 and "11 of them done before" in again.stderr
    other = call(*command[:-3], "13", *command[-2:], "-o", "whole")
    assert other.returncode == 2 and "tpe was 12, is 13" in other.stderr
    damaged = lines[2].replace('"order": ', '"order": 9')
    (tmp_path / "cut" / FILE).write_text("\n".join([lines[0], damaged]) + "\n")
    assert call(*command, "-o", "cut").returncode == 4
    # A value out of its range, though with the id that belongs to it.
    sweep = Sweep("ngram", PARTS, {"threads": 1}, (axis("ngram", "order=1..9"),), (), tpe=1)
    good, bad = (sweep.record_of("0", {"order": n}, RESULT) for n in (9, 10))
    assert sweep.name_of(good) == "0" and sweep.name_of(bad) is None


WRONG = {
    "--vary order=1..3 --tpe 3 --random 3": (2, "leave out one of --tpe and --random"),
    "--vary order=1..3 --tpe 3 --seeds 2": (2, "luckiest seed"),
    "--vary order=1..3 --vary seed=1,2 --tpe 3": (2, "luckiest seed"),
    "--vary order=1..3 --tpe 0": (2, "--tpe"),
}


@needs_optuna
@pytest.mark.parametrize("options", WRONG)
def test_what_cannot_be_searched_is_refused(options: str, text, call: Call, tmp_path: Path) -> None:
    code, told = WRONG[options]
    done = call("sweep", text, "--model", "ngram", *options.split())
    assert done.returncode == code and told in done.stderr.splitlines()[-1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lines.txt"]


def test_where_optuna_is_missing_its_installation_is_named(text, call: Call, monkeypatch) -> None:
    monkeypatch.setattr(tpe, "find_spec", lambda name: None)
    done = call("sweep", text, "--model", "ngram", "--vary", "order=1..3", "--tpe", "3")
    assert done.returncode == 5
    last = done.stderr.splitlines()[-1]
    assert last == "makemore: error: --tpe needs optuna: pip install optuna"
