"""The house holds: contracts of pyproject.toml, and what is loaded when something is imported.

`make check` runs the contracts. Here they are broken on purpose, in a copy: a check that cannot
fail is none.
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import house
from kinds import each_kind
from makemore import sampling

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "makemore"

# Where torch may be imported at the top: what computes with it, and what reads such modules.
WITH_TORCH = (
    "models.core.dense_cache", "models.core.device_", "models.core.kv_cache",
    "models.core.layers", "models.core.neural", "models.core.on_device",
    "models.core.packed_lines", "models.neural", "models.bigram", "models.bow",
    "models.deep_mlp", "models.ensemble", "models.gru", "models.lstm", "models.mlp",
    "models.rnn", "models.transformer", "models.wavenet", "scoring.line_tensors",
    "scoring.card_scorer", "scoring.loss", "scoring.neural_scorer", "training.batch",
    "training.cuda_graphs", "training.device", "training.disk_batches", "training.distributed",
    "training.gradients", "training.mixed_precision", "training.muon", "training.optimizer",
    "training.ranks", "training.soft_targets", "training.step", "training.trainer",
    "api.candidates", "api.duration", "api.time_budget", "api.prior_start",
    "analysis.calibration", "analysis.diagnostics", "analysis.dimensions", "analysis.explain",
    "analysis.forward_pass", "analysis.steps", "analysis.trace", "experiments.", "report.",
    "web.export",
)  # fmt: skip
HEAVY = {"torch", "matplotlib", "rich", "faker", "jinja2", "rapidfuzz", "regex"}


def modules() -> list[str]:
    """Every module of makemore, as it is imported."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return [name for name in found if name not in ("", "__main__")]


def loaded_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_makemore_is_light_and_a_heavy_import_is_seen() -> None:
    assert not HEAVY & loaded_after("import makemore")
    assert HEAVY & loaded_after("import rich") == {"rich"}


def test_what_promises_to_load_no_torch_loads_none() -> None:
    quiet = [name for name in modules() if not name.startswith(WITH_TORCH)]
    assert "sampling.sampler" in quiet and "api.session" in quiet and "cli.commands.train" in quiet
    loaded = loaded_after("".join(f"import makemore.{name}\n" for name in quiet))
    assert not HEAVY & loaded


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None  # importing it is an error from here on
from makemore import MakeMore
from makemore.cli.main import run

names = [a + b + c for a in "BCDLMN" for b in "aeiou" for c in ("n", "ra")]
labels = [str(n % 2) for n in range(len(names))]
maker = MakeMore(model="ngram", order=3, random_state=1).fit(names, labels)
assert maker.sample(3, 1) and maker.top(3) and maker.score(names) < 0
assert len(maker.predict(names)) == len(names) and maker.report("val")["nll"] > 0
with open("names.txt", "w") as file:
    file.write("\\n".join(names))
for line in (
    ["train", "names.txt", "--model", "ngram", "-o", "run"],
    ["sample", "run", "-n", "5", "--seed", "1", "--suffix", "ra", "--rank"],
    ["sample", "run", "-n", "300", "--all"], ["top", "run"], ["score", "run", "names.txt"],
    ["score", "run", "names.txt", "--each"], ["score", "run", "names.txt", "--table"],
    ["eval", "run"], ["verify", "run"],
):
    assert run(line, debug=True) == 0, line
"""


def test_counts_go_their_whole_way_without_torch(tmp_path: Path) -> None:
    """Fitted, evaluated, scored, ranked and drawn from, by Python and by the command line."""
    code = [sys.executable, "-c", WITHOUT_TORCH]
    done = subprocess.run(code, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_face_gives_what_it_names() -> None:
    for path in PACKAGE.glob("*/**/__init__.py"):
        folder = path.parent.relative_to(PACKAGE.parent)
        face = importlib.import_module(".".join(folder.parts))
        for name in getattr(face, "__all__", ()):
            assert getattr(face, name).__module__.startswith("makemore"), name
    with pytest.raises(AttributeError, match="has no attribute 'Sampling'"):
        sampling.Sampling  # noqa: B018


# -- the contracts, each broken once --------------------------------------------------------------

BROKEN = {
    "from a wing above": ("text/corpus.py", "from makemore.training.trainer import fit"),
    "in a function": ("runs/run.py", "def later():\n    import makemore.api.estimator"),
    "side by side": ("sampling/sampler.py", "from makemore.runs.run import Run"),
    "the ground floor": ("errors.py", "def later():\n    from makemore.text.corpus import Corpus"),
    "torch in sampling": ("sampling/filters.py", "def later():\n    import torch"),
    "a sibling model": ("models/gru.py", "from makemore.models.rnn import RNN"),
    "a circle": ("text/ragged.py", "def later():\n    from makemore.text.corpus import Corpus"),
    "a wing without a place": ("help/__init__.py", "pass"),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("house")
    shutil.copytree(PACKAGE, folder / "src" / "makemore", ignore=shutil.ignore_patterns("*.pyc"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def contracts(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(folder / "src"), "NO_COLOR": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_contracts_hold(copy: Path) -> None:
    done = contracts(copy)
    assert done.returncode == 0 and "0 broken" in done.stdout


@pytest.mark.parametrize(
    "name", each_kind(BROKEN, ["in a function", "torch in sampling", "a circle"])
)
def test_a_broken_contract_is_found(copy: Path, name: str) -> None:
    file, line = BROKEN[name]
    path = copy / "src" / "makemore" / file
    before = path.read_text(encoding="utf-8") if path.exists() else None
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{before or ''}\n{line}\n", encoding="utf-8")
    try:
        done = contracts(copy)
        assert done.returncode == 1, done.stdout + done.stderr
    finally:
        if before is None:
            shutil.rmtree(path.parent)
        else:
            path.write_text(before, encoding="utf-8")


def test_only_the_command_line_prints() -> None:
    """Ruff's T20 and banned names hold it; planted, they are found."""
    planted = PACKAGE / "text" / "corpus.py"
    for line in ("print(1)", "import sys\n\nsys.stderr.write('x')"):
        done = subprocess.run(
            [Path(sys.executable).parent / "ruff", "check", "--stdin-filename", planted, "-"],
            cwd=ROOT, input=f"{line}\n", capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 1 and ("T201" in done.stdout or "TID251" in done.stdout)


@pytest.mark.slow
def test_the_house_is_sound_and_a_wrong_arrow_is_named() -> None:
    """As `make house` counts them."""
    found = house.measured()
    assert found["broken"] == [] and found["wings"] == 12 and len(found["top"]) <= 8
    assert house.cycles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    assert house.cycles({"a": {"b"}, "b": set()}) == []
