"""What the command line does with its process: torch without what draws never need, a quick end."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from battery import SMALL
from cli.conftest import failed, lines_of
from conftest import Call, Cli
from makemore import MakeMore
from makemore.models.core import registry
from makemore.options import options_of

WORDS = [a + b + c + d for a in "abc" for b in "deo" for c in "fgi" for d in "abce"]


def python(code: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    return ended


@pytest.fixture(scope="module")
def all_models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
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

prepare()
for folder in sys.argv[1:]:
    print(*load_to_draw(folder, {}).sample(4, random_state=5))
print("torch._refs" in sys.modules)  # with the rest of what knows shapes
"""


@pytest.mark.slow
def test_all_models_draw_the_same_with_less_of_torch(all_models: list[Path]) -> None:
    """And only a process that is the command line's own goes without it. Where torch is another
    version than startup.TORCH, see whether this still holds, and say so there.
    """
    ended = python(DRAWN, *all_models)
    *less, loaded = ended.stdout.splitlines()
    assert less == [" ".join(MakeMore.load(run).sample(4, random_state=5)) for run in all_models]
    assert len(less) == len(registry.model_names()), ended.stderr
    assert loaded == "False" and "torch._refs" in sys.modules


PLUGIN = """
import atexit
import torch

atexit.register(lambda: print(torch._meta_registrations.__file__ is not None))


class Slow:
    def __del__(self):
        print("taken apart")


slow = Slow()
"""


@pytest.mark.slow
def test_a_plugin_has_all_of_torch_and_ends_as_it_wants(all_models: list[Path], cli: Cli) -> None:
    """What it registered is called; nothing is taken apart object by object."""
    plugin = all_models[0].parent.parent / "plugin.py"
    plugin.write_text(PLUGIN)
    run = next(run for run in all_models if run.name == "gru")
    done = cli("sample", run, "-n", "3", "--seed", "1", "--plugin", plugin)
    *lines, whole = done.stdout.splitlines()
    assert (done.returncode, len(lines), whole) == (0, 3, "True"), done.stderr


def test_everything_is_written_before_the_end(all_models: list[Path], cli: Cli) -> None:
    run = next(run for run in all_models if run.name == "ngram")
    done = cli("sample", run, "-n", "5000", "--all", "--seed", "1")
    assert (done.returncode, done.stdout.count("\n"), done.stderr) == (0, 5000, "")


# -- as a process of its own ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        "",
        *(
            pytest.param(option, marks=pytest.mark.slow)
            for option in ("--suffix ilon", "--json", "--rank", "--all")
        ),
    ],
)
def test_a_process_of_its_own_shows_the_same(
    options: str, counted: Path, call: Call, cli: Cli
) -> None:
    arguments = ("sample", counted, "-n", "7", "--seed", "8", *options.split())
    ended, here = cli(*arguments), call(*arguments)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, here.stdout, here.stderr)


def test_a_process_ends_with_the_code_of_its_error(cli: Cli) -> None:
    failed(cli("sample", "missing"), 4, "missing")
    failed(cli("sample"), 2, "DIR")
    debug = cli("sample", "missing", "--debug")
    assert debug.returncode == 1 and "Traceback" in debug.stderr and "RunError" in debug.stderr


STATED = """
import sys
from makemore.cli import main as cli
for arguments in ([], ["--help"], ["--version"], *([name, "--help"] for name in cli.NAMES)):
    assert cli.run(arguments) == 0
print([m for m in ("numpy", "torch", "rich", "safetensors", "faker") if m in sys.modules])
"""
LOADED = """
import sys
from makemore.cli import main as cli
assert cli.run(sys.argv[1:]) == 0
names = ("torch", "rapidfuzz", "matplotlib", "rich", "regex")
print([name for name in names if name in sys.modules])
"""


def test_help_waits_for_neither_numpy_nor_torch() -> None:
    assert python(STATED).stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("line", "loaded"),
    [("sample -n 2", []), ("sample -n 2 --min-distance 2", ["rapidfuzz"]), ("verify", [])],
)
def test_a_run_of_counts_needs_no_torch_and_no_extra_is_loaded_before_its_use(
    line: str, loaded: list[str], counted: Path
) -> None:
    command, *options = line.split()
    ended = python(LOADED, command, counted, *options)
    assert ended.stdout.splitlines()[-1] == str(loaded)


def test_help_is_there_at_once(cli: Cli) -> None:
    def seconds(act: Callable[[], object]) -> float:
        """Of the processor, in a child: a wall clock would also see what else the machine does."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        act()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    cli("--help")  # writes the bytecode
    helps = [seconds(lambda: cli("--help")) for _ in range(5)]
    clicks = [seconds(lambda: python("import click")) for _ in range(5)]
    assert statistics.median(helps) < max(0.15, 4 * statistics.median(clicks))


def test_modules_that_were_planted_in_a_run_are_not_imported(cli: Cli, ngram: Path) -> None:
    for name in ("json", "torch", "numpy", "click", "conftest", "makemore", "sitecustomize"):
        (ngram / f"{name}.py").write_text("raise SystemExit('pwned')")
    ended = cli("sample", ".", "-n", "3", "--seed", "1", cwd=ngram)
    assert len(lines_of(ended)) == 3
    assert cli("verify", ".", cwd=ngram).returncode == 0
