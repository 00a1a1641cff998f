"""Counting in shards and merging, against one training of the whole file, byte for byte."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from makemore.api import count_part, line_spool, merge_parts, train_directory
from makemore.api.count_part import Budget, Request
from makemore.api.line_spool import Kept, LineSpool, spooled
from makemore.errors import DataError, RunError, SystemFault, UsageError
from makemore.models.core import gram_counts, sorted_runs
from makemore.models.core.sorted_runs import Run
from makemore.runs.part import Part, PartWriter
from makemore.text import Corpus, reading
from makemore.text.config import text_config
from makemore.text.dataset import read_split

SAME = ("config.json", "vocabulary.json", "weights-1.safetensors")
SAME += tuple(f"split/{part}.txt" for part in ("train", "val", "test"))


def lines_like(seed: int, number: int = 160) -> list[str]:
    """Lines with copies near and far, blank ones, white space, and symbols of one to four bytes."""
    chance = random.Random(seed)
    lines = ["".join(chance.choices("abcdé𝄞 ", k=chance.randint(1, 7))) for _ in range(number)]
    lines += chance.choices(lines, k=number // 3) + ["", "  ", "x" * 30, " padded "]
    chance.shuffle(lines)
    return [*lines, *(f"line {n}" for n in range(60))]


def trained(folder: Path, file: Path, requested: dict[str, Any]) -> dict[str, bytes]:
    """The files of one process's training."""
    _, split = read_split(str(file), text_config(requested))
    events = train_directory(folder, split, model="ngram", name=file.stem, **requested)
    assert list(events)
    return files_of(folder)


def files_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in SAME}


def count(
    folder: Path, file: Path, shard: tuple[int, int], requested: dict[str, Any], **more: Any
) -> count_part.Counted:
    request = Request(str(file), file.stem, shard, "ngram", requested)
    return count_part.count_part(request, folder, **more)


def merged(folder: Path, file: Path, shards: int, requested: dict[str, Any]) -> dict[str, bytes]:
    """The files of a run merged of so many shards."""
    parts = [folder / f"part{number}" for number in range(1, shards + 1)]
    for number, part in enumerate(parts, 1):
        assert not count(part, file, (number, shards), requested).was_there
        assert sorted(path.name for path in part.iterdir()) == [
            "grams.codes", "grams.counts", "lock", "part.json", "test.rows", "test.txt",
            "train.rows", "train.txt", "val.rows", "val.txt",
        ]  # fmt: skip
    assert not merge_parts.merge_parts(parts[::-1], folder / "merged")
    assert not [path for path in (folder / "merged").iterdir() if path.name.startswith(".tmp")]
    return files_of(folder / "merged")


@contextmanager
def little_memory(room: int) -> Iterator[None]:
    """Everything is written to files and read back in pieces, as if memory held nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Budget, "of", lambda memory: Budget(2, room))
        patch.setattr(gram_counts, "CHUNK", 300)
        patch.setattr(sorted_runs, "MERGE_ROWS", 200)
        patch.setattr(sorted_runs, "LEAST_ROWS", 1)
        patch.setattr(sorted_runs, "MOST_FILES", 4)
        patch.setattr(reading, "CHUNK", 400)
        patch.setattr(line_spool, "READ_AT_ONCE", 300)
        patch.setattr(merge_parts, "READ_AT_ONCE", 600)
        patch.setattr(merge_parts, "LEAST_READ", 100)
        yield


requests = st.sampled_from(
    [
        {},
        {"order": 1},
        {"order": 14},
        {"order": 64, "max_line": 20},
        {"smoothing": "add-k"},
        {"keep_copies": True},
        {"order": 3, "smoothing": "add-k", "k": 0.1, "keep_copies": True},
    ]  # fmt: skip
)


def assert_merged_is_trained(seed: int, shards: int, requested: dict[str, Any], room: int) -> None:
    with tempfile.TemporaryDirectory() as above:
        folder, file = Path(above), Path(above, "names.txt")
        file.write_text("\n".join(lines_like(seed)) + "\n" * (seed % 2), encoding="utf-8")
        expected = trained(folder / "whole", file, requested)
        with little_memory(room):
            found = merged(folder, file, shards, requested)
        assert found == expected


@pytest.mark.parametrize(
    ("shards", "requested", "room"),
    [(1, {}, 1), (3, {"order": 14, "smoothing": "add-k"}, 3000), (2, {"keep_copies": True}, 1)],
)
def test_shards_merged_are_the_training_of_one_process(
    shards: int, requested: dict[str, Any], room: int
) -> None:
    assert_merged_is_trained(shards, shards, requested, room)


@pytest.mark.slow
@settings(max_examples=40)
@given(st.integers(0, 99), st.integers(1, 5), requests, st.sampled_from([1, 3000]))
def test_any_shards_merged_are_the_training_of_one_process(
    seed: int, shards: int, requested: dict[str, Any], room: int
) -> None:
    assert_merged_is_trained(seed, shards, requested, room)


@pytest.mark.parametrize(
    ("body", "requested"),
    [
        ("\n".join(lines_like(3)).replace("𝄞", "").encode("latin-1"), {"encoding": "latin-1"}),
        ("\n".join(lines_like(4)).encode("utf-16"), {"encoding": "utf-16"}),
        (b"id;name\n" + b"".join(b"%d;a%d\n" % (n, n * n % 997) for n in range(120)),
         {"text_column": "name"}),
        (b"\xef\xbb\xbf" + "\r\n".join(lines_like(5)).encode(), {}),
    ],
)  # fmt: skip
def test_a_file_is_read_as_a_training_reads_it(
    body: bytes, requested: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "names.txt"
    file.write_bytes(body)
    expected = trained(tmp_path / "whole", file, requested)
    assert merged(tmp_path, file, 2, requested) == expected


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "names.txt"
    path.write_text("\n".join(lines_like(1)), encoding="utf-8")
    return path


@pytest.fixture
def parts(tmp_path: Path, file: Path) -> list[Path]:
    """The parts of two shards."""
    folders = [tmp_path / "part1", tmp_path / "part2"]
    for number, folder in enumerate(folders, 1):
        count(folder, file, (number, 2), {})
    return folders


def test_the_same_again_is_there_already_and_anything_else_is_refused(
    parts: list[Path], file: Path, tmp_path: Path
) -> None:
    assert count(parts[0], file, (1, 2), {}).was_there
    other = tmp_path / "other.txt"
    other.write_text(file.read_text(encoding="utf-8") + "\nmore", encoding="utf-8")
    for text, shard, requested in (
        (other, (1, 2), {}), (file, (2, 2), {}), (file, (1, 3), {}), (file, (1, 2), {"order": 4})
    ):  # fmt: skip
        with pytest.raises(UsageError, match="give another -o, or --fresh"):
            count(parts[0], text, shard, requested)
    assert not count(parts[0], other, (1, 2), {}, fresh=True).was_there
    with pytest.raises(UsageError, match="of another file than"):
        merge_parts.merge_parts(parts, tmp_path / "run")
    assert not count(parts[0], file, (1, 2), {}, fresh=True).was_there
    assert not merge_parts.merge_parts(parts, tmp_path / "run")
    before = files_of(tmp_path / "run")
    assert merge_parts.merge_parts(parts, tmp_path / "run")
    count(tmp_path / "whole", other, (1, 1), {"order": 4})
    with pytest.raises(UsageError, match="this run was started without order"):
        merge_parts.merge_parts([tmp_path / "whole"], tmp_path / "run")
    count(tmp_path / "whole", other, (1, 1), {}, fresh=True)
    with pytest.raises(UsageError, match="this run learned other data"):
        merge_parts.merge_parts([tmp_path / "whole"], tmp_path / "run")
    assert files_of(tmp_path / "run") == before
    assert not merge_parts.merge_parts([tmp_path / "whole"], tmp_path / "run", fresh=True)
    assert files_of(tmp_path / "run") != before


def test_parts_that_do_not_go_together_are_refused(
    parts: list[Path], file: Path, tmp_path: Path
) -> None:
    run, one, two = tmp_path / "run", *parts
    for some, message in (
        ([one], "shard 2 of 2 is missing: count it: makemore count FILE --shard 2/2 -o PART"),
        ([one, two, two], "shard 2/2 is there twice .*: leave one out"),
    ):
        with pytest.raises(UsageError, match=message):
            merge_parts.merge_parts(some, run)
    other = tmp_path / "other"
    for shard, requested, message in (
        ((2, 2), {"order": 3}, "of other options than"), ((2, 2), {"keep_copies": True}, "options"),
        ((2, 3), {}, "cut into 3 shards here, and 2 there"),
    ):  # fmt: skip
        count(other, file, shard, requested, fresh=True)
        with pytest.raises(UsageError, match=message):
            merge_parts.merge_parts([one, other], run)
    count(other, file, (2, 4), {"order": 3}, fresh=True)
    again = "shard 1, 3, 4 of 4 is missing: count it: makemore count FILE --shard 1/4 --order 3"
    with pytest.raises(UsageError, match=again):  # with the options of the part that is there
        merge_parts.merge_parts([other], run)
    count(other, file, (2, 2), {}, fresh=True)
    with PartWriter(other) as writer:
        assert writer.part is not None
        writer.commit({**writer.part.facts, "version": "9"})
    with pytest.raises(UsageError, match="of another version than"):
        merge_parts.merge_parts([one, other], run)
    with pytest.raises(RunError, match="this is no part.*makemore count FILE -o PART"):
        merge_parts.merge_parts([one, tmp_path], run)
    assert not run.exists()


@pytest.mark.parametrize("name", ["grams.codes", "grams.counts", "train.txt", "val.rows"])
@pytest.mark.parametrize("damage", ["changed", "cut", "longer", "gone", "a link"])
def test_a_damaged_part_is_refused(
    name: str, damage: str, parts: list[Path], tmp_path: Path
) -> None:
    path = parts[1] / name
    body = path.read_bytes()
    if damage in ("gone", "a link"):
        path.rename(tmp_path / "elsewhere")
        if damage == "a link":
            path.symlink_to(tmp_path / "elsewhere")
    else:
        changed = bytes([body[0] ^ 1]) + body[1:]
        path.write_bytes({"changed": changed, "cut": body[:-1]}.get(damage, body + b"x"))
    with pytest.raises(RunError, match=rf"damaged: {name} .*count FILE --shard 2/2 -o .*part2"):
        merge_parts.merge_parts(parts, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("at", range(0, 1000, 61))
def test_a_damaged_commit_point_is_refused(at: int, parts: list[Path]) -> None:
    body = bytearray((parts[0] / "part.json").read_bytes())
    body[at % len(body)] ^= 2
    (parts[0] / "part.json").write_bytes(body)
    with pytest.raises(RunError):
        Part.load(parts[0])


def test_rows_that_do_not_fit_their_lines_are_refused(parts: list[Path], tmp_path: Path) -> None:
    """Whoever changes a file can write a fitting digest beside it."""
    import hashlib

    body = (parts[0] / "train.rows").read_bytes()[:-8]
    (parts[0] / "train.rows").write_bytes(body)
    with PartWriter(parts[0]) as writer:
        assert writer.part is not None
        facts = writer.part.facts
        facts["files"]["train.rows"] = {
            "size": len(body), "sha256": hashlib.sha256(body).hexdigest()
        }  # fmt: skip
        writer.commit({key: value for key, value in facts.items() if key != "sha256"})
    with pytest.raises(RunError, match=r"train.rows does not fit train.txt"):
        merge_parts.merge_parts(parts, tmp_path / "run")


def test_what_a_killed_process_left_is_removed(
    parts: list[Path], file: Path, tmp_path: Path
) -> None:
    expected = {path.name: path.read_bytes() for path in parts[0].iterdir()}
    (parts[0] / "part.json").unlink()
    (parts[0] / ".tmp-runs" / "grams").mkdir(parents=True)
    (parts[0] / ".tmp-runs" / "grams" / "1.codes").write_bytes(b"half")
    (parts[0] / ".tmp-runs" / "link").symlink_to(file)
    (parts[0] / ".tmp-train.txt").write_bytes(b"half")
    (parts[0] / "val.txt").write_bytes(b"half")
    assert not count(parts[0], file, (1, 2), {}).was_there
    assert {path.name: path.read_bytes() for path in parts[0].iterdir()} == expected
    assert file.exists()
    merge_parts.merge_parts(parts, tmp_path / "run")
    expected = files_of(tmp_path / "run")
    (tmp_path / "run" / "checkpoint.json").unlink()
    (tmp_path / "run" / ".tmp-runs").mkdir()
    (tmp_path / "run" / ".tmp-runs" / "ngrams-5").write_bytes(b"half")
    assert not merge_parts.merge_parts(parts, tmp_path / "run")
    assert files_of(tmp_path / "run") == expected
    assert not (tmp_path / "run" / ".tmp-runs").exists()


def test_nobodys_files_are_touched(file: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "grams.codes").write_text("of somebody else")
    with pytest.raises(RunError, match="not empty and no part"):
        count(tmp_path / "mine", file, (1, 1), {}, fresh=True)
    assert (tmp_path / "mine" / "grams.codes").read_text() == "of somebody else"
    with PartWriter(tmp_path / "locked"), pytest.raises(SystemFault, match="is counting here"):
        count(tmp_path / "locked", file, (1, 1), {})


@pytest.mark.parametrize(
    ("body", "requested", "message"),
    [
        ("\n \n", {}, r"no lines to learn from \(.*2 blank\)"),
        ("x" * 2000, {"as_is": True}, "no lines to learn from .*use --max-line 2000"),
        ("\n".join(map(chr, range(200, 400))), {"max_vocab": 100}, "200 different symbols"),
        ("\n".join(f"line {n}" for n in range(49)), {}, "only 49 distinct lines.*makemore train"),
        ("\n".join(f"{n}. ab{n}" for n in range(1, 200)), {}, "type makemore data"),
    ],
)
def test_a_list_that_a_training_would_refuse_is_refused(
    body: str, requested: dict[str, Any], message: str, tmp_path: Path
) -> None:
    file = tmp_path / "names.txt"
    file.write_text(body, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        count(tmp_path / "part", file, (1, 1), requested)
    assert not (tmp_path / "part" / "part.json").exists()


def test_a_short_list_is_refused_by_merge_when_its_shards_are_short(tmp_path: Path) -> None:
    file = tmp_path / "names.txt"
    file.write_text("\n".join(f"line {n}" for n in range(49)))
    for number in (1, 2):
        count(tmp_path / f"part{number}", file, (number, 2), {})
    with pytest.raises(DataError, match="only 49 distinct lines"):
        merge_parts.merge_parts([tmp_path / "part1", tmp_path / "part2"], tmp_path / "run")


@pytest.mark.parametrize(
    ("requested", "flag"),
    [({"labels": True}, "--labels"), ({"label_column": "a"}, "--label-column"),
     ({"symbols": "grapheme"}, "--symbols")],
)  # fmt: skip
def test_options_that_shards_do_not_have_are_refused(
    requested: dict[str, Any], flag: str, file: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=rf"\({flag}\): leave it out, or use makemore train"):
        count(tmp_path / "part", file, (1, 1), requested)
    assert not (tmp_path / "part").exists()


def test_memory_is_divided_and_too_little_is_refused() -> None:
    for memory in (2**28, 2**30, 10**11):
        budget = Budget.of(memory)
        assert budget.threads >= 1
        assert 0 < count_part.BASE + budget.threads * count_part.A_THREAD + budget.room < memory
    assert Budget.of(None).room > 0
    with pytest.raises(UsageError, match="give 256MiB or more"):
        Budget.of(2**28 - 1)


def test_a_model_larger_than_a_run_may_be_is_refused(
    parts: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(merge_parts.LIMITS, ".safetensors", 1000)
    with pytest.raises(DataError, match="more than a run may hold: .* --order 5 or lower"):
        merge_parts.merge_parts(parts, tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoint.json").exists()


def test_a_merged_run_draws_and_scores_as_the_trained_one(
    parts: list[Path], file: Path, tmp_path: Path
) -> None:
    from makemore import MakeMore

    trained(tmp_path / "whole", file, {})
    merge_parts.merge_parts(parts, tmp_path / "run")
    whole, run = MakeMore.load(tmp_path / "whole"), MakeMore.load(tmp_path / "run")
    assert run.sample(5, 1) == whole.sample(5, 1)
    np.testing.assert_array_equal(run.score_samples(["abc"]), whole.score_samples(["abc"]))


# -- what is sorted on the disk -------------------------------------------------------------------


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.text("ab", max_size=3), max_size=6), max_size=8), st.integers(0, 300))
def test_a_spool_gives_the_first_of_each_line(
    tmp_path: Path, blocks: list[list[str]], room: int
) -> None:
    with tempfile.TemporaryDirectory(dir=tmp_path) as above, little_memory(room):
        spool, n_lines = LineSpool(Path(above), "train", room), 0
        for block in blocks:
            lines = Corpus.exactly(block)
            rows = np.arange(len(block)) * 2  # other lines stand between
            spool.add(spooled(lines, lines.hashes(), rows).moved(n_lines))
            n_lines += 2 * len(block)
        is_kept = Kept(spool.distinct_rows().merged())
        found = [
            line
            for lines, rows in spool.lines()
            for line, kept in zip(lines, is_kept(rows).tolist(), strict=True)
            if kept
        ]
    assert found == list(dict.fromkeys(line for block in blocks for line in block))


def test_lines_of_equal_hash_and_other_text_both_stay(tmp_path: Path) -> None:
    """A collision of 64 bits, which 10^9 lines may have, drops no line."""
    spool, lines = LineSpool(tmp_path, "train", 10**6), Corpus.exactly(["ab", "ba", "ab"])
    spool.add(spooled(lines, np.zeros(3, dtype=np.uint64), np.arange(3)))
    (block,) = spool.distinct_rows().merged()
    assert block.codes.tolist() == [0, 1]


def test_rows_are_told_apart_block_by_block() -> None:
    blocks = [Run(np.array(rows), np.zeros(len(rows))) for rows in ([1, 4], [5, 9], [30])]
    is_kept = Kept(iter(blocks))
    assert is_kept(np.array([0, 1, 2, 3])).tolist() == [False, True, False, False]
    assert is_kept(np.zeros(0, dtype=np.int64)).tolist() == []
    assert is_kept(np.array([4, 5, 6, 30])).tolist() == [True, True, False, True]
    assert is_kept(np.array([31])).tolist() == [False]


@given(
    st.dictionaries(
        st.sampled_from(["contexts", "ngrams", "counts", "a", "z"]),
        st.tuples(st.sampled_from([np.uint8, np.uint16, np.uint32, np.uint64]), st.integers(0, 9)),
        min_size=1,
    )
)
def test_a_tensor_file_has_the_bytes_of_safetensors(tensors: dict[str, Any]) -> None:
    from makemore.models.core.gram_levels import Column, Joined
    from makemore.runs.tensor_file import size_of, tensor_file

    arrays, columns = {}, {}
    for name, (dtype, n) in tensors.items():
        values = np.arange(n, dtype=np.int64)
        values[-1:] = np.iinfo(dtype).max // 2 + 1 if dtype != np.uint64 else 2**40
        column = Column(None)
        for value in values:
            column.append(np.array([value]))
        columns[name] = Joined([(column, 0)])
        arrays[name] = values.astype(np.min_scalar_type(int(values.max(initial=0))))
    body = b"".join(tensor_file(columns))
    assert body == safetensors.numpy.save(arrays)
    assert size_of(columns) == sum(array.nbytes for array in arrays.values())
