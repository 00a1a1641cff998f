"""model_command.py: a command shows the options of its model, one of a plugin included."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from cli.conftest import failed, lines_of, objects
from conftest import Call
from makemore.models.core import registry


def test_a_models_options_are_its_own(call: Call, text: Path) -> None:
    failed(call("train", text, "--model", "gru", "--n-head", "2"), 2, "--n-head")
    failed(call("train", text, "--order", "2"), 2, "--order")
    own = call("train", "--model", "gru", "--help").stdout
    assert "--n-hidden" in own and "--n-head" not in own


PLUGIN = '''
"""Uniform: every symbol is as likely as any other.

Paper: none
"""
from dataclasses import dataclass
import numpy as np
from makemore.models.core.base import CountModel; from makemore.models.core.registry import register
from makemore.options import option

@register("uniform")
class Uniform(CountModel):
    @dataclass(frozen=True)
    class Options:
        block_size: int = option(1, "symbols that it does not look at", minimum=1, maximum=9)

    input_kind = "window"

    def __init__(self, vocab_size, block_size, options):
        self.vocab_size, self.block_size, self.options = vocab_size, block_size, options

    def fit_counts(self, ids, offsets):
        pass

    def forward(self, inputs):
        return np.full((len(inputs), self.vocab_size), -np.log(self.vocab_size))

    def initial_state(self, batch):
        return np.zeros((batch, self.block_size), dtype=np.int64)

    def step(self, ids, state):
        return self.forward(state), state

    @property
    def n_parameters(self):
        return 0

    def tensors(self):
        return {"nothing": np.zeros(1, np.uint8)}

    def load_tensors(self, tensors):
        pass
'''


def test_a_plugin_is_typed_again_to_be_loaded(call: Call, text: Path) -> None:
    Path("mine.py").write_text(PLUGIN)
    plugin = ("--plugin", "mine.py")
    try:
        command = ("train", text, "-o", "run", *plugin, "--model", "uniform", "--block-size", "2")
        assert call(*command).returncode == 0
        assert "mine.py" not in Path("run/config.json").read_text()  # no run names code
        found = objects(call("eval", "run", *plugin, "--json"))
        assert found[0]["nll"] == pytest.approx(math.log(11))
        assert call("verify", "run", *plugin).stdout == "whole: uniform, 0 parameters\n"
        assert len(lines_of(call("sample", "run", *plugin, "-n", "3"))) == 3
        scored = call("score", "run", *plugin, input=b"ka\n")
        assert scored.stdout == f"{3 * math.log(11):.4f}\tka\n"
        assert "--block-size" in call("train", *plugin, "--model", "uniform", "--help").stdout
        assert "uniform" in call("models", *plugin).stdout
    finally:
        registry._register.pop("uniform", None)
    failed(call("sample", "run"), 4, "'uniform' is not known here", "--plugin")
    Path("bad.py").write_text("1 / 0")
    failed(call("models", "--plugin", "bad.py"), 2, "bad.py", "ZeroDivisionError")
