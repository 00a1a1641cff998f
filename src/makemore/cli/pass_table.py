"""Pass table: a forward pass as people read it: numbered steps with what, shape and values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from makemore.cli.output import result, result_json
from makemore.cli.symbols import label, reading
from makemore.cli.wrapping import Across, Pieces, table, terminal_width, words, wrapped
from makemore.escaping import visible

if TYPE_CHECKING:
    from makemore.analysis.forward_pass import Level, Pass, Step

VALUES_SHOWN = 5  # of a step
MAX_JSON_VALUES = 1024  # of a step; of a larger one only the values of the last position
HEADS_SHOWN = 8  # of attention weights
KEYS_SHOWN = 6, 12  # of a row of attention: in a narrow terminal, and at most
NUMBER = 7  # cells of a value
INDENT = " " * 4  # of the rows of attention
HEAD_WIDTH = "n_embd / n_head"  # called D, as in the model's file

# What the capitals of a shape count.
SIZES = {
    "N": "windows", "B": "lines", "T": "positions, of which the last predicts y",
    "V": "symbols, the end is one", "D": f"{HEAD_WIDTH}, the width of a head",
}  # fmt: skip


def show_pass(maker: Any, values: Mapping[str, Any]) -> None:
    """Show one forward pass step by step; of n-gram counts also each length of context."""
    from makemore.analysis.forward_pass import forward_pass

    text = values["text"].strip()
    traced = forward_pass(maker, text, values["at"], values["label"], values["calls"])
    if values["json"]:
        show_pass_json(traced)
        return
    width = terminal_width()
    for line in (_question(traced), _legend(traced)):
        result(*wrapped(line, width, "  "))
    header = ("#", "what", "shape", "values")
    result(*table(header, list(_rows(traced, width)), width))
    if traced.levels:
        result("", *wrapped(_formula(traced.levels), width, "  "))
        result(*_levels(traced.levels, width))


def show_pass_json(traced: Pass) -> None:
    """Print an object for each step of a pass, for each length of context, and for the target."""
    for number, step in enumerate(traced.steps, 1):
        small = step.values.size <= MAX_JSON_VALUES
        result_json({
            "step": number, "part": step.part, "what": step.what, "module": step.module,
            "function": step.function, "input": step.input, "shape": step.values.shape,
            "dimensions": step.dimensions, "values": step.values.tolist() if small else None,
            "at_last": step.at_last()[:MAX_JSON_VALUES].tolist(),
        })  # fmt: skip
    result_json(*map(asdict, traced.levels), {
        "step": len(traced.steps) + 1, "what": _loss(traced), "context": traced.context,
        "symbol": traced.symbol, "id": traced.id, "probability": traced.probability,
        "loss": traced.loss, "bits": traced.loss / math.log(2),
    })  # fmt: skip


def _question(traced: Pass) -> Pieces:
    """Write what the pass reads and what came: `x = [5, 13, 13] (emm), y = 1 (a)`."""
    *ids, last = traced.steps[0].values.reshape(-1).tolist()
    x = [*(f"{id}," for id in ids), f"{last}]"]
    x[0] = f"x = [{x[0]}"
    return Pieces(
        (*x, f"({reading(traced.context)}),", f"y = {traced.id} ({label(traced.symbol)})")
    )


def _legend(traced: Pass) -> Pieces:
    """Say what the capitals of the shapes count, and which values of a step are shown."""
    used = {name for step in traced.steps for name in " ".join(_names(step)).split()}
    sizes = "; ".join(f"{name}: {counts}" for name, counts in SIZES.items() if name in used)
    in_time = any("T" in step.dimensions for step in traced.steps[1:])  # the first are the ids
    place = " at the last position" if in_time else ""
    return words(f"{sizes}. Values: the first {VALUES_SHOWN}{place}.")


def _rows(traced: Pass, width: int | None) -> Iterator[Sequence[Any] | Across]:
    """Yield the rows of the table: parts of the model as headings, steps, maps of attention."""
    part = ""
    for number, step in enumerate(traced.steps, 1):
        if step.part != part:
            part = step.part
            symbol = "" if step.input is None else f": {label(traced.context[step.input - 1])}"
            yield from (Across(Pieces((line,))) for line in ("", part + symbol))
        what, shape = words(visible(step.what)), _shape(step)
        if step.name in ("scores", "weights") and step.values.ndim == 4:
            names, rows, said = _attention(step, traced.context, width)
            yield (number, what, shape, words(said))
            yield from _map(names, rows)
        else:
            yield (number, what, shape, _values(step))
    nats, chance = traced.loss, traced.probability
    shown = f"{chance:.6f}" if chance >= 5e-7 or not chance else f"{chance:.2e}"
    loss = f"{nats:.4f} nats", f"({nats / math.log(2):.4f} bits),", f"probs[{traced.id}] = {shown}"
    yield (len(traced.steps) + 1, words(_loss(traced)), "()", Pieces(loss))


def _loss(traced: Pass) -> str:
    return f"loss = -log(probs[{traced.id}])"


def _names(step: Step) -> list[str]:
    return ["D" if name == HEAD_WIDTH else name for name in step.dimensions]


def _shape(step: Step) -> Pieces:
    """Format a shape by names and sizes: `(B, T, n_embd) = (1, 4, 64)`, one size as in Python."""
    names, sizes = _names(step), [str(size) for size in step.values.shape]
    one = "," if len(sizes) == 1 else ""
    return Pieces((f"({', '.join(names)}{one}) =", f"({', '.join(sizes)}{one})"))


def _number(value: float) -> str:
    """Format a value with 4 decimals; one that is not 0 is never shown as 0."""
    tiny = value and abs(value) < 0.00005
    return f"{value:{NUMBER}.1e}" if tiny else f"{value:{NUMBER}.4f}"


def _values(step: Step) -> Pieces:
    """Format the first values of a step at the position that predicts, ids as whole numbers."""
    values = step.at_last() if step.function != "ids" else step.values.reshape(-1)
    shown = values[:VALUES_SHOWN]
    whole = values.dtype.kind in "iub"
    more = ("…",) if len(values) > len(shown) else ()
    return Pieces((*(str(int(x)) if whole else _number(x) for x in shown), *more))


# -- attention ------------------------------------------------------------------------------------


def _attention(
    step: Step, context: Sequence[str | None], width: int | None
) -> tuple[list[str], list[tuple[str, Any]], str]:
    """Choose what is shown of attention (1, n_head, T, T): names of keys, rows by name, in words.

    Of the scores all positions of one head, so that the mask is seen; of the weights the position
    that predicts in each head.
    """
    heads, T = step.values.shape[1:3]
    least, most = KEYS_SHOWN
    keys = min(T, most if width is None else max(least, min(most, (width - 12) // (NUMBER + 1))))
    names = [label(symbol) for symbol in context[T - keys :]]
    only = f", the last {keys} of {T} positions" if keys < T else ""
    if step.name == "scores":
        rows = list(zip(names, step.values[0, 0, T - keys :, T - keys :], strict=True))
        which = "" if heads == 1 else "head 1, "
        return names, rows, f"{which}a row a position{only}:"
    some = f"the first {HEADS_SHOWN} of {heads} heads" if heads > HEADS_SHOWN else "a row a head"
    each = step.values[0, :HEADS_SHOWN, -1, T - keys :]
    rows = [(f"head {number}", row) for number, row in enumerate(each, 1)]
    return names, rows, f"the last position, {some}{only}:"


def _map(names: Sequence[str], rows: Any) -> Iterator[Across]:
    """Yield rows of attention below the names of the symbols that are looked at."""
    from rich.cells import cell_len

    side = max(cell_len(name) for name, _ in rows)
    lines = [("", names), *((name, [*map(_number, row)]) for name, row in rows)]
    for name, cells in lines:
        padded = [" " * (NUMBER - cell_len(each)) + each for each in cells]
        yield Across(Pieces((name + " " * (side - cell_len(name)), *padded)), INDENT)


# -- counts ---------------------------------------------------------------------------------------


def _formula(levels: Sequence[Level]) -> Pieces:
    """Write how the probability of each length of context follows from the line above it."""
    added = f"(total + {levels[0].added:g})" if levels[0].added else "total"
    return words(
        f"own = (count - discount) / {added}; probability = own + rest x that of the line above, "
        "1 / V above the first"
    )


def _levels(levels: Sequence[Level], width: int | None) -> list[str]:
    header = ("context", "counts", "count", "total", "discount", "own", "rest", "probability")
    return table(header, [
        (Pieces((reading(level.context, most=len(level.context)) or "none",)),
         ("times" if level.whole else "symbols before") if level.total else "never seen",
         level.count, level.total, level.discount, level.weight, level.backoff, level.probability)
        for level in levels
    ], width)  # fmt: skip
