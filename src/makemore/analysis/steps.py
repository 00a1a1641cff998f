"""Steps: what a forward pass computes from embedding to logits, in the words of the papers.

A trace lists calls of torch, with the views and copies in between and, for a transformer, those
that pack several lines into one row. Here each call that a paper has a symbol for gets a line:

    weights = softmax(scores): how much of each value, each row adds up to 1

The words stand here and not in a model's file, which stays as short as its idea.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from makemore.analysis.trace import Call, Trace, traced

# Functions that move numbers or make the mask of packed lines: no step, if no words name them.
HIDDEN = frozenset(
    "view permute reshape unbind transpose contiguous getitem chunk stack pad cat arange "
    "eq ge or fill where cummax max le and sub repeat_interleave".split()
)


@dataclass(frozen=True)
class Named:
    """Holds what one step computes, before its dimensions have names.

    what: `name = formula: words`; part: the part of the model, such as `block 1 of 4`
    input: of a cell, the number of the input that it reads, from 1 on
    """

    part: str
    what: str
    module: str
    function: str
    output: Tensor
    input: int | None = None


@dataclass(frozen=True)
class Words:
    """Says what a call is called. pick: selects or reshapes what its output holds of the step."""

    part: str
    what: str
    pick: Callable[[Tensor], Tensor] = lambda output: output


# The words of each call, under `module function` and how often it came: `blocks.0 add 2`. A call
# may hold several steps (q, k and v), or none (()).
CallWords = Mapping[str, tuple[Words, ...]]


def all_calls(model: Any, inputs: Tensor) -> list[Named]:
    """Run a pass and list every call of a torch function up to the logits, named as in the code."""
    logits, calls = traced(model, inputs)
    # What comes after the logits is the next state.
    ends = [index for index, call in enumerate(calls) if call.output is logits]
    calls = calls[: ends[-1] + 1] if ends else [*calls, Call("", "logits", logits)]
    return [Named("", call.name, call.module, call.function, call.output) for call in calls]


def named_steps(model: Any, inputs: Tensor) -> list[Named]:
    """Run a pass and list its steps as the papers have them; of a model of a plugin, all calls."""
    if model.name in CELLS:
        return _recurrent(model, inputs)
    calls = all_calls(model, inputs)
    if model.name not in WORDS:
        return calls
    words, seen, steps = WORDS[model.name](model), Counter[str](), list[Named]()
    for call in calls:
        seen[call.what] += 1
        found = words.get(f"{call.what} {seen[call.what]}")
        if found is None:
            # What has no words yet is shown by its name, so that nothing is missing unseen.
            steps += [] if call.function in HIDDEN else [call]
            continue
        steps += [
            Named(each.part, each.what, call.module, call.function, each.pick(call.output))
            for each in found
        ]
    return steps


# -- networks of one pass -------------------------------------------------------------------------


def _bigram(model: Any) -> CallWords:
    return {"table embedding 1": (Words("table", "logits = the row of the table for each id"),)}


def _mlp(model: Any) -> CallWords:
    before = "norm" if model.options.batch_norm else "preact"
    return {
        "embedding embedding 1": (Words("embedding", "emb = embedding of each id"),),
        "flatten 1": (Words("embedding", "flat = the embeddings side by side"),),
        "hidden linear 1": (Words("hidden layer", "preact = linear(flat)"),),
        "norm batch_norm 1": (Words("hidden layer", "norm = batch norm(preact)"),),
        "tanh 1": (Words("hidden layer", f"h = tanh({before})"),),
        "head linear 1": (Words("head", "logits = linear(h)"),),
    }


def _deep_mlp(model: Any) -> CallWords:
    depth, norms = model.options.n_layer, model.options.batch_norm
    words: dict[str, tuple[Words, ...]] = {
        "embedding embedding 1": (Words("embedding", "emb = embedding of each id"),),
        "flatten 1": (Words("embedding", "flat = the embeddings side by side"),),
        "head linear 1": (Words("head", "out = linear(h)" if norms else "logits = linear(h)"),),
        "head_norm batch_norm 1": (Words("head", "logits = batch norm(out)"),),
    }
    for layer in range(depth):
        part = f"layer {layer + 1} of {depth}"
        reads = "h" if layer else "flat"
        words |= {
            f"layers.{layer} linear 1": (Words(part, f"preact = linear({reads})"),),
            f"norms.{layer} batch_norm 1": (Words(part, "norm = batch norm(preact)"),),
            f"tanh {layer + 1}": (Words(part, f"h = tanh({'norm' if norms else 'preact'})"),),
        }
    return words


def _bow(model: Any) -> CallWords:
    return {
        "embedding embedding 1": (Words("embedding", "tok = embedding of each id"),),
        "position embedding 1": (Words("embedding", "pos = embedding of each position"),),
        "add 1": (Words("embedding", "emb = tok + pos"),),
        "cumsum 1": (Words("bag of words", "total = sum of emb up to each position"),),
        "div 1": (Words("bag of words", "mean = total / number of positions up to there"),),
        "add 2": (),  # positions are counted from 1
        "add 3": (Words("bag of words", "stream = emb + mean"),),
        "hidden linear 1": (Words("MLP", "preact = linear(stream)"),),
        "tanh 1": (Words("MLP", "h = tanh(preact)"),),
        "project linear 1": (Words("MLP", "out = linear(h)"),),
        "add 4": (Words("MLP", "stream = stream + out: the residual"),),
        "head linear 1": (Words("head", "logits = linear(stream)"),),
    }


def _wavenet(model: Any) -> CallWords:
    words: dict[str, tuple[Words, ...]] = {
        "embedding embedding 1": (Words("embedding", "stream = embedding of each id"),),
        "sum 1": (Words("head", "total = the skips of all layers, added"),),
        "relu 1": (Words("head", "act = relu(total)"),),
        "hidden linear 1": (Words("head", "preact = linear(act)"),),
        "relu 2": (Words("head", "h = relu(preact)"),),
        "head linear 1": (Words("head", "logits = linear(h)"),),
    }
    for index, dilation in enumerate(model.dilations):
        part = f"layer {index + 1} of {len(model.dilations)}, dilation {dilation}"
        back = "1 position" if dilation == 1 else f"{dilation} positions"
        layer, last = f"layers.{index}", index == len(model.dilations) - 1
        past = f"past = stream, {back} before; 0 before the start"
        words |= {
            f"getitem {index + 1}": (Words(part, past),),
            f"{layer}.gated linear 1": (Words(part, "both = linear(past, stream)"),),
            f"{layer} tanh 1": (Words(part, "value = tanh(first half of both)"),),
            f"{layer} sigmoid 1": (Words(part, "gate = sigmoid(second half of both)"),),
            f"{layer} mul 1": (Words(part, "z = value * gate"),),
            f"{layer}.residual linear 1": (Words(part, "out = linear(z)"),),
            # Nothing reads the stream after the last layer.
            f"{layer} add 1": () if last else (Words(part, "stream = stream + out: the residual"),),
            f"{layer}.skip linear 1": (Words(part, "skip = linear(z): for the head"),),
        }
    return words


def _transformer(model: Any) -> CallWords:
    words: dict[str, tuple[Words, ...]] = {
        "embedding embedding 1": (Words("embedding", "tok = embedding of each id"),),
        "position embedding 1": (Words("embedding", "pos = embedding of each position"),),
        "add 1": (Words("embedding", "stream = tok + pos"),),
        "norm layer_norm 1": (Words("head", "norm = layer norm(stream)"),),
        "head linear 1": (Words("head", "logits = linear(norm)"),),
    }
    for index, _ in enumerate(model.blocks):
        part = f"block {index + 1} of {len(model.blocks)}"
        words |= _block(f"blocks.{index}", part, model.options.n_head)
    return words


def _block(name: str, part: str, n_head: int) -> dict[str, tuple[Words, ...]]:
    """Name the calls of a transformer's block, as Vaswani et al. 2017 do in section 3.2."""

    def of_each(index: int) -> Callable[[Tensor], Tensor]:
        # (B, T, 3, n_head, D) -> (B, n_head, T, D)
        return lambda qkv: qkv.permute(2, 0, 3, 1, 4)[index]

    def heads(each: Tensor) -> Tensor:
        return each.reshape(
            -1, n_head, *each.shape[1:]
        )  # (B * n_head, T, ..) -> (B, n_head, T, ..)

    return {
        f"{name}.norm_1 layer_norm 1": (Words(part, "norm = layer norm(stream)"),),
        f"{name}.attend linear 1": (),  # q, k and v in one product; their view has them apart
        f"{name} view 1": (
            Words(part, "q = linear(norm): queries, what a position looks for", of_each(0)),
            Words(part, "k = linear(norm): keys, what a position offers", of_each(1)),
            Words(part, "v = linear(norm): values, what it passes on", of_each(2)),
        ),
        f"{name} baddbmm 1": (
            Words(part, "scores = q @ k.T / sqrt(D): masked, -inf for what comes later", heads),
        ),
        f"{name} softmax 1": (Words(part, "weights = softmax(scores): a row adds up to 1", heads),),
        f"{name} bmm 1": (Words(part, "mix = weights @ v: the average of the values", heads),),
        f"{name} reshape 2": (Words(part, "joined = the mixes of all heads side by side"),),
        f"{name}.project linear 1": (Words(part, "out = linear(joined)"),),
        f"{name} add 1": (Words(part, "stream = stream + out: the residual"),),
        f"{name}.norm_2 layer_norm 1": (Words(part, "norm = layer norm(stream)"),),
        f"{name}.widen linear 1": (Words(part, "wide = linear(norm): the MLP, 4 times as wide"),),
        f"{name} gelu 1": (Words(part, "act = gelu(wide)"),),
        f"{name}.narrow linear 1": (Words(part, "out = linear(act)"),),
        f"{name} add 2": (Words(part, "stream = stream + out: the residual"),),
    }


WORDS: dict[str, Callable[[Any], CallWords]] = {
    "bigram": _bigram, "mlp": _mlp, "deep_mlp": _deep_mlp, "bow": _bow, "wavenet": _wavenet,
    "transformer": _transformer,
}  # fmt: skip


# -- recurrent cells ------------------------------------------------------------------------------

# torch computes a whole line of cells in one call. `cell` in the model's file has their formulas:
# which of its calls, by function and number (from 0; -1 is the last), is which gate.
CELLS: dict[str, tuple[tuple[str, int, str], ...]] = {
    "rnn": (("tanh", 0, "h = tanh(linear(emb, h)): the new state"),),
    "gru": (
        ("sigmoid", 0, "r = sigmoid(linear(emb, h)): reset gate"),
        ("sigmoid", 1, "z = sigmoid(linear(emb, h)): update gate"),
        ("tanh", 0, "n = tanh(linear(emb) + r * linear(h)): candidate"),
        ("add", -1, "h = (1 - z) * n + z * h: the new state"),
    ),
    "lstm": (
        ("sigmoid", 1, "i = sigmoid(linear(emb, h)): input gate"),
        ("sigmoid", 0, "f = sigmoid(linear(emb, h)): forget gate"),
        ("tanh", 0, "g = tanh(linear(emb, h)): candidate"),
        ("sigmoid", 2, "o = sigmoid(linear(emb, h)): output gate"),
        ("add", -1, "c = f * c + i * g: the new cell"),
        ("mul", -1, "h = o * tanh(c): the new state"),
    ),
}


def _recurrent(model: Any, inputs: Tensor) -> list[Named]:
    """List the gates of each cell for inputs (B, T), one input at a time, then the logits."""
    start, depth = model.initial_state(len(inputs)), model.options.n_layer
    parts = start if isinstance(start, tuple) else (start,)  # (B, n_layer, n_hidden) each
    of_layer = [f", layer {layer + 1} of {depth}" if depth > 1 else "" for layer in range(depth)]
    layers = [tuple(part[:, layer] for part in parts) for layer in range(depth)]
    steps = [
        Named(f"start{said}", f"{name} = learned start", "", "expand", value)
        for said, state in zip(of_layer, layers, strict=True)
        for name, value in zip("hc", state, strict=False)
    ]
    with Trace(model) as trace:
        embedded = model.embedding(inputs)  # (B, T, n_embd)
        for number, x in enumerate(embedded.unbind(1), 1):
            part, what = f"input {number} of {inputs.shape[1]}", "emb = embedding of the input"
            steps.append(Named(part + of_layer[0], what, "embedding", "embedding", x, number))
            for layer, said in enumerate(of_layer):
                layers[layer], gates = _cell(trace, x, layers[layer], layer)
                x = layers[layer][0]  # (B, n_hidden): h is what the next layer reads
                steps += [
                    Named(part + said, what, f"cells.{layer}", function, value, number)
                    for what, function, value in gates
                ]
        logits = model.head(layers[-1][0])  # (B, V)
    return [*steps, Named("head", "logits = linear(h)", "head", "linear", logits)]


def _cell(
    trace: Trace, x: Tensor, state: tuple[Tensor, ...], layer: int
) -> tuple[tuple[Tensor, ...], list[tuple[str, str, Tensor]]]:
    """Compute a cell: its new state, and what, function and value of each of its gates."""
    model: Any = trace.model
    before = len(trace.calls)
    with trace.inside(f"cells.{layer}"):
        after = model.cell(x, state if len(state) > 1 else state[0], layer)
    gates = []
    for function, number, words in CELLS[model.name]:
        values = [call.output for call in trace.calls[before:] if call.function == function]
        # Above the first layer a cell reads the state of the layer below it.
        what = words.replace("emb", "h below") if layer else words
        gates.append((what, function, values[number]))
    return after if isinstance(after, tuple) else (after,), gates
