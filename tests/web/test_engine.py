"""The page's engine gives the numbers of Python: logits, losses, gradients, of every network.

Python writes cases, networks with random weights and what they answer; node computes the same with
both kernels, WebAssembly and JavaScript, and compares.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import battery
from makemore.models.core import registry
from makemore.models.core.neural import NeuralModel
from makemore.models.core.state import select
from makemore.options import options_of
from makemore.scoring.loss import nll
from makemore.scoring.neural_scorer import neural_surprisals
from makemore.training.device import seeded

pytestmark = pytest.mark.slow  # the same numbers twice, in Python and in node

PAGE = Path(__file__).parents[2] / "page"
STATIC = Path(__file__).parents[2] / "src/makemore/web/static"
KINDS = (
    "bigram", "mlp", "deep_mlp", "wavenet", "bow", "rnn", "gru", "lstm", "transformer",
)  # fmt: skip
# Small networks with options that are not the defaults, and a few labels.
SMALL: list[tuple[str, int, int, dict[str, Any]]] = [
    *((kind, 6, 0, {}) for kind in KINDS),
    *((kind, 5, 3, {}) for kind in KINDS if kind != "deep_mlp"),
    ("mlp", 1, 2, {"batch_norm": True}),
    ("mlp", 4, 0, {"batch_norm": True, "n_embd": 7, "n_hidden": 13}),
    ("deep_mlp", 3, 2, {"batch_norm": False}),
    ("transformer", 1, 0, {"n_layer": 1}),
    ("transformer", 6, 2, {"n_embd": 15, "n_head": 3, "n_layer": 3}),
    ("gru", 6, 0, {"n_layer": 3, "n_embd": 5}),
    ("lstm", 6, 0, {"n_layer": 1, "n_hidden": 33}),
]

needs_node = pytest.mark.skipif(
    shutil.which("node") is None or not (PAGE / "node_modules").is_dir(),
    reason="needs node and page/node_modules: run `npm ci` in page/",
)


class Cases:
    """Collects cases: JSON, in which an array is its shape, type and place in one file of bytes."""

    def __init__(self) -> None:
        self.cases: list[dict[str, Any]] = []
        self.bytes = bytearray()

    def array(self, values: Any) -> dict[str, Any]:
        array = np.ascontiguousarray(values)
        array = array.astype({"f": np.float32, "i": np.int32, "b": np.int32}[array.dtype.kind])
        at = len(self.bytes)
        self.bytes += array.tobytes()
        return {"shape": list(np.shape(values)), "type": array.dtype.name, "at": at}

    def write(self, folder: Path) -> None:
        (folder / "cases.json").write_text(json.dumps(self.cases), encoding="utf-8")
        (folder / "cases.bin").write_bytes(bytes(self.bytes))


def some_lines(model: NeuralModel, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lines of ids and their offsets; some are empty, some longer than block_size."""
    rng = np.random.default_rng(7)
    lengths = rng.integers(0, model.block_size + 3, count)
    return rng.integers(1, 4, lengths.sum()), np.cumsum([0, *lengths])


def labels_of(model: NeuralModel, count: int) -> NDArray[np.int64] | None:
    if not model.n_labels:
        return None
    return model.vocab_size + np.arange(count) % model.n_labels


def stepped(model: NeuralModel, cases: Cases) -> dict[str, Any]:
    """Steps past block_size from the start; rows are taken in another order, or twice."""
    rng, rows, length = np.random.default_rng(3), 6, 3 * model.block_size + 2
    first = labels_of(model, rows)
    state = model.initial_state(1)
    inputs, origins, logits = [], [], []
    origin = np.zeros(rows, dtype=np.int64)
    for place in range(length):
        ids = rng.integers(1, model.vocab_size, rows)
        if place == 0:
            ids = np.zeros(rows, dtype=np.int64) if first is None else first
        answer, state = model.step(ids, select(state, origin))
        inputs.append(ids)
        origins.append(origin)
        logits.append(answer)
        origin = rng.integers(0, rows, rows) if place % 3 == 1 else np.arange(rows)
    arrays = {"ids": np.stack(inputs), "from": np.stack(origins), "logits": np.stack(logits)}
    return {name: cases.array(array) for name, array in arrays.items()}


def scored(model: NeuralModel, cases: Cases) -> dict[str, Any]:
    """The surprisals of lines, whole."""
    ids, offsets = some_lines(model, 30)
    labels = labels_of(model, 30)
    nats = neural_surprisals(model, ids, offsets, labels)
    found = {"ids": cases.array(ids), "offsets": cases.array(offsets), "nats": cases.array(nats)}
    return found | ({} if labels is None else {"labels": cases.array(labels)})


def learned(model: NeuralModel, cases: Cases) -> dict[str, Any]:
    """The loss of a batch in which some targets are padding, and its gradients."""
    rng, rows = np.random.default_rng(5), 12
    inputs = rng.integers(1, model.vocab_size, (rows, model.block_size))
    first = labels_of(model, rows)
    inputs[:, 0] = 0 if first is None else first
    shape = inputs.shape if model.input_kind == "sequence" else (rows,)
    targets = rng.integers(-1, model.vocab_size, shape)
    model.zero_grad()
    loss = nll(model(torch.from_numpy(inputs)), torch.from_numpy(targets))
    loss.backward()  # type: ignore[no-untyped-call]
    return {
        "inputs": cases.array(inputs),
        "targets": cases.array(targets),
        "loss": loss.item(),
        "gradients": {
            name: cases.array(parameter.grad)
            for name, parameter in model.named_parameters()
            if parameter.grad is not None
        },
    }


def shaken(model: NeuralModel, labels: int, noise: float) -> NeuralModel:
    """The model with noise on every weight, so that its answers differ, and BatchNorm in use."""
    with seeded(2), torch.no_grad():
        if labels:
            model.add_labels(labels)
        for parameter in model.parameters():
            parameter.add_(noise * torch.randn_like(parameter))
        for _ in range(10):
            model.train()(torch.from_numpy(battery.some_inputs(model, 64)))
    return model.eval()


def no_dropout(kind: Any) -> dict[str, Any]:
    return {"dropout": 0.0} if "dropout" in options_of(kind.Options) else {}


def models() -> Iterator[NeuralModel]:
    for name, block_size, labels, options in SMALL:
        kind = registry.get_model(name)
        small = battery.build(kind, 9, block_size, **no_dropout(kind), **options)
        yield shaken(small, labels, 0.3)
    for name in KINDS:
        # Less noise: wide layers add up more of it, and a chaotic RNN would amplify rounding.
        yield shaken(battery.full_size(name, **no_dropout(registry.get_model(name))), 0, 0.05)


def write_cases(folder: Path) -> None:
    cases = Cases()
    for model in models():
        options = dataclasses.asdict(model.options)
        case = {
            "spec": {
                "kind": model.name, "vocabSize": model.vocab_size, "blockSize": model.block_size,
                "nLabels": model.n_labels, "options": options,
            },
            "parameters": model.n_parameters,
            "tensors": {name: cases.array(value) for name, value in model.tensors().items()},
            "steps": stepped(model, cases),
            "scores": scored(model, cases),
        }  # fmt: skip
        if not options.get("batch_norm"):
            case["learning"] = learned(model.eval(), cases)
        cases.cases.append(case)
    cases.write(folder)


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cases")
    write_cases(folder)
    return folder


@needs_node
def test_the_engine_gives_the_numbers_of_python(cases: Path, tmp_path: Path) -> None:
    run_node(tmp_path, "engine.mjs", cases, STATIC / "page.wasm")


@needs_node
def test_kernels_are_equal_and_exact(tmp_path: Path) -> None:
    run_node(tmp_path, "engine_kernels.mjs", STATIC / "page.wasm")


@needs_node
def test_networks_learn_on_the_page(tmp_path: Path) -> None:
    run_node(tmp_path, "engine_learning.mjs", STATIC / "page.wasm")


@needs_node
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_the_engine_gives_the_same_in_a_browser(cases: Path, tmp_path: Path) -> None:
    script = bundled("test/engine_browser.mjs", tmp_path).read_text(encoding="utf-8")
    data = {
        "json": (cases / "cases.json").read_text(encoding="utf-8"),
        "bin": base64.b64encode((cases / "cases.bin").read_bytes()).decode(),
        "wasm": base64.b64encode((STATIC / "page.wasm").read_bytes()).decode(),
    }
    blocks = [
        f'<script type="text/plain" id="{name}">{text}</script>' for name, text in data.items()
    ]
    for allowed, kind in (("'wasm-unsafe-eval'", "wasm"), ("", "js")):  # refused: JavaScript
        policy = f"default-src 'none'; script-src 'unsafe-inline' {allowed}"
        head = f'<meta http-equiv="Content-Security-Policy" content="{policy}"><title>?</title>'
        page = tmp_path / "page.html"
        page.write_text(
            f'<!doctype html><meta charset="utf-8">{head}{"".join(blocks)}'
            f'<script type="module">{script}</script>',
            encoding="utf-8",
        )
        count = len(json.loads(data["json"]))
        assert title_in_chromium(page, tmp_path) == (
            f"{kind}: {count} cases, 0 too far; js: {count} cases, 0 too far"
        )


def title_in_chromium(page: Path, folder: Path) -> str:
    """Open a page, wait until its script has set the title, and return that."""
    command = [
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
        "--virtual-time-budget=120000", f"--user-data-dir={folder / 'browser'}", page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=250)
    found = re.search("<title>(.*?)</title>", done.stdout)
    assert found, done.stderr
    return found[1]


def bundled(entry: str, folder: Path) -> Path:
    """Bundle a module of page/ with what it imports."""
    file = folder / "bundle.mjs"
    run("node", PAGE / "build.mjs", "--bundle", entry, file)
    return file


def run_node(folder: Path, script: str, *arguments: Path) -> None:
    """Run a script of page/test with the engine; it fails with what differs."""
    engine = bundled("src/engine/index.ts", folder)
    run("node", PAGE / "test" / script, engine, *arguments)


def run(*command: str | Path) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


if __name__ == "__main__":  # the cases alone, for a look with node
    os.makedirs(sys.argv[1], exist_ok=True)
    write_cases(Path(sys.argv[1]))
