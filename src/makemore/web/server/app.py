"""App: the routes of `makemore serve`, as docs/serve.md describes them.

Whether a client may ask at all is decided before (guard.py, limits.py); here it is answered. What
takes long is done in threads or child processes, so that the loop answers others meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from makemore.errors import MakemoreError
from makemore.escaping import visible
from makemore.models.core.declared import declared_models
from makemore.version import __version__
from makemore.web.server.drawing import Drawing
from makemore.web.server.follow import Follower
from makemore.web.server.http_errors import HttpError, as_json, status_of
from makemore.web.server.limits import JSON
from makemore.web.server.refusal import error_json
from makemore.web.server.requests import explain_request, sample_request, score_request
from makemore.web.server.runs import Place, Runs
from makemore.web.server.starting import check_stoppable, go_on, start_training, write_list
from makemore.web.server.train_child import Trainings
from makemore.web.server.training_request import TrainingRequest, training_request
from makemore.web.server.weights import WeightsReader

CHECKS: Mapping[str, Callable[[dict[str, Any]], Any]] = {  # of what is drawn, by its route
    "sample": sample_request, "score": score_request, "explain": explain_request,
}  # fmt: skip
RETRY_AFTER = {"Retry-After": "5"}  # seconds, with 429 and 503


@dataclass(frozen=True)
class ListFile:
    """Holds the list that the server was started with."""

    name: str
    text: str

    @cached_property
    def lines(self) -> int:
        """Count the lines that are not blank."""
        return sum(not line.isspace() for line in self.text.splitlines() if line)


@dataclass
class Site:
    """Holds what a server knows, and answers its routes.

    page: makes the HTML and its policy; file: the list that the page opens with
    drawing: samples, scores and explains in a process of its own
    """

    place: Place
    page: Callable[[], tuple[bytes, str]]
    file: ListFile | None = None
    drawing: Drawing = field(default_factory=Drawing)

    def __post_init__(self) -> None:
        self.trainings = Trainings(lambda: self.follower.wake())
        self.runs = Runs(self.place, self.trainings)
        self.follower = Follower(self.runs)
        self.weights_reader = WeightsReader()
        self._page: tuple[bytes, str] | None = None

    def app(self) -> Starlette:
        """Make the ASGI application."""
        get = {
            "/": self.home, "/health": self.health, "/api/runs": self.all_runs,
            "/api/list": self.list, "/api/run": self.run, "/api/events": self.events,
            "/api/weights": self.weights,
        }  # fmt: skip
        post = {"/api/train": self.train, "/api/stop": self.stop}
        routes = [Route(path, answer, methods=["GET"]) for path, answer in get.items()]
        routes += [Route(path, answer, methods=["POST"]) for path, answer in post.items()]
        routes += [Route(f"/api/{name}", self.draw, methods=["POST"]) for name in CHECKS]
        handlers: Any = {MakemoreError: self.error_answer, HTTPException: self.no_such_route}
        app = Starlette(routes=routes, exception_handlers=handlers, lifespan=self.lifespan)
        app.router.redirect_slashes = False  # /health/ is no path of ours, and leads to none
        return app

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Stop all trainings when the server ends; each saves first."""
        try:
            yield
        finally:
            self.ending()
            await asyncio.gather(self.trainings.close(), self.drawing.close())

    def ending(self) -> None:
        """End the streams of events: the server is about to end, and waits for no client."""
        self.follower.close()

    # -- what there is ----------------------------------------------------------------------------

    async def home(self, request: Request) -> Response:
        """Answer with the page."""
        if self._page is None:
            self._page = await asyncio.to_thread(self.page)
        html, policy = self._page
        headers = {"Content-Security-Policy": policy}
        return Response(html, media_type="text/html; charset=utf-8", headers=headers)

    async def health(self, request: Request) -> Response:
        """Say that the server answers."""
        return JSONResponse({"ok": True, "version": __version__})

    async def all_runs(self, request: Request) -> Response:
        """List the runs, the models, and the list that the server was started with."""
        await self.follower.look()
        file = self.file and {"name": self.file.name, "lines": self.file.lines}
        models = await asyncio.to_thread(declared_models)
        return JSONResponse(
            {
                "runs": [self.runs.record(run) for run in self.runs.ordered()],
                "file": file,
                "models": [{"name": model.name, "about": model.idea} for model in models],
                "version": __version__,
            }
        )

    async def list(self, request: Request) -> Response:
        """Give the list that the server was started with."""
        if self.file is None:
            raise HttpError(
                404, "the server was started without a list", None, "makemore serve FILE"
            )
        return Response(self.file.text, media_type="text/plain; charset=utf-8")

    async def run(self, request: Request) -> Response:
        """Say all of one run: its losses by step, and what it writes."""
        await self.follower.look()
        run = self.runs.get(request.query_params.get("run"))
        more = {"history": self.runs.history(run), "preview": run.preview}
        return JSONResponse({**self.runs.record(run), **more})

    async def events(self, request: Request) -> Response:
        """Stream what changes in one run, or in all."""
        id = request.query_params.get("run")
        if id is not None:
            await self.follower.look()
            self.runs.get(id)  # raises for an unknown one
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        return StreamingResponse(self.follower.follow(id), media_type="text/event-stream")

    async def weights(self, request: Request) -> Response:
        """Give the weights of a run's current generation, for the page."""
        await self.follower.look()
        run = self.runs.get(request.query_params.get("run"))
        if run.gone or run.saved.weights is None:
            raise run.problem or HttpError(409, "the run has no weights yet", run.id, "wait for it")
        losses = {"train": run.curve.train, "val": run.losses()["best"]}
        body = await asyncio.to_thread(
            self.weights_reader.read, run.folder, losses, self.runs.history(run)
        )
        return Response(body, media_type="application/octet-stream")

    # -- what is done -----------------------------------------------------------------------------

    async def draw(self, request: Request) -> Response:
        """Draw, score or explain lines with a run, as the command line does."""
        kind = request.url.path.rpartition("/")[2]
        body = body_of(request)
        id = body.pop("run", None)
        asked = CHECKS[kind](body)
        await self.follower.look()
        run = self.runs.get(id)
        return JSONResponse(await getattr(self.drawing, kind)(run.folder, asked))

    async def train(self, request: Request) -> Response:
        """Start a training of a list that is posted, or go on with a run."""
        body = body_of(request)
        self.trainings.check_room()
        await self.follower.look()
        if "run" in body:
            run = self.runs.get(only_run(body))
            go_on(self.runs, run)
        else:
            asked = await asyncio.to_thread(training_request, body)
            file = await self.written(asked)
            run = start_training(self.runs, asked, file)
        await self.follower.look()
        return JSONResponse({"run": self.runs.record(run)}, 202)

    async def written(self, asked: TrainingRequest) -> Path:
        """Write a list for a training; the file goes again if its client leaves meanwhile."""
        writing = asyncio.create_task(asyncio.to_thread(write_list, self.place.folder, asked))
        try:
            return await asyncio.shield(writing)
        except asyncio.CancelledError:
            writing.add_done_callback(remove_written)  # a thread cannot be cancelled
            raise

    async def stop(self, request: Request) -> Response:
        """Stop a training; it is saved, and can be gone on with."""
        run = self.runs.get(only_run(body_of(request)))
        await self.follower.look()
        check_stoppable(self.runs, run)
        await self.trainings.stop(run.folder)
        await self.follower.look()
        return JSONResponse({"run": self.runs.record(run)})

    # -- errors -----------------------------------------------------------------------------------

    async def error_answer(self, request: Request, error: Exception) -> Response:
        """Answer with an error of ours."""
        assert isinstance(error, MakemoreError)  # noqa: S101 (registered for it alone)
        status = status_of(error)
        headers = RETRY_AFTER if status in (429, 503) else None
        return JSONResponse(as_json(error, self.place.folder), status, headers)

    async def no_such_route(self, request: Request, error: Exception) -> Response:
        """Answer a request for what is not there, in JSON as all errors."""
        assert isinstance(error, HTTPException)  # noqa: S101 (registered for it alone)
        what = {404: "there is no such path", 405: "this path has no such method"}
        said = what.get(error.status_code, error.detail)
        body = error_json(said, None, "docs/serve.md lists the routes")
        return JSONResponse(body, error.status_code, error.headers)


def remove_written(writing: asyncio.Task[Path]) -> None:
    """Remove the list that nobody waits for any more, if it was written."""
    if not writing.cancelled() and writing.exception() is None:
        writing.result().unlink(missing_ok=True)


def body_of(request: Request) -> dict[str, Any]:
    """Return the object of JSON that limits.py has read. Raises HttpError (400)."""
    value = getattr(request.state, JSON)
    if not isinstance(value, dict):
        raise HttpError(400, "the body is no object", None, "send an object of JSON")
    return value


def only_run(body: dict[str, Any]) -> str:
    """Take the id of a run from a body that has nothing else. Raises HttpError (400)."""
    to_do = 'send {"run": ID} and nothing else'
    if not isinstance(body.get("run"), str):
        raise HttpError(400, "the body names no run", "run", to_do)
    if len(body) > 1:
        other = next(key for key in body if key != "run")
        raise HttpError(400, f"'{visible(other, 40)}' does not go with a run", "run", to_do)
    return str(body["run"])
