"""Trace: what a forward pass computes on its way from ids to logits, function by function.

A model's file stays as short as its idea: it names no values for others to look at. Whoever wants
to see inside (saturation, attention maps, the shapes of a pass) runs the model under a Trace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

NONLINEAR = ("tanh", "sigmoid", "relu", "gelu", "rnn_tanh", "gru", "lstm")


@dataclass(frozen=True)
class Call:
    """Holds one call of a torch function. module: dotted name of the innermost one, "" the model.

    output: of a function that gives several tensors, the first
    """

    module: str
    function: str
    output: Tensor

    @property
    def name(self) -> str:
        """Name the call by module and function: `hidden.0 tanh`."""
        return f"{self.module} {self.function}".strip()


class Trace(TorchFunctionMode):
    """Collects the calls of torch functions inside, with forward hooks that say in which module.

        with Trace(model) as trace:
            logits = model(inputs)
        [call for call in trace.calls if call.function == "softmax"]

    The outputs are those of the pass itself, so torch.autograd.grad takes them. No value changes: a
    traced pass gives the same logits. Functions inside functions are not listed.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model, self.calls = model, list[Call]()
        self._inside: list[str] = []
        self._hooks: list[Any] = []

    def __enter__(self) -> Trace:
        for name, module in self.model.named_modules():
            self._hooks.append(module.register_forward_pre_hook(partial(self._enter, name)))
            # always_call: a module that raises is left, too.
            self._hooks.append(module.register_forward_hook(self._leave, always_call=True))
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *exception: Any) -> None:
        super().__exit__(*exception)  # type: ignore[no-untyped-call]
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    @contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """Collect calls that no forward makes, such as a cell's, as those of module `name`."""
        self._enter(name)
        try:
            yield
        finally:
            self._leave()

    def _enter(self, name: str, *_: Any) -> None:
        self._inside.append(name)

    def _leave(self, *_: Any) -> None:  # returns nothing: torch would take it for the output
        self._inside.pop()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call the function, and keep its output (torch calls this for every function inside)."""
        result = func(*args, **(kwargs or {}))
        first = result[0] if isinstance(result, tuple) and result else result
        name = getattr(func, "__name__", "").strip("_")
        # Properties (shape, device) come here too, as `get`; what is made from nothing is no step.
        if self._inside and isinstance(first, Tensor) and name != "get" and args:
            self.calls.append(Call(self._inside[-1], name, first))
        return result


def traced(model: nn.Module, inputs: Tensor) -> tuple[Tensor, list[Call]]:
    """Run a forward pass: its logits, and the calls that it made."""
    with Trace(model) as trace:
        logits: Tensor = model(inputs)
    return logits, trace.calls


def nonlinearities(calls: list[Call]) -> list[Call]:
    """Select the calls of tanh and the like; those of one module and function are numbered."""
    chosen = [call for call in calls if call.function in NONLINEAR]
    names = [call.name for call in chosen]
    return [
        replace(call, function=f"{call.function} {names[: index + 1].count(call.name)}")
        if names.count(call.name) > 1
        else call
        for index, call in enumerate(chosen)
    ]


def attention_weights(calls: list[Call], batch: int) -> list[Tensor]:
    """Select the attention weights (batch, n_head, T, S) of each layer, in order."""
    # A softmax with three dimensions or more: that over the symbols is no call of the model.
    each = [c.output for c in calls if c.function == "softmax" and c.output.ndim >= 3]
    return [weights.reshape(batch, -1, *weights.shape[-2:]) for weights in each]
