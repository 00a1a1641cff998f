"""Serving: what `makemore serve` does: it finds runs and list, prints the link, and serves."""

from __future__ import annotations

import os
import secrets
import sys
import threading
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from makemore.cli.inputs import stem
from makemore.cli.output import flush_results, note, result
from makemore.errors import DataError, SystemFault, UsageError
from makemore.version import __version__

if TYPE_CHECKING:
    from makemore.web.server.app import ListFile, Site

NEEDED = ("starlette", "uvicorn")
TOKEN = 32  # random bytes
MOST_LIST = 8 * 2**20  # bytes of a list that a page is opened with


def serve(path: str | None, host: str, port: int, opens: bool) -> int:
    """Serve the page and the API until a signal; returns the exit code. Raises SystemFault."""
    if any(find_spec(name) is None for name in NEEDED):
        raise SystemFault(
            "makemore serve needs starlette and uvicorn", None, "pip install starlette uvicorn"
        )
    from makemore.web.server import running
    from makemore.web.server.host_names import is_loopback

    site, token = site_of(path), secrets.token_urlsafe(TOKEN)
    sock = running.listen(host, port)
    link = running.link(sock, token)
    result(link)
    flush_results()  # whoever reads it from a pipe waits for it
    note(f"runs in {site.place.single or site.place.folder}; Ctrl-C ends the server, and saves "
         "what it trains")  # fmt: skip
    if not is_loopback(host):
        note("warning: others on the network reach this server, unencrypted; who has the link can "
             "train and read all runs; ssh -L 8000:localhost:8000 needs no --host")  # fmt: skip
    if opens and sys.stdout.isatty():
        import webbrowser

        # The socket listens already: a browser that is quick waits for the first answer.
        threading.Thread(target=webbrowser.open, args=(link,), daemon=True).start()
    app = running.guarded(site.app(), token, host, sock.getsockname()[1])
    return running.serve(app, sock, note, ending=site.ending)


def site_of(path: str | None) -> Site:
    """Make the site for a folder of runs, a run, or a list. Raises DataError, UsageError."""
    from makemore.web.page import served_page
    from makemore.web.server.app import Site
    from makemore.web.server.drawing import Drawing
    from makemore.web.server.runs import Place

    folder = None if path is None or not os.path.isdir(path) else Path(path)
    file = None if path is None or folder else read_list(Path(path))
    return Site(Place.of(folder), partial(served_page, __version__), file, Drawing())


def read_list(file: Path) -> ListFile:
    """Read the list that the page opens with. Raises DataError, UsageError."""
    from makemore.runs.archive import is_archive
    from makemore.web.server.app import ListFile

    if not file.is_file():
        what = "this is no regular file" if file.exists() else "there is no such file or folder"
        raise DataError(what, str(file), "give a list, a run, or a folder of runs")
    if is_archive(file):
        raise UsageError("this is a zip", str(file), "unpack it, and give its folder")
    if file.stat().st_size > MOST_LIST:
        raise UsageError(
            f"a page opens lists of up to {MOST_LIST // 2**20} MiB", str(file),
            f"makemore train {file} trains it; makemore serve shows the training",
        )  # fmt: skip
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DataError(
            f"line {line} is no UTF-8", str(file), f"iconv -f CP1252 -t UTF-8 {file} writes it anew"
        ) from None
    return ListFile(stem(str(file)), text)
