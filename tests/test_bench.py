"""The published splits, letter for letter; and that a bench runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench"))

import splits  # noqa: E402 (bench/ is no package)


@pytest.fixture(scope="module")
def words(names_file):
    return splits.read_words(names_file)


def symbols(part):
    return int(part.lengths.sum()) + len(part)


# spec: D06
def test_the_lecture_split_has_the_lectures_examples(words):
    parts = splits.lecture(words)
    assert [len(part) for _, part in parts] == [25626, 3203, 3204]
    assert [symbols(part) for _, part in parts] == [182625, 22655, 22866]


# spec: W09
def test_distinct_42_has_no_copies_on_two_sides(words):
    parts = splits.distinct_42(words)
    assert (len(words), len(set(words))) == (32033, 29494)
    assert [len(part) for _, part in parts] == [23595, 2949, 2950]
    assert not set(parts.train) & (set(parts.val) | set(parts.test))


def test_the_original_split_leaks_153_names(words):
    parts = splits.original(words)
    assert [len(part) for _, part in parts] == [31033, 0, 1000]
    assert int(np.isin(parts.test.hashes(), parts.train.hashes()).sum()) == 153


def test_a_bench_runs_on_the_built_in_names_and_prints_json():
    environment = {k: v for k, v in os.environ.items() if k != "MAKEMORE_NAMES"}
    script = [sys.executable, "bench/models.py", "--short", "--models", "ngram", "--splits", "hash"]
    done = subprocess.run(script, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert row["model"] == "ngram"
    assert 1.5 < row["val"] < 2.5
    assert "| hash | ngram |" in done.stderr
