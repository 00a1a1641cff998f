"""What the command line does with its process: torch without what draws never need, a quick end."""

from __future__ import annotations

import resource
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from battery import SMALL
from cli.conftest import SCRIPT, failed, lines_of
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


@pytest.mark.slow
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


@pytest.mark.slow
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


# What a person interrupts: a command while it is being imported, or at work, or about to end.
INTERRUPTED_AT = """
import os, signal, sys
from importlib.abc import MetaPathFinder

class Interrupt(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == AT:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

from makemore.cli.main import main
sys.meta_path.insert(0, Interrupt())
sys.argv = ["makemore", *sys.argv[1:]]
main()
"""


@pytest.mark.parametrize(
    "at",
    [
        "click",
        "makemore.cli.dispatch",
        "makemore.cli.commands.sample",
        "numpy",
        "makemore.api.fitted",
    ],
)
def test_an_interrupt_while_modules_are_imported_is_quiet(at: str, ngram: Path) -> None:
    code = [sys.executable, "-c", f"AT = {at!r}\n{INTERRUPTED_AT}"]
    ended = subprocess.run([*code, "sample", ngram], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


@pytest.mark.parametrize("place", ["prepare", "_run", "exit_now"])
def test_an_interrupt_before_or_after_a_command_is_quiet(place: str) -> None:
    code = f"""
import os, signal, sys
from makemore.cli import main
right = main.{place}
def interrupted(*arguments):
    if {place!r} == "prepare":
        right()
    os.kill(os.getpid(), signal.SIGINT)
    return right(*arguments)
main.{place} = interrupted
sys.argv = ["makemore", "--version"]
main.main()
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "Traceback" not in ended.stderr and ended.stderr.count("\n") <= 1
    assert ended.returncode == 130


def test_who_ignores_interrupts_is_not_interrupted(cli: Cli) -> None:
    code = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)  # as nohup, or & in a script
from makemore.cli.main import main
from makemore.cli import startup
startup.prepare()
os.kill(os.getpid(), signal.SIGINT)
sys.argv = ["makemore", "--version"]
main()
"""
    assert python(code).stdout.startswith("makemore, version")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["train names.txt --max-steps 100000", "sample run -n 100000"])
@pytest.mark.parametrize("delay", [0.1, 0.3, 0.8])
def test_a_command_that_is_interrupted_early_ends_quietly(
    command: str, delay: float, ngram: Path, tmp_path: Path
) -> None:
    (tmp_path / "names.txt").write_text("\n".join(WORDS))
    words = command.replace("run", str(ngram)).split()
    process = subprocess.Popen(
        [SCRIPT, *words], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    time.sleep(delay)  # in the imports of this machine or beyond: each is quiet
    process.send_signal(signal.SIGINT)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode in (130, 0), errors  # 0: it was quicker
    assert "Traceback" not in errors and "error" not in errors


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
