"""makemore serve: the page in a browser, beside real trainings."""

from __future__ import annotations

from typing import Any

import click


@click.command(
    "serve",
    params=[
        click.Argument(["path"], required=False, metavar="[DIR|FILE]"),
        click.Option(["--host"], default="127.0.0.1", show_default=True, metavar="ADDRESS",
                     help="where to listen; any other than loopback asks for the token everywhere"),
        click.Option(["--port"], type=click.IntRange(0, 65535), default=8000, show_default=True,
                     help="0 takes one that is free"),
        click.Option(["--open/--no-open"], default=True, help="open the page in a browser"),
    ],
)  # fmt: skip
def command(**values: Any) -> int:
    """Open makemore's page in a browser, with trainings on this machine.

    DIR is a run, or a folder of runs, to which new ones are added (default: runs); FILE is a list,
    with which the page opens. The page shows trainings as they go on, starts and stops them, and
    draws by itself from any of their models. It listens on this machine alone, and prints a link
    with a token: who has the link may train. The JSON API is described in docs/serve.md.
    """
    from makemore.cli.serving import serve

    return serve(values["path"], values["host"], values["port"], values["open"])
