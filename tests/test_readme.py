"""README and the pages for users: their commands and code are run, as a newcomer types them."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.server
import importlib
import io
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import battery
import makemore.models
from conftest import answering
from makemore import MakeMore
from makemore.cli import main as entry
from makemore.models.core import registry
from makemore.options import make
from makemore.sampling.policy import GIVE_UP
from makemore.text import builtin_lists
from makemore.training import TrainingConfig
from makemore.training.optimizers import lr_factor
from warm import workplace

ROOT = Path(__file__).resolve().parent.parent
# In the order in which their commands are typed here, one after another in one folder.
PAGES = {
    name: (ROOT / name).read_text(encoding="utf-8")
    for name in (
        "README.md", "docs/list.md", "docs/learning.md", "docs/new-model.md", "docs/prior.md",
    )
}  # fmt: skip
README, LIST, LEARNING, NEW_MODEL, PRIOR = PAGES.values()
BLOCKS = {
    name: re.findall(r"^```(\w+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for name, text in PAGES.items()
}
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

NAMES = """
maria marian marta martin mara mary amara tamara anna hanna jana nina lena elena mira amira alina
lina elin ella bella mela pamela ela lea thea bea rea mia lia julia ulla nelli emil amil jamil karl
carla ada ida edda frida erna berna verena irene rene andre andrea lars mars tomas toma omar anton
""".split()
LINES = NAMES + [name.capitalize() for name in NAMES]


def command_lines(page: str, language: str = "bash") -> list[str]:
    """The lines of a page's blocks of a language; what goes on after a backslash is one line."""
    blocks = (body for name, body in BLOCKS[page] if name == language)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.join(shlex.split(line, comments=True)) for line in lines if line.strip()]


def quoted(*pages: str) -> list[str]:
    """What stands between backquotes in the text around the blocks, each on one line."""
    prose = (re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL) for page in pages)
    return [" ".join(code.split()) for text in prose for code in re.findall(r"`([^`]+)`", text)]


BASH = {page: command_lines(page) for page in PAGES}
TYPED = {
    page: [line for line in dict.fromkeys(lines) if line.startswith("makemore ")]
    for page, lines in BASH.items()
}

# What a line gets beside its own words so that it takes a second; most need nothing.
FEW = "--max-steps 3 --eval-interval 3 --batch-size 16 --threads 1 --device cpu"
SMALL = f"{FEW} --n-layer 1 --n-head 2 --n-embd 8"
RUN = "runs/list"
QUICK = {
    "makemore list.txt": FEW,
    "makemore list.txt --prior none -o runs/alone": FEW,
    "makemore list.txt --model transformer --prior builtin -o runs/t": FEW,
    "makemore prior dogs.txt cats.txt horses.txt -o runs/pets": "--epochs 1",
    "makemore hamsters.txt --prior runs/pets": FEW,
    "makemore people.csv --text-column name -o runs/people-names": SMALL,
    "makemore people.txt --labels": FEW,
    "makemore people.csv --label-column origin -o runs/table": SMALL,
    "makemore sample runs/list -n 1000000 --seed 1 --shard 1/4 -o 1.txt": "-n 400",
    "makemore train list.txt --model gru --memory 1GiB -o runs/large": FEW,
    "makemore fetch names": "--url {url}/names.txt",
    "makemore -i names.txt -o names":
        "--max-steps 3 -b 16 --device cpu --n-layer 1 --n-head 2 --n-embd 8",
    "makemore names.txt -o part2 --model mlp --max-steps 200000 --eval-interval 20000 "
    "--batch-size 32 --optimizer sgd --learning-rate 0.1 --schedule step --weight-decay 0":
        "--max-steps 40 --eval-interval 20 --threads 1 --device cpu",
    "makemore names.txt -o watched --model deep_mlp --watch": FEW,
    "makemore lr-find names.txt --model mlp": "--steps 20 --batch-size 16 --threads 1 --device cpu",
    "makemore sweep names.txt --preset context": "--max-steps 3 --workers 1",
    "makemore compare names.txt": "--models ngram,mlp --max-steps 3 --threads 1 --device cpu",
    "makemore names.txt --plugin mine.py --model logbilinear": f"{FEW} --n-embd 8",
}  # fmt: skip
# The other experiments of docs/learning.md: some ten seconds each, so they run with the slow tests.
SWEEPS = [
    f"makemore sweep names.txt --preset {name}"
    for name in ("hidden", "embedding", "batch", "weight-decay", "init", "batch-norm", "data")
]


def model_code() -> str:
    [code] = [body for language, body in BLOCKS["docs/new-model.md"] if language == "python"]
    return code


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The model of docs/new-model.md as a file; its name is known until this file's tests end."""
    file = tmp_path_factory.mktemp("plugin") / "mine.py"
    file.write_text(model_code(), encoding="utf-8")
    registry.load_plugin(str(file))
    yield file
    del registry._register["logbilinear"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, plugin: Path) -> Path:
    """The folder in which the commands of the pages are typed, one after another."""
    place = tmp_path_factory.mktemp("readme")
    kinds = [(line, "scots" if line[-1] in "aei" else "welsh") for line in LINES]
    files = {
        "mine.py": plugin.read_text(encoding="utf-8"), "other.txt": "Maria\nXqzw\n",
        "list.txt": "\n".join(LINES) + "\n", "names.txt": "\n".join(LINES) + "\n",
        "taken.txt": "Mari\nMara\n", "people.txt": "".join(f"{a}\t{b}\n" for a, b in kinds),
        "messy.txt": "".join(f"{number}. {line}\n" for number, line in enumerate(LINES, 1)),
        "people.csv": "name,origin\n" + "".join(f"{a},{b}\n" for a, b in kinds),
        **{f"{kind}.txt": "\n".join(LINES[number::4]) + "\n"
           for number, kind in enumerate(("dogs", "cats", "horses", "hamsters"))},
    }  # fmt: skip
    for name, text in files.items():
        (place / name).write_text(text, encoding="utf-8")
    return place


def run(line: str, place: Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command line, in this process to spare torch's import."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(place), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = entry.run(shlex.split(line)[1:])
    return code, out.getvalue(), err.getvalue()


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of a server on this machine that has the files of a folder."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    handler = functools.partial(Quiet, directory=folder)
    with answering(handler) as address:
        yield f"http://{address}"


# -- the commands ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_what_readme_types_works(folder, tmp_path, monkeypatch):
    """All lines in the order of the pages, so that each finds what those before it have made."""
    typed = dict.fromkeys(line for page in PAGES for line in TYPED[page])
    quick = [line for line in typed if line not in SWEEPS]
    said = {}
    (tmp_path / "names.txt").write_text("\n".join(LINES))
    with serving(tmp_path) as url:
        for line in quick:
            if line == "makemore fetch names":  # checked by its digest: make ours the right one
                digest = hashlib.sha256("\n".join(LINES).encode()).hexdigest()
                monkeypatch.setattr(builtin_lists, "NAMES_SHA256", digest)
                (folder / "names.txt").unlink()
            code, out, err = run(f"{line} {QUICK.get(line, '').format(url=url)}", folder)
            # After three steps hardly anything starts with Ma: fewer than 50 is an answer, too.
            few = code == 7 and ("sample" in line or "top" in line)
            assert code == 0 or few, f"{line}: {err}"
            said[line] = out
    known = set(LINES)
    for line, out in said.items():  # of `top` and --rank a line's text stands behind its nll
        lines = [row.split("\t")[-1] for row in out.splitlines()]
        if "sample" in line or "top" in line or line == "makemore list.txt":
            assert len(lines) == len(set(lines)) and not known & set(lines), line
    assert len(said["makemore list.txt"].splitlines()) == 20
    prefixed = said[f"makemore sample {RUN} -n 50 --prefix Ma --max-length 8"].splitlines()
    assert len(prefixed) > 10
    assert all(name.startswith("Ma") and len(name) <= 8 for name in prefixed)
    scores = [row.split("\t") for row in said[f"makemore score {RUN} other.txt"].splitlines()]
    assert [text for _, text in scores] == ["Maria", "Xqzw"]
    assert 0 < float(scores[0][0]) < 60 and float(scores[1][0]) == float("inf")
    assert set(QUICK) <= set(said) and len(said) > 40
    assert len(said["makemore -i names.txt -o names --sample-only"].splitlines()) == 50
    assert (folder / "names.txt").read_text(encoding="utf-8") == "\n".join(LINES)
    rows = [row.split()[0] for row in said["makemore eval part2 --test"].splitlines()]
    assert rows == ["part", "train", "val", "test", "of"]
    assert "logbilinear  " in said["makemore models --plugin mine.py"]


@pytest.mark.slow
@pytest.mark.parametrize("line", SWEEPS)
def test_the_other_experiments_work(folder, line):
    assert line in TYPED["docs/learning.md"]
    code, out, err = run(f"{line} --max-steps 3 --workers 1 --fresh", folder)
    assert code == 0 and len(out.splitlines()) > 10, err


def rows_of_the_lectures() -> list[str]:
    """The commands in the table of docs/learning.md, from top to bottom."""
    rows = [row for row in LEARNING.splitlines() if row.startswith("|")]
    return [line for line in quoted(*rows) if line.startswith("makemore ")]


@pytest.mark.slow
def test_the_lectures_are_followed_row_by_row(tmp_path):
    """In an empty folder with nothing but names.txt, as a learner goes through the table."""
    (tmp_path / "names.txt").write_text("\n".join(LINES))
    lines = rows_of_the_lectures()
    assert len(lines) == 25
    for line in lines:
        words, few = line.split(), "--max-steps 3 --threads 1 --device cpu"
        if words[1] == "lr-find":
            few = "--steps 20 --batch-size 16 --threads 1 --device cpu"
        elif words[1] == "compare":
            few = f"--models ngram,gru {few}"
        elif words[1] == "sweep":  # those of test_the_other_experiments_work
            assert line in SWEEPS
            continue
        elif "names.txt" not in words or "ngram" in words:
            few = ""
        code, out, err = run(f"{line} {few}", tmp_path)
        assert code == 0 and (out or words[1] == "inspect"), f"{line}: {err}"


def test_what_replaces_part_2_is_part_2():
    """200,000 steps, progress each 20,000, batches of 32, SGD at 0.1 and then 0.01, 11,897."""
    line = next(line for line in TYPED["docs/learning.md"] if "part2 --model mlp" in line)
    words = shlex.split(line)
    typed = {flag: words[i + 1] for i, flag in enumerate(words) if flag.startswith("--")}
    kinds = {"max_steps": int, "eval_interval": int, "batch_size": int, "optimizer": str,
             "learning_rate": float, "schedule": str, "weight_decay": float}  # fmt: skip
    asked = {key: kind(typed["--" + key.replace("_", "-")]) for key, kind in kinds.items()}
    recipe = make(TrainingConfig, asked, registry.get_model("mlp").recipe)
    assert (recipe.max_steps, recipe.eval_interval, recipe.batch_size) == (200_000, 20_000, 32)
    assert recipe.optimizer == "sgd" and recipe.momentum == 0 and recipe.weight_decay == 0
    factors = [lr_factor(recipe, step, 200_000) for step in (0, 99_999, 100_000)]
    assert [recipe.learning_rate * each for each in factors] == pytest.approx([0.1, 0.1, 0.01])
    kind = registry.get_model("mlp")
    model = kind(27, 3, kind.Options())  # type: ignore[call-arg]
    assert model.n_parameters == 11_897


def test_commands_and_flags_in_the_text_are_those_that_there_are():
    """`makemore X` between backquotes: X is a command, a file or a flag; so is every `--flag`."""
    codes = (code.removeprefix("uv run ") for code in quoted(*PAGES.values()))
    found = [code for code in codes if code.startswith("makemore ")]
    assert len(found) > 25
    for words in found:
        first = words.split()[1]
        file_or_flag = first.startswith("-") or first.endswith(".txt") or first == "COMMAND"
        assert first in entry.NAMES or file_or_flag, words
    text = " ".join(quoted(*PAGES.values()))
    named = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]*)", text))
    known = {"--help", "--debug", "--group"}  # --group is uv's
    for name in entry.NAMES:
        file = name.replace("-", "_")
        command = importlib.import_module(f"makemore.cli.commands.{file}").command
        known |= {flag for param in command.params for flag in (*param.opts, *param.secondary_opts)}
    for name in registry.model_names():
        known |= {"--" + key.replace("_", "-") for key in vars(registry.get_model(name).Options())}
    assert len(named) > 20 and named - known == set()


def test_exit_code_7_is_what_readme_says(folder):
    """Fewer than were asked for: those found are printed, and the message counts them."""
    assert f"{GIVE_UP:,} draws in a row" in LIST and "exit code 7" in README
    code, out, err = run("makemore train list.txt -o few --model ngram", folder)
    assert code == 0
    many = "makemore sample few -n 9000 --prefix Ma --max-length 4 --seed 1 --temperature 0.5"
    code, out, err = run(many, folder)
    found = out.splitlines()
    assert code == 7 and 0 < len(found) < 9000
    assert f"found {len(found)} of 9000 lines" in err
    assert all(name.startswith("Ma") and len(name) <= 4 for name in found)
    assert not set(LINES) & set(found)


def test_the_same_command_goes_on_and_another_is_refused(folder):
    train = f"makemore list.txt -o again {SMALL}"
    assert run(train, folder)[0] == 0
    code, out, err = run(train, folder)
    assert code == 0 and len(out.splitlines()) == 20 and "this run is finished" in err
    code, _, err = run(f"{train} --n-embd 16", folder)
    assert code == 2 and "n_embd" in err and "--fresh" in err
    assert run(f"{train.replace('list.txt', 'other.txt')}", folder)[0] == 2
    assert run(f"{train} --n-embd 16 --fresh", folder)[0] == 0


def test_setting_up_is_what_the_project_says():
    """Lines that install are not run here: what they name has to be there."""
    bash = [line for lines in BASH.values() for line in lines]
    lines = [line for line in bash if not line.startswith("makemore ")]
    lines += [code for code in quoted(README) if re.match(r"python3? |uv ", code)]
    lines += [code for code in quoted(*PAGES.values()) if code.startswith("make ")]
    rest = [part for line in lines for part in line.split(" && ")]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE)
    for line in rest:
        words = shlex.split(line)
        if words[0] == "make":
            assert words[1:] and words[1] in targets
        elif words[0] == "uv" and words[1] == "sync":
            assert words[2:] == ["--group", "dev"] and "dev" in PYPROJECT["dependency-groups"]
        elif words[0].endswith("pip") and "." in words:
            assert (ROOT / words[words.index("-c") + 1]).is_file()
        elif line == "uv run makemore":
            assert PYPROJECT["project"]["scripts"] == {"makemore": "makemore.cli.main:main"}
        elif words[1].startswith("lessons/"):
            assert words[0] == "python" and (ROOT / words[1]).is_file() and words[2] == "--names"
        else:
            assert line == "python3 -m venv .venv"
    pip = ".venv/bin/pip install -c constraints.txt ."
    assert {"make demo", "make test", "uv sync --group dev", "uv run makemore", pip} <= set(rest)
    assert re.search(r"^demo:.*\n\t@?\$\(BIN\)/makemore train -o runs/demo$", makefile, re.M)


def test_pip_and_uv_take_the_same_torch():
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    for pin in PYPROJECT["tool"]["uv"]["constraint-dependencies"]:
        assert pin in pins
    names = {re.split(r"[=<>]", pin)[0].lower() for pin in pins if pin and pin[0] != "#"}
    group = PYPROJECT["project"]["dependencies"] + PYPROJECT["dependency-groups"]["dev"]
    wanted = {re.split(r"[=<>]", each)[0].lower() for each in group}
    assert wanted - names == set()


# -- the code -------------------------------------------------------------------------------------


def test_the_python_of_readme_runs(folder, capsys):
    [code] = [body for name, body in BLOCKS["README.md"] if name == "python"]
    small = "max_steps=3, n_embd=8, n_hidden=8, batch_size=16, threads=1, device='cpu'"
    assert code.count("max_steps=2000") == 1
    with contextlib.chdir(folder):
        scope: dict[str, Any] = {}
        exec(compile(code.replace("max_steps=2000", small), "README.md", "exec"), scope)  # noqa: S102
        again = MakeMore.load("runs/mine").sample(5)
    first, five, scores = capsys.readouterr().out.splitlines()
    first, five = (json.loads(text.replace("'", '"')) for text in (first, five))
    assert [len(first), len(five), len(again)] == [20, 5, 5]
    assert not set(LINES) & {*first, *five, *again}
    assert all(name.startswith("Ma") for name in five)
    numbers = [float(number) for number in scores.strip("[]").split()]
    assert -60 < numbers[0] < 0 and numbers[1] == float("-inf")
    assert (folder / "runs" / "mine" / "checkpoint.json").is_file()
    assert run("makemore verify runs/mine", folder)[0] == 0


class TestModelOfYourOwn:
    """That of docs/new-model.md is held to all that our own models are held to."""

    @pytest.mark.parametrize("number", range(len(battery.CHECKS + battery.GRADIENT_CHECKS)))
    def test_battery(self, plugin, number):
        kind = registry.get_model("logbilinear")
        checks = battery.checks(kind)
        assert len(checks) == len(battery.CHECKS + battery.GRADIENT_CHECKS)
        checks[number](kind)

    def test_it_is_the_log_bilinear_model(self, plugin):
        """Mnih and Hinton 2007, equation 3: the point is a sum over places of matrix times row."""
        ours = {path.stem for path in Path(makemore.models.__path__[0]).glob("*.py")}
        assert "logbilinear" not in ours and "ngram" in ours
        model = battery.shaken(registry.get_model("logbilinear"), V=5, block_size=3)
        weights = {name: value.numpy() for name, value in model.state_dict().items()}
        table, n_embd = weights["embedding.weight"], model.options.n_embd
        window = [4, 0, 2]
        point = weights["predict.bias"].copy()
        for place, symbol in enumerate(window):
            matrix = weights["predict.weight"][:, place * n_embd : (place + 1) * n_embd]
            point += matrix @ table[symbol]
        expected = [point @ row + bias for row, bias in zip(table, weights["bias"], strict=True)]
        with torch.no_grad():
            found = model(torch.tensor([window]))[0].numpy()
        np.testing.assert_allclose(found, expected, atol=1e-5)

    def test_it_learns(self, plugin):
        """As it stands there, with its own recipe: below what a table of pairs can do."""
        options = {"max_steps": 150, "batch_size": 128, "threads": 1, "device": "cpu"}
        maker = MakeMore("logbilinear", random_state=1, **options).fit(NAMES)
        pairs = MakeMore("ngram", order=2, smoothing="add-k", k=0.001).fit(NAMES)
        losses = [each.report("train")["nll"] for each in (maker, pairs)]
        assert losses[0] < losses[1] - 0.1

    def test_as_it_was_written_for_an_earlier_version(self, plugin, tmp_path):
        """Old imports and old names of attributes still work, and the page says how long."""
        old = model_code().replace('input_kind = "window"', 'reads = "window"').replace(
            "from makemore.models import NeuralModel, register\n",
            "from makemore.models.base import register\n"
            "from makemore.models.neural import NeuralModel\n",
        )  # fmt: skip
        assert "input_kind" not in old and "models.base" in old
        assert "for one release" in NEW_MODEL
        table = dict(re.findall(r"^\| `(\w+)` \| `(\w+)` \|$", NEW_MODEL, re.MULTILINE))
        assert table == registry._RENAMED
        (tmp_path / "old.py").write_text(old, encoding="utf-8")
        today = registry._register.pop("logbilinear")
        try:
            with pytest.warns(DeprecationWarning, match="reads is called input_kind now"):
                registry.load_plugin(str(tmp_path / "old.py"))
            assert registry.get_model("logbilinear").input_kind == "window"
        finally:
            registry._register["logbilinear"] = today

    @pytest.mark.slow
    def test_it_works_from_the_command_line(self, plugin, tmp_path, warm):
        """A process that has never seen the file before, and one that is not given it."""
        folder = workplace(tmp_path, LINES)
        named = ["--plugin", plugin, "--model", "logbilinear"]
        done = warm.start("names.txt", *named, *FEW.split(), "--block-size", "4", cwd=folder)
        assert done.wait() == 0, done.err
        assert len(set(done.out.splitlines()) - set(LINES)) == 20
        config = json.loads((folder / "runs/names-logbilinear/config.json").read_text())
        assert (config["model"], config["block_size"]) == ("logbilinear", 4)
        sample = ("sample", "runs/names-logbilinear", "-n", "3")
        again = warm.start(*sample, "--plugin", plugin, cwd=folder)
        assert again.wait() == 0 and len(again.out.splitlines()) == 3
        alone = warm.start(*sample, cwd=folder)
        assert alone.wait() == 4 and "--plugin" in alone.err and not alone.out
