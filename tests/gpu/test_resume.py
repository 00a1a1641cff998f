"""A training on a card that was killed goes on, and ends with the bytes of an unbroken one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from gpu import card
from gpu.card import CardTest, like_names, needs, small
from makemore.api import train_directory
from makemore.training import Step

LINES = like_names(400)
STEPS = 60

# A process that trains as `train` below does, and is killed by itself at a step.
KILLED = """
import os, signal, sys
from gpu import card, test_resume
card.DEVICE = sys.argv[2]
for step in test_resume.train(sys.argv[1], sys.argv[3]):
    if step == 37:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def train(folder: str, model: str, stop: threading.Event | None = None) -> Any:
    """Train in a run directory; yields the number of each step."""
    options: dict[str, Any] = {"max_steps": STEPS, "batch_size": 64, "threads": 1, **small(model)}
    events = train_directory(
        folder, LINES, model=model, stop=stop, device=card.DEVICE, save_interval=0.0,
        eval_interval=15, **options,
    )  # fmt: skip
    yield from (event.step for event in events if isinstance(event, Step))


def bytes_of(folder: str) -> dict[str, bytes]:
    """Read the files of weights, of a state, and what was logged without its seconds."""
    return {
        path.name: path.read_bytes() for path in Path(folder).iterdir()
        if path.suffix == ".safetensors"
    }  # fmt: skip


@needs("safetensors")
class TestResume(CardTest):
    def test_a_killed_training_ends_with_equal_bytes(self) -> None:
        for model in ("transformer", "gru"):
            with self.subTest(model=model), tempfile.TemporaryDirectory() as above:
                unbroken, killed = (os.path.join(above, name) for name in ("unbroken", "killed"))
                self.assertEqual(list(train(unbroken, model)), list(range(1, STEPS + 1)))
                around = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
                done = subprocess.run(
                    [sys.executable, "-c", KILLED, killed, card.DEVICE, model], env=around,
                    capture_output=True, text=True, timeout=120,
                )  # fmt: skip
                self.assertEqual(done.returncode, -signal.SIGKILL, done.stderr)
                rest = list(train(killed, model))
                # The last save was at most a step before the kill, or at an evaluation.
                self.assertGreater(rest[0], 15)
                self.assertEqual(rest[-1], STEPS)
                self.assertTrue(bytes_of(killed) == bytes_of(unbroken), "other bytes")

    def test_every_model_goes_on_where_it_was_stopped(self) -> None:
        for model in card.networks():
            with self.subTest(model=model), tempfile.TemporaryDirectory() as above:
                unbroken, stopped = (os.path.join(above, name) for name in ("unbroken", "stopped"))
                list(train(unbroken, model))
                stop, first = threading.Event(), []
                for step in train(stopped, model, stop):
                    first.append(step)
                    if step == 20:
                        stop.set()
                rest = list(train(stopped, model))
                self.assertEqual(first + rest, list(range(1, STEPS + 1)))
                self.assertTrue(rest and bytes_of(stopped) == bytes_of(unbroken), "other bytes")
