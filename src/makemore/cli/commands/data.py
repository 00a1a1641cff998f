"""makemore data: what a list holds, before anything is learned from it."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

from makemore.cli.fixing import write_fixed
from makemore.cli.options import click_options, given_options, plugin_option
from makemore.cli.output import note, result, result_json, result_table
from makemore.cli.symbols import label
from makemore.cli.typed import train_command, written
from makemore.escaping import visible
from makemore.text import TextConfig

if TYPE_CHECKING:
    from makemore.analysis.surprisal import Surprises
    from makemore.text.audit import Census, Finding


WIDTH = 96
EXAMPLES_SHOWN = 5  # of a finding, as text; JSON has all that were kept
SYMBOLS_SHOWN = 120  # if there are more, only their number is shown
LINE_SHOWN = 60  # symbols of a line that are shown


@click.command(
    "data",
    params=[
        click.Argument(["file"]),
        click.Option(["--model"], metavar="DIR", help="a run: what surprises it most"),
        click.Option(["--fix"], metavar="OUT", help="write a mended copy, a plain list, to OUT"),
        click.Option(["--force"], is_flag=True, help="--fix may replace a file"),
        click.Option(["--json"], is_flag=True, help="one object"),
        plugin_option("the file of the run's own model"),
        *[option for option in click_options(TextConfig) if option.name != "keep_copies"],
    ],
)
def command(**values: Any) -> int:
    """Look through the lines of FILE before a model learns them.

    How many lines, copies and symbols there are, how long lines are, in which scripts; and what a
    person should look at: invisible characters, lines that mix scripts, symbols that hardly ever
    occur, lines that differ by one character or by case alone. Each with what it means and what to
    do. The file stays as it is.

    With --model DIR also the lines that surprise that run most, and those with symbols that it does
    not know.

    With --fix OUT, instead, a copy that is a plain list: one thing a line, in UTF-8, without
    numbers, bullets or quotes around each, with broken letters repaired; of a table its column.
    """
    from makemore.options import make
    from makemore.text import Corpus
    from makemore.text.audit import census
    from makemore.text.shape import SHAPES

    given = given_options(values, TextConfig)
    # With all copies, as they are counted.
    options = make(TextConfig, {**given, "keep_copies": True})
    if values["fix"] is not None:
        return write_fixed(values, options, given)
    maker = None
    if values["model"]:  # what is wrong with it is reported before a long list is read
        from makemore.api import MakeMore

        maker = MakeMore.load(values["model"])
    corpus = Corpus.read(values["file"], options, refuses=False)
    counted, surprises = census(corpus, options.max_line), None
    if maker is not None:
        from makemore.analysis import most_surprising

        surprises = most_surprising(maker, corpus.take(corpus.first_of_each()))
    if values["json"]:
        result_json(as_json(counted, surprises))
        return 0
    show_counts(counted)
    next_steps = NextSteps(values["file"], given, options)
    show_findings(counted, next_steps)
    if surprises is not None:
        show_surprises(surprises, values["model"])
    if counted.marks:
        note(f"{counted.marks:,} U+FEFF (byte order mark) within lines dropped")
    replaced = corpus.count_of("\ufffd")
    if replaced:
        note(f"{replaced:,} U+FFFD (replacement character)")
    if values["file"] != "-":
        shape = [finding for finding in counted.findings[:1] if finding.name in SHAPES]
        note(f"now type: {next_steps.of(shape[0]) if shape else next_steps.train({})}")
    return 0


@dataclass(frozen=True)
class NextSteps:
    """Writes the commands that can be typed next, with the options that were given to `data`."""

    file: str
    given: Mapping[str, Any]
    options: TextConfig

    def train(self, more: Mapping[str, Any]) -> str:
        """Write the command that learns the file, with more options."""
        return train_command(self.file, {**self.given, **more})

    def of(self, finding: Finding) -> str:
        """Write the command for a finding; "" where there is none, or the text came by a pipe."""
        if self.file == "-" or not (finding.fix or finding.options):
            return ""
        if finding.options:
            return self.train(finding.options)
        from makemore.text.source import fix_words

        return written(fix_words(self.file, self.options))


def as_json(census: Census, surprises: Surprises | None) -> dict[str, Any]:
    """Make the JSON object of a census; of near copies it has the counts alone."""
    values = {**asdict(census), "near": {"pairs": census.near.pairs, "lines": census.near.lines}}
    if surprises is not None:
        examples = [{"text": text, "unknown": symbols} for text, symbols in surprises.examples]
        values["surprising"] = [asdict(line) for line in surprises.lines]
        values["unknown"] = {"lines": surprises.unknown, "examples": examples}
    return values


# -- as text --------------------------------------------------------------------------------------


def show_counts(census: Census) -> None:
    """Print counts, lengths and scripts, a row for each."""
    symbols = f"{len(census.symbols):,}"
    if len(census.symbols) <= SYMBOLS_SHOWN:
        # A mark stands on a letter; alone it would stand on the symbol before it.
        shown = (f"◌{s}" if unicodedata.category(s)[0] == "M" else s for s in census.symbols)
        symbols += f": {visible(''.join(shown))}"
    lengths = "median {median}, 90 % at most {ninety}, longest {longest}".format(**census.lengths)
    scripts = [f"{name.replace('_', ' ')} {percent(f)}" for name, f in census.scripts.items()]
    rows = {
        "lines": f"{census.lines:,}",
        "blank": f"{census.blank:,}",
        "too long": f"{census.too_long:,}",
        "copies": f"{census.copies:,}",
        "distinct": f"{census.distinct:,}",
        "near copies": f"{census.near.lines:,} lines, {census.near.pairs:,} pairs",
        "lengths": lengths,
        "longest": visible(census.longest_line, LINE_SHOWN),
        "symbols": symbols,
        "scripts": ", ".join(scripts) or "no letters",
    }
    for name, value in rows.items():
        lines = textwrap.wrap(value, WIDTH - 13, drop_whitespace=False)
        for index, line in enumerate(lines):  # the name of a row stands before its first line
            result(f"{'' if index else name:13}{line}")


def percent(fraction: float) -> str:
    """Format a fraction as percent, so that some is never 0 % and not all is never 100 %."""
    if fraction == 1:
        return "100 %"
    shown = f"{100 * fraction:.1f} %"
    return {"0.0 %": "under 0.1 %", "100.0 %": "over 99.9 %"}.get(shown, shown)


def show_findings(census: Census, next_steps: NextSteps) -> None:
    """Print each finding: how many lines have it, what it means, what to do, and examples."""
    from makemore.text.audit.checks import counted

    for finding in census.findings:
        result("", f"{finding.name}: {counted(finding.lines)}")
        for text in (finding.says, finding.to_do):
            result(*(f"  {line}" for line in textwrap.wrap(text, WIDTH - 2)))
        for example in finding.examples[:EXAMPLES_SHOWN]:
            lines = "  |  ".join(visible(line, LINE_SHOWN) for line in example.lines)
            result(f"    {lines}   {example.about}" if example.about else f"    {lines}")
        if command_line := next_steps.of(finding):
            result(f"  type: {command_line}")
    if not census.findings:
        result("", "Nothing to look at: no copies, nothing that is odd.")


def show_surprises(surprises: Surprises, folder: str) -> None:
    """Print the lines of the highest nll a symbol, and those with symbols the model lacks."""
    from makemore.text.audit.checks import counted

    title = f"What surprises {visible(folder, 200)} most, in nats a symbol, and by which symbol:"
    result("", title)
    rows = [
        (line.per_symbol, visible(line.text, LINE_SHOWN), label(line.symbol), line.nats,
         "at the start" if not line.before else f"after {visible(line.before[-12:])}")
        for line in surprises.lines
    ]  # fmt: skip
    result_table(("nats", "line", "symbol", "its nats", ""), rows, indent="  ")
    result("  Look whether they belong: slips and things of another kind stand here.")
    if surprises.unknown:
        result("", f"unknown to the model: {counted(surprises.unknown)}")
        result("  They hold symbols that no line of its text holds; they have no nll.")
        for line, symbols in surprises.examples[:EXAMPLES_SHOWN]:
            result(f"    {visible(line, LINE_SHOWN)}   {' '.join(map(label, symbols))}")
