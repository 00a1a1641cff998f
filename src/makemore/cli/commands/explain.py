"""makemore explain: what a model expected at each symbol, how it draws a line, one forward pass."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from makemore.cli.options import click_options, given_options, plugin_option
from makemore.cli.output import note, result, result_json
from makemore.cli.symbols import beginning, candidates, label, probability, reading
from makemore.cli.wrapping import Pieces, table, terminal_width, words, wrapped
from makemore.errors import UsageError
from makemore.sampling import SamplingConfig

if TYPE_CHECKING:
    from makemore.analysis.explain import Draw, Expected
    from makemore.sampling import Sample

PREFIXES_SHOWN = 12  # of a line that is drawn


@click.command(
    "explain",
    params=[
        click.Argument(["dir"]),
        click.Argument(["text"], required=False),
        click.Option(["--trace"], is_flag=True, help="the forward pass to TEXT's last symbol"),
        click.Option(["--at"], type=int, metavar="N", help="trace the pass to symbol N of TEXT "
                     "instead; its end is one past the last"),
        click.Option(["--calls"], is_flag=True, help="trace every call of torch, with views, "
                     "copies and the packing of lines, by its name in the code"),
        click.Option(["--label"], metavar="NAME",
                     help="of TEXT, in a run with labels  [default: likeliest]"),
        click.Option(["--top"], type=click.IntRange(min=1), default=5,
                     help="how many symbols that were expected  [default: 5]"),
        *[option for option in click_options(SamplingConfig) if option.name == "temperature"],
        click.Option(["--seed"], type=int,
                     help="of the line that is drawn without TEXT  [default: fresh]"),
        click.Option(["--json"], is_flag=True, help="one object a symbol, a draw or a step"),
        plugin_option("the file of the run's own model"),
    ],
)  # fmt: skip
def command(**values: Any) -> int:
    """Show why the model of the run in DIR says what it says.

    With TEXT: symbol by symbol what was expected, what came, and its surprisal; their sum is what
    `makemore score` says of that line (where lines have labels: of that line with this label, the
    likeliest without --label). Without TEXT: how a line is drawn, the first that `makemore sample
    DIR --seed N --all` gives; the probabilities of the symbols divide 0 to 1 into ranges, in the
    order of their ids, and a random number falls into one of them. With TEXT and --trace: the pass
    from the ids to the loss of TEXT's last symbol, step by step as the papers have it, with shapes
    and values: q, k, v and scores of a transformer, the gates of a GRU or LSTM for each symbol.
    """
    from makemore.api import MakeMore
    from makemore.cli.loading import spelled_text

    check(values)
    maker = MakeMore.load(values["dir"])
    if values["text"] is not None:
        values["text"] = spelled_text(maker.vocabulary, values["text"])
    temperature = given_options(values, SamplingConfig).get("temperature", 1.0)
    if values["text"] is None:
        show_generation(maker, temperature, values)
    elif values["trace"]:
        from makemore.cli.pass_table import show_pass

        show_pass(maker, values)
    else:
        show_line(maker, temperature, values)
    return 0


def check(values: Mapping[str, Any]) -> None:
    """Raise UsageError for options that make no sense together."""
    typed = {key for key, value in values.items() if value is not None and value is not False}
    if "text" in typed and "\n" in values["text"].strip():
        raise UsageError("TEXT is more than one line", "TEXT", "give one; makemore score takes all")
    if "trace" in typed and "text" not in typed:
        raise UsageError("nothing to trace", "--trace", "give a TEXT, too")
    if {"trace", "temperature"} <= typed:
        what = "a trace leads to the loss, and that knows no temperature"
        raise UsageError(what, "--trace", "leave one of the two out")
    if "at" in typed and "trace" not in typed:
        raise UsageError("--at names a place to trace", "--at", "give --trace, too")
    if "calls" in typed and "trace" not in typed:
        raise UsageError("--calls are those of a trace", "--calls", "give --trace, too")
    if "label" in typed and "text" not in typed:
        raise UsageError("--label is that of a TEXT", "--label", "give a TEXT, too")
    if {"seed", "text"} <= typed:
        raise UsageError("a TEXT that is given is not drawn", "--seed", "leave one of the two out")


# -- a line: its surprisals -----------------------------------------------------------------------


def show_line(maker: Any, temperature: float, values: Mapping[str, Any]) -> None:
    """Show each symbol of a line: what was expected, what came, and its surprisal in nats."""
    from makemore.analysis.explain import expected

    text, width = values["text"].strip(), terminal_width()
    rows = expected(maker, text, values["top"], temperature, values["label"])
    if values["json"]:
        result_json(*(row.record(place) for place, row in enumerate(rows, 1)))
    else:
        header = ("#", "read", "came", "probability", "rank", "nats", "bits", "sum", "expected")
        result(*table(header, [
            (position, whole(reading(row.context)), whole(label(row.symbol)),
             probability(row.probability), row.rank, row.surprisal, row.bits, row.total,
             Pieces(candidates(row.candidates), "  "))
            for position, row in enumerate(rows, 1)
        ], width))  # fmt: skip
    unknown = maker.vocabulary.unknown_in(text)
    if unknown:
        symbols = " ".join(map(label, unknown))
        note(f"the model does not know {symbols}: the line has no nll")
    elif not values["json"]:
        result(*wrapped(words(total_in_words(rows, temperature)), width, "  "))


def total_in_words(rows: Sequence[Expected], temperature: float) -> str:
    """Say what the surprisals of a line add up to; where that is infinite, by which symbol."""
    never = next((number for number, row in enumerate(rows, 1) if math.isinf(row.surprisal)), None)
    at = "" if temperature == 1 else f" at temperature {temperature:g}"
    if never is not None:
        return f"inf nats: symbol {never}, {label(rows[never - 1].symbol)}, has probability 0{at}"
    total, mean = rows[-1].total, rows[-1].total / len(rows)
    count = "1 symbol, the end" if len(rows) == 1 else f"{len(rows)} symbols, the end is one"
    score = f"{at}, which is not what score says" if at else ""
    bits = f"({total / math.log(2):.4f} bits)"
    return f"{total:.4f} nats {bits} for {count}; {mean:.4f} nats a symbol{score}"


# -- a draw: how a line comes about ---------------------------------------------------------------


def show_generation(maker: Any, temperature: float, values: Mapping[str, Any]) -> None:
    """Show each draw of one new line: a random number, and the symbol into whose range it fell."""
    from makemore.analysis.explain import generation
    from makemore.api.checks import fresh_seed

    seed, width = values["seed"], terminal_width()
    if seed is None:
        seed = fresh_seed()
        note(f"--seed {seed}")
    line, draws = generation(maker, seed, values["top"], temperature)
    if values["json"]:
        for position, draw in enumerate(draws, 1):
            facts = asdict(draw)
            expected = facts.pop("candidates")  # called as in the objects of a line with TEXT
            result_json({"place": position, **facts, "expected": expected})
        result_json({key: getattr(line, key) for key in ("text", "origin", "nll", "capped")})
        return
    result(*wrapped(Pieces(growth(line, draws), " → "), width, "  → "))
    header = ("#", "read", "drew", "probability", "its share", "random", "expected")
    result(*table(header, [
        (position, whole(reading(draw.context)), whole(label(draw.symbol)),
         probability(draw.probability), whole(share), drawn,
         Pieces(candidates(draw.candidates), "  "))
        for position, draw in enumerate(draws, 1)
        for share, drawn in [share_and_random(draw)]
    ], width))  # fmt: skip
    result(*wrapped(words(line_in_words(line, temperature)), width, "  "))


def growth(line: Sample, draws: Sequence[Draw]) -> tuple[str, ...]:
    """List how a line grew, from what stood before it to its end: . e em emm emma . ."""
    prefixes = [line.text[:length] for length in range(1, len(line.text) + 1)]
    if len(prefixes) > PREFIXES_SHOWN:
        prefixes = [*prefixes[:4], "…", *prefixes[-2:]]
    start = reading(draws[0].context) if draws else "."
    return (start, *map(beginning, prefixes), *(() if line.capped else (".",)))


def share_and_random(draw: Draw) -> tuple[str, str]:
    """Format a symbol's range and the random number in it, with decimals that show that it is."""
    for decimals in range(4, 17):
        low, high, drawn = (f"{x:.{decimals}f}" for x in (draw.low, draw.high, draw.uniform))
        if float(low) <= float(drawn) < float(high):
            break
    return f"{low} to {high}", drawn


def line_in_words(line: Sample, temperature: float) -> str:
    """Say of a line that was drawn whether it is new or was cut, and its nll in nats."""
    where = "new" if line.origin == "new" else f"stands in {line.origin}"
    cut = ", cut: it went on for twice the longest line" if line.capped else ""
    score = "" if temperature == 1 else " at temperature 1, as score says"
    text = beginning(line.text) if line.text else "the empty line"
    return f"{text}: {where}{cut}; nll {line.nll:.4f} nats{score}"


def whole(text: str) -> Pieces:
    """Make a cell that is not wrapped at a space in it."""
    return Pieces((text,))
