"""What the tests of the Python interface share: lines to learn from and small models."""

from __future__ import annotations

import random
from typing import Any

import pytest

from makemore import MakeMore, parallel
from makemore.models.core import registry
from makemore.options import options_of

KINDS = registry.model_names()
SMALL = {
    "members": "ngram order=3, gru n_hidden=8",
    "n_embd": 8, "n_hidden": 8, "n_skip": 8, "n_layer": 1, "n_head": 2, "block_size": 3, "order": 3,
}  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread_unless_more_are_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "usable_cores", lambda: 1)


def like_names(number: int, seed: int = 7) -> list[str]:
    """Distinct lines of consonants and vowels by turns."""
    draws = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < number:
        pairs = draws.randint(1, 4)
        found["".join(draws.choice("bdkmnrst") + draws.choice("aeio") for _ in range(pairs))] = None
    return list(found)


def small(model: str) -> dict[str, Any]:
    """Those options of a model that make it small."""
    known = options_of(registry.get_model(model).Options)
    return {name: value for name, value in SMALL.items() if name in known}


def tiny(model: str = "gru", **options: Any) -> MakeMore:
    return MakeMore(model, **{**small(model), "max_steps": 3, "threads": 1, **options})


@pytest.fixture(scope="session")
def counted() -> MakeMore:
    return tiny("ngram", random_state=5).fit(like_names(200))


def weights(maker: MakeMore) -> dict[str, Any]:
    assert maker.model_ is not None
    return {name: value.tolist() for name, value in maker.model_.tensors().items()}
