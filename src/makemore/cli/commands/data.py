"""makemore data: what a list holds, before anything is learned from it."""

from __future__ import annotations

import dataclasses
import shlex
import textwrap
import unicodedata
from typing import TYPE_CHECKING, Any

import click

from makemore.cli.options import click_options, given_options, plugin_option
from makemore.cli.output import note, result, result_json
from makemore.escaping import visible
from makemore.text import TextConfig

if TYPE_CHECKING:
    from makemore.analysis.surprisal import Surprises
    from makemore.text.audit import Census
    from makemore.text.audit.checks import Example


WIDTH = 96
EXAMPLES = 5  # of a finding, as text; in JSON there are all that were kept
SYMBOLS = 120  # that are shown; of more only how many
LINE = 60  # symbols of a line that are shown


def data(**values: Any) -> int:
    """Look through the lines of FILE before a model learns them.

    How many lines, copies and symbols there are, how long lines are, in which scripts; and what a
    person should look at: characters that nobody sees, lines that mix scripts, symbols that hardly
    ever occur, lines that differ by one character or by case alone. Each with what it means and
    what to do. The file stays as it is.

    With --model DIR also the lines that surprise that run most, and those with symbols that it does
    not know.
    """
    from makemore.options import make
    from makemore.text import Corpus
    from makemore.text.audit import census

    # With all copies: they are what is counted.
    options = make(TextConfig, {**given_options(TextConfig, values), "keep_copies": True})
    maker = None
    if values["model"]:  # said before a long list is read
        from makemore.api import MakeMore

        maker = MakeMore.load(values["model"])
    corpus = Corpus.read(values["file"], options)
    found, surprises = census(corpus, options.max_line), None
    if maker is not None:
        from makemore.analysis import most_surprising

        surprises = most_surprising(maker, corpus.take(corpus.first_of_each()))
    if values["json"]:
        result_json(as_json(found, surprises))
        return 0
    show_numbers(found)
    show_findings(found)
    if surprises is not None:
        show_surprises(surprises, values["model"])
    if values["file"] != "-":
        note(f"makemore: now type: makemore {shlex.quote(values['file'])}")
    return 0


def as_json(found: Census, surprises: Surprises | None) -> dict[str, Any]:
    from makemore.experiments.journal import finite

    near = {"pairs": found.near.pairs, "lines": found.near.lines}
    values = {**dataclasses.asdict(found), "near": near}
    if surprises is not None:
        lines = [dataclasses.asdict(line) for line in surprises.lines]
        unknown = [{"text": text, "unknown": symbols} for text, symbols in surprises.examples]
        values |= {"surprising": lines, "unknown": {"lines": surprises.unknown,
                                                    "examples": unknown}}  # fmt: skip
    return dict(finite(values))


# -- as text --------------------------------------------------------------------------------------


def show_numbers(found: Census) -> None:
    symbols = f"{len(found.symbols):,}"
    if len(found.symbols) <= SYMBOLS:
        # A sign that stands on a letter stands on a circle here.
        seen = (f"◌{s}" if unicodedata.category(s)[0] == "M" else s for s in found.symbols)
        symbols += f": {visible(''.join(seen))}"
    lengths = "median {median}, 90 % at most {ninety}, longest {longest}".format(**found.lengths)
    scripts = ", ".join(f"{name.replace('_', ' ')} {percent(share)}"
                        for name, share in found.scripts.items())  # fmt: skip
    rows = {
        "lines": f"{found.lines:,}",
        "blank": f"{found.blank:,}",
        "too long": f"{found.too_long:,}",
        "copies": f"{found.copies:,}",
        "distinct": f"{found.distinct:,}",
        "near copies": f"{found.near.lines:,} lines, {found.near.pairs:,} pairs",
        "lengths": lengths,
        "longest": visible(found.longest_line, LINE),
        "symbols": symbols,
        "scripts": scripts or "no letters",
    }
    for name, value in rows.items():
        lines = textwrap.wrap(value, WIDTH - 13, drop_whitespace=False)
        for number, line in enumerate(lines):
            result(f"{name if not number else '':13}{line}")


def percent(share: float) -> str:
    if share == 1:
        return "100 %"
    shown = f"{100 * share:.1f} %"
    return {"0.0 %": "under 0.1 %", "100.0 %": "over 99.9 %"}.get(shown, shown)


def show_findings(found: Census) -> None:
    from makemore.text.audit.checks import counted

    for finding in found.findings:
        result("")
        result(f"{finding.name}: {counted(finding.lines)}")
        for text in (finding.says, finding.to_do):
            for line in textwrap.wrap(text, WIDTH - 2):
                result(f"  {line}")
        for example in finding.examples[:EXAMPLES]:
            result(f"    {shown(example)}")
    if not found.findings:
        result("")
        result("Nothing to look at: no copies, nothing that is odd.")


def shown(example: Example) -> str:
    lines = "  |  ".join(visible(line, LINE) for line in example.lines)
    return f"{lines}   {example.about}" if example.about else lines


def show_surprises(found: Surprises, folder: str) -> None:
    from makemore.cli.commands.explain import label
    from makemore.cli.tables import aligned
    from makemore.text.audit.checks import counted

    result("")
    result(f"What surprises {visible(folder, 200)} most, in nats a symbol, and by which symbol:")
    rows = [
        (line.per_symbol, visible(line.text, LINE), label(line.symbol), line.nats,
         "at the start" if not line.before else f"after {visible(line.before[-12:])}")
        for line in found.lines
    ]  # fmt: skip
    for text in aligned(("nats", "line", "symbol", "its nats", ""), rows):
        result(f"  {text}")
    result("  Look whether they belong: slips and things of another kind stand here.")
    if found.unknown:
        result("")
        result(f"unknown to the model: {counted(found.unknown)}")
        result("  They hold symbols that no line of its text holds; they have no nll.")
        for line, symbols in found.examples[:EXAMPLES]:
            result(f"    {visible(line, LINE)}   {' '.join(map(label, symbols))}")


command = click.Command(
    "data",
    callback=data,
    help=data.__doc__,
    params=[
        click.Argument(["file"]),
        click.Option(["--model"], metavar="DIR", help="a run: what surprises it most"),
        click.Option(["--json"], is_flag=True, help="one object"),
        plugin_option(),
        *[option for option in click_options(TextConfig) if option.name != "keep_copies"],
    ],
)
