"""makemore eval: the losses of each part, and how often the test part was looked at."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from cli.conftest import bigram_nll, objects, strict
from conftest import Call
from makemore.runs.run import Run


def test_eval_gives_the_losses_of_each_part(call: Call, bigram: Path) -> None:
    parts = {name: list(part) for name, part in Run.load(bigram).split}
    found = objects(call("eval", bigram, "--json"))
    assert [entry.get("split") for entry in found] == ["train", "val", None]
    for entry in found[:2]:
        keys = {"split", "nll", "nll_unseen", "bits", "perplexity", "lines"}
        assert entry.keys() >= keys
        lines = parts[entry["split"]]
        symbols = sum(len(line) + 1 for line in lines)
        nll = sum(bigram_nll(line, parts["train"]) for line in lines) / symbols
        assert entry["nll"] == pytest.approx(nll) and entry["lines"] == len(lines)
        assert entry["bits"] == pytest.approx(nll / math.log(2))
        assert entry["perplexity"] == pytest.approx(math.exp(nll))
    shares = [found[2][key] for key in ("new", "repeated", "copied", "cut or empty")]
    assert sum(shares) == pytest.approx(1) and found[2]["samples"] == 1000
    table = call("eval", bigram).stdout.splitlines()
    assert [line.split()[0] for line in table] == ["part", "train", "val", "of"]
    assert f"{found[0]['nll']:.4f}" in table[1]


def test_looks_at_the_test_part_are_counted(call: Call, ngram: Path) -> None:
    before = (ngram / "checkpoint.json").read_bytes()
    for look in (1, 2, 3):
        ended = call("eval", ngram, "--test", "--json")
        assert f"look {look} at the test part" in ended.stderr
        assert objects(ended)[2].get("split") == "test"
    logged = [strict(line) for line in (ngram / "looks.jsonl").read_text().splitlines()]
    assert len(logged) == 3 and {entry["nll"] for entry in logged} == {logged[0]["nll"]}
    assert "look" not in call("eval", ngram).stderr
    assert (ngram / "checkpoint.json").read_bytes() == before  # outside the digests
    assert call("verify", ngram).returncode == 0
