"""notebook.py: what a notebook shows of a maker, escaped, and without changing anything."""

from __future__ import annotations

import html
import random
import re

import numpy as np
import torch

from api.conftest import like_names, tiny, weights
from makemore import MakeMore


def test_before_fit_the_parameters_are_shown() -> None:
    shown = MakeMore("gru", symbols="<b>\u202e").fit  # a bound method: nothing is trained
    text = shown.__self__._repr_html_()  # type: ignore[attr-defined]
    assert "not fitted yet" in text and "&lt;b&gt;" in text
    assert "<b>\u202e" not in text and "\u202e" not in text


def test_a_fitted_maker_shows_losses_and_20_lines() -> None:
    lines = like_names(200)
    maker = tiny("gru", random_state=1).fit(lines)
    before = weights(maker)
    states = torch.get_rng_state().tolist(), random.getstate(), repr(np.random.get_state())
    text = maker._repr_html_()
    after = torch.get_rng_state().tolist(), random.getstate(), repr(np.random.get_state())
    assert after == states and weights(maker) == before
    found = [html.unescape(each) for each in re.findall(r'<li dir="auto">(.*?)</li>', text)]
    assert found == maker.sample(20, random_state=0) and len(found) == 20
    assert f"held back {maker.report('val')['nll']:.4f}" in text
    assert "gru" in text and f"{maker.n_parameters:,} parameters" in text
    assert maker._repr_html_() == text
    assert maker.fit(lines[:80])._repr_html_() != text  # of other weights


def test_lines_are_escaped() -> None:
    maker = tiny("ngram").fit(["<i>a", "<i>b&", "\u202e<i>c", "\x1b[1m<d"])
    text = maker._repr_html_()
    assert "<i>" not in text and "\x1b" not in text and "\u202e" not in text and "&lt;i" in text


def test_a_list_without_a_new_line_is_no_error() -> None:
    text = tiny("ngram", smoothing="add-k", k=0.0).fit(["a"])._repr_html_()
    assert "no new lines" in text or text.count("<li") < 20
