"""Memory of a card: bounded, given back, and where it runs out, a batch size that fits is named."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import tempfile
from pathlib import Path

import torch

from gpu import card
from gpu.card import CardTest, like_names, maker_of, needs
from makemore import MakeMore
from makemore.errors import OutOfMemory

MANY = like_names(25_000)
MAX_BYTES = 3 * 2**30  # of the default training, evaluations of 20,000 lines included
COMMAND = (
    "--model transformer --n-embd 256 --n-layer 4 --batch-size 4096 --max-steps 5 --device cuda"
).split()


class TestMemory(CardTest):
    def test_the_default_training_takes_bounded_memory(self) -> None:
        card.only_on_a_card()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        maker = MakeMore("transformer", random_state=1, max_steps=60, eval_interval=20,
                         device="cuda")  # fmt: skip
        maker.fit(MANY)
        peak = torch.cuda.max_memory_allocated() - before
        self.assertLess(peak, MAX_BYTES, f"{peak / 2**20:.0f} MiB")

    def test_a_second_training_takes_no_more_than_the_first(self) -> None:
        """Graphs and buffers of a training that has ended are given back."""
        card.only_on_a_card()
        left = []
        for _ in range(3):
            maker_of("transformer", max_steps=20).fit(MANY[:400])
            gc.collect()
            torch.cuda.empty_cache()
            left.append(torch.cuda.memory_allocated())
        self.assertLess(left[2] - left[1], 2**20)


class TestOutOfMemory(CardTest):
    def test_a_training_names_a_batch_size_that_fits(self) -> None:
        card.only_on_a_card()
        many = like_names(9000)
        torch.cuda.empty_cache()
        with card.little_memory(torch.cuda.memory_reserved() + 400 * 2**20):
            size = 4096
            with self.assertRaises(OutOfMemory) as caught:
                wide(size).fit(many)
            self.assertEqual(caught.exception.exit_code, 5)
            self.assertIn("on the graphics card", str(caught.exception))
            self.assertIn(f"use batch_size={size // 2}", str(caught.exception))
            del caught
            while size > 1:
                size //= 2
                try:
                    wide(size).fit(many)
                    break
                except OutOfMemory as error:
                    self.assertIn(f"batch_size={size // 2}", str(error))
                torch.cuda.empty_cache()
            self.assertGreater(size, 8)

    @needs("click", "rich", "safetensors")
    def test_the_command_ends_with_5_and_says_what_to_type(self) -> None:
        card.only_on_a_card()
        from makemore.cli.dispatch import run  # needs click

        torch.cuda.empty_cache()
        shown = contextlib.redirect_stderr(io.StringIO())
        with tempfile.TemporaryDirectory() as above, shown as err:
            names, folder = os.path.join(above, "names.txt"), os.path.join(above, "run")
            Path(names).write_text("\n".join(like_names(9000)), encoding="utf-8")
            with card.little_memory(torch.cuda.memory_reserved() + 400 * 2**20):
                code = run(["train", names, "-o", folder, *COMMAND])
        self.assertEqual(code, 5, err.getvalue())
        self.assertIn("--batch-size 2048 --fresh", err.getvalue())


def wide(batch_size: int) -> MakeMore:
    """Plan a training whose batch takes far more memory than its weights."""
    sizes = {"n_embd": 128, "n_layer": 4, "n_head": 4}
    return MakeMore("transformer", **sizes, max_steps=2, batch_size=batch_size, device="cuda")
