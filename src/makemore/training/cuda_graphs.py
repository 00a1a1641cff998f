"""CUDA graphs: a step on a card, captured once for each shape of a batch, and replayed.

A step of a small model is some hundred operations of a few microseconds each, and the host takes
longer to ask for one than the card to do it. Captured, they are one graph, which the host starts
with one call. A graph repeats operations on the same memory with the same numbers. So whatever
differs between steps lies in memory that is written before a replay:

    batch             buffers of its shape, into which each batch is copied
    learning rates    tensors (), in the optimizers' groups
    random numbers    seed and offset of the card's generator, which a replay reads

torch's documentation calls it whole-network capture.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from makemore.models import NeuralModel
from makemore.scoring.line_tensors import IGNORED
from makemore.training.config import TrainingConfig
from makemore.training.device import seeded
from makemore.training.gradients import Groups, count_symbols, set_gradients
from makemore.training.optimizer import Optimizer
from makemore.training.optimizers import apply_gradients
from makemore.training.soft_targets import SoftTargets

MAX_GRAPHS = 32  # shapes of batches that are captured
MAX_GRADIENTS = 2**31  # bytes of all recordings' gradients, of which each keeps its own

Body = Callable[[], Tensor]


class Recorder(Protocol):
    """Runs a function of tensors, or records what it does to their memory."""

    def run(self, body: Body) -> Tensor:
        """Call the function where it would be recorded, and return its result."""

    def record(self, body: Body) -> tuple[Callable[[], object], Tensor]:
        """Record the function without its effects: what replays it, and where its result will be.

        Raises RuntimeError if it cannot be recorded.
        """


class _Streams(threading.local):
    """Keeps the streams of this thread, one for each device, on which its steps are captured.

    cuBLAS keeps memory (32 MiB on some cards) for each stream that it was ever used on, so all
    trainings share one. Not those of two threads: work of the other would be captured, too.
    """

    def __init__(self) -> None:
        self.of: dict[torch.device, Any] = {}


_streams = _Streams()


class CudaRecorder:
    """Records functions as CUDA graphs, on a stream of the thread.

    All graphs share one pool of memory, as no two of them run at the same time. A replay may then
    overwrite what another graph has left: the gradients of the step before, which are over.
    """

    # torch does not undo a capture that failed: its allocator may still count the graph as being
    # captured. So the graph is kept, and in this process no other is captured.
    failed: ClassVar[list[Any]] = []

    def __init__(self, device: torch.device) -> None:
        if device not in _streams.of:
            _streams.of[device] = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.device, self.stream = device, _streams.of[device]
        self.pool: Any = None

    def run(self, body: Body) -> Tensor:
        # What an operation sets up when it is first called on a stream is then there for a capture.
        caller = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(caller)
        try:
            with torch.cuda.stream(self.stream):
                return body()
        finally:  # also after an error: operations before it may still read the batch
            caller.wait_stream(self.stream)

    def record(self, body: Body) -> tuple[Callable[[], object], Tensor]:
        graph = torch.cuda.CUDAGraph()
        # thread_local: what other threads of the program do on the card is no error. The stream is
        # set here, too, as torch does not put the caller's back if a capture fails.
        mode = "thread_local"
        capture = torch.cuda.graph(graph, self.pool, self.stream, capture_error_mode=mode)
        try:
            with torch.cuda.stream(self.stream), capture:
                made = body()
        except torch.OutOfMemoryError:
            raise  # the capture has ended as it should: its memory goes with the graph
        except RuntimeError:
            self.failed.append(graph)
            self._renew_generator()
            raise
        self.pool = graph.pool()
        return graph.replay, made

    def _renew_generator(self) -> None:
        """Give the card's generator a new state: the old one may still count as being captured."""
        with suppress(RuntimeError):
            index = self.device.index
            index = torch.cuda.current_device() if index is None else index
            old = torch.cuda.default_generators[index]
            # As it was when the step began, so that this step draws its own masks.
            fresh = torch.Generator(self.device).manual_seed(old.initial_seed())
            old.graphsafe_set_state(fresh.graphsafe_get_state())


@dataclass
class Recording:
    """Holds a recorded step: its buffers, what replays it, and where its results are.

    groups: the buffers (inputs, targets); loss (); grads: of each parameter, None without one
    """

    groups: Groups
    replay: Callable[[], object]
    loss: Tensor
    grads: list[Tensor | None]


class CapturedStep:
    """Takes a step by replaying a recorded one; the first batch of a shape is taken eagerly.

    That step sets up the optimizers' tensors and whatever torch sets up in a first call. The second
    batch of the shape is recorded. Batches of further shapes than `most` are taken eagerly, and so
    are all if a recording fails, or if the model has hooks, which no replay would call.
    The learning rates of the optimizers are tensors from then on.
    """

    def __init__(
        self,
        model: NeuralModel,
        optimizers: Sequence[Optimizer],
        recipe: TrainingConfig,
        soft_targets: SoftTargets | None,
        recorder: Recorder,
    ) -> None:
        self.model, self.optimizers, self.recipe = model, optimizers, recipe
        self.soft_targets, self.recorder = soft_targets, recorder
        self.recordings: dict[object, Recording] = {}
        self.seen: set[object] = set()  # keys of the steps that were taken eagerly
        self.works = True  # no recording has failed
        self.most = most_graphs(model)
        self.groups = [group for optimizer in optimizers for group in optimizer.param_groups]
        for group in self.groups:
            # float32, as torch's fused AdamW reads it from a card.
            group["lr"] = torch.zeros((), device=model.device)

    def __call__(self, groups: Groups, step: int, factor: float) -> tuple[Tensor, int]:
        for group in self.groups:
            group["lr"].fill_(group["peak"] * factor)
        with seeded(self.recipe.seed, step + 1):  # replayed or not, the same masks are drawn
            loss = self._take(groups)
        return loss, sum(map(count_symbols, groups))

    def _take(self, groups: Groups) -> Tensor:
        """Take a step in the way that its shapes allow; return the nll of the batch ()."""
        if _has_hooks(self.model):
            return self.recorder.run(lambda: self._body(groups))
        # A model in another mode takes another step.
        key = self.model.training, *(part.shape for group in groups for part in group)
        room = len(self.recordings) < self.most
        if self.works and room and key in self.seen and key not in self.recordings:
            self._record(key, groups)
        if key in self.recordings:
            return self._replay(self.recordings[key], groups)
        self.seen.add(key)
        return self.recorder.run(lambda: self._body(groups))

    def _record(self, key: object, groups: Groups) -> None:
        """Record the step for batches of these shapes. A failure is a warning, and no step."""
        buffers = [(inputs.clone(), targets.clone()) for inputs, targets in groups]
        try:
            replay, loss = self.recorder.record(lambda: self._body(buffers))
        except torch.OutOfMemoryError:
            raise  # no failure of the capture: a smaller batch has room
        except RuntimeError as error:
            # Replays would draw from the state that the generator had before.
            self.works, reason = False, str(first_error(error)).partition("\n")[0]
            self.recordings.clear()
            message = f"training goes on slower: a step could not be captured ({reason})"
            warnings.warn(message, RuntimeWarning, stacklevel=2)
            return
        grads = [parameter.grad for parameter in self.model.parameters()]
        self.recordings[key] = Recording(buffers, replay, loss, grads)

    def _replay(self, recording: Recording, groups: Groups) -> Tensor:
        """Copy a batch into the buffers, replay the step, and return the nll of the batch ()."""
        for buffers, group in zip(recording.groups, groups, strict=True):
            for buffer, part in zip(buffers, group, strict=True):
                buffer.copy_(part)
        recording.replay()
        # Each recording writes its gradients where they were when it was made.
        for parameter, grad in zip(self.model.parameters(), recording.grads, strict=True):
            parameter.grad = grad
        return recording.loss.clone()  # the next replay writes over it

    def _body(self, groups: Groups) -> Tensor:
        """Take the step itself: nothing in it waits for the card, or depends on a number here."""
        loss = set_gradients(
            self.model, groups, _weights(groups), [None] * len(groups), self.soft_targets
        )
        apply_gradients(self.model, self.optimizers, self.recipe.grad_clip)
        return loss


def most_graphs(model: NeuralModel) -> int:
    """Compute how many recordings there may be, by the memory of their gradients; one at least."""
    size = sum(parameter.nbytes for parameter in model.parameters())
    return max(1, min(MAX_GRAPHS, MAX_GRADIENTS // size))


def first_error(error: BaseException) -> BaseException:
    """Return the error that came first: one in a capture makes the end of the capture fail, too."""
    while isinstance(error.__context__, RuntimeError):
        error = error.__context__
    return error


def _weights(groups: Groups) -> Sequence[float | Tensor]:
    """Compute the fraction of a batch's symbols that each group has, on the device () each."""
    if len(groups) == 1:
        return [1.0]
    counts = torch.stack([(targets != IGNORED).sum() for _, targets in groups])
    return (counts / counts.sum()).unbind()


def _has_hooks(model: NeuralModel) -> bool:
    """Tell whether somebody looks into the model's passes by hooks of its modules."""
    return any(
        module._forward_hooks or module._forward_pre_hooks
        or module._backward_hooks or module._backward_pre_hooks
        for module in model.modules()
    )  # fmt: skip
