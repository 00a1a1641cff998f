"""Every registered model: the battery, its paper, and the sizes that were published."""

from __future__ import annotations

from typing import Any

import pytest

import battery
import label_battery
from makemore.models.core import registry

VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("mlp", {"batch_norm": True, "dropout": 0.3}),
    ("deep_mlp", {"batch_norm": False, "head_scale": 0.05}),
    ("ngram", {"smoothing": "add-k", "k": 0.1}),
    ("lstm", {"n_layer": 1, "dropout": 0.0}),
    ("transformer", {"n_layer": 1, "n_head": 1}),
]

SLOW = (battery.same_seed_same_names, battery.overfits_one_batch)  # once a model is enough

KINDS = ("ngram", "mlp", "gru", "transformer")  # the others' are slow tests

ROWS = [
    pytest.param(
        name,
        options,
        check,
        id=f"{check.__name__}-{name}{'-variant' * bool(options)}",
        marks=pytest.mark.slow if check in SLOW and name not in KINDS else (),
    )
    for battery_of in (battery, label_battery)
    for name, options in [*((name, {}) for name in registry.model_names()), *VARIANTS]
    for check in battery_of.checks(registry.get_model(name))
    if not (options and check in SLOW)
]


@pytest.mark.parametrize("name, options, check", ROWS)
def test_battery(name: str, options: dict[str, Any], check: battery.Check) -> None:
    check(registry.get_model(name), **options)


def test_all_models_are_in_the_battery() -> None:
    assert {row.values[0] for row in ROWS} >= {
        "bigram", "bow", "deep_mlp", "gru", "lstm", "mlp", "ngram", "rnn", "transformer", "wavenet",
    }  # fmt: skip


@pytest.mark.parametrize(
    "name, paper",
    [
        ("bigram", "Shannon 1948"),
        ("mlp", "Bengio et al. 2003"),
        ("wavenet", "van den Oord et al. 2016"),
        ("rnn", "Mikolov et al. 2010"),
        ("lstm", "Graves 2013"),
        ("gru", "Cho et al. 2014"),
        ("transformer", "Vaswani et al. 2017"),
        ("ngram", "Chen and Goodman 1998"),
    ],
)
def test_papers(name: str, paper: str) -> None:
    assert paper in registry.about(registry.get_model(name))[1]


@pytest.mark.parametrize(
    "name, options, parameters",
    [
        ("bigram", {}, 729),
        ("mlp", {}, 11_897),
        ("mlp", {"batch_norm": True}, 12_097),  # the hidden bias goes, two vectors come
        ("mlp", {"n_embd": 2}, 6_881),
        ("mlp", {"n_embd": 2, "n_hidden": 100}, 3_481),
        ("mlp", {"block_size": 8, "batch_norm": True}, 22_097),
        ("deep_mlp", {}, 47_024),
        ("bow", {}, 12_827),
        ("transformer", {}, 204_544),
    ],
)
def test_sizes_are_the_published_ones(name: str, options: dict[str, Any], parameters: int) -> None:
    model = battery.full_size(name, **options)
    assert model.n_parameters == parameters == sum(p.numel() for p in model.parameters())
