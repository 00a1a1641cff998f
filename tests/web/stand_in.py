"""A server that speaks the contract of `makemore serve`, to test the page beside it.

It reads run directories as they are, trains by `makemore train`, and gives the page of the package.
What it says comes from real runs; only what a page cannot see (limits, many clients) is left out.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from makemore.runs.listing import summary_of
from makemore.runs.nearby import run_folders
from makemore.version import __version__
from makemore.web import served_page
from web.stand_in_runs import (
    Json,
    is_locked,
    metrics_of,
    preview_of,
    standing,
    weights_answer,
    weights_of,
)

LOOK_EVERY = 0.1  # seconds
MODELS = [{"name": "gru", "about": "reads letter by letter"}, {"name": "ngram", "about": "counts"}]


class Refused(Exception):
    """An error of the contract: its status, what is wrong, and what to do."""

    def __init__(self, status: int, message: str, fix: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "where": None, "fix": fix}}


@dataclass
class StandIn:
    """Serves a folder of runs. `link` is what `makemore serve` would print."""

    folder: Path
    file: Path | None = None
    token: str = "a-token"  # noqa: S105 (of a test)
    port: int = 0
    ids: dict[Path, str] = field(default_factory=dict)
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    words: dict[str, list[str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)  # method and path of each request
    http: ThreadingHTTPServer | None = None
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def link(self) -> str:
        return f"{self.address}?token={self.token}"

    def start(self) -> None:
        """Listen; after `stop` at the same port again."""
        self.stopping = threading.Event()
        kind = type("Bound", (Handler,), {"served": self})
        self.http = ThreadingHTTPServer(("127.0.0.1", self.port), kind)
        self.port = self.http.server_port
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}).start()

    def stop(self) -> None:
        """Stop listening, and end streams and trainings."""
        self.stopping.set()
        for child in self.children.values():
            if child.poll() is None:
                child.kill()
            child.wait()
        if self.http is not None:
            self.http.shutdown()
            self.http.server_close()
            self.http = None

    def runs(self) -> list[Json]:
        """All runs, and those of the start that are gone."""
        for path in run_folders(self.folder):
            self.ids.setdefault(path, f"r{len(self.ids) + 1}")
        return [self.run(path) for path in self.ids]

    def path_of(self, id: str | None) -> Path:
        for path, known in self.ids.items():
            if known == id or id is None:
                return path
        raise Refused(404, "there is no such run", "look at /api/runs")

    def run(self, path: Path) -> Json:
        """One run as the contract has it."""
        id, trains = self.ids[path], is_locked(path)
        blank: Json = {
            "id": id, "name": path.name, "model": "", "state": "training", "step": 0, "of": None,
            "generation": 0, "seconds": 0, "losses": {"train": None, "val": None, "best": None},
            "message": None, "fix": None, "ours": id in self.children,
        }  # fmt: skip
        child = self.children.get(id)
        if not (path / "checkpoint.json").is_file():
            if child is not None and child.poll() is None:
                return blank
            return {**blank, "state": "gone" if not path.is_dir() else "failed"}
        summary, metrics = summary_of(path), metrics_of(path)
        known = {**blank, "model": summary.model or "", **standing(summary, metrics, trains)}
        return {
            **known,
            "generation": json.loads((path / "checkpoint.json").read_text())["generation"],
        }

    def full(self, path: Path) -> Json:
        steps: dict[int, Json] = {}
        for entry in metrics_of(path):
            if entry["kind"] in ("train", "val"):
                step = steps.setdefault(entry["step"], {"train": None, "val": None})
                step[entry["kind"]] = entry["nll"]
        history = [{"step": step, **losses} for step, losses in sorted(steps.items())]
        return {**self.run(path), "history": history, "preview": preview_of(path)}

    def train(self, body: Json) -> Json:
        """Start `makemore train` as a child, on a new list or where a run has stopped."""
        if "run" in body:
            path = self.path_of(body["run"])
            if is_locked(path):
                raise Refused(409, "this run is training", "wait for it")
            words = self.words[body["run"]]
        else:
            path = self.folder / (re.sub(r"\W+", "-", Path(body["name"]).stem) or "list")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_suffix(".txt").write_text("\n".join(body["lines"]) + "\n")
            options = {
                **body.get("options", {}),
                "model": body.get("model"),
                "time": body.get("time"),
            }
            words = [
                f"--{key.replace('_', '-')}={value}" for key, value in options.items() if value
            ]
            words.append("--save-interval=1")
            id = self.ids.setdefault(path, f"r{len(self.ids) + 1}")
            self.words[id] = words  # the same command goes on
        text = path.with_suffix(".txt")
        command = [sys.executable, "-m", "makemore", "train", str(text), "-o", str(path), *words]
        if (before := self.children.get(self.ids[path])) is not None:
            before.wait()  # it was killed, or has stopped
        self.children[self.ids[path]] = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        return {"run": self.run(path)}

    def end(self, body: Json) -> Json:
        """Stop a training of ours as Ctrl+C does."""
        child = self.children.get(body["run"])
        if child is None or child.poll() is not None:
            raise Refused(409, "this run is not training", "look at /api/runs")
        child.send_signal(signal.SIGINT)
        child.wait()
        return {"run": self.run(self.path_of(body["run"]))}

    def events(self) -> Iterator[tuple[str, Json]]:
        """Events of all runs, by looking at their folders."""
        seen: dict[str, Json] = {}
        entries: dict[str, int] = {}
        weights: dict[str, str] = {}
        while not self.stopping.is_set():
            for run in self.runs():
                id, path = run["id"], self.path_of(run["id"])
                if seen.get(id) != run:
                    yield "run", run
                metrics = metrics_of(path)
                for entry in metrics[entries.get(id, len(metrics)) :]:
                    keys = ("step", "kind", "nll", "lr", "seconds")
                    yield "metric", {"run": id, **{key: entry[key] for key in keys}}
                new = metrics[entries.get(id, len(metrics)) :]
                if new and (preview := preview_of(path)):
                    yield "preview", {"run": id, **preview}
                saved = weights_of(path)
                if saved and weights.get(id, None if id in seen else saved) != saved:
                    yield (
                        "weights",
                        {"run": id, "generation": run["generation"], "step": run["step"]},
                    )
                if saved:
                    weights[id] = saved
                seen[id], entries[id] = run, len(metrics)
            time.sleep(LOOK_EVERY)


class Handler(BaseHTTPRequestHandler):
    """Answers one request; `served` is whose runs are told of."""

    served: StandIn
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        self.answer(self.get)

    def do_POST(self) -> None:
        self.answer(self.post)

    def answer(self, how: Any) -> None:
        self.served.asked.append(f"{self.command} {urlsplit(self.path).path}")
        try:
            how()
        except Refused as refused:
            self.send(refused.status, "application/json", json.dumps(refused.body).encode())
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def send(self, status: int, kind: str, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def need_token(self) -> None:
        if self.headers.get("Authorization") != f"Bearer {self.served.token}":
            raise Refused(401, "this needs the token", "open the printed link")

    def get(self) -> None:
        served, url = self.served, urlsplit(self.path)
        id = parse_qs(url.query).get("run", [None])[0]
        file = served.file
        if url.path == "/":
            page, policy = served_page(__version__)
            self.send(200, "text/html; charset=utf-8", page, Content_Security_Policy=policy)
        elif url.path == "/api/runs":
            named = file and {"name": file.name, "lines": len(file.read_text().splitlines())}
            self.json(
                {"runs": served.runs(), "file": named, "models": MODELS, "version": __version__}
            )
        elif url.path == "/api/run":
            self.json(served.full(served.path_of(id)))
        elif url.path == "/api/events":
            self.stream()
        elif url.path == "/api/weights":
            self.need_token()
            path = served.path_of(id)
            if not path.is_dir():
                raise Refused(404, "the run is gone", "open another one")
            self.send(200, "application/octet-stream", weights_answer(path))
        elif url.path == "/api/list" and file is not None:
            self.need_token()
            self.send(200, "text/plain; charset=utf-8", file.read_bytes())
        elif url.path == "/favicon.ico":
            self.send(200, "image/x-icon", b"")
        else:
            raise Refused(404, "there is no such path", "see the documentation")

    def post(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.need_token()
        if self.path == "/api/train":
            self.json(self.served.train(body), 202)
        elif self.path == "/api/stop":
            self.json(self.served.end(body))
        else:
            raise Refused(404, "there is no such path", "see the documentation")

    def json(self, value: Json, status: int = 200) -> None:
        self.send(status, "application/json", json.dumps(value).encode())

    def stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        for number, (event, data) in enumerate(self.served.events()):
            text = f"id: {number}\nevent: {event}\ndata: {json.dumps(data)}\n\n"
            self.wfile.write(text.encode())
            self.wfile.flush()
