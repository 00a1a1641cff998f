"""cuda_graphs.py: replayed steps are those that are taken operation by operation, to the last bit.

Without a card the recorder is a tape of torch's operations (tape.py), which knows no more of a step
than a CUDA graph does.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import battery
from kinds import each_kind
from makemore.models.core import registry
from makemore.options import make, options_of
from makemore.scoring.line_tensors import LineTensors
from makemore.text.corpus import Corpus
from makemore.text.vocabulary import Vocabulary
from makemore.training import cuda_graphs
from makemore.training.batches import Batches
from makemore.training.config import TrainingConfig
from makemore.training.cuda_graphs import MAX_GRAPHS, CapturedStep, CudaRecorder
from makemore.training.events import Step
from makemore.training.optimizers import make_optimizers
from makemore.training.soft_targets import make_soft_targets
from makemore.training.step import EagerStep
from makemore.training.trainer import train_steps
from tape import TapeRecorder

LEARNERS = [
    name for name in registry.model_names() if battery.by_gradients(registry.get_model(name))
]
BLOCK = 24  # as long as a packed row, of which a CPU is asked for its longest line


class Unrecorded(TapeRecorder):
    """Runs every step operation by operation: a recorder that takes no recordings."""

    def record(self, body: Callable[[], Tensor]) -> Any:
        raise RuntimeError("no recordings")


class Training:
    """A training whose steps are recorded, or taken eagerly: its step, and what its batches are."""

    def __init__(
        self,
        name: str,
        recorder: TapeRecorder | None,
        *,
        lines: int = 60,
        batch: int = 20,
        padded: bool = True,
        labels: bool = False,
        soft: bool = True,
        device: str = "cpu",
        options: dict[str, Any] | None = None,
        **asked: Any,
    ) -> None:
        kind = registry.get_model(name)
        known = options_of(kind.Options)
        usual = {k: v for k, v in {"dropout": 0.25, "batch_norm": True}.items() if k in known}
        chance = np.random.default_rng(1)
        words = ["".join(chance.choice(list("abcdefgh"), n)) for n in chance.integers(1, 15, lines)]
        names = [f"{number % 3}" for number in range(lines)] if labels else None
        corpus = Corpus.exactly(words, names)
        vocabulary = Vocabulary.of([corpus])
        block = 4 if kind.input_kind == "window" else BLOCK
        self.model: Any = battery.build(kind, len(vocabulary), block, **usual | (options or {}))
        if labels:
            self.model.add_labels(3)
        self.model.to(device)
        text = vocabulary.encode(corpus)
        read = LineTensors(
            text.ids, text.offsets, kind.input_kind, self.model.block_size, device,
            vocabulary.encode_labels(corpus),
        )  # fmt: skip
        windows = kind.input_kind == "window"
        self.soft = make_soft_targets(corpus, vocabulary, 0.5, windows, device) if soft else None
        # Rates that float32 holds exactly, as the tensors of a captured step do.
        rates = {"learning_rate": 2**-7, "muon_learning_rate": 2**-5, "max_steps": 8}
        self.recipe = make(
            TrainingConfig, {**rates, "grad_clip": 0.5, "weight_decay": 0.125, **asked}
        )
        self.batches = Batches(read, batch, 0, kind.packs, padded=padded)
        self.optimizers = make_optimizers(self.model, self.recipe)
        self.recorder = recorder
        make_step: Any = EagerStep if recorder is None else CapturedStep
        more = () if recorder is None else (recorder,)
        self.step = make_step(self.model, self.optimizers, self.recipe, self.soft, *more)

    def run(self, start: int = 0) -> list[Step]:
        return list(
            train_steps(
                self.model, self.optimizers, self.batches, self.recipe, start,
                take_step=self.step,
            )
        )  # fmt: skip

    def tensors(self) -> list[Tensor]:
        """All that a step changes: parameters, buffers, gradients, what optimizers remember."""
        memory = [
            part
            for optimizer in self.optimizers
            for parameter in self.model.parameters()
            for part in optimizer.state.get(parameter, {}).values()
        ]
        grads = [parameter.grad for parameter in self.model.parameters()]
        return [*self.model.state_dict().values(), *grads, *memory]


class Elsewhere(TorchDispatchMode):
    """Counts operations inside `with`, and refuses one that makes a tensor on the CPU."""

    operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.operations += 1
        if func is torch.ops.aten._fused_adamw_.tensor_lr:  # which has no such form
            assert kwargs["lr"].device.type == "meta"
            return None
        made = func(*args, **(kwargs or {}))
        assert not isinstance(made, Tensor) or made.device.type == "meta", func
        return made


def assert_same_bits(one: Training, two: Training) -> None:
    for first, second in zip(one.tensors(), two.tensors(), strict=True):
        assert torch.equal(first, second)


def unrecorded(name: str, **asked: Any) -> Training:
    training = Training(name, Unrecorded(), **asked)
    training.step.works = False  # without the warning
    return training


# -- a replayed step ------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [False, True], ids=["", "labels"])
@pytest.mark.parametrize("name", LEARNERS)
def test_replayed_steps_are_eager_steps_to_the_last_bit(name: str, labels: bool) -> None:
    """Dropout, soft targets, clipping, both optimizers; and the host waits for no operation."""
    replayed, eager = Training(name, TapeRecorder(), labels=labels), unrecorded(name, labels=labels)
    losses = [[event.loss for event in training.run()] for training in (replayed, eager)]
    assert replayed.recorder.replays >= 3 and replayed.recorder.records >= 1
    assert replayed.recorder.runs + replayed.recorder.replays == 8 == eager.recorder.runs
    assert [loss.item() for loss in losses[0]] == [loss.item() for loss in losses[1]]
    assert len({loss.item() for loss in losses[0]}) == 8
    assert_same_bits(replayed, eager)


@pytest.mark.parametrize("labels", [False, True], ids=["", "labels"])
@pytest.mark.parametrize("name", LEARNERS)
def test_a_batch_and_its_gradients_leave_the_device_alone(name: str, labels: bool) -> None:
    """On a device without numbers to read one, or to mix it with the host's tensors, would fail."""
    training = Training(name, TapeRecorder(), labels=labels, device="meta", lines=300, batch=100)
    for step in range(2):
        groups = training.batches(step)
        with Elsewhere() as made:
            loss = training.step._body(groups)
        assert made.operations > 20 and loss.device.type == "meta" and not loss.shape
    parameters = [*training.model.parameters()]
    assert all(parameter.grad.device.type == "meta" for parameter in parameters)


@pytest.mark.parametrize(
    "asked",
    [
        {"optimizer": "sgd"},
        {"optimizer": "sgd", "momentum": 0.75},
        {"optimizer": "adamw", "schedule": "cosine", "warmup_steps": 3},
        {"optimizer": "muon", "muon_row_momentum": 0.75},
    ],
)
def test_every_optimizer_is_replayed_with_the_rate_of_its_step(asked: dict[str, Any]) -> None:
    for soft in (False, True):
        replayed = Training("transformer", TapeRecorder(), soft=soft, grad_clip=None, **asked)
        eager = unrecorded("transformer", soft=soft, grad_clip=None, **asked)
        events = replayed.run()
        assert [e.loss.item() for e in events] == [e.loss.item() for e in eager.run()]
        assert len({event.learning_rate for event in events}) > 5
        assert_same_bits(replayed, eager)


@pytest.mark.parametrize("name", each_kind(LEARNERS, ("mlp", "gru", "transformer")))
def test_a_captured_step_is_the_step_of_a_cpu(name: str) -> None:
    """On the same unpadded batches, up to rounding; masks of dropout come from elsewhere there."""
    off = {"dropout": 0.0} if "dropout" in options_of(registry.get_model(name).Options) else {}
    captured = Training(name, TapeRecorder(), padded=False, options=off)
    eager = Training(name, None, padded=False, options=off)
    for one, two in zip(captured.run(), eager.run(), strict=True):
        assert (one.step, one.learning_rate, one.symbols) == (
            two.step,
            two.learning_rate,
            two.symbols,
        )
        torch.testing.assert_close(one.loss, two.loss, rtol=1e-5, atol=1e-6)
    for first, second in zip(captured.tensors(), eager.tensors(), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "name", each_kind(sorted({*LEARNERS} - {"mlp", "deep_mlp"}), ("gru", "transformer"))
)
def test_padding_changes_no_number(name: str) -> None:
    """One padded group has the loss and the gradients of the groups of a CPU, up to rounding."""
    off = {"dropout": 0.0} if "dropout" in options_of(registry.get_model(name).Options) else {}
    found = []
    for padded in (False, True):
        training = Training(name, Unrecorded(), padded=padded, options=off, lines=500, batch=300)
        training.step.works = False
        groups = training.batches(0)
        loss, symbols = training.step(groups, 0, 0.0)  # a rate of 0: the weights stay
        positions = sum(targets.numel() for _, targets in groups)
        grads = [parameter.grad for parameter in training.model.parameters()]
        found.append((loss, symbols, grads, positions))
    (loss, symbols, grads, positions), (again, counted, padded_grads, more) = found
    assert counted == symbols and more > positions
    torch.testing.assert_close(again, loss, rtol=1e-6, atol=1e-6)
    for one, two in zip(grads, padded_grads, strict=True):
        torch.testing.assert_close(two, one, rtol=1e-4, atol=1e-6)


def test_losses_and_batches_stay_as_they_were() -> None:
    """The next replay writes over the recording's loss and buffers, not over what was given out."""
    training, losses, seen = Training("gru", TapeRecorder(), max_steps=12), [], []
    for event in training.run():
        losses.append((event.loss, event.loss.item()))
    assert all(loss.item() == number for loss, number in losses)
    for step in range(3):
        groups = training.batches(step)
        copies = [part.clone() for group in groups for part in group]
        training.step(groups, step, 1.0)
        seen.append([torch.equal(a, b) for a, b in zip(copies, sum(groups, ()), strict=True)])
    assert all(map(all, seen))


def test_gradients_are_those_of_the_last_batch_whatever_its_shape() -> None:
    training = Training(
        "gru", TapeRecorder(), options={"dropout": 0.0}, soft=False, grad_clip=None, max_steps=12,
        batch=4,
    )  # fmt: skip
    model, shapes = training.model, set()
    events = train_steps(
        model, training.optimizers, training.batches, training.recipe, take_step=training.step
    )
    for number in range(12):
        before = {name: value.clone() for name, value in model.state_dict().items()}
        next(events)
        kept = [parameter.grad.clone() for parameter in model.parameters()]
        [(inputs, targets)] = training.batches(number)
        shapes.add(inputs.shape)
        after = {name: value.clone() for name, value in model.state_dict().items()}
        model.load_state_dict(before)
        loss = battery.nll(model(inputs), targets)
        for grad, own in zip(kept, torch.autograd.grad(loss, [*model.parameters()]), strict=True):
            torch.testing.assert_close(grad, own, rtol=1e-4, atol=1e-6)
        model.load_state_dict(after)
    assert len(shapes) >= 2 and training.recorder.replays >= 3


def test_a_peak_that_is_changed_counts_from_the_next_step_on() -> None:
    """As the search for a learning rate changes it: Muon's group has another than AdamW's."""
    trainings = Training("transformer", TapeRecorder()), unrecorded("transformer")
    for training in trainings:
        events = train_steps(
            training.model, training.optimizers, training.batches, training.recipe,
            take_step=training.step,
        )  # fmt: skip
        for exponent in range(8):
            for group in training.step.groups:
                group["peak"] *= 2 ** (exponent % 3)
            next(events)
    assert trainings[0].recorder.replays >= 3
    assert_same_bits(*trainings)


# -- random numbers -------------------------------------------------------------------------------


def test_a_training_goes_on_as_if_nothing_had_been_replayed() -> None:
    """Steps from 5 on, of which the first are eager again, are those of the training of 8."""
    whole = Training("transformer", TapeRecorder(), options={"dropout": 0.5})
    first = Training("transformer", TapeRecorder(), options={"dropout": 0.5})
    events = train_steps(
        first.model, first.optimizers, first.batches, first.recipe, take_step=first.step
    )
    early = [next(events).loss.item() for _ in range(5)]
    second = Training("transformer", TapeRecorder(), options={"dropout": 0.5})
    second.model.load_state_dict(first.model.state_dict())
    for mine, theirs in zip(second.optimizers, first.optimizers, strict=True):
        pairs = zip(second.model.parameters(), first.model.parameters(), strict=True)
        for parameter, other in pairs:
            if other in theirs.state:
                mine.state[parameter] = {k: v.clone() for k, v in theirs.state[other].items()}
    late = [event.loss.item() for event in second.run(start=5)]
    assert early + late == [event.loss.item() for event in whole.run()]
    assert_same_bits(second, whole)


def test_masks_differ_from_step_to_step_and_the_global_generator_stays() -> None:
    training = Training(
        "gru", TapeRecorder(), options={"dropout": 0.5}, soft=False, optimizer="sgd"
    )
    training.model.train()
    only, torch_state = training.batches(0), torch.get_rng_state()
    losses = [training.step(only, step, 0.0)[0].item() for step in (0, 1, 2, 3, 2)]
    assert training.recorder.replays == 4
    assert len(set(losses)) == 4 and losses[2] == losses[4]
    assert torch.equal(torch.get_rng_state(), torch_state)


# -- when a step is not replayed ------------------------------------------------------------------


def test_the_first_batch_of_a_shape_is_taken_and_the_second_recorded() -> None:
    training = Training("mlp", recorder := TapeRecorder(), lines=40, batch=50)
    groups = training.batches(0)
    training.model.train()
    for runs, records, replays in ((1, 0, 0), (1, 1, 1), (1, 1, 2)):
        training.step(groups, 0, 1.0)
        assert (recorder.runs, recorder.records, recorder.replays) == (runs, records, replays)
    training.model.eval()  # another step: no dropout, and BatchNorm by its running statistics
    training.step(groups, 0, 1.0)
    assert recorder.runs == 2


def test_only_so_many_shapes_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_graphs, "MAX_GRAPHS", 8)
    training = Training("bow", recorder := TapeRecorder(), options={"dropout": 0.0})
    [(inputs, targets)] = training.batches(0)
    for rows in [*range(1, 8 + 3)] * 3:
        loss, _ = training.step([(inputs[:rows], targets[:rows])], 0, 0.0)
        own = battery.nll(training.model(inputs[:rows]), targets[:rows])
        torch.testing.assert_close(loss, own.detach())
    assert recorder.records == 8
    assert recorder.replays == 2 * 8 and recorder.runs == 8 + 3 * 2


def test_there_are_fewer_recordings_of_a_large_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each keeps the gradients of all parameters."""
    model = Training("bow", TapeRecorder()).model
    size = 4 * model.n_parameters
    for room, most in ((2**40, MAX_GRAPHS), (3.5 * size, 3), (0, 1)):
        monkeypatch.setattr(cuda_graphs, "MAX_GRADIENTS", int(room))
        assert Training("bow", TapeRecorder()).step.most == most


def test_memory_that_ends_while_a_step_is_recorded_is_that_error() -> None:
    """No warning, and later steps are recorded: a smaller batch has room."""

    class Full(TapeRecorder):
        def record(self, body: Callable[[], Tensor]) -> Any:
            raise torch.OutOfMemoryError("CUDA out of memory")

    training = Training("bow", Full())
    with pytest.raises(torch.OutOfMemoryError):
        training.run()
    assert training.step.works


def test_the_reason_is_the_error_that_came_first() -> None:
    """Where the step fails inside a capture, its end fails after it, and says less."""

    class Ends(TapeRecorder):
        def record(self, body: Callable[[], Tensor]) -> Any:
            try:
                raise RuntimeError("operation not permitted\nCompile with ...")
            except RuntimeError:
                raise RuntimeError("failed due to a previous error") from None

    with pytest.warns(RuntimeWarning, match=r"captured \(operation not permitted\)$"):
        Training("bow", Ends()).run()


def test_a_recording_that_fails_is_one_warning_and_eager_steps() -> None:
    class Fails(TapeRecorder):
        def record(self, body: Callable[[], Tensor]) -> Any:
            if self.records:
                super().record(body)  # done halfway: gradients lie in memory that is gone
                raise RuntimeError("operation not permitted\nCompile with ...")
            return super().record(body)

    training = Training("bow", Fails(), batch=4, max_steps=12)
    with pytest.warns(RuntimeWarning, match=r"could not be captured \(operation not permitted\)$"):
        events = training.run()
    assert not training.step.recordings and training.recorder.replays > 0
    eager = unrecorded("bow", batch=4, max_steps=12)
    assert [e.loss.item() for e in events] == [e.loss.item() for e in eager.run()]
    assert_same_bits(training, eager)


def test_hooks_are_called_in_every_step() -> None:
    training, calls = Training("mlp", TapeRecorder()), []
    handle = training.model.head.register_forward_hook(lambda *_: calls.append(1))
    training.run()
    assert len(calls) == training.recorder.runs == 8
    handle.remove()
    training.run()
    assert len(calls) == 8 and training.recorder.replays


def test_a_tape_refuses_a_number_that_the_host_reads() -> None:
    """What the other tests stand on: neither waiting nor an old rate would pass."""
    training = Training("mlp", TapeRecorder(), grad_clip=None)
    forward = training.model.forward
    training.model.forward = lambda inputs: forward(inputs) * float(inputs.sum() >= 0)
    with pytest.warns(RuntimeWarning, match="the host waits for aten._local_scalar_dense"):
        training.run()
    baked, eager = Training("mlp", TapeRecorder()), unrecorded("mlp")
    for group in baked.step.groups:
        group["lr"] = 2**-7
    baked.step.groups = []
    baked.run()
    eager.run()
    with pytest.raises(AssertionError):
        assert_same_bits(baked, eager)


# -- the recorder of a card, as far as no card is needed ------------------------------------------


class Streams:
    """Stands in for torch.cuda: notes which stream is set, and fails to capture if told so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fails: bool = False) -> None:
        self.current, self.log, self.fails = "caller", list[str](), fails
        stream = SimpleNamespace(wait_stream=lambda other: self.log.append(f"waits for {other}"))
        self.streams = 0
        caller = SimpleNamespace(wait_stream=lambda other: self.log.append("caller waits"))
        self.state, self.made = "old", stream
        generator = SimpleNamespace(
            graphsafe_set_state=lambda state: setattr(self, "state", state), initial_seed=lambda: 7
        )

        def seeded(seed: int) -> Any:
            return SimpleNamespace(graphsafe_get_state=lambda: f"fresh {seed}")

        fresh = SimpleNamespace(manual_seed=seeded)
        fake = SimpleNamespace(
            Stream=self.new_stream, current_stream=lambda device: caller,
            stream=self.set, graph=self.graph, current_device=lambda: 0,
            CUDAGraph=lambda: SimpleNamespace(replay="replay", pool=lambda: "pool"),
            default_generators=[generator],
        )  # fmt: skip
        monkeypatch.setattr(cuda_graphs.torch, "cuda", fake)
        monkeypatch.setattr(cuda_graphs.torch, "Generator", lambda device: fresh)
        monkeypatch.setattr(CudaRecorder, "failed", [])
        monkeypatch.setattr(cuda_graphs, "_streams", cuda_graphs._Streams())

    def new_stream(self, device: torch.device) -> Any:
        self.streams += 1
        return self.made

    def set(self, stream: object) -> Any:
        streams = self

        class Context:
            def __enter__(self) -> None:
                self.before, streams.current = streams.current, "own"

            def __exit__(self, *exception: object) -> None:
                streams.current = self.before

        return Context()

    def graph(self, graph: object, pool: object, stream: object, capture_error_mode: str) -> Any:
        assert stream is self.made and capture_error_mode == "thread_local"
        self.log.append(f"capture in {pool}")
        if self.fails:
            raise RuntimeError("capture")
        return nullcontext()


def test_the_recorder_runs_and_records_on_its_own_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = Streams(monkeypatch)
    recorder = CudaRecorder(torch.device("cuda"))
    seen = []

    def body() -> Any:
        seen.append(streams.current)
        return "made"

    assert recorder.run(body) == "made" and streams.current == "caller"
    assert streams.log[-1] == "caller waits"
    assert recorder.record(body) == ("replay", "made") and recorder.record(body)
    assert seen == ["own"] * 3 and streams.log[-2:] == ["capture in None", "capture in pool"]


def test_trainings_of_a_thread_share_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """cuBLAS keeps memory for each stream that it was used on. Two threads do not share one."""
    streams = Streams(monkeypatch)
    for _ in range(3):
        CudaRecorder(torch.device("cuda"))
    assert streams.streams == 1
    CudaRecorder(torch.device("cuda:1"))
    assert streams.streams == 2
    with ThreadPoolExecutor(1) as thread:
        thread.submit(CudaRecorder, torch.device("cuda")).result()
    assert streams.streams == 3


def test_the_caller_waits_for_a_step_that_failed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = Streams(monkeypatch)

    def body() -> Any:
        raise KeyError

    with pytest.raises(KeyError):
        CudaRecorder(torch.device("cuda")).run(body)
    assert streams.log[-1] == "caller waits" and streams.current == "caller"


def test_memory_that_ends_in_a_capture_fails_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = Streams(monkeypatch)

    def body() -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        CudaRecorder(torch.device("cuda")).record(body)
    assert not CudaRecorder.failed and streams.state == "old"


def test_a_failed_capture_is_the_last_one_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = Streams(monkeypatch)
    recorder = CudaRecorder(torch.device("cuda"))

    def body() -> Any:
        raise RuntimeError("in the body")

    with pytest.raises(RuntimeError, match="in the body"):
        recorder.record(body)
    assert streams.current == "caller" and streams.state == "fresh 7"  # as (seed, step) have it
    assert len(CudaRecorder.failed) == 1
