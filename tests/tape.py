"""A tape of torch's operations: what a CUDA graph does with a step, done on a CPU.

A capture notes which operations are done on which memory and with which numbers, and has no effect;
a replay does them again. So a number of Python that differs between steps is the old one in a
replay, here as on a card, and an operation whose result the host waits for cannot be captured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

# On a card the host waits for the result of these, or for a copy to the card.
WAITS = {
    "aten._local_scalar_dense.default", "aten.nonzero.default", "aten.masked_select.default",
    "aten._unique2.default", "aten.unique_consecutive.default", "aten.unique_dim.default",
    "aten.bincount.default", "aten.equal.default", "aten.lift_fresh.default",
    "aten.masked_scatter.default", "aten.histc.default",
}  # fmt: skip


class NoWaits(TorchDispatchMode):
    """Refuses inside `with` what the host would wait for on a card."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        flags = [part for part in _tensors((args[1:], kwargs)) if part.dtype == torch.bool]
        by_flags = (
            func.overloadpacket in (torch.ops.aten.index, torch.ops.aten.index_put_) and flags
        )
        unsized = str(func) == "aten.repeat_interleave.Tensor" and not kwargs.get("output_size")
        if str(func) in WAITS or by_flags or unsized:
            raise RuntimeError(f"the host waits for {func}")
        return func(*args, **kwargs)


class Tape(NoWaits):
    """Notes the operations that are done inside `with`; `undo` takes their effects back."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, Any]] = []
        self.own: set[int] = set()  # addresses of the memory that the operations made
        self.before: dict[int, tuple[Tensor, Tensor]] = {}  # of other memory that they wrote to

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        for argument, value in _arguments(func, args, kwargs):
            # BatchNorm writes its running statistics, and its schema does not say so.
            running = argument.name in ("running_mean", "running_var")
            if running or (argument.alias_info is not None and argument.alias_info.is_write):
                for tensor in _tensors(value):
                    self._keep(tensor)
        known = {_address(tensor) for tensor in _tensors((args, kwargs))}
        made = super().__torch_dispatch__(func, types, args, kwargs)
        self.own |= {_address(tensor) for tensor in _tensors(made)} - known
        # Aliases: an operation such as transpose_ changes the shape of what was given out.
        self.calls.append((func, _aliases(args), _aliases(kwargs), _aliases(made)))
        return made

    def _keep(self, tensor: Tensor) -> None:
        address = _address(tensor)
        if address not in self.own and address not in self.before:
            whole = torch.empty(0, dtype=tensor.dtype).set_(tensor.untyped_storage())
            self.before[address] = whole, whole.clone()

    def undo(self) -> None:
        for whole, copy in self.before.values():
            whole.copy_(copy)

    def replay(self) -> None:
        for func, args, kwargs, made in self.calls:
            again = func(*_aliases(args), **_aliases(kwargs))
            for old, new in zip(_tensors(made), _tensors(again), strict=True):
                if _address(old) != _address(new):  # else a view, or what was written in place
                    old.copy_(new)


class TapeRecorder:
    """Records steps on tapes, as CudaRecorder does in graphs; counts what is run and recorded."""

    def __init__(self) -> None:
        self.runs, self.records, self.replays = 0, 0, 0

    def run(self, body: Callable[[], Tensor]) -> Tensor:
        self.runs += 1
        return body()

    def record(self, body: Callable[[], Tensor]) -> tuple[Callable[[], object], Tensor]:
        self.records += 1
        tape, drawn = Tape(), torch.get_rng_state()
        with tape:
            made = body()
        tape.undo()
        torch.set_rng_state(drawn)
        # What a capture's memory holds is of no use before a replay.
        made.fill_(torch.nan)

        def replay() -> None:
            self.replays += 1
            tape.replay()

        return replay, made


def _aliases(value: Any) -> Any:
    """The same nest of lists and tuples, with tensors that share their memory with its own."""
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, (list, tuple)):
        return type(value)(map(_aliases, value))
    return (
        {key: _aliases(part) for key, part in value.items()} if isinstance(value, dict) else value
    )


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _arguments(func: Any, args: Any, kwargs: Any) -> Iterator[tuple[Any, Any]]:
    for number, argument in enumerate(func._schema.arguments):
        if number < len(args):
            yield argument, args[number]
        elif argument.name in kwargs:
            yield argument, kwargs[argument.name]


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, (list, tuple)):
        return [tensor for part in value for tensor in _tensors(part)]
    if isinstance(value, dict):
        return _tensors(list(value.values()))
    return []
