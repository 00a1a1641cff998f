"""Device drawer: draws many lines together on a GPU, and copies them to the CPU once they are done.

Decoder (sampling/) asks the model for one step, copies the logits to the CPU, draws there, groups
the draws by prefix, and copies the symbols back: a GPU waits most of the time. Here the logits, the
filters, the draws and the automaton stay on the GPU. As in TableDecoder, draws are not grouped.

The GPU works behind Python, which waits for it once a position: for how many draws go on. What is
sent there is read from pinned memory, without a wait.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from makemore.models.core import state as states
from makemore.models.core.device_sampling import apply_filters, sample_categorical, uniforms
from makemore.models.core.draw_rules import Counters, DrawnLines, DrawRules, Ints
from makemore.models.core.layers import eval_mode
from makemore.models.core.on_device import free_bytes, to_device
from makemore.models.core.state import State

MAX_ROWS = 2**18  # draws that are made at the same time: a GPU is busy with fewer
# Rows of a CUDA grid, at most. cuDNN names no limit of its own, so its cells stay below that one.
MAX_RECURRENT_ROWS = 2**16 - 1
MIN_ROWS = 1024  # draws that there must be memory for
OTHER_BYTES = 2**32  # that are used of a device that does not tell what is free
DEAD, BOUNDARY = -1, 0


class DeviceDrawer:
    """Draws lines from a network by its own probabilities, on the device where it is.

    model: a NeuralModel whose step is written in torch (numpy_step)
    """

    def __init__(self, model: Any, rules: DrawRules) -> None:
        self.model, self.rules, self.device = model, rules, model.device
        self.step = type(model).step.in_torch
        self.next = self._put(rules.next).view(-1)  # [state * V + symbol]
        self.accepts, self.can_complete = self._put(rules.accepts), self._put(rules.can_complete)
        with eval_mode(model):
            self.roots = self._begin()
        self.most = self._most_rows()  # draws made at the same time

    def _put(self, array: Any) -> Tensor:
        """Copy an array of numpy's to the device, without waiting for it."""
        return to_device(array, self.device)

    def _begin(self) -> tuple[Tensor, State, Tensor, int]:
        """Compute what all lines start with, a row for each of L first inputs.

        Gives the logits (L, V), the model's state, the nll (L,), and the automaton's state.
        """
        rules, condition = self.rules, 0
        L = len(rules.inputs)
        nll = torch.zeros(L, dtype=torch.float64, device=self.device)
        logits, state = self.step(self.model, self._put(rules.inputs), self.model.initial_state(L))
        for symbol in rules.prefix:  # read, not drawn; its nll belongs to the line all the same
            nll = nll - logits.double().log_softmax(1)[:, symbol]
            ids = torch.full((L,), symbol, device=self.device)
            logits, state = self.step(self.model, ids, state)
            condition = int(rules.next[condition, symbol])
        return logits, states.dense(state), nll, condition

    def _most_rows(self) -> int:
        """Estimate how many draws there is memory for: half of what is free, for the rest is rough.

        A row has its state as it is in the end, which a step copies, some arrays of V numbers, and
        the layers' outputs.
        """
        recurrent = any(isinstance(part, nn.RNNBase) for part in self.model.modules())
        most = MAX_RECURRENT_ROWS if recurrent else MAX_ROWS
        logits, state = self.roots[:2]
        whole = states.row_bytes_after(state, self.rules.max_length + 1)
        widths = sum(part.shape[0] for part in self.model.parameters() if part.ndim > 1)
        row = 2 * whole + 16 * 8 * logits.shape[1] + 4 * widths
        free = free_bytes(self.device)
        return max(MIN_ROWS, min(most, (OTHER_BYTES if free is None else free) // 2 // row))

    def draw(self, bounds: Ints, counters: Counters, first: Ints) -> DrawnLines:
        """Draw the lines of a batch, `most` at the same time; see LineDrawer.

        Raises torch.OutOfMemoryError where there is no memory for MIN_ROWS draws.
        """
        drawing = _Drawing(self, bounds, counters, first)
        begin = 0
        with eval_mode(self.model):
            while begin < drawing.size:
                after = min(begin + self.most, drawing.size)
                if self._fits(drawing, begin, after):
                    begin = after
                else:  # drawn again, fewer together: the lines do not depend on their number
                    self.most = max(MIN_ROWS, self.most // 2)
                    with suppress(RuntimeError):  # whatever it says, the draws are made
                        torch.cuda.empty_cache()
            return drawing.finished()

    def _fits(self, drawing: _Drawing, begin: int, after: int) -> bool:
        """Draw the lines `begin` to `after` - 1; False if there is not enough memory for them."""
        try:
            drawing.run(begin, after)
        except torch.OutOfMemoryError:
            if self.most <= MIN_ROWS:
                raise
            return False  # the error holds the tensors of the step: they are freed with it
        return True


class _Drawing:
    """Holds the lines of one batch while they are drawn: R draws on the device.

    kinds: (R,) 2 * the length of a line, and 1 if it ended and was not cut; -1: refused
    columns: (R,) of a small type, the symbols at each position after the prefix
    """

    def __init__(self, drawer: DeviceDrawer, bounds: Ints, counters: Counters, first: Ints) -> None:
        self.drawer, self.counters, self.size = drawer, counters, int(bounds[-1])
        self.cuts = drawer._put(bounds[1:-1].copy())  # where the second part begins, the third ..
        self.first = drawer._put(first)
        device, V = drawer.device, drawer.roots[0].shape[1]
        self.kinds = torch.full((self.size,), -1, dtype=torch.int32, device=device)
        self.nll = torch.zeros(self.size, dtype=torch.float64, device=device)
        self.small = next(kind for kind, most in SMALL.items() if most >= V)
        self.columns: list[Tensor] = []

    def run(self, begin: int, after: int) -> None:
        """Draw the lines `begin` to `after` - 1, symbol by symbol."""
        drawer, rules = self.drawer, self.drawer.rules
        draws = torch.arange(begin, after, device=drawer.device)  # (R,) those that go on
        part = torch.bucketize(draws, self.cuts, right=True)  # (R,) of the batch
        logits, state, nll, condition = drawer.roots
        root = self.first[begin:after] if len(self.first) > 1 else self.first.expand(len(draws))
        logits, nll = logits[root], nll[root]  # (R, V), (R,)
        state = states.select(state, root)
        conditions = torch.full_like(draws, condition)  # (R,) states of the automaton
        V = logits.shape[1]
        for position in range(len(rules.prefix), rules.max_length + 1):
            logs = logits.double().log_softmax(1)  # (R, V)
            start = drawer._put(self.counters(position).view(np.int64))[part]
            picked = sample_categorical(apply_filters(logs, rules), uniforms(start, draws))
            to = drawer.next[conditions * V + picked].long()
            on = self._record(position, draws, picked, conditions, to, nll - logs[:, BOUNDARY])
            if position == rules.max_length:
                return
            there = on.nonzero()[:, 0]  # the only wait for the GPU: how many draws go on
            if not len(there):
                return
            draws, part, picked = draws[there], part[there], picked[there]  # R is smaller now
            nll = nll[there] - logs[there, picked]
            conditions = to[there]
            self._column(position - len(rules.prefix))[draws] = picked.to(self.small)
            state = states.select(state, there)
            logits, state = drawer.step(drawer.model, picked, state)

    def _record(
        self, position: int, draws: Tensor, picked: Tensor, conditions: Tensor, to: Tensor,
        total: Tensor,
    ) -> Tensor:  # fmt: skip
        """Record which draws (R,) end at this position; -> (R,) whether each goes on.

        to: (R,) the automaton's state after the symbol; total: (R,) nll of the line if it ends here
        """
        drawer, rules = self.drawer, self.drawer.rules
        on = picked != BOUNDARY
        may_end = drawer.accepts[conditions]
        if not rules.min_length <= position <= rules.max_length:
            may_end = torch.zeros_like(may_end)
        kinds = torch.where(may_end & ~on, 2 * position + 1, -1)
        if position == rules.max_length:
            if rules.keeps_cut:
                kinds = torch.where(may_end & on, 2 * position, kinds)
        else:
            on &= (to != DEAD) & drawer.can_complete[position + 1][to.clamp(min=0)]
        # Written for every draw, without a look at which ended: those that go on write again.
        self.kinds[draws] = kinds.int()
        self.nll[draws] = total
        return on

    def _column(self, number: int) -> Tensor:
        """Return the symbols (R,) of a position after the prefix."""
        if number == len(self.columns):
            self.columns.append(torch.zeros_like(self.kinds, dtype=self.small))
        return self.columns[number]

    def finished(self) -> DrawnLines:
        """Sort the lines by length and copy them to the CPU."""
        sorted_, order = self.kinds.sort(stable=True)
        columns = self.columns or [torch.zeros_like(self.kinds, dtype=self.small)]
        kinds = sorted_.cpu().numpy().astype(np.int64)
        refused = int(np.searchsorted(kinds, 0))  # those stand before all others
        order, kinds = order[refused:], kinds[refused:]
        ids = torch.stack(columns, 1)[order]
        return DrawnLines(
            ids.cpu().numpy(), kinds // 2, kinds % 2 == 0, self.nll[order].cpu().numpy(),
            order.cpu().numpy(),
        )  # fmt: skip


SMALL = {torch.uint8: 2**8, torch.int16: 2**15, torch.int32: 2**31}  # type -> symbols that it tells
