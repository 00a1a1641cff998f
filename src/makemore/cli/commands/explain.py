"""makemore explain: what a model expected at each symbol, how it draws a line, one forward pass."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import click

from makemore.cli.options import click_options, given_options, plugin_option
from makemore.cli.output import note, result, result_json
from makemore.errors import UsageError
from makemore.escaping import visible
from makemore.sampling import SamplingConfig

NUMBERS_SHOWN = 5  # of a step of the forward pass
MOST_IN_JSON = 1024  # numbers of a step; of a larger one only those of the last place
CONTEXT_SHOWN = 12  # symbols


def explain(**values: Any) -> int:
    """Show why the model of the run in DIR says what it says.

    With TEXT: symbol by symbol what was expected, what came, and its surprisal; their sum is what
    `makemore score` says of that line (where lines have labels: of that line with this label, the
    likeliest without --label). Without TEXT: how a line is drawn, the first that `makemore
    sample DIR --seed N --all` gives; symbols have shares of 0 to 1, side by side in the order of
    their ids, and a random number falls into one of them. With TEXT and --trace: the pass from the
    ids to the loss of TEXT's last symbol, function by function, with shapes and values.
    """
    from makemore.api import MakeMore

    text, temperature = (
        values["text"],
        given_options(SamplingConfig, values).get("temperature", 1.0),
    )
    check(values)
    maker = MakeMore.load(values["dir"])
    if text is None:
        show_generation(maker, values["seed"], values["top"], temperature, values["json"])
    elif values["trace"]:
        show_pass(maker, text.strip(), values["at"], values["label"], values["json"])
    else:
        line = text.strip(), values["top"], temperature, values["label"]
        show_line(maker, *line, values["json"])
    return 0


def check(values: dict[str, Any]) -> None:
    """Raise UsageError for options that say nothing together."""
    text, trace = values["text"], values["trace"]
    if text is not None and "\n" in text.strip():
        raise UsageError("TEXT is more than one line", "TEXT", "give one; makemore score takes all")
    if trace and text is None:
        raise UsageError("nothing to trace", "--trace", "give a TEXT, too")
    if trace and values["temperature"] is not None:
        raise UsageError(
            "a trace leads to the loss, and that knows no temperature", "--trace",
            "leave one of the two out",
        )  # fmt: skip
    if values["at"] is not None and not trace:
        raise UsageError("--at names a place to trace", "--at", "give --trace, too")
    if values["label"] is not None and text is None:
        raise UsageError("--label is that of a TEXT", "--label", "give a TEXT, too")
    if values["seed"] is not None and text is not None:
        raise UsageError("a TEXT that is given is not drawn", "--seed", "leave one of the two out")


# -- a line ---------------------------------------------------------------------------------------


def show_line(
    maker: Any, text: str, top: int, temperature: float, named: str | None, as_json: bool
) -> None:
    from makemore.analysis.explain import expected

    rows = expected(maker, text, top, temperature, named)
    if as_json:
        for place, row in enumerate(rows, 1):
            result_json({
                "place": place, "context": list(row.context), "symbol": row.symbol,
                "probability": row.probability, "surprisal": row.surprisal, "bits": row.bits,
                "total": row.total, "rank": row.rank, "expected": candidates_json(row.candidates),
            })  # fmt: skip
    else:
        header = ("#", "read", "came", "probability", "rank", "nats", "bits", "sum", "expected")
        cells = [
            (place, reading(row.context), label(row.symbol), row.probability,
             row.rank, row.surprisal, row.bits, row.total, candidates(row.candidates))
            for place, row in enumerate(rows, 1)
        ]  # fmt: skip
        table(header, cells)
    unknown = maker.vocabulary.unknown_in(text)
    if unknown:
        lost = " ".join(map(label, unknown))
        note(f"makemore: the model does not know {lost}: the line has no nll")
    elif not as_json:
        total, each = rows[-1].total, rows[-1].total / len(rows)
        at = "" if temperature == 1 else f" at temperature {temperature:g}"
        result(
            f"{total:.4f} nats ({total / math.log(2):.4f} bits) for {len(rows)} symbols, "
            f"{each:.4f} nats a symbol{at}"
        )


# -- a draw ---------------------------------------------------------------------------------------


def show_generation(
    maker: Any, seed: int | None, top: int, temperature: float, as_json: bool
) -> None:
    from makemore.analysis.explain import generation
    from makemore.api.fitted import fresh_seed

    if seed is None:
        seed = fresh_seed()
        note(f"makemore: --seed {seed}")
    line, draws = generation(maker, seed, top, temperature)
    if as_json:
        for place, draw in enumerate(draws, 1):
            result_json({
                "place": place, "context": list(draw.context), "symbol": draw.symbol,
                "probability": draw.probability, "low": draw.low, "high": draw.high,
                "uniform": draw.uniform, "expected": candidates_json(draw.candidates),
            })  # fmt: skip
        result_json({
            "text": line.text, "origin": line.origin, "nll": line.nll, "capped": line.capped,
        })  # fmt: skip
        return
    begun = [line.text[:length] for length in range(1, len(line.text) + 1)]
    shown = begun if len(begun) <= CONTEXT_SHOWN else [*begun[:4], "…", *begun[-2:]]
    chain = [reading(draws[0].context) if draws else ".", *(visible(part) for part in shown)]
    result(" → ".join([*chain, *([] if line.capped else ["."])]))
    header = ("#", "read", "drew", "probability", "its share", "random", "expected")
    table(header, [
        (place, reading(draw.context), label(draw.symbol), draw.probability,
         f"{draw.low:.4f} to {draw.high:.4f}", draw.uniform, candidates(draw.candidates))
        for place, draw in enumerate(draws, 1)
    ])  # fmt: skip
    cut = ", cut: it went on for twice the longest line" if line.capped else ""
    where = "new" if line.origin == "new" else f"stands in {line.origin}"
    named = visible(line.text) or "the empty line"
    result(f"{named}: {where}{cut}; nll {line.nll:.4f} nats")


# -- a forward pass -------------------------------------------------------------------------------


def show_pass(maker: Any, text: str, at: int | None, named: str | None, as_json: bool) -> None:
    from makemore.analysis.forward_pass import forward_pass

    found = forward_pass(maker, text, at, named)
    if as_json:
        show_pass_json(found)
        return
    ids = found.steps[0].values.reshape(-1).tolist()
    result(f"x = {ids} ({reading(found.context)}), y = {found.id} ({label(found.symbol)})")
    placed = any("T" in step.dimensions for step in found.steps)
    values = "values at the last place" if placed else "values"
    table(("#", "module", "function", "shape", "dimensions", values), [
        (place, visible(step.module), visible(step.function), sizes(step.values.shape),
         sizes(step.dimensions), numbers(step))
        for place, step in enumerate(found.steps, 1)
    ])  # fmt: skip
    if found.levels:
        result("")
        result(
            "own = (count - discount) / total; probability = own + rest x that of the line above"
        )
        table(("context", "counts", "count", "total", "discount", "own", "rest", "probability"), [
            ("" .join(map(label, level.context)) or "none",
             ("times" if level.whole else "symbols before") if level.total else "never seen",
             level.count, level.total, level.discount, level.weight, level.backoff,
             level.probability)
            for level in found.levels
        ])  # fmt: skip
    result(
        f"probs[{found.id}] = {found.probability:.6f}; loss = -log(probs[{found.id}]) = "
        f"{found.loss:.4f} nats ({found.loss / math.log(2):.4f} bits)"
    )


def show_pass_json(found: Any) -> None:
    for place, step in enumerate(found.steps, 1):
        small = step.values.size <= MOST_IN_JSON
        result_json({
            "step": place, "module": step.module, "function": step.function,
            "shape": list(step.values.shape), "dimensions": list(step.dimensions),
            "values": finite(step.values.tolist()) if small else None,
            "at_last": finite(step.at_last()[:MOST_IN_JSON].tolist()),
        })  # fmt: skip
    for level in found.levels:
        result_json({
            "context": list(level.context), "whole": level.whole, "count": level.count,
            "total": level.total, "discount": level.discount, "weight": level.weight,
            "backoff": level.backoff, "probability": level.probability,
        })  # fmt: skip
    result_json({
        "context": list(found.context), "symbol": found.symbol, "id": found.id,
        "probability": found.probability, "loss": found.loss, "bits": found.loss / math.log(2),
    })  # fmt: skip


# -- how it is shown ------------------------------------------------------------------------------


def label(symbol: str | None) -> str:
    """A symbol in a table. The boundary is `.` as in the lectures; a symbol `.` is in quotes."""
    if symbol is None:
        return "."
    kind = unicodedata.category(symbol[0])
    if symbol == "." or symbol.isprintable() and symbol.isspace():
        return f"'{symbol}'"
    if len(symbol) > 1:
        return f"◌{visible(symbol)}" if kind[0] == "M" else visible(symbol)
    if kind[0] == "C" or kind in ("Zl", "Zp", "Zs"):
        return symbol.encode("unicode_escape", "surrogatepass").decode("ascii")
    return f"◌{symbol}" if kind[0] == "M" else symbol  # a sign that stands on another


def reading(context: Sequence[str | None]) -> str:
    """What the model read; of a long context the end. Signs stay on the letter that they mark."""
    shown = context[-CONTEXT_SHOWN:]
    marks = [symbol and unicodedata.category(symbol[0])[0] == "M" for symbol in shown]
    parts = [
        str(symbol) if mark else label(symbol) for symbol, mark in zip(shown, marks, strict=True)
    ]
    return ("…" if len(context) > len(shown) else "") + "".join(parts)


def candidates(found: Iterable[Any]) -> str:
    return "  ".join(f"{label(each.symbol)} {each.probability:.4f}" for each in found)


def candidates_json(found: Iterable[Any]) -> list[dict[str, Any]]:
    return [{"symbol": each.symbol, "probability": each.probability} for each in found]


def sizes(shape: Sequence[Any]) -> str:
    return f"({', '.join(map(str, shape))})"


def numbers(step: Any) -> str:
    """The first numbers of the place that predicts."""
    found = step.at_last()
    whole = found.dtype.kind in "iub"
    shown = [str(int(x)) if whole else f"{x:.4f}" for x in found[:NUMBERS_SHOWN]]
    return " ".join([*shown, *(["…"] if len(found) > len(shown) else [])])


def finite(values: Any) -> Any:
    """Nested lists in which what is no finite number is None."""
    if isinstance(values, list):
        return [finite(value) for value in values]
    return None if isinstance(values, float) and not math.isfinite(values) else values


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    from makemore.cli.tables import aligned

    for line in aligned(header, rows):
        result(line)


command = click.Command(
    "explain",
    callback=explain,
    help=explain.__doc__,
    params=[
        click.Argument(["dir"]),
        click.Argument(["text"], required=False),
        click.Option(["--trace"], is_flag=True, help="the forward pass to TEXT's last symbol"),
        click.Option(
            ["--at"], type=int, metavar="N",
            help="trace the pass to symbol N of TEXT instead; its end is one past the last",
        ),
        click.Option(
            ["--label"], metavar="NAME", help="of TEXT, in a run with labels  [default: likeliest]"
        ),
        click.Option(
            ["--top"], type=click.IntRange(min=1), default=5,
            help="how many symbols that were expected  [default: 5]",
        ),
        *[option for option in click_options(SamplingConfig) if option.name == "temperature"],
        click.Option(
            ["--seed"], type=int, help="of the line that is drawn without TEXT  [default: fresh]"
        ),
        click.Option(["--json"], is_flag=True, help="one object a symbol, a draw or a step"),
        plugin_option(),
    ],
)  # fmt: skip
