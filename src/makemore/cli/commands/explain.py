"""makemore explain: what a model expected at each symbol, how it draws a line, one forward pass."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click

from makemore.cli.options import click_options, given_options, plugin_option
from makemore.cli.output import note, result, result_json, result_table
from makemore.errors import UsageError
from makemore.escaping import visible
from makemore.sampling import SamplingConfig

VALUES_SHOWN = 5  # of a step of the forward pass
MAX_JSON_VALUES = 1024  # of a step; of a larger one only the values of the last position
CONTEXT_SHOWN = 12  # symbols


@click.command(
    "explain",
    params=[
        click.Argument(["dir"]),
        click.Argument(["text"], required=False),
        click.Option(["--trace"], is_flag=True, help="the forward pass to TEXT's last symbol"),
        click.Option(["--at"], type=int, metavar="N", help="trace the pass to symbol N of TEXT "
                     "instead; its end is one past the last"),
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
    from the ids to the loss of TEXT's last symbol, function by function, with shapes and values.
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
    if "label" in typed and "text" not in typed:
        raise UsageError("--label is that of a TEXT", "--label", "give a TEXT, too")
    if {"seed", "text"} <= typed:
        raise UsageError("a TEXT that is given is not drawn", "--seed", "leave one of the two out")


# -- a line: its surprisals -----------------------------------------------------------------------


def show_line(maker: Any, temperature: float, values: Mapping[str, Any]) -> None:
    """Show each symbol of a line: what was expected, what came, and its surprisal in nats."""
    from makemore.analysis.explain import expected

    text = values["text"].strip()
    rows = expected(maker, text, values["top"], temperature, values["label"])
    if values["json"]:
        result_json(*(row.record(place) for place, row in enumerate(rows, 1)))
    else:
        header = ("#", "read", "came", "probability", "rank", "nats", "bits", "sum", "expected")
        result_table(header, [
            (position, reading(row.context), label(row.symbol), row.probability,
             row.rank, row.surprisal, row.bits, row.total, candidates(row.candidates))
            for position, row in enumerate(rows, 1)
        ])  # fmt: skip
    unknown = maker.vocabulary.unknown_in(text)
    if unknown:
        symbols = " ".join(map(label, unknown))
        note(f"the model does not know {symbols}: the line has no nll")
    elif not values["json"]:
        total, mean = rows[-1].total, rows[-1].total / len(rows)
        at = "" if temperature == 1 else f" at temperature {temperature:g}"
        bits = f"({total / math.log(2):.4f} bits)"
        result(f"{total:.4f} nats {bits} for {len(rows)} symbols, {mean:.4f} nats a symbol{at}")


# -- a draw: how a line comes about ---------------------------------------------------------------


def show_generation(maker: Any, temperature: float, values: Mapping[str, Any]) -> None:
    """Show each draw of one new line: a random number, and the symbol into whose range it fell."""
    from makemore.analysis.explain import generation
    from makemore.api.checks import fresh_seed

    seed = values["seed"]
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
    # . -> e -> em -> emm -> emma -> .
    prefixes = [line.text[:length] for length in range(1, len(line.text) + 1)]
    if len(prefixes) > CONTEXT_SHOWN:
        prefixes = [*prefixes[:4], "…", *prefixes[-2:]]
    start = reading(draws[0].context) if draws else "."
    result(" → ".join([start, *map(visible, prefixes), *([] if line.capped else ["."])]))
    header = ("#", "read", "drew", "probability", "its share", "random", "expected")
    result_table(header, [
        (position, reading(draw.context), label(draw.symbol), draw.probability,
         f"{draw.low:.4f} to {draw.high:.4f}", draw.uniform, candidates(draw.candidates))
        for position, draw in enumerate(draws, 1)
    ])  # fmt: skip
    cut = ", cut: it went on for twice the longest line" if line.capped else ""
    where = "new" if line.origin == "new" else f"stands in {line.origin}"
    result(f"{visible(line.text) or 'the empty line'}: {where}{cut}; nll {line.nll:.4f} nats")


# -- a forward pass -------------------------------------------------------------------------------


def show_pass(maker: Any, values: Mapping[str, Any]) -> None:
    """Show one forward pass, function by function; of n-gram counts also each context length."""
    from makemore.analysis.forward_pass import forward_pass

    traced = forward_pass(maker, values["text"].strip(), values["at"], values["label"])
    if values["json"]:
        show_pass_json(traced)
        return
    ids = traced.steps[0].values.reshape(-1).tolist()
    result(f"x = {ids} ({reading(traced.context)}), y = {traced.id} ({label(traced.symbol)})")
    # "T": a dimension of positions, of which the last one predicts the target.
    in_time = any("T" in step.dimensions for step in traced.steps)
    shown = "values at the last place" if in_time else "values"
    result_table(("#", "module", "function", "shape", "dimensions", shown), [
        (index, visible(step.module), visible(step.function), sizes(step.values.shape),
         sizes(step.dimensions), last_values(step))
        for index, step in enumerate(traced.steps, 1)
    ])  # fmt: skip
    if traced.levels:
        formula = (
            "own = (count - discount) / total; probability = own + rest x that of the line above"
        )
        result("", formula)
        header = ("context", "counts", "count", "total", "discount", "own", "rest", "probability")
        result_table(header, [
            ("".join(map(label, level.context)) or "none",
             ("times" if level.whole else "symbols before") if level.total else "never seen",
             level.count, level.total, level.discount, level.weight, level.backoff,
             level.probability)
            for level in traced.levels
        ])  # fmt: skip
    result(
        f"probs[{traced.id}] = {traced.probability:.6f}; loss = -log(probs[{traced.id}]) = "
        f"{traced.loss:.4f} nats ({traced.loss / math.log(2):.4f} bits)"
    )


def show_pass_json(traced: Any) -> None:
    """Print an object for each step of a pass, for each length of context, and for the target."""
    for index, step in enumerate(traced.steps, 1):
        small = step.values.size <= MAX_JSON_VALUES
        result_json({
            "step": index, "module": step.module, "function": step.function,
            "shape": step.values.shape, "dimensions": step.dimensions,
            "values": step.values.tolist() if small else None,
            "at_last": step.at_last()[:MAX_JSON_VALUES].tolist(),
        })  # fmt: skip
    result_json(*map(asdict, traced.levels), {
        "context": traced.context, "symbol": traced.symbol, "id": traced.id,
        "probability": traced.probability, "loss": traced.loss, "bits": traced.loss / math.log(2),
    })  # fmt: skip


# -- how symbols and values are shown -------------------------------------------------------------


def label(symbol: str | None) -> str:
    """Format a symbol: the boundary (None) is `.` as in the lectures, a symbol `.` is in quotes."""
    if symbol is None:
        return "."
    kind = unicodedata.category(symbol[0])
    if symbol == "." or symbol.isprintable() and symbol.isspace():
        return f"'{symbol}'"
    if len(symbol) > 1:
        return f"◌{visible(symbol)}" if kind[0] == "M" else visible(symbol)
    # `visible` keeps some of these, which shape the letters around them; alone nobody sees them.
    if kind[0] == "C" or kind in ("Zl", "Zp", "Zs"):
        return symbol.encode("unicode_escape", "surrogatepass").decode("ascii")
    return f"◌{symbol}" if kind[0] == "M" else symbol  # a mark needs a circle to stand on


def reading(context: Sequence[str | None]) -> str:
    """Format what the model read, the end of a long context; a mark stays on its letter."""
    shown = context[-CONTEXT_SHOWN:]
    marks = [symbol and unicodedata.category(symbol[0])[0] == "M" for symbol in shown]
    parts = [
        str(symbol) if mark else label(symbol) for symbol, mark in zip(shown, marks, strict=True)
    ]
    return ("…" if len(context) > len(shown) else "") + "".join(parts)


def candidates(expected: Iterable[Any]) -> str:
    """Format the symbols that were expected with their probabilities: `a 0.5000  e 0.2500`."""
    return "  ".join(f"{label(each.symbol)} {each.probability:.4f}" for each in expected)


def sizes(shape: Sequence[Any]) -> str:
    return f"({', '.join(map(str, shape))})"


def last_values(step: Any) -> str:
    """Format the first values of a step at the position that predicts, ids as whole numbers."""
    values = step.at_last()
    whole = values.dtype.kind in "iub"
    shown = [str(int(x)) if whole else f"{x:.4f}" for x in values[:VALUES_SHOWN]]
    return " ".join([*shown, *(["…"] if len(values) > len(shown) else [])])
