"""Runs as a server sees them: by looking at their directories while others write there."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from makemore import MakeMore
from makemore.errors import SystemFault
from makemore.runs import RunLog, RunWriter
from makemore.runs.lock import is_locked
from makemore.web.server.http_errors import HttpError
from makemore.web.server.log_tail import LogTail, last_block
from makemore.web.server.runs import Place, Runs
from makemore.web.server.train_child import Trainings
from makemore.web.server.watched import BATCHES, Watched

LINES = [f"{a}{b}{c}" for a in "kmnr" for b in "aeio" for c in ("la", "ri", "no", "sa")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run of counts, whose training has finished."""
    MakeMore("ngram", order=2).fit(LINES).save(tmp_path / "runs" / "names")
    return tmp_path / "runs" / "names"


def runs_of(place: Path) -> Runs:
    return Runs(Place.of(place), Trainings())


def save_again(folder: Path, step: int, finished: bool = False) -> None:
    with RunWriter(folder) as writer:
        run = writer.resume()
        progress = {**run.progress, "step": step, "best_step": step, "finished": finished}
        writer.save(progress, run.weights, {})


def named(events: list[tuple[str, Any]], name: str) -> list[Any]:
    return [data for each, data in events if each == name]


# -- one run ---------------------------------------------------------------------------------------


def test_a_run_is_what_its_files_say(folder: Path) -> None:
    runs = runs_of(folder.parent)
    events = runs.look()
    (run,) = named(events, "run")
    assert named(events, "weights") == [{"run": "names", "generation": 0, "step": 1}]
    assert run == {
        "id": "names", "name": "names", "model": "ngram", "state": "finished", "step": 1,
        "of": 1, "generation": 0, "seconds": 0.0,
        "losses": {"train": None, "val": None, "best": run["losses"]["best"]},
        "message": None, "fix": None, "ours": False,
    }  # fmt: skip
    assert run["losses"]["best"] > 0 and runs.look() == [], "nothing has changed"


def test_what_a_training_writes_becomes_events(folder: Path) -> None:
    save_again(folder, 1)
    watched = Watched("names", folder)
    with RunWriter(folder) as writer:
        log = RunLog(writer, every=1)
        log.evaluated(0, 3.25, 3.5)
        assert named(watched.look(), "metric") == [], "what was there before is history"
        assert watched.curve.history == {0: {"train": 3.25, "val": 3.5}} and watched.locked
        log.step(1, 2.0, 0.1, 30)
        log.evaluated(2, 1.12345, None)
        log.samples(2, ["mora\tx", "keno"])
        events = watched.look()
        assert [(each["step"], each["kind"], each["nll"]) for each in named(events, "metric")] == [
            (1, "batch", 2.0), (2, "train", 1.12345)
        ]  # fmt: skip
        assert named(events, "preview") == [{"step": 2, "lines": ["mora\tx", "keno"]}]
        assert watched.losses()["train"] == 1.1235 and watched.step == 2
        assert watched.look() == []
    save_again(folder, 5)
    assert named(watched.look(), "weights") == [{"generation": 2, "step": 5}]
    assert not watched.locked


def test_a_log_that_was_cut_is_read_anew(folder: Path) -> None:
    """A training that goes on after a kill cuts what was never saved, and takes the steps again."""
    watched = Watched("names", folder)
    with RunWriter(folder) as writer:
        log = RunLog(writer, every=1)
        log.evaluated(1, 3.0, 3.0)
        log.evaluated(2, 2.0, 2.0)
        watched.look()
        writer.cut_logs({"metrics.jsonl": 0})
        log.evaluated(1, 2.5, 2.5)
        log.evaluated(3, 1.5, 1.5)
        log.evaluated(4, 1.0, 1.0)
        watched.look()
    assert list(watched.curve.history) == [1, 3, 4] and watched.curve.history[1]["val"] == 2.5


def test_half_a_line_waits_for_its_end_and_nonsense_is_passed_over(folder: Path) -> None:
    watched, file = Watched("names", folder), folder / "metrics.jsonl"
    watched.look()
    entry = json.dumps({"step": 7, "kind": "val", "nll": 2.0, "lr": None, "seconds": 1.5})
    file.write_text(f"no JSON\n{{}}\n[1]\n{entry[:20]}")
    assert named(watched.look(), "metric") == [] and watched.problem is None
    with open(file, "a") as stream:
        stream.write(entry[20:] + "\n")
    (metric,) = named(watched.look(), "metric")
    assert metric == {"step": 7, "kind": "val", "nll": 2.0, "lr": None, "seconds": 1.5}


def test_batch_losses_are_thinned_and_evaluations_are_not(folder: Path) -> None:
    watched = Watched("names", folder)
    watched.look()
    with RunWriter(folder) as writer:
        log = RunLog(writer, every=1)
        for step in range(1, 200):
            log.step(step, 2.0, 0.1, 30)
            if step % 10 == 0:
                log.evaluated(step, 2.0, 2.0)
        metrics = named(watched.look(), "metric")
    batches = [each["step"] for each in metrics if each["kind"] == "batch"]
    assert 2 < len(batches) <= BATCHES and batches[-1] == 199
    assert len(metrics) - len(batches) == 38


def test_seconds_add_up_over_calls(folder: Path) -> None:
    watched = Watched("names", folder)
    with open(folder / "metrics.jsonl", "a") as stream:
        for seconds in (1.0, 4.0, 0.5, 2.0):
            stream.write(
                json.dumps({"step": 1, "kind": "val", "nll": 2, "seconds": seconds}) + "\n"
            )
    watched.look()
    assert watched.curve.seconds == 6.0
    with open(folder / "metrics.jsonl", "a") as stream:  # it is gone on with
        stream.write(json.dumps({"step": 2, "kind": "val", "nll": 2, "seconds": 1.0}) + "\n")
    assert [each["seconds"] for each in named(watched.look(), "metric")] == [7.0]


def test_a_long_log_comes_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("makemore.web.server.log_tail.MOST", 64)
    (tmp_path / "log").write_text("".join(f"line {n}\n" for n in range(40)))
    tail, lines = LogTail(tmp_path / "log"), list[bytes]()
    for _ in range(40):
        lines += tail.read()[0]
    assert lines == [f"line {n}".encode() for n in range(40)]
    assert last_block(tmp_path / "log", 20)[-1] == b"line 39" and last_block(tmp_path / "no") == []


# -- the lock --------------------------------------------------------------------------------------


def test_a_look_at_the_lock_holds_up_no_training(folder: Path) -> None:
    """While others look all the time, each attempt to train gets the lock."""
    ends = threading.Event()

    def look() -> None:
        while not ends.is_set():
            is_locked(folder)

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for each in lookers:
        each.start()
    try:
        for _ in range(100):
            RunWriter(folder).close()
    finally:
        ends.set()
        for each in lookers:
            each.join()


def test_who_trains_is_seen_and_keeps_others_out(folder: Path) -> None:
    assert not is_locked(folder)
    with RunWriter(folder):
        assert is_locked(folder)
        with pytest.raises(SystemFault, match="is training here"):
            RunWriter(folder)
    assert not is_locked(folder)
    (folder / "lock").unlink()
    os.mkfifo(folder / "lock")  # opening it would wait for a writer
    assert not is_locked(folder)


# -- what happens to runs --------------------------------------------------------------------------


def test_a_run_in_training_stops_and_finishes(folder: Path) -> None:
    save_again(folder, 3)
    runs = runs_of(folder.parent)
    runs.look()
    assert runs.record(runs.get("names"))["state"] == "stopped" and not runs.trains
    with RunWriter(folder):
        assert named(runs.look(), "run")[0]["state"] == "training" and runs.trains
    save_again(folder, 4, finished=True)
    assert named(runs.look(), "run")[0]["state"] == "finished"


def test_a_run_that_goes_comes_back_or_is_damaged_is_told_once(folder: Path) -> None:
    runs = runs_of(folder.parent)
    runs.look()
    away = folder.parent.parent / "away"
    folder.rename(away)
    (told,) = named(runs.look(), "run")
    assert told["state"] == "gone" and told["message"] == "its folder has gone" and told["fix"]
    assert runs.look() == []
    away.rename(folder)
    assert named(runs.look(), "run")[0]["state"] == "finished"
    kept = (folder / "checkpoint.json").read_text()
    (folder / "checkpoint.json").write_text(kept.replace('"generation"', '"generatiom"'))
    (told,) = named(runs.look(), "run")
    assert told["state"] == "failed" and "damaged" in told["message"] and told["fix"]
    assert runs.look() == []
    (folder / "checkpoint.json").write_text(kept)
    assert named(runs.look(), "run")[0]["state"] == "finished"


def test_a_run_that_is_trained_anew_is_another_one(folder: Path) -> None:
    runs = runs_of(folder.parent)
    runs.look()
    shutil.rmtree(folder)
    MakeMore("gru", max_steps=1, n_hidden=4, threads=1).fit(LINES).save(folder)
    events = runs.look()
    assert named(events, "run")[0]["model"] == "gru" and len(named(events, "weights")) == 1


def test_other_programs_files_are_no_runs(tmp_path: Path) -> None:
    place = tmp_path / "runs"
    (place / "a" / "split").mkdir(parents=True)
    (place / "b.txt").write_text("x")
    os.mkfifo(place / "metrics.jsonl")
    assert runs_of(place).look() == [] and runs_of(tmp_path / "none").look() == []
    (place / "c").mkdir()
    (place / "c" / "checkpoint.json").symlink_to("/etc/passwd")
    os.mkfifo(place / "c" / "metrics.jsonl")
    (told,) = named(runs_of(place).look(), "run")
    assert told["id"] == "c" and told["state"] == "failed" and "root" not in json.dumps(told)


def test_a_run_is_described_while_a_look_reads_on(folder: Path) -> None:
    """A look runs in a thread of its own: what is asked meanwhile must not break on its changes."""
    runs = runs_of(folder.parent)
    runs.look()
    run, ended = runs.get("names"), threading.Event()

    def read_on() -> None:
        for step in range(8_000):
            run.curve.add({"step": step, "kind": "val", "nll": 2.0 + step % 7, "seconds": 1.0})
            runs.add(folder.parent / str(step % 900))
        ended.set()

    thread = threading.Thread(target=read_on)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread.start()
    try:
        while not ended.is_set():
            runs.record(run)
            runs.history(run)
            assert not runs.trains
    finally:
        ended.wait(60)
        thread.join()
        sys.setswitchinterval(before)
    assert run.losses()["val"] == 2.0 + 7_999 % 7 and run.curve.best == 2.0


# -- ids -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "id",
    ["../names", "names/", "/names", "names/../names", "%6eames", "names\0", "names;", "", 1, True,
     [], {}, "NAMES", "names\\", "x" * 10_000, "\ud800"],
)  # fmt: skip
def test_only_an_id_of_the_list_is_a_run(folder: Path, id: Any) -> None:
    (folder.parent / "names-secret").mkdir()
    runs = runs_of(folder.parent)
    runs.look()
    with pytest.raises(HttpError, match="there is no run") as caught:
        runs.get(id)
    assert caught.value.status == 404
    assert runs.get(None) is runs.get("names")


def test_a_place_is_a_run_or_a_folder_of_runs(folder: Path) -> None:
    MakeMore("ngram", order=2).fit(LINES).save(folder.parent / "more" / "other")
    every, one, none = runs_of(folder.parent), runs_of(folder), runs_of(folder.parent / "new")
    for runs in (every, one, none):
        runs.look()
    assert [run.id for run in every.ordered()] == ["more/other", "names"]
    assert [run.id for run in one.ordered()] == ["names"], "others beside it are not shown"
    assert one.place.folder == folder.parent, "new ones go beside it"
    with pytest.raises(HttpError, match="no runs yet"):
        none.get(None)


def test_a_file_system_without_locks_has_no_trainings(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise OSError("no locks")

    monkeypatch.setattr(fcntl, "flock", fails)
    assert not is_locked(folder)
