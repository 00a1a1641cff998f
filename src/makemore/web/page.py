"""Page: writes makemore as one HTML file, with its program, and maybe a run, inside.

The program is built from page/ and lies in static/. What the file holds beside it stands in script
elements that no browser executes: JSON, and arrays as text (compressed.py). Its policy allows this
one script and this one style, by their digests, and no connection to anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import re
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from makemore.errors import SystemFault, UsageError
from makemore.escaping import visible
from makemore.runs.nearby import run_around
from makemore.runs.safe_files import write_atomically
from makemore.version import __version__
from makemore.web.compressed import as_text
from makemore.web.contents import PriorPage, RunPage

STATIC = Path(__file__).parent / "static"
SCRIPT, WORKER, STYLE, ENGINE = "page.js", "worker.js", "page.css", "page.wasm"
NO_SCRIPT = (
    "This page is a program in JavaScript, which is turned off here. It asks no network for "
    "anything: what you type into it stays on this machine."
)
CONNECT = "connect-src 'self'"  # of a page that has a server: it asks this one, and no other
NO_SCRIPT_SERVED = "This page is a program in JavaScript, which is turned off here."
WITH_PRIOR = 5_000_000  # bytes of an empty page, up to which it holds the prior unless told


def write_page(file: Path, page: bytes) -> None:
    """Write a page whole or not at all. Raises SystemFault."""
    write_atomically(file.parent, file.name, page)


def check_target(file: Path, force: bool) -> None:
    """Raise UsageError unless a page may be written there.

    force: replace a file that is there. A run directory holds its run and nothing else.
    """
    shown = str(file)
    if not file.parent.is_dir():
        to_do = f"make its folder: mkdir -p {shlex.quote(str(file.parent))}"
        raise UsageError("there is no such folder", str(file.parent), to_do)
    if run_around(file.parent.resolve() / file.name) is not None:
        raise UsageError("a run directory holds only its run", shown, "give a file beside it")
    if file.is_dir():
        raise UsageError("this is a folder", shown, "give the name of a file in it")
    if not os.path.lexists(file):
        return
    # Replacing renames a file over it: a device or a pipe would be gone. Of a link, only the link.
    if not stat.S_ISREG(os.lstat(file).st_mode) and not file.is_symlink():
        raise UsageError("this is no regular file", shown, "give the name of another file")
    if not force:
        raise UsageError("there is a file already", shown, "--force replaces it")


def empty_page(prior: PriorPage | None = None, static: Path | None = None) -> bytes:
    """Make the page without a run, for a list that somebody pastes into it.

    prior: what its trainings may start from; static: the folder of the program, by default ours
    Raises SystemFault where the program is missing.
    """
    return html_of("makemore", prior_elements(prior), static)


def served_page(version: str, static: Path | None = None) -> tuple[bytes, str]:
    """Make the page that `makemore serve` sends -> its HTML, and its policy for the header.

    It is the empty page, with an element by which its program knows that there is a server to ask.
    version: of makemore; static: the folder of the program, by default ours
    Raises SystemFault where the program is missing.
    """
    elements = {"server": {"version": version}}
    html_page = html_of("makemore", elements, static, CONNECT)
    static = static or STATIC
    own = policy(text_of(static, SCRIPT), text_of(static, STYLE), CONNECT)
    # A browser heeds who may frame a page in a header only.
    return html_page, f"{own}; frame-ancestors 'none'"


def page_of_run(page: RunPage, static: Path | None = None) -> bytes:
    """Make the page of a run. Raises SystemFault where the program is missing."""
    elements: dict[str, Any] = {
        "run": page.payload, "weights": page.weights, "known": page.known
    }  # fmt: skip
    if page.lines is not None:
        elements["lines"] = page.lines.encode()
    return html_of(f"{page.payload['name']}: new lines by makemore", elements, static)


def prior_elements(prior: PriorPage | None) -> dict[str, Any]:
    """Name the elements of a prior."""
    if prior is None:
        return {}
    return {"prior": prior.payload, "prior-weights": prior.weights, "prior-known": prior.known}


def html_of(
    title: str, elements: Mapping[str, Any], static: Path | None, connect: str | None = None
) -> bytes:
    """Make the HTML: bytes of an element stand in it compressed, anything else as JSON.

    connect: what the policy says of connections; None: there is none to anywhere
    """
    static = static or STATIC
    script, style = text_of(static, SCRIPT), text_of(static, STYLE)
    no_script = NO_SCRIPT if connect is None else NO_SCRIPT_SERVED
    all_elements = {"wasm": read_static(static, ENGINE), **elements}
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy(script, style, connect)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        '<meta name="referrer" content="no-referrer">',
        # Else a browser asks the server for one.
        *([] if connect is None else ['<link rel="icon" href="data:,">']),
        f'<meta name="generator" content="makemore {__version__}">',
        f"<title>{html.escape(visible(title, 200))}</title>",
        f"<style>{style}</style>",
        "</head>",
        "<body>",
        f"<noscript><p>{html.escape(no_script)}</p></noscript>",
        # The program first: its worker starts while the browser reads what comes after it.
        element("worker", read_static(static, WORKER)),
        f'<script id="page">{script}</script>',
        *(element(name, value) for name, value in all_elements.items()),
        "</body>",
        "</html>",
        "",
    ]
    return "\n".join(lines).encode()


def element(name: str, value: Any) -> str:
    """Make the element that holds a value: JSON, or compressed bytes."""
    if isinstance(value, bytes):
        return f'<script type="application/octet-stream" id="{name}">{as_text(value)}</script>'
    return f'<script type="application/json" id="{name}">{json_in_html(value)}</script>'


def json_in_html(value: Any) -> str:
    """Write JSON that ends no element and begins no comment, and is the same in JavaScript."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":  # they can stand only in strings
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def policy(script: str, style: str, connect: str | None = None) -> str:
    """Write the policy: this script and this style, WebAssembly, workers.

    connect: where to the page may connect; None: nowhere
    """
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src '{digest(script)}' 'wasm-unsafe-eval'",
            f"style-src '{digest(style)}'",
            "worker-src blob:",
            "img-src data:",
            *([connect] if connect else []),
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def digest(text: str) -> str:
    """Name a script or style as a policy does, by its sha256."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def text_of(static: Path, name: str) -> str:
    """Read the script or the style. Raises SystemFault for what would end its element."""
    # A carriage return would be a line feed in the browser, and the digest another one.
    text = read_static(static, name).decode().replace("\r\n", "\n").strip()
    if re.search(r"</(script|style)|<!--|\r|\0", text, re.IGNORECASE):
        raise SystemFault(f"{name} cannot stand in HTML", str(static), "build it again")
    return text


def read_static(static: Path, name: str) -> bytes:
    """Read a file of the program. Raises SystemFault where it is missing."""
    try:
        return (static / name).read_bytes()
    except OSError as error:
        raise SystemFault(
            f"the page's program is missing: {name}", error.strerror, "install makemore again"
        ) from None
