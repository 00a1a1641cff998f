"""distributed.py: several processes take the steps of one, to the last bit where sums allow it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import battery
from kinds import each_kind
from makemore import MakeMore
from makemore.api.session import train_directory
from makemore.models.core import registry
from makemore.models.core.base import CountModel
from makemore.scoring.line_tensors import LineTensors
from makemore.text import Corpus, Vocabulary
from makemore.training import Step
from makemore.training.batch_norm import has_batch_norm
from makemore.training.batches import Batches, Part
from makemore.training.distributed import FlatTensors, SharedStep, serve
from makemore.training.gradients import gradients
from makemore.training.ranks import RankLost
from makemore.training.soft_targets import SoftTargets, make_soft_targets
from ranked import CASES, lines_of_case, options_of_case
from ranks import start_together

NETWORKS = [
    name
    for name in registry.model_names()
    if not issubclass(kind := registry.get_model(name), CountModel)
    and not kind.is_ensemble
    and not has_batch_norm(battery.build(kind, block_size=9))  # type: ignore[arg-type]
]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of all cases, each by two processes of one thread; all in one pair of processes."""
    folder = tmp_path_factory.mktemp("shared")
    program = [str(Path(__file__).resolve().parent.parent / "ranked.py")]
    both = start_together(folder, folder, program=program)
    assert both.wait() == [0, 0], both.err(0) + both.err(1)
    assert both.out(0) == both.out(1) == both.err(1) == ""
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("model", each_kind(CASES, ["transformer", "gru", "mlp"]))
def test_two_processes_take_the_steps_of_one(model: str, shared: Path, tmp_path: Path) -> None:
    events = train_directory(
        tmp_path / "one",
        lines_of_case(model),
        model=model,
        **{**options_of_case(model), "threads": 2},
    )
    losses = [float(event.loss) for event in events if isinstance(event, Step)]
    found = json.loads((shared / "losses.json").read_text())[model]
    assert len(losses) == 50 and losses[-1] < losses[0]
    np.testing.assert_allclose(found, losses, rtol=0, atol=1e-5)
    one, two = (MakeMore.load(path).model_ for path in (tmp_path / "one", shared / model))
    assert one is not None and two is not None
    for name, value in one.tensors().items():
        np.testing.assert_allclose(two.tensors()[name], value, rtol=0, atol=1e-4)
        if model in ("transformer", "lstm"):  # two parts of a batch, or one: one order of a sum
            assert (two.tensors()[name] == value).all() and found == losses


@pytest.mark.slow
def test_a_run_records_its_processes_and_their_threads(shared: Path) -> None:
    config = json.loads((shared / "gru/config.json").read_text())
    assert (config["ranks"], config["threads"], config["resolved"]["threads"]) == (2, 1, 1)


def parts_of(model: Any, size: int, threads: int, batch_size: int = 40) -> tuple[Any, list[Any]]:
    """The batches of a model whole, and those of each of `size` processes."""
    ids, offsets = battery.some_lines(model.vocab_size)
    lines = LineTensors(ids, offsets, model.input_kind, 9)
    shares = size * threads
    whole = Batches(lines, batch_size, 3, model.packs, shares)
    each = [
        Batches(lines, batch_size, 3, model.packs, shares, rank=rank, ranks=size)
        for rank in range(size)
    ]
    return whole, each


@pytest.mark.parametrize("model", ["mlp", "gru", "transformer"])
@pytest.mark.parametrize(("size", "threads"), [(2, 1), (3, 2), (8, 1)])
def test_processes_share_a_batch_among_them(
    model: str, size: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("makemore.training.batches.FEWEST_SHARED", 5)
    monkeypatch.setattr("makemore.training.batches.FEWEST_SYMBOLS", 60)
    whole, each = parts_of(battery.build(registry.get_model(model), block_size=9), size, threads)
    for step in range(whole.per_epoch):
        parts, groups = [batches(step) for batches in each], whole(step)
        numbers = [n for part in parts for n in part.numbers]
        assert sorted(numbers) == list(range(len(numbers))) and len(numbers) >= size
        symbols = sum(group.symbols for group in groups)
        assert {part.symbols for part in parts} == {symbols}
        assert sum(group.symbols for part in parts for group in part) == symbols
        # The same targets, whoever has them.
        one, other = (
            torch.cat([targets[targets >= 0] for _, targets in made]).sort().values
            for made in (groups, [group for part in parts for group in part])
        )
        assert torch.equal(one, other)
        for part in parts:
            assert len(part) <= -(-len(numbers) // (size * threads)) * threads


def test_neighbouring_groups_belong_to_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("makemore.training.batches.FEWEST_SHARED", 5)
    _, each = parts_of(battery.build(registry.get_model("transformer"), block_size=9), 2, 2)
    assert [batches(0).numbers[:2] for batches in each] == [[0, 1], [2, 3]]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("size", [2, 3])
def test_the_gradients_of_all_processes_add_up_to_those_of_one(name: str, size: int) -> None:
    model: Any = battery.build(registry.get_model(name), block_size=9)
    model.eval()  # without dropout, whose masks differ where windows are split
    whole, each = parts_of(model, size, 1)
    loss, symbols = gradients(model, whole(1), 3, 1)
    expected = [parameter.grad for parameter in model.parameters()]
    made = []
    for batches in each:
        part = gradients(model, batches(1), 3, 1)
        assert part[1] == symbols
        made.append((part[0], [parameter.grad for parameter in model.parameters()]))
    torch.testing.assert_close(sum(part for part, _ in made), loss)
    for grads, total in zip(zip(*(grads for _, grads in made), strict=True), expected, strict=True):
        present = [grad for grad in grads if grad is not None]
        assert (total is None) == (not present)
        if present:
            torch.testing.assert_close(torch.stack(present).sum(0), total)


def test_no_two_processes_draw_the_same_masks() -> None:
    """A group has its generator by its number, and windows have one by that of the process."""
    seen: list[float] = []
    for rank in range(3):
        part = Part([], [], 1, rank)
        model: Any = battery.build(registry.get_model("mlp"), block_size=9)
        part.append((torch.zeros(1, 9, dtype=torch.long), torch.zeros(1, dtype=torch.long)))  # type: ignore[arg-type]
        model.forward = lambda _: (seen.append(float(torch.rand(()))), model.head.bias[None])[1]  # noqa: B023
        gradients(model, part, 3, 1)
    assert len(set(seen)) == 3


class Alone:
    """Stands in for the connection: what rank 0 would get if the others had computed nothing."""

    rank, size, broken = 0, 2, False

    def __init__(self) -> None:
        self.sent: list[tuple[int, int]] = []

    def send(self, code: int, number: int = 0) -> None:
        self.sent.append((code, number))

    def broadcast(self, tensor: torch.Tensor) -> None: ...

    def reduce(self, tensor: torch.Tensor) -> None: ...


def test_a_parameter_that_nobody_uses_has_no_gradient() -> None:
    model: Any = battery.build(registry.get_model("gru"), block_size=9)
    first, *others = model.parameters()
    for parameter in others:
        parameter.grad = torch.full_like(parameter, 2.0)
    first.grad = None
    loss = FlatTensors(model).add_up(Alone(), torch.tensor(1.5))  # type: ignore[arg-type]
    assert loss == 1.5 and first.grad is None
    assert all((parameter.grad == 2).all() for parameter in others)


def test_a_step_that_fails_in_between_says_so() -> None:
    """The others wait for gradients then, so nothing else may be sent to them."""
    model: Any = battery.build(registry.get_model("mlp"), block_size=9)
    ranks: Any = Alone()
    step = SharedStep(model, [], SimpleNamespace(seed=1), None, ranks)  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        step.gradients([(None, None)], 7)  # type: ignore[list-item]
    assert ranks.broken and ranks.sent == [(2, 7)]


def test_soft_targets_are_made_again_of_their_tables() -> None:
    corpus = Corpus.exactly(["abba", "abab", "ba", "bab"])
    soft = make_soft_targets(corpus, Vocabulary.of([corpus]), 0.4, windows=False)
    assert soft is not None
    again = SoftTargets(*soft.tables(), windows=False)
    inputs = torch.tensor([[0, 1, 2, 2], [0, 2, 1, 1]])
    assert torch.equal(soft(inputs, inputs), again(inputs, inputs))


def test_a_process_that_waits_ends_with_rank_0() -> None:
    class Gone:
        def receive(self) -> tuple[int, int]:
            raise RankLost("one of the processes has ended")

    with pytest.raises(RankLost):
        serve(Gone())  # type: ignore[arg-type]
