"""What is measured inside a model: against the lecture's numbers, and against hand computations."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import battery
from conftest import Call
from kinds import each_kind
from makemore import MakeMore
from makemore.analysis.diagnostics import (
    SATURATED,
    Group,
    Watch,
    activations,
    embedding_of,
    lowest_loss,
    overfit_batch,
    parameters_of,
    updates,
)
from makemore.api import Plan
from makemore.errors import UsageError
from makemore.models.core import registry
from makemore.models.deep_mlp import DeepMLP
from makemore.options import make
from makemore.runs import Run, RunWriter
from makemore.scoring import nll
from makemore.scoring.line_tensors import LineTensors
from makemore.text import Corpus, train_val_test_split
from makemore.text.builtin_lists import builtin_names
from makemore.training import TrainingConfig, train_steps
from makemore.training.batches import Batches
from makemore.training.device import seeded
from makemore.training.optimizers import make_optimizers

NEURAL = [name for name in registry.model_names() if name not in ("ngram", "ensemble")]
LINES = builtin_names()[:400]
SGD = {"optimizer": "sgd", "learning_rate": 0.1, "schedule": "constant", "weight_decay": 0.0}


def begun(model: str, **asked: Any) -> MakeMore:
    maker = MakeMore(model)
    asked = {"max_steps": 20, "batch_size": 32, "threads": 1, "device": "cpu", **asked}
    maker.begin(Plan.make(model, asked, train_val_test_split(Corpus.from_lines(LINES)), "test"))
    return maker


def probe_of(maker: MakeMore) -> list[Group]:
    ids = maker.vocabulary.encode(maker.split.train).ids
    model = maker.model_
    lines = LineTensors(ids, maker.split.train.offsets, model.input_kind, model.block_size, "cpu")
    return Batches(lines, 64, 0)(0)


# -- the lecture's numbers ------------------------------------------------------------------------


class LectureNorm(nn.Module):
    """BatchNorm as in the lecture: the deviation of a batch is Bessel's; torch divides by n."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.weight, self.bias = norm.weight, norm.bias

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(0, keepdim=True)
        return self.weight * centred / torch.sqrt(x.var(0, keepdim=True) + 1e-5) + self.bias


class Lecture:
    """Part 3's deep network with its random numbers: names.txt, seed 42, generator 2147483647."""

    def __init__(self, names: Path) -> None:
        words = names.read_text(encoding="utf-8").split()
        random.Random(42).shuffle(words)
        number = {symbol: 1 + place for place, symbol in enumerate(sorted(set("".join(words))))}
        contexts, targets = [], []
        for word in words[: int(0.8 * len(words))]:
            context = [0] * 3
            for target in [*(number[symbol] for symbol in word), 0]:
                contexts.append(context)
                targets.append(target)
                context = [*context[1:], target]
        self.X, self.Y = torch.tensor(contexts), torch.tensor(targets)
        self.generator = torch.Generator().manual_seed(2147483647)
        table = torch.randn((27, 10), generator=self.generator)
        self.model = DeepMLP(27, 3, make(DeepMLP.Options, {"gain": 1.0}))
        with torch.no_grad():
            self.model.embedding.weight.copy_(table)
            for layer in [*self.model.layers, self.model.head]:
                fan_out, fan_in = layer.weight.shape
                drawn = torch.randn((fan_in, fan_out), generator=self.generator)
                layer.weight.copy_((drawn / fan_in**0.5).T)

    def batch(self, step: int) -> list[Group]:
        rows = torch.randint(0, len(self.X), (32,), generator=self.generator)
        self.last = [(self.X[rows], self.Y[rows])]
        return self.last


@pytest.mark.slow
@pytest.mark.parametrize("bessel", [True, False], ids=["lecture's BatchNorm", "torch's"])
def test_the_lectures_saturation_ratios_and_first_loss(names_file: Path, bessel: bool) -> None:
    lecture = Lecture(names_file)
    assert lecture.X.shape == (182_625, 3)
    model = lecture.model
    assert model.n_parameters == 47_024
    if bessel:
        model.norms = nn.ModuleList(LectureNorm(norm) for norm in model.norms)
        model.head_norm = LectureNorm(model.head_norm)
    recipe = make(TrainingConfig, {**SGD, "max_steps": 1001})
    events = train_steps(model, make_optimizers(model, recipe), lecture.batch, recipe)
    first = next(events)
    assert float(first.loss) == pytest.approx(3.2870, abs=1e-4 if bessel else 1e-2)
    for event in events:
        if event.step == 1000:
            break
    before = parameters_of(model)
    looked = activations(model, lecture.batch(1000))  # as it went into the step that comes now
    again = train_steps(model, make_optimizers(model, recipe), lambda _: lecture.last, recipe, 1000)
    next(again)
    shares = [100 * layer.saturated for layer in looked if layer.saturated is not None]
    assert shares == pytest.approx([2.78, 2.56, 2.25, 1.69, 1.88], abs=0.01 if bessel else 0.4)
    assert all(0.63 <= layer.std <= 0.66 for layer in looked)
    # grad:data of the embedding, the hidden layers and the head (part 3's list)
    ratios = [10 ** found["gradient"] for found in updates(model, before).values()]
    wanted = [8.0e-3, 4.9e-2, 7.0e-2, 6.1e-2, 5.6e-2, 5.6e-2, 1.2e-1]
    assert ratios == pytest.approx(wanted, rel=0.08 if bessel else 0.15)


def test_unfixed_initialisation_starts_near_27_and_the_fixed_one_at_log_v(names_file: Path) -> None:
    maker = MakeMore("mlp")
    parts = train_val_test_split(Corpus.read(str(names_file)))
    unfixed = {"gain": 30**0.5, "head_scale": 1.0}
    for asked, wanted, within in ((unfixed, 27.0, 2.0), ({}, math.log(27), 0.03)):
        maker.begin(Plan.make("mlp", {**asked, "device": "cpu", "threads": 1}, parts, "names"))
        assert maker.report("val")["nll"] == pytest.approx(wanted, abs=within)


# -- updates --------------------------------------------------------------------------------------


def stepped(maker: MakeMore) -> tuple[Any, dict[str, Tensor]]:
    """The model after its first step, and its parameters before."""
    model, recipe, batch = maker.model_, maker.plan_.recipe, probe_of(maker)
    before = parameters_of(model)
    next(train_steps(model, make_optimizers(model, recipe), lambda _: batch, recipe))
    return model, before


@pytest.mark.parametrize("name", each_kind(NEURAL))
def test_an_sgd_update_is_the_rate_times_the_gradient(name: str) -> None:
    model, before = stepped(begun(name, **SGD))
    for ratios in updates(model, before).values():
        if ratios["gradient"] is not None and ratios["gradient"] > -5:  # not rounding alone
            assert ratios["update"] == pytest.approx(ratios["gradient"] - 1, abs=2e-3)


def test_an_update_is_after_minus_before_whatever_the_optimizer() -> None:
    model, before = stepped(begun("mlp", optimizer="muon"))
    found = updates(model, before)
    assert set(found) == {"embedding.weight", "hidden.weight", "head.weight"}
    after = model.hidden.weight.detach().double().numpy()
    start = before["hidden.weight"].double().numpy()
    by_hand = np.log10((after - start).std(ddof=1) / start.std(ddof=1))
    assert found["hidden.weight"]["update"] == pytest.approx(by_hand, abs=1e-3)
    model.zero_grad()
    assert updates(model, before)["hidden.weight"]["gradient"] is None
    assert updates(model, parameters_of(model))["hidden.weight"]["update"] is None  # not moved


# -- activations ----------------------------------------------------------------------------------

FUNCTIONS = {
    "bigram": [], "bow": ["tanh"], "mlp": ["tanh"], "deep_mlp": ["tanh"] * 5, "rnn": ["rnn_tanh"],
    "gru": ["gru"], "lstm": ["lstm"], "transformer": ["gelu"] * 4,
    "wavenet": ["tanh", "sigmoid"] * 4 + ["relu"] * 2,
}  # fmt: skip


@pytest.mark.parametrize("name", each_kind(NEURAL))
def test_every_nonlinearity_is_found_and_nothing_is_changed(name: str) -> None:
    maker = begun(name)
    model, batch = maker.model_, probe_of(maker)
    for inputs, targets in batch:
        nll(model.train()(inputs), targets).backward()
    gradients = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    weights, modes = model.tensors(), [module.training for module in model.modules()]
    found = activations(model, batch)
    assert [layer.function for layer in found] == FUNCTIONS[name]
    assert all(np.array_equal(weights[k], value) for k, value in model.tensors().items())
    assert [module.training for module in model.modules()] == modes
    for n, parameter in model.named_parameters():
        if n in gradients:
            assert parameter.grad is not None and torch.equal(parameter.grad, gradients[n])
    assert all(not module._forward_hooks for module in model.modules())
    for layer in found:
        assert sum(layer.counts) == sum(layer.gradient_counts) > 0
        assert len(layer.edges) == len(layer.counts) + 1
        assert layer.gradient > 0 and layer.std > 0


def test_saturation_and_dead_units_by_hand() -> None:
    maker = begun("mlp", n_hidden=20)
    model = maker.model_
    with torch.no_grad():
        model.hidden.weight.mul_(3)
        model.hidden.bias[:5] = 50.0  # five of twenty are dead
    (inputs, targets), *_ = batch = probe_of(maker)
    (layer,) = activations(model, batch)
    tensors = model.tensors()
    x = tensors["embedding.weight"][inputs.numpy()].reshape(len(inputs), -1)
    h = np.tanh(x @ tensors["hidden.weight"].T + tensors["hidden.bias"])
    assert layer.saturated == pytest.approx((np.abs(h) > SATURATED).mean(), abs=1e-3)
    assert layer.dead == 0.25
    assert layer.mean == pytest.approx(h.mean(), abs=1e-4)
    assert layer.std == pytest.approx(h.std(ddof=1), abs=1e-4)
    logits = h @ tensors["head.weight"].T + tensors["head.bias"]
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    p[np.arange(len(p)), targets.numpy()] -= 1
    gradient = p @ tensors["head.weight"] / len(p)  # d loss / d h
    assert layer.gradient == pytest.approx(gradient.std(ddof=1), rel=1e-3)


def test_a_dead_relu_is_counted_and_padding_is_not() -> None:
    maker = begun("wavenet", n_embd=8, n_skip=16, dropout=0.0)
    model = maker.model_
    with torch.no_grad():
        model.hidden.bias[:4] = -1000.0
    last = activations(model, probe_of(maker))[-1]
    assert last.function == "relu" and last.saturated is None
    assert last.dead >= 0.25
    maker = begun("rnn", n_hidden=8, n_embd=8)
    model = maker.model_
    group = max(probe_of(maker), key=lambda group: group[0].numel())
    (layer,) = activations(model, [group])
    assert sum(layer.counts) == 8 * int((group[1] >= 0).sum()) < 8 * group[1].numel()


@pytest.mark.parametrize("name", each_kind(NEURAL))
def test_the_table_of_symbols(name: str) -> None:
    model = battery.build(registry.get_model(name))
    own = "table.weight" if name == "bigram" else "embedding.weight"
    assert np.array_equal(embedding_of(model), model.tensors()[own].astype(np.float64))
    for other in ("ngram", "ensemble"):
        assert embedding_of(battery.build(registry.get_model(other))) is None


# -- watching a training --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["deep_mlp", "transformer", "bigram"])
def test_a_watched_training_ends_with_the_same_weights(name: str) -> None:
    weights, entries = [], []
    small = {"n_layer": 1} if name != "bigram" else {}
    for watching in (False, True):
        maker = begun(name, eval_interval=10, **small)
        watch = Watch.of(maker) if watching else None
        for event in maker.training():
            entries += list(watch.see(event)) if watch else []
        weights.append(maker.model_.tensors())
    assert all(np.array_equal(weights[0][key], weights[1][key]) for key in weights[0])
    kinds = [entry["kind"] for entry in entries]
    assert kinds.count("update") == 20  # every step of so few
    assert kinds.count("activations") == kinds.count("embedding") == 3
    assert [e["step"] for e in entries if e["kind"] == "activations"] == [0, 10, 20]
    json.dumps(entries, allow_nan=False)
    shown = next(entry for entry in entries if entry["kind"] == "embedding")
    assert shown["symbols"][0] == "." and len(shown["symbols"]) == len(shown["vectors"])


def test_about_a_hundred_updates_are_kept_and_at_most_100_symbols() -> None:
    lines = [chr(0x4E00 + a) + chr(0x4E00 + (7 * a) % 150) for a in range(150)]
    maker = MakeMore("bigram")
    asked = {"max_steps": 230, "batch_size": 8, "threads": 1, "device": "cpu"}
    maker.begin(Plan.make("bigram", asked, train_val_test_split(Corpus.from_lines(lines)), "test"))
    watch = Watch.of(maker)
    entries = [entry for event in maker.training() for entry in watch.see(event)]
    steps = [entry["step"] for entry in entries if entry["kind"] == "update"]
    assert steps == [1, *range(2, 231, 2)]
    table = next(entry for entry in entries if entry["kind"] == "embedding")
    assert len(table["symbols"]) == 101


def test_a_model_of_counts_has_nothing_to_watch(call: Call, tmp_path: Path) -> None:
    assert Watch.of(begun("ngram")) is None
    (tmp_path / "list.txt").write_text("\n".join(LINES), encoding="utf-8")
    done = call("train", "list.txt", "-o", "run", "--model", "ngram", "--watch")
    assert done.returncode == 0 and "nothing to watch" in done.stderr
    assert not (tmp_path / "run" / "diagnostics.jsonl").exists()


FEW = ("--threads", "1", "--device", "cpu", "--batch-size", "16", "--eval-interval", "5")


def test_train_watch_writes_its_log_and_the_run_stays_whole(call: Call, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("\n".join(LINES), encoding="utf-8")
    train = ("train", "list.txt", "--model", "mlp", "--max-steps", "10", *FEW)
    assert call(*train, "-o", "a", "--watch").returncode == 0
    assert call(*train, "-o", "b").returncode == 0
    log = (tmp_path / "a" / "diagnostics.jsonl").read_text(encoding="utf-8")
    kinds = [json.loads(line)["kind"] for line in log.splitlines()]
    assert kinds.count("update") == 10 and kinds.count("activations") == 3
    assert not (tmp_path / "b" / "diagnostics.jsonl").exists()
    weights = [Run.load(tmp_path / name).weights for name in "ab"]
    assert all(np.array_equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert call("verify", "a").returncode == 0
    assert call(*train, "-o", "a").returncode == 0  # --watch does not name the run
    assert call(*train, "-o", "a", "--fresh").returncode == 0
    assert not (tmp_path / "a" / "diagnostics.jsonl").exists()


def test_the_log_is_cut_to_what_was_committed(tmp_path: Path) -> None:
    maker = begun("bigram", max_steps=1)
    plan = maker.plan_
    progress = {"step": 0, "best_step": 0, "best_val": None, "waited": 0, "finished": False}
    with RunWriter(tmp_path / "run") as writer:
        writer.create(plan.config, plan.vocabulary, plan.split)
        writer.log("diagnostics.jsonl", "kept")
        writer.save(progress, maker.model_.tensors(), {})
        writer.log("diagnostics.jsonl", "lost")
    with RunWriter(tmp_path / "run") as writer:
        writer.resume()
        assert (tmp_path / "run" / "diagnostics.jsonl").read_text() == "kept\n"


# -- one batch by heart ---------------------------------------------------------------------------


def test_the_lowest_loss_by_hand() -> None:
    ignored = -1
    window = torch.tensor([[0, 0], [0, 0], [0, 0], [0, 1]])
    assert lowest_loss([(window, torch.tensor([1, 1, 2, 2]))]) == pytest.approx(
        (2 * math.log(3 / 2) + math.log(3)) / 4
    )
    rows = torch.tensor([[0, 1, 0], [0, 1, 2]])
    targets = torch.tensor([[1, 0, ignored], [1, 2, 0]])  # lines "1" and "12"
    assert lowest_loss([(rows, targets)]) == pytest.approx(2 * math.log(2) / 5)
    packed = torch.tensor([[0, 1, 0, 1, 2, 0]])  # the same lines in one row, and a place to spare
    answers = torch.tensor([[1, 0, 1, 2, 0, ignored]])
    assert lowest_loss([(packed, answers)]) == pytest.approx(2 * math.log(2) / 5)


@pytest.mark.parametrize("name", each_kind(["mlp", "transformer", "gru"], ["mlp"]))
def test_a_batch_is_learned_by_heart(name: str) -> None:
    small = {} if name == "mlp" else {"dropout": 0.0, "n_embd": 32}
    maker = begun(name, **small, learning_rate=0.01)
    with seeded(0):
        seen = list(overfit_batch(maker, 150))
    (_, first, _), (step, last, lowest) = seen[0], seen[-1]
    assert step == 150 and first == pytest.approx(math.log(len(maker.vocabulary)), abs=0.2)
    assert lowest <= last < lowest + 0.15


def test_overfit_batch_makes_no_run(call: Call, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("\n".join(LINES), encoding="utf-8")
    given = ("train", "list.txt", "--overfit-batch", "--threads", "1", "--device", "cpu")
    done = call(*given, "--model", "mlp", "--max-steps", "200")
    assert done.returncode == 0 and "It learns a batch by heart" in done.stdout
    done = call(*given, "--model", "bigram", "--max-steps", "20")
    assert done.returncode == 0 and "does not learn a batch by heart" in done.stdout
    done = call(*given, "--model", "ngram")
    assert done.returncode == 2 and "does not learn by steps" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["list.txt"]
    with pytest.raises(UsageError):
        next(overfit_batch(MakeMore("mlp"), 5))  # nothing was begun
