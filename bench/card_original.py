"""The original's Transformer with its own data, step and generate(), unchanged, on any device."""

from __future__ import annotations

import contextlib
import io
import sys
import time
import types
from pathlib import Path
from typing import Any

import torch

from original import halves, logs_left_out

NAME = "the_original"  # of the module that its text becomes


class Original:
    """A person's clone of makemore.py: its defaults for the model, the optimizer and the loader."""

    def __init__(self, path: Path, names: Path, device: torch.device) -> None:
        module = types.ModuleType(NAME)
        sys.modules[NAME] = module  # its dataclass looks its own module up
        before, _ = halves(path)
        with logs_left_out(), contextlib.redirect_stdout(io.StringIO()):
            exec(before, module.__dict__)  # noqa: S102 (the person's own file, named by them)
            self.lines, _ = module.create_datasets(str(names))
        self.of: Any = module
        self.device = device
        config = module.ModelConfig(
            vocab_size=self.lines.get_vocab_size(), block_size=self.lines.get_output_length(),
            n_layer=4, n_head=4, n_embd=64, n_embd2=64,
        )  # fmt: skip
        torch.manual_seed(3407)
        self.model = module.Transformer(config).to(device)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=5e-4, weight_decay=0.01, betas=(0.9, 0.99), eps=1e-8
        )
        self.symbols_a_step = 0.0

    def begin(self, batch_size: int, workers: int) -> None:
        """Load batches of this size from now on, in processes of the loader's own."""
        pinned = self.device.type == "cuda"
        self.loader = self.of.InfiniteDataLoader(
            self.lines, batch_size=batch_size, pin_memory=pinned, num_workers=workers
        )
        self.seen, self.taken = 0, 0

    def go(self, steps: int) -> float:
        """Seconds a step over so many more, as its main block takes them."""
        began = time.perf_counter()
        for _ in range(steps):
            x, y = (part.to(self.device) for part in self.loader.next())
            _, loss = self.model(x, y)
            self.model.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            self.wait()
            self.seen, self.taken = self.seen + int((y >= 0).sum()), self.taken + 1
        self.symbols_a_step = self.seen / self.taken
        return (time.perf_counter() - began) / steps

    @torch.no_grad()
    def generate(self, n: int) -> None:
        """Draw n lines as its print_samples does, and leave them undecoded."""
        start = torch.zeros(n, 1, dtype=torch.long, device=self.device)
        longest = self.lines.get_output_length() - 1
        self.of.generate(self.model, start, longest, top_k=None, do_sample=True)
        self.wait()

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
