"""The original makemore.py, a person's own clone, run unchanged under a stopwatch.

    python bench/original.py --original makemore/makemore.py --names names.txt --target 1.97

Its text is executed as it is, in two parts: first all that stands before `if __name__ ==
"__main__"`, then that block, with the command line that a person would type. In between, two of its
names are wrapped: the loader's `next`, where every step begins, and what it does beside training
(`evaluate`, `print_samples`), whose time is left out. Our own evaluation is its `evaluate` over all
test lines in one batch, which is their exact nll.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import json
import sys
import tempfile
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from curve import Curve


class Enough(Exception):
    """The stopwatch has seen all that was asked for."""


def halves(path: Path) -> tuple[types.CodeType, types.CodeType]:
    """The code before the main block, and the block itself. SystemExit where there is none."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for place, node in enumerate(tree.body):
        if isinstance(node, ast.If) and "__main__" in ast.dump(node.test):
            before = ast.Module(tree.body[:place], type_ignores=[])
            block = ast.Module(tree.body[place:], type_ignores=[])
            return compile(before, str(path), "exec"), compile(block, str(path), "exec")
    sys.exit(f"{path} has no main block: give the original's makemore.py")


@contextlib.contextmanager
def logs_left_out() -> Iterator[None]:
    """A writer of TensorBoard logs that writes none, where that package is not installed."""
    name = "torch.utils.tensorboard"
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError:
        stand_in: Any = types.ModuleType(name)

        class SummaryWriter:
            def __init__(self, **_: Any) -> None: ...

            def __getattr__(self, _: str) -> Callable[..., None]:
                return lambda *args, **kwargs: None

        stand_in.SummaryWriter = SummaryWriter
        sys.modules[name] = stand_in
    yield
    sys.modules.pop(name, None)


class Stopwatch:
    """Seconds of training alone: from the call for one batch to the call for the next."""

    def __init__(self, namespace: dict[str, Any], curve: Curve, every: int, limit: float) -> None:
        self.namespace, self.curve, self.every, self.limit = namespace, curve, every, limit
        self.steps, self.seconds, self.beside = -1, 0.0, 0.0
        self.began = 0.0
        self.evaluate = namespace["evaluate"]
        for name in ("evaluate", "print_samples"):
            namespace[name] = self.left_out(namespace[name])
        loader = namespace["InfiniteDataLoader"]
        take = loader.next

        def timed_next(this: Any) -> Any:
            self.step_begins()
            return take(this)

        loader.next = timed_next

    def left_out(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return call(*args, **kwargs)
            finally:
                self.beside += time.perf_counter() - began

        return timed

    def step_begins(self) -> None:
        self.steps += 1
        if self.steps:
            self.seconds += time.perf_counter() - self.began - self.beside
            if self.steps % self.every == 0:
                self.look()
        self.beside, self.began = 0.0, time.perf_counter()

    def look(self) -> None:
        model, test = self.namespace["model"], self.namespace["test_dataset"]
        with torch.random.fork_rng():  # its loader draws a number
            nll = float(self.evaluate(model, test, batch_size=len(test)))
        self.curve.add(self.steps, self.seconds, nll)
        if self.curve.reached or self.seconds >= self.limit:
            raise Enough


def run(path: Path, names: Path, curve: Curve, every: int, limit: float) -> Curve:
    """Train by the original's defaults until the curve's target or the limit (seconds)."""
    before, block = halves(path)
    namespace: dict[str, Any] = {"__name__": "__main__", "__file__": str(path)}
    main = types.ModuleType("__main__")
    main.__dict__.update(namespace)
    namespace = main.__dict__
    shown, argv, module = io.StringIO(), sys.argv, sys.modules["__main__"]
    with tempfile.TemporaryDirectory() as out, logs_left_out(), contextlib.redirect_stdout(shown):
        sys.argv = [str(path), "-i", str(names), "-o", out]
        sys.modules["__main__"] = main
        try:
            exec(before, namespace)  # noqa: S102 (the person's own file, named by them)
            Stopwatch(namespace, curve, every, limit)
            exec(block, namespace)  # noqa: S102
        except Enough:
            pass
        finally:
            sys.argv, sys.modules["__main__"] = argv, module
    return curve


def main() -> None:
    own = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    own.add_argument("--original", type=Path, required=True)
    own.add_argument("--names", type=Path, required=True)
    own.add_argument("--target", type=float, required=True)
    own.add_argument("--every", type=int, default=50)
    own.add_argument("--limit", type=float, default=1200.0)
    options = own.parse_args()
    curve = Curve(options.target)
    run(options.original, options.names, curve, options.every, options.limit)
    print(json.dumps(curve.told()))


if __name__ == "__main__":
    main()
