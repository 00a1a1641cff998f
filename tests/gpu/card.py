"""What the tests on a card share: the device, small models, lines, and what has to be there.

No pytest and no package but torch and numpy: whatever else a test needs, it names by `needs`.
"""

from __future__ import annotations

import copy
import importlib.util
import random
import unittest
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from makemore import MakeMore
from makemore.models import NeuralModel, get_model
from makemore.models.core.registry import model_names
from makemore.options import make, options_of
from makemore.training.device import seeded

DEVICE = "cuda"  # `python3 -m gpu --device cpu` sets another one, to try the tests themselves
V, BLOCK = 9, 8  # symbols and inputs of small models
LABELS = 3
SIZES = {
    "members": "ngram order=4, gru n_hidden=24, transformer n_layer=1 n_embd=16 n_head=2",
    "n_embd": 16, "n_hidden": 24, "n_skip": 16, "n_layer": 2, "n_head": 2, "block_size": 3,
    "order": 4,
}  # fmt: skip
FEW = ("mlp", "gru", "transformer", "ensemble")  # a window, a state, all lines so far, and models
CLOSE = 1e-4  # how far logits and nats of a card may be from those of the CPU
Test = TypeVar("Test", bound=Callable[..., Any])


def missing() -> str | None:
    """Say what is missing for these tests; None where nothing is."""
    if DEVICE.startswith("cuda") and not torch.cuda.is_available():
        return "torch sees no graphics card here (no CUDA)"
    return None


def needs(*packages: str) -> Callable[[Test], Test]:
    """Skip a test where a package is not installed. A decorator."""
    absent = [name for name in packages if importlib.util.find_spec(name) is None]
    return unittest.skipIf(bool(absent), f"needs {', '.join(absent)}")


def only_on_a_card() -> None:
    """Skip a test on any device but a card of CUDA."""
    if not DEVICE.startswith("cuda"):
        raise unittest.SkipTest("shows something on a card of CUDA only")


@contextmanager
def little_memory(most: int) -> Iterator[None]:
    """Let torch take only so many bytes of the card inside `with`."""
    whole = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, most / whole))
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


class CardTest(unittest.TestCase):
    """Skips its tests where there is no card."""

    @classmethod
    def setUpClass(cls) -> None:
        if why := missing():
            raise unittest.SkipTest(why)

    def train_exactly(self) -> None:
        """Let cuDNN's recurrent layers multiply in float32 until the end of this test.

        In training they round their inputs to 10 bits (TF32): then they are only within 1e-3 of the
        CPU's, and a mistake as large would pass.
        """
        rnn: Any = torch.backends.cudnn.rnn
        before, rnn.fp32_precision = rnn.fp32_precision, "ieee"
        self.addCleanup(setattr, rnn, "fp32_precision", before)

    def assert_close(self, one: Any, other: Any, atol: float = CLOSE) -> None:
        """Check that arrays or tensors on any device are equal up to rounding."""
        np.testing.assert_allclose(as_array(one), as_array(other), rtol=0, atol=atol)


def as_array(values: Any) -> NDArray[Any]:
    """Return the values of a tensor on any device, or of an array."""
    return np.asarray(values.detach().cpu() if isinstance(values, torch.Tensor) else values)


def networks(ensembles: bool = False) -> list[str]:
    """List the models that learn by steps; with the one that is made of others.

    Without a card some of them are enough: there only the tests themselves are tried.
    """
    names = model_names() if DEVICE.startswith("cuda") else FEW
    kinds = {name: get_model(name) for name in names}
    return [
        name for name, kind in kinds.items()
        if issubclass(kind, NeuralModel) and (ensembles or not kind.is_ensemble)
    ]  # fmt: skip


def small(name: str) -> dict[str, Any]:
    """Give the options that make a model small."""
    known = options_of(get_model(name).Options)
    return {key: value for key, value in SIZES.items() if key in known}


def shaken(name: str, labels: bool = False) -> Any:
    """Make a small model on the CPU whose answers differ: noise is on every weight."""
    kind: Any = get_model(name)
    options = make(kind.Options, small(name))
    block = options.block_size + labels if kind.input_kind == "window" else BLOCK
    with seeded(1), torch.no_grad():
        model = kind(V, block, options)
        if labels:
            model.add_labels(LABELS)
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        for _ in range(10):  # the statistics of BatchNorm
            model.train()(inputs_of(model, 64))
    return model.eval()


def inputs_of(model: NeuralModel, rows: int) -> torch.Tensor:
    """Make inputs (rows, block_size) on the model's device: the boundary or a label, then a line.

    No boundary is inside: rows of a packed model would be several lines there.
    """
    chance = np.random.default_rng(2)
    inputs = chance.integers(1, model.vocab_size, (rows, model.block_size))
    inputs[:, 0] = 0
    if model.n_labels:
        inputs[:, 0] = model.vocab_size + np.arange(rows) % model.n_labels
    return torch.from_numpy(inputs).to(model.device)


def on_card(model: Any) -> Any:
    """Copy a model to the device of the tests."""
    return copy.deepcopy(model).to(DEVICE)


def like_names(number: int, seed: int = 7) -> list[str]:
    """Make distinct lines of syllables, about as long as names."""
    luck, found = random.Random(seed), dict[str, None]()
    while len(found) < number:
        syllables = (luck.choice("bdfgklmnprstvz") + luck.choice("aeiou") for _ in range(5))
        line = "".join(syllables)[: luck.randint(3, 10)] + luck.choice(("", "n", "h", "lle"))
        found[line] = None
    return list(found)


def maker_of(name: str, **options: Any) -> MakeMore:
    """Make a small model that is to be trained on the device of the tests."""
    quick = {"max_steps": 30, "batch_size": 64, "threads": 1, "device": DEVICE}
    return MakeMore(name, **{"random_state": 5, **quick, **small(name), **options})


def weights_of(maker: MakeMore) -> dict[str, bytes]:
    """Return the bytes of each tensor that was learned."""
    assert maker.model_ is not None
    return {name: value.tobytes() for name, value in maker.model_.tensors().items()}


def on_cpu(maker: MakeMore) -> MakeMore:
    """Copy a fitted maker to the CPU."""
    other = copy.deepcopy(maker)
    assert isinstance(other.model_, NeuralModel)
    other.model_.to("cpu")
    return other
