"""line_blocks.py: the blocks of all shards, one after another, are the file, in whole lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from makemore.text import line_blocks
from makemore.text.line_blocks import LineBlocks
from makemore.text.shard import Shard


def blocks_of(file: Path, shard: Shard | None = None) -> list[bytes]:
    with file.open("rb") as stream:
        reader, found = LineBlocks(stream, shard), []
        while block := reader.read(1):
            found.append(block)
        assert reader.bytes == sum(map(len, found)) and reader.size == file.stat().st_size
        assert reader.from_start == (reader.start == 0) and reader.is_idle()
        return found


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("blocks") / "lines.txt"


LINE = some.text("aé\u2028 \r", max_size=9)


@given(
    lines=some.lists(LINE, max_size=40), ended=some.booleans(), n=some.integers(1, 9),
    size=some.integers(1, 40),
)  # fmt: skip
def test_shards_are_the_file_in_whole_lines(
    file: Path, lines: list[str], ended: bool, n: int, size: int
) -> None:
    body = "\n".join(lines).encode() + b"\n" * ended
    file.write_bytes(body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_blocks, "BLOCK", size)
        alone = blocks_of(file)
        each = [blocks_of(file, Shard(index, n)) for index in range(n)]
        # The same blocks, too: lines are scored in the same groups, whoever reads them.
        assert [block for blocks in each for block in blocks] == alone
        assert b"".join(alone) == body
        at = 0
        for block in alone:
            assert block.endswith(b"\n") or at + len(block) == len(body)
            starts = [at, *(at + i + 1 for i, byte in enumerate(block[:-1]) if byte == 10)]
            assert {start // size for start in starts} == {at // size}
            at += len(block)


def test_only_the_own_part_of_a_file_is_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_blocks, "BLOCK", 100)
    file.write_bytes(b"kala\n" * 1000)
    with file.open("rb", buffering=0) as stream:
        read = []
        plain, line = stream.read, stream.readline

        class Watched:
            seek, tell, fileno = stream.seek, stream.tell, stream.fileno

            def read(self, most: int) -> bytes:
                read.append(plain(most))
                return read[-1]

            def readline(self, most: int) -> bytes:
                read.append(line(most))
                return read[-1]

        reader = LineBlocks(Watched(), Shard(30, 50))  # type: ignore[arg-type]
        assert reader.start == 3000
        while reader.read(1):
            pass
    assert sum(map(len, read)) <= 100 + 5
