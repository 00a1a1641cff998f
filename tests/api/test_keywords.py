"""keywords.py: typed keywords are the options that there are, and a type checker finds slips."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, get_type_hints

import jedi
import pytest

from makemore import MakeMore
from makemore.api import keywords
from makemore.models.core.registry import get_model, model_names
from makemore.options import options_of
from makemore.sampling.config import Constraints, SamplingConfig
from makemore.text.config import TextConfig
from makemore.training.config import TrainingConfig

MODELS = [name for name in model_names() if get_model(name).__module__.startswith("makemore.")]


def declared(*configs: Any) -> dict[str, Any]:
    """The options of configs with their types, None where it is allowed."""
    return {
        option.name: option.type | None if option.optional else option.type
        for config in configs
        for option in options_of(config).values()
    }


@pytest.mark.parametrize(
    ("typed", "configs"),
    [
        (keywords.TextKeywords, [TextConfig]),
        (keywords.ModelKeywords, [get_model(name).Options for name in MODELS]),
        (
            keywords.TrainingKeywords,
            [TextConfig, TrainingConfig, *(get_model(name).Options for name in MODELS)],
        ),
        (keywords.ConstraintKeywords, [Constraints]),
        (keywords.SamplingKeywords, [SamplingConfig]),
    ],
)
def test_keywords_are_the_options_that_there_are(typed: Any, configs: list[Any]) -> None:
    assert get_type_hints(typed) == declared(*configs)


SCRIPT = """
import io
import pathlib

import makemore
import numpy as np
from makemore import MakeMore

maker = MakeMore(model="gru", max_steps=10, n_hidden=8, time="60s", random_state=1).fit(["Ann"])
lines: list[str] = maker.sample(3, prefix="A", avoid=["Ann"], rank=True, min_p=0.1)
best = maker.top(2, suffix="n", beam=10)
maker.fit(pathlib.Path("names.txt"), verbose=1).fit(np.array(["Ann"]), y=np.array([1]))
maker.fit(io.StringIO("Ann"), test={"Bo"}).fit(open("names.txt", "rb"))
maker.score(makemore.read_lines("names.txt", encoding="latin-1"))
MakeMore(random_state=np.random.RandomState(1), verbose=0)
for each in maker.samples(3, all=True):
    print(each.text, each.nll)
"""
SLIPS = {
    'MakeMore(max_stepz=10)': "max_stepz",
    'MakeMore(max_steps="ten")': "max_steps",
    "MakeMore(learning_rat=0.1)": "learning_rat",
    "MakeMore(random_stat=1)": "random_stat",
    'maker.fit(["Ann"], vall=["Bob"])': "vall",
    "maker.fit(3)": "fit",
    'makemore.read_lines("names.txt", encodin="utf-8")': "encodin",
    'maker.sample(3, prefx="A")': "prefx",
    'maker.top(3, sufix="A")': "sufix",
    'maker.samples(3, temprature=1.0)': "temprature",
}  # fmt: skip


@pytest.mark.slow
def test_mypy_finds_a_misspelt_option(tmp_path: Path) -> None:
    """In one run, since mypy reads torch first."""
    script = tmp_path / "user.py"
    script.write_text(SCRIPT + "\n".join(SLIPS) + "\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache", script],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = [line for line in done.stdout.splitlines() if "error:" in line]
    assert done.returncode == 1 and len(found) == len(SLIPS), done.stdout + done.stderr
    first = SCRIPT.count("\n") + 1
    for number, (slip, word) in enumerate(SLIPS.items(), first):
        assert any(f"user.py:{number}:" in line and word in line for line in found), slip


COMPLETED = {
    "MakeMore(max_st": ["max_steps="],
    "MakeMore('gru', random_st": ["random_state="],
    "MakeMore(n_h": ["n_head=", "n_hidden="],
    "MakeMore(verb": ["verbose="],
    "MakeMore.load('run').sample(5, temp": ["temperature="],
    "MakeMore().fit(['a']).sample(5, min_": ["min_distance=", "min_length=", "min_p="],
    "MakeMore().fit(['a']).top(5, suf": ["suffix="],
    "MakeMore().fit(['a'], va": ["val=", "val_y="],
    "MakeMore().score_s": ["score_samples"],
    "read_lines('names.txt', enc": ["encoding="],
}


@pytest.mark.slow
@pytest.mark.parametrize("typed", COMPLETED)
def test_jedi_completes_keywords(typed: str, tmp_path: Path) -> None:
    text = f"from makemore import MakeMore, read_lines\n{typed}"
    # This process's own environment: another would be started to ask for its paths.
    here = jedi.api.environment.InterpreterEnvironment()
    script = jedi.Script(text, path=tmp_path / "user.py", environment=here)
    names = [completion.name for completion in script.complete(2, len(typed))]
    assert [name for name in names if name in COMPLETED[typed]] == COMPLETED[typed]


def test_a_misspelt_option_is_an_error_when_it_is_run_too() -> None:
    with pytest.raises(ValueError, match="max_stepz"):
        MakeMore(**{"max_stepz": 10}).fit(["Ann", "Bob"])  # type: ignore[typeddict-unknown-key]
