"""makemore sample: new lines from a run directory."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from makemore.commands import knob_options, note, plugin_option, result, result_json, typed
from makemore.settings import Sampling


def sample(**values: Any) -> int:
    """Draw new lines from the run in DIR (which may still be training), each once.

    A line that stands in the text is refused, and so is one that was drawn before. Exit code 7 says
    that fewer than N were found. Conditions hold exactly: they choose among lines, nothing is cut.
    """
    from makemore.corpus import Corpus
    from makemore.estimator import MakeMore, fresh_seed

    maker = MakeMore.load(values["dir"])
    avoid = Corpus.read(values["avoid"]) if values["avoid"] else None
    seed = values["seed"]
    if seed is None:
        seed = fresh_seed()
        note(f"makemore: --seed {seed}")
    options = typed(Sampling, values)
    for line in maker.samples(values["n"], seed, avoid, **options):
        if values["json"]:
            result_json(asdict(line))
        elif options.get("all"):
            result(f"{line.text}\t{line.origin}{' capped' if line.capped else ''}")
        else:
            result(line.text)
    return 0


command = click.Command(
    "sample",
    callback=sample,
    help=sample.__doc__,
    params=[
        click.Argument(["dir"]),
        click.Option(["-n", "n"], type=int, default=20, help="how many lines  [default: 20]"),
        click.Option(
            ["--seed"], type=int, help="the same seed draws the same lines  [default: fresh]"
        ),
        *knob_options(Sampling),
        click.Option(["--avoid"], metavar="FILE", help="refuse the lines of this file, too"),
        click.Option(["--json"], is_flag=True, help="one object a line: text, origin, nll, capped"),
        plugin_option(),
    ],
)
