"""Presets: sweeps of the lectures by name, and the options that only experiments have.

Steps are chosen so that each takes some minutes on two cores for names.txt, two trials at a time.
Trials of a preset train equally many steps of equal batches, so that they see equally many symbols;
`batch`, whose batches differ, says how many symbols instead.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from makemore.errors import UsageError
from makemore.options import option, unknown_key


@dataclass(frozen=True)
class Amount:
    """Declares how much a trial learns from; only experiments have these options."""

    data: float = option(
        1.0, "learn from this share of the training lines: those of the lowest hashes",
        above=0.0, maximum=1.0,
    )  # fmt: skip
    n_symbols: int | None = option(
        None, "train until about this many symbols were seen, whatever the batch", minimum=1
    )


@dataclass(frozen=True)
class Preset:
    """Holds a sweep that has a name: `vary` as it is typed after --vary, `fixed` as options."""

    about: str
    model: str
    vary: tuple[str, ...]
    fixed: Mapping[str, Any] = field(default_factory=dict)

    def fixed_but(self, typed: Collection[str]) -> dict[str, Any]:
        """Return its own options without those that a user typed, which go before them."""
        amount = {"max_steps", "n_symbols"}  # they exclude each other: one replaces both
        replaced = {*typed, *(amount if amount & set(typed) else ())}
        return {key: value for key, value in self.fixed.items() if key not in replaced}


# As in the lectures: plain gradient descent, small batches. AdamW would repair a bad start itself.
LECTURE = {
    "optimizer": "sgd", "learning_rate": 0.1, "batch_size": 32, "weight_decay": 0.0,
    "schedule": "step", "max_steps": 20_000,
}  # fmt: skip


PRESETS = {
    "context": Preset(
        "symbols of context, 2 to 5: what each more is worth",
        "mlp", ("block_size=2,3,4,5",), {"max_steps": 6_000},
    ),
    "hidden": Preset(
        "neurons, 1 to 1,000: too few repeat themselves, too many learn lines by heart",
        "mlp", ("n_hidden=1,10,50,100,300,1000",), {"max_steps": 6_000},
    ),
    "embedding": Preset(
        "embedding of 2 or 10 numbers, for several hidden sizes: which one is the bottleneck",
        "mlp", ("n_embd=2,10", "n_hidden=100,300,500"), {"max_steps": 5_000},
    ),
    # All windows of names.txt are 170,000 symbols: 300,000 make 2 steps of them, 9,400 of batches
    # of 32 and 300,000 of batches of one. Each may choose a rate, as the best ones differ.
    "batch": Preset(
        "batches of 1, of 32, of all windows: the same symbols in many noisy or few exact steps",
        "mlp", ("batch_size=1,32,all", "learning_rate=0.001,0.01"),
        {"n_hidden": 100, "n_symbols": 300_000},
    ),
    "weight-decay": Preset(
        "decay of the weights, none to strong: what it does to the gap between train and val",
        "mlp", ("weight_decay=0,0.03,0.1,0.3,1,3",), {"n_hidden": 500, "max_steps": 5_000},
    ),
    "init": Preset(
        "how large the weights start: a tanh in its flat ends, a head that is confidently wrong",
        "mlp", ("gain=0.1,5/3,6", "head_scale=0.01,0.1,1"), LECTURE,
    ),
    "batch-norm": Preset(
        "BatchNorm or none, from starts too small, right and too large: with it they matter less",
        "deep_mlp", ("batch_norm=true,false", "gain=0.5,1,5/3,3"), {**LECTURE, "max_steps": 10_000},
    ),
    "data": Preset(
        "a tenth, a third, all of the lines, for several sizes: more data, another best size",
        "mlp", ("data=0.1,1/3,1", "n_hidden=30,100,300,1000"), {"max_steps": 3_000},
    ),
}  # fmt: skip


def preset_named(name: str, model: str | None = None) -> Preset:
    """Return the preset of that name. UsageError if there is none, or if it is of another model."""
    if name not in PRESETS:
        raise unknown_key(name, PRESETS, "preset")
    if model not in (None, PRESETS[name].model):
        raise UsageError(
            f"the preset {name} is of {PRESETS[name].model}", "--model",
            "leave it out, or use --vary",
        )  # fmt: skip
    return PRESETS[name]
