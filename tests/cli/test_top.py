"""makemore top: lines apart from each other, and a note where most are near copies."""

from __future__ import annotations

from pathlib import Path

from rapidfuzz.distance import Levenshtein

from cli.conftest import failed, lines_of
from conftest import Call

LANDS = ["bosnia and herzegovina", "antigua and barbuda", "chad", "togo", "peru", "cuba", "mali"]


def test_near_copies_are_told_and_left_out_if_asked_for(call: Call) -> None:
    Path("lands.txt").write_text("\n".join(LANDS))
    assert call("lands.txt", "--model", "ngram", "-o", "run").returncode == 0
    ended = call("top", "run", "-n", "10")
    texts = [line.split("\t")[1] for line in lines_of(ended)]
    [told] = [line for line in ended.stderr.splitlines() if "--min-distance" in line]
    distance = int(told.split("--min-distance ")[1].split()[0])
    assert f"half of these lines or more are less than {distance} edits from" in told
    apart = call("top", "run", "-n", "10", "--min-distance", str(distance))
    found = [line.split("\t")[1] for line in lines_of(apart)]
    assert found and found != texts and "half of these lines" not in apart.stderr
    for row, text in enumerate(found):
        others = [*LANDS, *found[:row]]
        assert min(Levenshtein.distance(text, other) for other in others) >= distance
    few = call("top", "run", "-n", "9000", "--min-distance", "10", "--max-length", "6")
    assert "0 lines at least 10 edits apart: there are no more among the likeliest" in few.stderr
    failed(call("top", "run", "--min-distance", "0"), 2, "--min-distance")
    assert "half of these" not in call("top", "run", "--all").stderr
