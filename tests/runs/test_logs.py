"""logs.py: what is read back of a log is an entry, or the file and the line are named."""

from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from makemore.errors import RunError
from makemore.runs import safe_files
from makemore.runs.logs import read_diagnostics, read_metrics

ENTRIES = [{"step": step, "kind": "val", "nll": 2.5, "lr": None} for step in range(4)]
LINES = [json.dumps(entry).encode() for entry in ENTRIES]

WRONG = {
    b"": "is no valid JSON", b"{": "is no valid JSON", b"\xff": "is no valid JSON",
    b'{"step": NaN, "kind": "val"}': "is no valid JSON",
    b'{"step": 1, "step": 1, "kind": "val"}': "is no valid JSON",
    b"[" * 100_000: "is no valid JSON", b"[1]": "is no entry", b"null": "is no entry",
    b'{"step": 1}': "is no entry", b'{"kind": "val"}': "is no entry",
    b'{"step": "1", "kind": "val"}': "is not makemore's",
    b'{"step": -1, "kind": "val"}': "is not makemore's",
    b'{"step": true, "kind": "val"}': "is not makemore's",
    b'{"step": 1e3, "kind": "val"}': "is not makemore's",
    b'{"step": 9007199254740993, "kind": "val"}': "is not makemore's",
    b'{"step": 1, "kind": ["val"]}': "is not makemore's",
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG, ids=lambda body: ascii(body[:30]))
@pytest.mark.parametrize("number", [1, 3, 5])
def test_a_line_that_is_no_entry_is_named(number: int, wrong: bytes, tmp_path: Path) -> None:
    lines = [*LINES]
    lines.insert(number - 1, wrong)
    (tmp_path / "metrics.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    with pytest.raises(RunError) as caught:
        read_metrics(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"metrics.jsonl, line {number}, {WRONG[wrong]} ({tmp_path}")
    assert caught.value.exit_code == 4 and message.isprintable() and len(message) < 1000


def test_a_line_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    assert read_metrics(tmp_path) == read_diagnostics(tmp_path) == []
    body = b"\n".join(LINES)
    for length in range(len(body) + 1):
        (tmp_path / "metrics.jsonl").write_bytes(body[:length])
        assert read_metrics(tmp_path) == ENTRIES[: body[:length].count(b"\n")]


def test_a_log_that_is_one_huge_line_costs_no_memory(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").touch()
    os.truncate(tmp_path / "metrics.jsonl", 2**29)  # a sparse file
    tracemalloc.start()
    with pytest.raises(RunError, match=r"a line of metrics\.jsonl is longer than 16777216 bytes"):
        read_metrics(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * safe_files.MAX_LINE


@given(data=st.data())
def test_a_log_that_was_changed_anywhere_is_read_or_refused(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    body = bytearray(b"".join(line + b"\n" for line in LINES))
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.mktemp("log")
    (folder / "metrics.jsonl").write_bytes(body)
    try:
        assert all(type(entry["step"]) is int for entry in read_metrics(folder))
    except RunError as error:
        assert "metrics.jsonl, line " in str(error)
