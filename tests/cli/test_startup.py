"""What the command line does with its process: torch without what draws never need, a quick end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from battery import SMALL
from conftest import Cli
from makemore import MakeMore
from makemore.models.core import registry
from makemore.options import options_of

WORDS = [a + b + c + d for a in "abc" for b in "deo" for c in "fgi" for d in "abce"]


def python(code: str, *arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=cwd, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A run of every model."""
    folder = tmp_path_factory.mktemp("runs")
    for model in registry.model_names():
        own = {k: v for k, v in SMALL.items() if k in options_of(registry.get_model(model).Options)}
        maker = MakeMore(model, random_state=1, threads=1, max_steps=3, **own)
        maker.fit(WORDS).save(folder / model)
    return sorted(folder.iterdir())


DRAWN = """
import sys
from makemore.cli.loading import load_to_draw
from makemore.cli.startup import prepare

if sys.argv[1] == "ours":
    prepare()
for folder in sys.argv[2:]:
    print(*load_to_draw(folder, {}).sample(4, random_state=5))
print("torch._refs" in sys.modules)  # with the rest of what knows shapes
"""


def test_all_models_draw_the_same_with_less_of_torch(runs: list[Path], tmp_path: Path) -> None:
    """And only a process that is the command line's own goes without it. Where torch is another
    version than startup.TORCH, see whether this still holds, and say so there.
    """
    ours, theirs = (python(DRAWN, whose, *runs, cwd=tmp_path) for whose in ("ours", "theirs"))
    *less, loaded = ours.stdout.splitlines()
    *all_of_it, whole = theirs.stdout.splitlines()
    assert less == all_of_it and len(less) == len(registry.model_names()), ours.stderr
    assert (loaded, whole) == ("False", "True")


PLUGIN = """
import atexit
import torch

atexit.register(lambda: print(torch._meta_registrations.__file__ is not None))


class Slow:
    def __del__(self):
        print("taken apart")


slow = Slow()
"""


def test_a_plugin_has_all_of_torch_and_ends_as_it_wants(runs: list[Path], cli: Cli) -> None:
    """What it registered is called; nothing is taken apart object by object."""
    plugin = runs[0].parent.parent / "plugin.py"
    plugin.write_text(PLUGIN)
    run = next(run for run in runs if run.name == "gru")
    done = cli("sample", run, "-n", "3", "--seed", "1", "--plugin", plugin)
    *lines, whole = done.stdout.splitlines()
    assert (done.returncode, len(lines), whole) == (0, 3, "True"), done.stderr


def test_everything_is_written_before_the_end(runs: list[Path], cli: Cli) -> None:
    run = next(run for run in runs if run.name == "ngram")
    done = cli("sample", run, "-n", "5000", "--all", "--seed", "1")
    assert (done.returncode, done.stdout.count("\n"), done.stderr) == (0, 5000, "")
