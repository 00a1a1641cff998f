"""What the page shows inside a network is what Python computes there, and what its file says."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import battery
from makemore.analysis.context import inputs_after
from makemore.analysis.trace import Call, Trace
from makemore.models.core import registry
from makemore.models.core.neural import NeuralModel
from web.test_engine import (
    KINDS,
    PAGE,
    STATIC,
    Cases,
    bundled,
    needs_node,
    no_dropout,
    run,
    shaken,
)

ROOT = PAGE.parent
MODELS = ROOT / "src/makemore/models"
RECURRENT = ("rnn", "gru", "lstm")
CASES: list[tuple[str, int, int, dict[str, Any]]] = [
    *((kind, 6, 0, {}) for kind in KINDS),
    *((kind, 6, 2, {}) for kind in ("mlp", "gru", "transformer")),
    ("mlp", 3, 0, {"batch_norm": True}),
    ("deep_mlp", 3, 0, {"batch_norm": False, "n_layer": 1}),
    *((kind, 6, 0, {"n_layer": 3}) for kind in RECURRENT),
    ("rnn", 6, 0, {"n_layer": 1}),
    ("transformer", 6, 0, {"n_layer": 1, "n_head": 4}),
]
# Calls that only move numbers, or that make the masks and sums that a stage is made of.
UNSEEN = {
    "flatten", "pad", "getitem", "cat", "chunk", "stack", "arange", "cumsum", "div", "view",
    "permute", "reshape", "unbind", "baddbmm", "bmm", "transpose", "contiguous", "expand", "eq",
    "ge", "or", "where", "cummax", "le", "and", "sub", "repeat_interleave",
}  # fmt: skip


def expected_stages(model: NeuralModel, ids: list[int]) -> dict[str, NDArray[Any]]:
    """Trace a pass: the values (T, ...) of each call by its name, in order."""
    inputs = torch.from_numpy(inputs_of(model, ids))
    with torch.no_grad(), Trace(model) as trace:
        model(inputs)
    T = len(ids)
    calls = [call for call in trace.calls if is_seen(call, model, T)]
    named = numbered([(call.name, of_each_position(call, T)) for call in calls])
    if model.name not in RECURRENT:
        return named
    return dict(with_cells(model, inputs, named))


def inputs_of(model: NeuralModel, ids: list[int]) -> NDArray[np.int64]:
    """Windows (T, block_size), or one line (1, T). ids: inputs; the first is 0 or a label."""
    if model.input_kind == "sequence":
        return np.array([ids])
    start = ids[0] if model.n_labels else None
    windows = [inputs_after(model, ids[1:end], start) for end in range(1, len(ids) + 1)]
    return np.concatenate(windows)


def is_seen(call: Call, model: NeuralModel, T: int) -> bool:
    if call.function in UNSEEN or T not in call.output.shape:
        return False
    if call.function == "add" and call.output.shape[-1] == 1:
        return False  # positions, counted from 1
    options: Any = model.options
    # The page folds a BatchNorm into the linear before it.
    folded = getattr(options, "batch_norm", False) and call.function == "linear"
    if folded and not (model.name == "mlp" and call.module == "head"):
        return False
    # Nothing reads the stream after WaveNet's last layer.
    last = f"layers.{len(getattr(model, 'dilations', [])) - 1}"
    return not (model.name == "wavenet" and call.name == f"{last} add")


def of_each_position(call: Call, T: int) -> NDArray[Any]:
    values = call.output.numpy()
    if call.function == "softmax":  # (n_head, T, S): what each position looks at
        return values.transpose(1, 0, 2)
    return values[0] if values.shape[:2] == (1, T) else values


def numbered(named: list[tuple[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Tell calls of one name apart, as analysis.trace does: "tanh 1", "tanh 2"."""
    times, seen = Counter(name for name, _ in named), Counter[str]()
    found = {}
    for name, values in named:
        seen[name] += 1
        found[name if times[name] == 1 else f"{name} {seen[name]}"] = values
    return found


def with_cells(
    model: Any, inputs: torch.Tensor, named: dict[str, NDArray[Any]]
) -> Iterator[tuple[str, NDArray[Any]]]:
    """Put what the cells compute before the states: torch shows the states of the last layer."""
    names = {"rnn": [], "gru": ["r", "z", "n"], "lstm": ["f", "i", "g", "c", "o"]}[model.name]
    cells = cells_of(model, inputs)
    torch_name = {"rnn": "rnn_tanh"}.get(model.name, model.name)
    for name, values in named.items():
        if name != f"cells {torch_name}":
            yield name, values
            continue
        for layer, of_layer in enumerate(cells):
            for gate in names:
                yield f"cells.{layer} {gate}", of_layer[gate]
            last = layer == len(cells) - 1
            yield ("cells" if last else f"cells.{layer}") + f" {torch_name}", of_layer["h"]
            if last:  # `cell` is what torch's own cells compute
                np.testing.assert_allclose(of_layer["h"], values, atol=1e-5)


def cells_of(model: Any, inputs: torch.Tensor) -> list[dict[str, NDArray[Any]]]:
    """Collect the values (T, n_hidden) of each layer, from the calls that `cell` makes."""
    n_layer, layers = model.options.n_layer, []
    forward, model.forward = model.forward, unrolled_of(model)
    try:
        with torch.no_grad(), Trace(model) as trace:
            model(inputs)
    finally:
        model.forward = forward
    each = {
        function: [call.output[0].numpy() for call in trace.calls if call.function == function]
        for function in ("sigmoid", "tanh", "add", "mul")
    }
    for layer in range(n_layer):
        # Calls of one function by step, then by layer; so many of it in each cell.
        take = {"rnn": of_rnn, "gru": of_gru, "lstm": of_lstm}[model.name]
        layers.append(take(each, layer, n_layer))
    return layers


def unrolled_of(model: Any) -> Any:
    return lambda inputs: model.unrolled(inputs, model.initial_state(1))[0]


def every(calls: list[Any], a_cell: int, number: int, layer: int, n_layer: int) -> NDArray[Any]:
    return np.stack(calls[layer * a_cell + number :: a_cell * n_layer])


def of_rnn(each: dict[str, Any], layer: int, n_layer: int) -> dict[str, NDArray[Any]]:
    return {"h": every(each["tanh"], 1, 0, layer, n_layer)}


def of_gru(each: dict[str, Any], layer: int, n_layer: int) -> dict[str, NDArray[Any]]:
    return {
        "r": every(each["sigmoid"], 2, 0, layer, n_layer),
        "z": every(each["sigmoid"], 2, 1, layer, n_layer),
        "n": every(each["tanh"], 1, 0, layer, n_layer),
        "h": every(each["add"], 6, 5, layer, n_layer),
    }


def of_lstm(each: dict[str, Any], layer: int, n_layer: int) -> dict[str, NDArray[Any]]:
    return {
        "f": every(each["sigmoid"], 3, 0, layer, n_layer),
        "i": every(each["sigmoid"], 3, 1, layer, n_layer),
        "g": every(each["tanh"], 2, 0, layer, n_layer),
        "c": every(each["add"], 4, 3, layer, n_layer),
        "o": every(each["sigmoid"], 3, 2, layer, n_layer),
        "h": every(each["mul"], 3, 2, layer, n_layer),
    }


@needs_node
def test_each_stage_of_every_network_is_that_of_python(tmp_path: Path) -> None:
    cases = Cases()
    for name, block_size, labels, options in CASES:
        kind = registry.get_model(name)
        built = battery.build(kind, 9, block_size, **no_dropout(kind), **options)
        model = shaken(built, labels, 0.3)
        ids = [model.vocab_size + 1 if labels else 0, 5, 1, 8, 8]
        spec = {
            "kind": name, "vocabSize": model.vocab_size, "blockSize": model.block_size,
            "nLabels": labels, "options": dataclasses.asdict(model.options),
        }  # fmt: skip
        stages = expected_stages(model, ids)
        assert len(stages) >= 1 and all(len(values) == len(ids) for values in stages.values())
        cases.cases.append({
            "spec": spec, "ids": cases.array(np.array(ids)),
            "tensors": {key: cases.array(value) for key, value in model.tensors().items()},
            "stages": {key: cases.array(value) for key, value in stages.items()},
        })  # fmt: skip
    cases.write(tmp_path)
    engine = bundled("src/engine/index.ts", tmp_path)
    run("node", PAGE / "test/inside.mjs", engine, tmp_path, STATIC / "page.wasm")
