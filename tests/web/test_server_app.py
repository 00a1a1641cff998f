"""The routes of `makemore serve`, asked over a socket."""

from __future__ import annotations

import asyncio
import json
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from makemore import MakeMore
from makemore.errors import SystemFault, Unsatisfiable, UsageError
from makemore.runs import RunLog, RunWriter
from makemore.version import __version__
from makemore.web.server.app import ListFile, Site
from makemore.web.server.drawing import Drawing
from makemore.web.server.http_errors import HttpError
from makemore.web.server.requests import SampleRequest
from makemore.web.server.runs import Place
from makemore.web.server.starting import write_list
from makemore.web.server.training_request import TrainingRequest, training_request
from web.loops import run_apart
from web.serving import PAGE, POLICY, Served, served

LINES = [f"{a}{b}{c}" for a in "kmnr" for b in "aeio" for c in ("la", "ri", "no", "sa")]
COUNTS = {"model": "ngram", "options": {"order": 3}}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a run whose training has finished."""
    maker = MakeMore("ngram", order=2).fit(LINES)
    maker.save(tmp_path / "runs" / "first")
    return tmp_path / "runs"


@pytest.fixture
def server(place: Path) -> Iterator[Served]:
    with served(Site(Place.of(place), lambda: (PAGE, POLICY))) as server:
        yield server


def test_the_page_its_policy_and_health(server: Served) -> None:
    page = server.get("/")
    assert page.status == 200 and page.body == PAGE
    assert page.headers["content-security-policy"] == POLICY
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert server.get("/health").json == {"ok": True, "version": __version__}
    head = server.ask("HEAD", "/")
    assert head.status == 200 and head.body == b""


def test_runs_models_and_one_run(server: Served) -> None:
    listed = server.get("/api/runs").json
    assert [run["id"] for run in listed["runs"]] == ["first"] and listed["file"] is None
    assert listed["version"] == __version__
    models = {model["name"]: model["about"] for model in listed["models"]}
    assert "gru" in models and len(models) == 11 and all(models.values())
    run = server.run("first")
    assert run["state"] == "finished" and run["history"] == [] and run["preview"] is None
    assert server.get("/api/run").json == run, "without an id the first is meant"


@pytest.mark.parametrize(
    "method, path, status",
    [("GET", "/nothing", 404), ("GET", "/api/run?run=nobody", 404), ("DELETE", "/health", 405),
     ("POST", "/health", 405), ("GET", "/api/train", 405), ("GET", "/api/events?run=../x", 404),
     ("GET", "/api/weights?run=x", 404), ("GET", "/api/list", 404), ("GET", "//etc/passwd", 404),
     ("GET", "/%2e%2e/runs", 404), ("POST", "/api/draw", 404), ("PUT", "/api/runs", 405),
     ("GET", "/health/", 404)],
)  # fmt: skip
def test_what_is_not_there_is_said_in_json(
    server: Served, method: str, path: str, status: int
) -> None:
    answer = server.ask(method, path, {} if method == "POST" else None)
    assert answer.status == status and answer.headers["content-type"] == "application/json"
    assert (
        answer.json["error"].keys() == {"message", "where", "fix"} and answer.json["error"]["fix"]
    )


BODIES: list[tuple[bytes, int]] = [
    (b"", 400), (b"{", 400), (b"[]", 400), (b"5", 400), (b'{"a":1,"a":2}', 400), (b"\xff", 400),
    (b'{"lines": [NaN]}', 400), (b'{"lines": [1e999]}', 400), (b"[" * 100_000, 400),
    (b'{"lines": ["a"], "x": 1}', 422), (b'{"run": 5}', 400), (b'{"run": "a", "b": 1}', 400),
    (b'{"run": "nobody"}', 404), (b'{"run": "first"}', 409),
]  # fmt: skip


@pytest.mark.parametrize("body, status", BODIES)
def test_a_body_that_cannot_be_is_refused(server: Served, body: bytes, status: int) -> None:
    answer = server.post("/api/train", body)
    assert answer.status == status and answer.json["error"]["message"]
    if body.startswith(b'{"run"'):
        assert server.post("/api/stop", body).status == status


def test_a_post_is_json(server: Served) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = server.ask("POST", "/api/train", b"{}", {"Content-Type": kind})
        assert answer.status == 415 and "application/json" in answer.json["error"]["fix"]
    kind = {"Content-Type": "application/json; charset=utf-8"}
    assert server.ask("POST", "/api/train", b"{}", kind).status == 400


def test_weights_are_a_head_and_two_arrays(server: Served, place: Path) -> None:
    answer = server.get("/api/weights?run=first")
    assert answer.headers["content-type"] == "application/octet-stream"
    (length,) = struct.unpack("<I", answer.body[:4])
    head = json.loads(answer.body[4 : 4 + length])
    assert len(answer.body) == 4 + length + head["weights"] + head["known"]
    assert head["payload"]["model"]["kind"] == "ngram" and head["step"] == 1
    for file in place.glob("first/weights-*"):
        file.unlink()
    fresh = Site(Place.of(place), lambda: (PAGE, POLICY))
    with served(fresh) as other:
        answer = other.get("/api/weights?run=first")
        assert answer.status == 409 and "missing" in answer.json["error"]["message"]


# -- trainings -------------------------------------------------------------------------------------


def test_a_list_is_trained_as_at_a_terminal(server: Served, place: Path, tmp_path: Path) -> None:
    answer = server.post("/api/train", {"lines": LINES, "name": "../Names.txt", **COUNTS})
    assert answer.status == 202
    run = answer.json["run"]
    assert run["id"] == "Names" and run["state"] == "training" and run["ours"]
    again = server.post("/api/train", {"text": "\n".join(LINES), "name": "Names", **COUNTS})
    assert again.json["run"]["id"] == "Names-2", "no file and no run is written over"
    done = server.state("Names", "finished", "failed")
    assert done["state"] == "finished" and done["message"] is None and done["preview"]["lines"]
    assert server.state("Names-2", "finished")["losses"] == done["losses"]
    # The same command at a terminal gives the same bytes.
    (tmp_path / "Names.txt").write_text("".join(f"{line}\n" for line in LINES))
    words = ["train", "Names.txt", "--model", "ngram", "--order", "3", "-o", "typed"]
    command = [sys.executable, "-m", "makemore", *words]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    for name in ("weights-1.safetensors", "vocabulary.json", "split/train.txt"):
        assert (place / "Names" / name).read_bytes() == (tmp_path / "typed" / name).read_bytes()


@pytest.mark.parametrize(
    "body, status, what",
    [({"text": "1\n2\n3\n" * 40, "options": {"label_column": "x"}}, 422, ""),
     ({"text": "a\x00\n", "options": {"max_line": 1, "max_vocab": 1}}, 422, "")],
)  # fmt: skip
def test_a_list_that_cannot_be_read_leaves_nothing(
    server: Served, place: Path, body: Any, status: int, what: str
) -> None:
    answer = server.post("/api/train", body)
    assert answer.status == status and answer.json["error"]["fix"], answer.json
    assert str(place) not in answer.body.decode()
    assert sorted(path.name for path in place.iterdir()) == ["first"]


@pytest.mark.slow
def test_a_training_that_fails_says_why(server: Served) -> None:
    body = {"lines": LINES, "model": "mlp", "options": {"batch_size": 10**6}}
    id = server.post("/api/train", body).json["run"]["id"]
    run = server.state(id, "failed", "finished")
    assert run["state"] == "failed" and "a batch of" in run["message"] and run["fix"]
    # What is wrong is wrong again, but it may be asked for.
    assert server.post("/api/train", {"run": id}).status == 202
    assert server.state(id, "failed")["message"] == run["message"]


def test_what_does_not_train_is_not_stopped(server: Served, place: Path) -> None:
    server.get("/api/runs")
    answer = server.post("/api/stop", {"run": "first"})
    assert answer.status == 409 and "not in training" in answer.json["error"]["message"]
    with RunWriter(place / "first") as writer:  # a process at a terminal
        run = writer.resume()
        writer.save({**run.progress, "step": 2, "finished": False}, run.weights, {})
        assert server.run("first")["state"] == "training"
        answer = server.post("/api/stop", {"run": "first"})
        assert answer.status == 409 and "another process" in answer.json["error"]["message"]
        assert server.post("/api/train", {"run": "first"}).status == 409
    assert server.run("first")["state"] == "stopped"


@pytest.mark.slow
def test_a_training_that_is_stopped_before_it_begins_can_go_on(server: Served, place: Path) -> None:
    # A network imports torch before it makes anything: that takes a second, and stopping does not.
    body = {"lines": LINES, "name": "early", "model": "bigram", "options": {"max_steps": 5}}
    assert server.post("/api/train", body).status == 202
    stopped = server.post("/api/stop", {"run": "early"}).json["run"]
    assert not (place / "early").exists(), "Python was still starting"
    assert stopped["state"] == "stopped" and stopped["message"] is None
    assert server.post("/api/train", {"run": "early"}).status == 202
    server.state("early", "finished")
    assert server.get("/api/weights?run=early").status == 200


def test_what_is_sent_beside_a_run_is_named(server: Served) -> None:
    error = server.post("/api/train", {"run": "first", "time": "5s"}).json["error"]
    assert error["message"] == "'time' does not go with a run" and "nothing else" in error["fix"]


@pytest.mark.slow
def test_a_training_is_stopped_killed_and_gone_on_with(server: Served, place: Path) -> None:
    """And an end of the server stops it, saved."""
    options = {"max_steps": 3000, "n_hidden": 16, "eval_interval": 20, "batch_size": 32}
    body = {"lines": LINES, "name": "x", "model": "gru", "options": options}
    assert server.post("/api/train", body).status == 202
    server.until("x", lambda run: run["step"] > 40)
    stopped = server.post("/api/stop", {"run": "x"}).json["run"]
    assert stopped["state"] == "stopped" and stopped["step"] >= 40
    gone_on = server.post("/api/train", {"run": "x"})
    assert gone_on.status == 202 and gone_on.json["run"]["state"] == "training"
    server.until("x", lambda run: run["step"] > stopped["step"] + 20)
    pid = int((place / "x" / "lock").read_text())
    subprocess.run(["kill", "-9", str(pid)], check=True)
    killed = server.state("x", "stopped")
    assert killed["message"] == "the training was ended by SIGKILL" and killed["fix"]
    assert server.post("/api/train", {"run": "x"}).status == 202
    server.until("x", lambda run: run["step"] > killed["step"])
    assert len(server.run("x")["history"]) >= 3


@pytest.mark.slow
def test_no_more_than_two_train_and_the_end_saves_them(place: Path) -> None:
    options = {"max_steps": 100_000, "n_hidden": 8, "batch_size": 32}
    body = {"lines": LINES, "model": "gru", "options": options}
    with served(Site(Place.of(place), lambda: (PAGE, POLICY))) as server:
        for _ in range(2):
            assert server.post("/api/train", body).status == 202
        third = server.post("/api/train", body)
        assert third.status == 429 and third.headers["retry-after"] == "5"
        for id in ("list", "list-2"):
            server.until(id, lambda run: run["step"] > 10)
    with served(Site(Place.of(place), lambda: (PAGE, POLICY))) as server:
        for id in ("list", "list-2"):
            run = server.run(id)
            assert run["state"] == "stopped" and run["step"] > 10 and not run["ours"]
        assert server.post("/api/train", {"run": "list"}).status == 202
        server.until("list", lambda run: run["step"] > 40)


# -- events ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_events_tell_what_changes(server: Served, place: Path) -> None:
    with server.events() as events, server.events("/api/events?run=first") as same:
        assert next(events)[1]["state"] == "finished" and next(same)[0] == "run"
        with RunWriter(place / "first") as writer:
            run = writer.resume()
            writer.save({**run.progress, "step": 2, "finished": False}, run.weights, {})
            log = RunLog(writer, every=1)
            seen = next(events)
            assert seen[0] == "run" and seen[1]["state"] == "training"
            log.evaluated(7, 2.0, 2.5)
            log.samples(7, ["mora"])
            told = [next(events)]
            while told[-1][0] != "preview":
                told.append(next(events))
        metrics = [data for name, data in told if name == "metric"]
        assert [(each["kind"], each["nll"]) for each in metrics] == [("train", 2.0), ("val", 2.5)]
        assert metrics[0].keys() == {"run", "step", "kind", "nll", "lr", "seconds"}
        assert told[-1][1] == {"run": "first", "step": 7, "lines": ["mora"]}
        assert next(same)[1]["state"] == "training"
        MakeMore("ngram", order=2).fit(LINES).save(place / "second")
        assert any(data.get("id") == "second" for _, data in events)


def test_a_stream_ends_with_the_server(place: Path) -> None:
    site = Site(Place.of(place), lambda: (PAGE, POLICY))
    with served(site) as server, server.events() as events:
        next(events)
        timer = threading.Timer(0.2, site.ending)
        timer.start()
        assert list(events) == []
        timer.join()


def test_a_client_that_does_not_read_is_dropped(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("makemore.web.server.follow.WAITING", 3)
    site = Site(Place.of(place), lambda: (PAGE, POLICY))

    async def main() -> None:
        stream = site.follower.follow(None)
        await anext(stream)
        for n in range(5):
            site.follower.tell([("preview", {"run": "first", "step": n, "lines": []})])
        left = [event async for event in stream]
        assert len(left) == 3, "what was there before is sent, and then it ends"
        assert not site.follower._listeners

    run_apart(main())


def test_nobody_looks_while_nobody_listens(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("makemore.web.server.follow.IDLE", 0.01)
    site, looks = Site(Place.of(place), lambda: (PAGE, POLICY)), list[int]()
    look = site.runs.look

    def counted(finds: bool = True) -> Any:
        looks.append(1)
        return look(finds)

    monkeypatch.setattr(site.runs, "look", counted)

    async def main() -> None:
        stream = site.follower.follow(None)
        await anext(stream)
        while len(looks) < 4:
            await asyncio.sleep(0.01)
        await stream.aclose()  # type: ignore[attr-defined]
        while site.follower._task is not None:
            await asyncio.sleep(0.01)
        before = len(looks)
        await asyncio.sleep(0.2)
        assert len(looks) == before

    run_apart(main())


def test_a_beat_shows_that_the_stream_is_alive(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("makemore.web.server.follow.BEAT", 0.05)
    site = Site(Place.of(place), lambda: (PAGE, POLICY))

    async def main() -> None:
        stream = site.follower.follow("first")
        first = [await anext(stream) for _ in range(4)]
        assert [each.startswith(b": ") for each in first] == [True, False, True, True]
        await stream.aclose()  # type: ignore[attr-defined]

    run_apart(main())


def test_a_look_that_failed_is_followed_by_others(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("makemore.web.server.follow.IDLE", 0.02)
    site, fails = Site(Place.of(place), lambda: (PAGE, POLICY)), [False]
    look = site.runs.look

    def sometimes(finds: bool = True) -> Any:
        if fails[0]:
            fails[0] = False
            raise RuntimeError("a fault of ours")
        return look(finds)

    monkeypatch.setattr(site.runs, "look", sometimes)

    async def main() -> None:
        stream = site.follower.follow(None)
        await anext(stream)
        assert b"event: run" in await anext(stream)
        fails[0] = True
        while fails[0]:
            await asyncio.sleep(0.01)
        (place / "first" / "checkpoint.json").unlink()
        assert b"event: run" in await asyncio.wait_for(anext(stream), 10)
        await stream.aclose()  # type: ignore[attr-defined]

    run_apart(main())


def test_a_client_that_leaves_while_its_list_is_written_leaves_no_file(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, asked = threading.Event(), training_request({"lines": LINES, "name": "mine"})
    may_end = threading.Event()

    def slowly(folder: Path, asked: TrainingRequest) -> Path:
        file = write_list(folder, asked)
        written.set()
        may_end.wait(10)
        return file

    monkeypatch.setattr("makemore.web.server.app.write_list", slowly)
    site = Site(Place.of(place), lambda: (PAGE, POLICY))

    async def main() -> None:
        task = asyncio.create_task(site.written(asked))
        await asyncio.to_thread(written.wait, 10)
        assert (place / "mine.txt").exists()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        may_end.set()
        while (place / "mine.txt").exists():
            await asyncio.sleep(0.01)

    run_apart(asyncio.wait_for(main(), 20))


def test_a_disk_that_is_full_leaves_no_half_of_a_list(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: Any) -> None:
            pass

        def write(self, body: bytes) -> None:
            raise OSError(28, "No space left on device")

    def opened(file: Path, mode: str) -> Full:
        file.touch(exist_ok=False)
        return Full()

    monkeypatch.setattr("makemore.web.server.starting.open", opened, raising=False)
    with pytest.raises(SystemFault, match="cannot write the list"):
        write_list(place, training_request({"lines": LINES, "name": "mine"}))
    assert not (place / "mine.txt").exists()


@pytest.mark.slow
def test_no_answer_has_a_path_of_this_machine(server: Served, place: Path) -> None:
    """Also where what is wrong is a file of a run, or a training ended by an error."""
    body = {"lines": LINES, "name": "new", "model": "mlp", "options": {"learning_rate": 1e30}}
    assert server.post("/api/train", body).status == 202
    server.state("new", "failed", "stopped", "finished")
    (weights,) = (place / "first").glob("weights*")
    weights.write_bytes(b"damaged")
    answers = [server.post("/api/sample", {"run": "first"}), server.get("/api/weights?run=first")]
    assert [answer.status for answer in answers] == [409, 409]
    assert "first" in str(answers[1].json["error"]["where"]), "the run is named by its id"
    (place / "first" / "config.json").unlink()
    answers += [server.get("/api/runs"), server.post("/api/train", {"run": "first"})]
    answers += [server.get("/api/run?run=new"), server.post("/api/score", {"lines": ["a"]})]
    for answer in answers:
        assert str(place.parent) not in answer.body.decode()


# -- the list, and drawing -------------------------------------------------------------------------


def test_the_list_of_the_server_is_given(place: Path) -> None:
    file = ListFile("names", "émma\n\n  \nolivia\n")
    with served(Site(Place.of(place), lambda: (PAGE, POLICY), file)) as server:
        assert server.get("/api/runs").json["file"] == {"name": "names", "lines": 2}
        answer = server.get("/api/list")
        assert answer.body.decode() == file.text
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_drawing_is_handed_the_folder_and_the_checked_body(place: Path) -> None:
    seen: list[Any] = []
    errors: list[Exception] = [
        UsageError("n cannot be 0", "n", "give more"), HttpError(400, "no"), SystemFault("busy"),
        Unsatisfiable("there are no more"),
    ]  # fmt: skip

    class Scripted(Drawing):
        async def sample(self, folder: Path, request: SampleRequest) -> dict[str, Any]:
            seen.append((folder, request.n))
            if request.n == 1:
                raise errors[len(seen) - 2]
            return {"seed": 1}

        async def close(self) -> None:
            closed.append(1)

    closed: list[int] = []
    site = Site(Place.of(place), lambda: (PAGE, POLICY), None, Scripted())
    with served(site) as server:
        assert server.post("/api/sample", {"n": 2, "run": "first"}).json == {"seed": 1}
        assert seen == [(place / "first", 2)]
        statuses = [server.post("/api/sample", {"n": 1}).status for _ in errors]
        assert statuses == [422, 400, 503, 422]
        assert server.post("/api/sample", {"run": "x"}).status == 404
        assert server.post("/api/sample", {"m": 1}).status == 422
        assert server.post("/api/sample", []).status == 400
        assert server.post("/api/draw", {"run": "first"}).status == 404
    assert closed == [1]
