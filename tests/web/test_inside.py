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
from makemore.analysis.forward_pass import forward_pass
from makemore.analysis.trace import Call, Trace
from makemore.api import MakeMore
from makemore.models.core import registry
from makemore.models.core.base import log_softmax
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

MODELS = PAGE.parent / "src/makemore/models"
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
    if model.name in RECURRENT:
        named = dict(with_cells(model, inputs, named))
    *_, logits = named.values()
    return named | {"softmax": np.exp(log_softmax(logits))}


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


@pytest.mark.slow
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


# Calls a function of inside_parts.ts for each entry of a list, and prints what it gives.
CALL = """
const [bundle, task, given] = process.argv.slice(1);
const { allLines, levelShares, NGram, sourceOf } = await import(bundle);
const tasks = {
  sources: (asked) => ({ lines: allLines(), stages: asked.map((each) => sourceOf(...each)) }),
  levels: ({ spec, tensors, ids }) => {
    const arrays = Object.entries(tensors).map(([name, values]) =>
      [name, { shape: [values.length], data: Float64Array.from(values) }]);
    const model = NGram.of(spec, new Map(arrays));
    return ids.map((each) => [...levelShares(model, Int32Array.from(each)).data]);
  },
};
console.log(JSON.stringify(tasks[task](JSON.parse(given))));
"""


def in_node(folder: Path, task: str, given: Any) -> Any:
    bundle = bundled("test/inside_parts.ts", folder)
    done = subprocess.run(
        ["node", "--input-type=module", "-e", CALL, str(bundle), task, json.dumps(given)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def stage_names() -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Kind, name and shape of each stage of every case; a case ends with its softmax."""
    for name, block_size, labels, options in CASES:
        kind = registry.get_model(name)
        built = battery.build(kind, 9, block_size, **no_dropout(kind), **options)
        ids = [built.vocab_size + 1 if labels else 0, 5, 1, 8, 8]
        model = shaken(built, labels, 0.3)
        for stage, values in expected_stages(model, ids).items():
            yield name, stage, values.shape


@needs_node
def test_every_stage_quotes_the_line_that_computes_it(tmp_path: Path) -> None:
    stages = [*stage_names(), ("ngram", "levels", (5, 7))]
    found = in_node(tmp_path, "sources", [(kind, name) for kind, name, _ in stages])
    missing = [stages[at][:2] for at, each in enumerate(found["stages"]) if each is None]
    assert missing == []
    titles: list[str] = []  # of one case: by its title a screen reader tells a stage from others
    for (kind, name, shape), source in zip(stages, found["stages"], strict=True):
        assert len(source["dims"].split(", ")) == len(shape), f"{kind} {name}: {source['dims']}"
        assert "#" not in source["title"] and source["title"] not in titles
        titles = [] if name == "softmax" else [*titles, source["title"]]
    assert len(found["lines"]) > 60
    for file, line in found["lines"]:
        text = (MODELS / file).read_text(encoding="utf-8")
        assert line in [each.strip() for each in text.splitlines()], f"{file} has no line {line}"


@pytest.mark.slow
@needs_node
def test_no_stage_is_in_the_table_that_no_network_has(tmp_path: Path) -> None:
    """A line that is no longer looked up would be held to the file for nothing."""
    quoted = {(file, line) for file, line in in_node(tmp_path, "sources", [])["lines"]}
    stages = [(kind, name) for kind, name, _ in stage_names()]
    asked = [*stages, ("ngram", "levels"), ("mlp", "softmax")]
    shown = in_node(tmp_path, "sources", asked)["stages"]
    assert quoted == {(each["file"], each["line"]) for each in shown}


def shares_of(maker: MakeMore, text: str, at: int) -> NDArray[Any]:
    """How much of the probability of symbol `at` each length of context decides (order + 1,)."""
    levels = forward_pass(maker, text, at).levels
    shares, left = np.zeros(maker.get_params()["order"] + 1), 1.0
    for level in reversed(levels):
        shares[len(level.context) + 1] = left * (1 - level.backoff)
        left *= level.backoff
    shares[0] = left
    return shares


@pytest.mark.slow
@needs_node
@pytest.mark.parametrize("smoothing", ["kneser-ney", "add-k"])
def test_the_say_of_contexts_is_that_of_python(
    smoothing: str, three_hundred: list[str], tmp_path: Path
) -> None:
    maker = MakeMore("ngram", order=4, smoothing=smoothing).fit(three_hundred)
    model = maker.model_
    assert model is not None
    texts = ["maria", "zzx", "an"]
    spec = {
        "kind": "ngram", "vocabSize": model.vocab_size, "blockSize": model.block_size,
        "nLabels": 0, "options": {"order": 4, "smoothing": smoothing, "k": 1.0},
    }  # fmt: skip
    tensors = {name: array.tolist() for name, array in model.tensors().items()}
    ids = [[0, *maker.vocabulary.encode_line(text).tolist()] for text in texts]
    found = in_node(tmp_path, "levels", {"spec": spec, "tensors": tensors, "ids": ids})
    for text, each in zip(texts, found, strict=True):
        shares = np.reshape(each, (-1, 5))
        expected = [shares_of(maker, text, at) for at in range(1, len(text) + 2)]
        np.testing.assert_allclose(shares, expected, atol=1e-6)
        np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
