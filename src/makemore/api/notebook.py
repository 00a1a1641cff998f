"""Notebook: a MakeMore as HTML, which Jupyter shows: its state, its losses and new lines."""

from __future__ import annotations

from html import escape
from itertools import chain, islice
from typing import TYPE_CHECKING

from makemore.api.fit_model import losses
from makemore.errors import MakemoreError
from makemore.escaping import visible

if TYPE_CHECKING:
    from makemore.api.fitted import FittedModel

LINES = 20  # new lines that are shown
ROUNDS = 4  # rounds of draws in which they are looked for; the first may come in two parts
SEED = 0  # so that the same model shows the same lines


def html_of(maker: FittedModel) -> str:
    """Write a maker as HTML; nothing is trained, and no generator's state is changed.

    Lines and losses are computed once for the same weights.
    """
    head = f"<b>{_text(repr(maker))}</b>"
    if maker.plan_ is None or maker.model_ is None:
        return f"<div>{head}<br>not fitted yet: call fit(lines)</div>"
    cache = maker._cache
    if "html" not in cache:
        cache["html"] = "<br>".join([_about(maker), _losses(maker)]) + _lines(maker)
    return f"<div>{head}<br>{cache['html']}</div>"


def _about(maker: FittedModel) -> str:
    """Say what was learned: the model, its size and the lines."""
    parts = ", ".join(f"{len(part):,} {name}" for name, part in maker.split if len(part))
    model = maker.plan_.config.model if maker.plan_ else ""
    return _text(f"{model}, {maker.n_parameters:,} parameters, learned from {parts} lines")


def _losses(maker: FittedModel) -> str:
    """Say the losses in nats a symbol, of the lines that are evaluated while it trains."""
    assert maker.plan_ is not None and maker.model_ is not None  # noqa: S101 (html_of checked)
    with maker.evaluation():
        train, val = losses(maker.plan_, maker.model_)
    held_back = "" if val is None else f", held back {val:.4f}"
    return _text(f"loss in nats a symbol: train {train:.4f}{held_back}")


def _lines(maker: FittedModel) -> str:
    """List new lines, fewer where there are hardly any."""
    found: list[str] = []
    try:
        rounds = islice(maker.rounds(maker.sampler(SEED), LINES), ROUNDS)
        found.extend(chain.from_iterable(lines.texts for lines in rounds))
    except MakemoreError as error:  # no further line is new
        if not found:
            return f"<p>no new lines: {_text(error.what)}</p>"
    items = "".join(f'<li dir="auto">{_text(line)}</li>' for line in found[:LINES])
    return f"<p>new lines, drawn with random_state={SEED}:</p><ol>{items}</ol>"


def _text(text: str) -> str:
    """Escape a text for HTML; control characters and those that turn its direction, too."""
    return escape(visible(text))
