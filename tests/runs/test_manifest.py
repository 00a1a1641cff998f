"""manifest.py: what is damaged, missing, foreign or forged is found, and a way back is named."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from makemore.errors import RunError
from makemore.runs import manifest as manifest_module
from makemore.runs.manifest import FORMAT, LOGS, verify
from makemore.runs.run import Run, RunConfig
from makemore.runs.writer import RunWriter
from makemore.text.corpus import Corpus
from makemore.text.dataset import Split
from makemore.text.vocabulary import Vocabulary
from run_folder import (
    BOTH,
    CONFIG,
    SECOND,
    arrays,
    contents,
    forge_manifest,
    go_on,
    make_run,
    progress,
    read_json,
    refused,
    restore,
    step_of,
)

pytestmark = pytest.mark.usefixtures("no_fsync")

HOW_MANY = pytest.mark.parametrize(
    "many", [12, pytest.param(None, marks=pytest.mark.slow)], ids=["12 places", "everywhere"]
)


def places(body: bytes, many: int | None) -> list[int]:
    """Offsets in a file, the first and the last among them; None: all."""
    return sorted(set(np.linspace(0, len(body) - 1, many or len(body)).astype(int).tolist()))


def test_the_manifest_holds_true_sizes_and_digests(folder: Path) -> None:
    manifest = read_json(folder / "checkpoint.json")
    assert manifest["generation"] == 1 and manifest["previous"]["generation"] == 0
    assert manifest["logs"] == {name: (folder / name).stat().st_size for name in LOGS}
    assert sorted(manifest["files"]) == sorted(BOTH + SECOND)
    for generation in (manifest, manifest["previous"]):
        for name, entry in generation["files"].items():
            body = (folder / name).read_bytes()
            assert entry == {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}


# -- damage --------------------------------------------------------------------------------------


@HOW_MANY
@pytest.mark.parametrize("name", BOTH + SECOND)
def test_a_file_that_is_cut_anywhere_is_refused(name: str, many: int | None, folder: Path) -> None:
    """Of both generations there is no way back; of the last one there is."""
    body = (folder / name).read_bytes()
    for length in places(body, many):
        (folder / name).write_bytes(body[:length])
        message = refused(folder)
        assert f"{name} is not what was saved" in message
        assert (f"makemore verify {folder} --restore" in message) == (name in SECOND)
        assert ("train again" in message) == (name in BOTH)
    assert verify(folder) == [f"{name}: not what was saved"]
    if name in SECOND:
        restore(folder)
        assert step_of(folder) == 0 and verify(folder) == []


@HOW_MANY
def test_a_checkpoint_file_that_is_cut_anywhere_is_refused(many: int | None, folder: Path) -> None:
    body = (folder / "checkpoint.json").read_bytes()
    for length in places(body[:-1], many):  # the last byte is a line feed
        (folder / "checkpoint.json").write_bytes(body[:length])
        assert "checkpoint.json" in refused(folder)
    (folder / "checkpoint.json").write_bytes(body[:-1])
    assert step_of(folder) == 2


def test_a_file_with_more_at_its_end_is_refused(folder: Path) -> None:
    for name in BOTH + SECOND:
        body = (folder / name).read_bytes()
        for more in (b"\0", b"\n", b" " * 5000):
            (folder / name).write_bytes(body + more)
            assert Path(name).name in refused(folder)
        (folder / name).write_bytes(body)
    assert step_of(folder) == 2


@HOW_MANY
@pytest.mark.parametrize("name", ["checkpoint.json", *BOTH, *SECOND])
def test_one_flipped_bit_anywhere_is_found(name: str, many: int | None, folder: Path) -> None:
    body = (folder / name).read_bytes()
    for place in places(body, many):
        harmed = bytearray(body)
        harmed[place] ^= 1 << place % 8
        (folder / name).write_bytes(harmed)
        assert name in refused(folder)


@pytest.mark.parametrize("name", ["checkpoint.json", *BOTH, *SECOND])
def test_a_file_that_is_missing_is_named(name: str, folder: Path) -> None:
    (folder / name).unlink()
    message = refused(folder)
    assert Path(name).name in message and "missing" in message or "no run here" in message
    assert ("--restore" in message) == (name in SECOND)


def test_files_of_another_run_or_another_step_are_refused(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    with RunWriter(other) as writer:
        writer.create(
            RunConfig(**{**CONFIG.__dict__, "asked": {}}),
            Vocabulary("abcehilmoprstw"),
            Split(*(Corpus.exactly([line]) for line in ("ava", "mia", "eli"))),
        )
        for step in (0, 2):
            weights = arrays(9)
            writer.save({**progress(step), "best_val": 1.0}, weights, {"model.w": weights["w"]})
    assert Run.load(other).progress["step"] == 2
    old = folder / "weights-0.safetensors"
    for name, source in (*((name, other / name) for name in BOTH + SECOND), (SECOND[2], old)):
        body = (folder / name).read_bytes()
        assert body != source.read_bytes()
        shutil.copyfile(source, folder / name)
        assert f"{name} is not what was saved" in refused(folder)
        (folder / name).write_bytes(body)
    shutil.copyfile(other / "checkpoint.json", folder / "checkpoint.json")
    assert "is not what was saved" in refused(folder)


def test_verify_beside_a_writer_reports_no_damage(tmp_path: Path) -> None:
    folder, failed = make_run(tmp_path / "run", 0), list[BaseException]()

    def write() -> None:
        try:
            go_on(folder, *range(1, 61))
        except BaseException as error:
            failed.append(error)

    thread, looks = threading.Thread(target=write), list[list[str]]()
    thread.start()
    while thread.is_alive():
        looks.append(verify(folder))
    thread.join()
    assert failed == [] and len(looks) > 3 and not any(looks)


def test_verify_looks_again_where_a_save_removed_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, saved = manifest_module.open_plain, list[bool]()

    def slow(path: Path, limit: int) -> Any:
        if path.name == "weights-2.safetensors" and not saved:
            saved.append(True)
            go_on(folder, 4, 6)  # now the file that is about to be read has gone
        return opened(path, limit)

    monkeypatch.setattr(manifest_module, "open_plain", slow)
    assert verify(folder) == [] and saved == [True] and step_of(folder) == 6
    (folder / "weights-6.safetensors").write_bytes(b"damaged")
    assert verify(folder) == ["weights-6.safetensors: not what was saved"]


# -- hostile: changed, and every digest computed again --------------------------------------------


def test_files_that_are_too_big_are_refused_before_they_are_read(folder: Path) -> None:
    os.truncate(folder / "weights-2.safetensors", 2**40)  # a sparse file
    assert "weights-2.safetensors is larger than" in refused(folder)
    os.truncate(folder / "checkpoint.json", 2**34)
    assert "checkpoint.json is larger than" in refused(folder)


@pytest.mark.parametrize("name", ["split/train.txt", "weights-2.safetensors", "state-2.json"])
def test_sizes_that_the_manifest_claims_are_not_believed(name: str, folder: Path) -> None:
    """A sparse file costs its maker nothing: it must not cost its reader memory, digest or not."""
    zeros, size = hashlib.sha256(), 2**26
    for _ in range(size // 2**20):
        zeros.update(bytes(2**20))
    files = read_json(folder / "checkpoint.json")["files"]
    for start, digest in ((b"", zeros.hexdigest()), (b"", "0" * 64), (None, "0" * 64)):
        if start is not None:  # else more zeros behind what was there
            (folder / name).write_bytes(start)
        os.truncate(folder / name, size)
        forge_manifest(folder, files={**files, name: {"size": size, "sha256": digest}})
        tracemalloc.start()
        said = refused(folder)
        assert verify(folder) == sorted({f"{name}: not what was saved"})
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert name in said and peak < 3 * 2**24  # the longest line that is read is 2**24 bytes


def test_files_beyond_all_bounds_are_refused_with_a_way_out(folder: Path) -> None:
    files = read_json(folder / "checkpoint.json")["files"]
    for name, most in (("split/train.txt", 2**33), ("config.json", 2**24)):
        forge_manifest(folder, files={**files, name: {"size": most + 1, "sha256": "0" * 64}})
        assert refused(folder).startswith(f"{name} is larger than {most} bytes by checkpoint.json")
        assert "take a copy of the run" in refused(folder)


@pytest.mark.parametrize("size", [-1, 10**30, "5", None, True, 2.0])
def test_a_size_that_is_none_is_refused(size: Any, folder: Path) -> None:
    files = read_json(folder / "checkpoint.json")["files"]
    forge_manifest(folder, files={**files, "config.json": {**files["config.json"], "size": size}})
    refused(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"files": {}}, {"files": []}, {"weights": "../../etc/passwd"}, {"weights": "/etc/passwd"},
        {"weights": 2}, {"weights": ...}, {"state": "../state-2"}, {"state": "config"},
        {"logs": []}, {"logs": {"metrics.jsonl": -1}}, {"logs": {"metrics.jsonl": 0.5}},
        {"generation": "1"}, {"previous": "weights-0"}, {"previous": []}, {"previous": {}},
        {"previous": {"generation": 0, "files": None}}, {"format": "1"}, {"format": 0},
        {"format": ...},
    ],
    ids=str,
)  # fmt: skip
def test_a_checkpoint_file_of_another_shape_is_refused(
    changes: dict[str, Any], folder: Path
) -> None:
    forge_manifest(folder, **changes)
    assert "passwd" not in refused(folder)
    for read in (verify, RunWriter):
        with pytest.raises(RunError):
            read(folder)


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "evil.py", "split/../../x", "weights-1.safetensors\n"]
)
def test_a_file_that_is_not_ours_cannot_be_listed(name: str, folder: Path) -> None:
    files = read_json(folder / "checkpoint.json")["files"]
    forge_manifest(folder, files={**files, name: files["config.json"]})
    assert "another shape" in refused(folder)


def test_a_checkpoint_of_a_later_format_says_so(folder: Path) -> None:
    keys = read_json(folder / "checkpoint.json")
    later = {**dict.fromkeys(keys, ...), "format": FORMAT + 1, "anything": keys}
    forge_manifest(folder, **later)
    message = refused(folder)
    assert "made by format 2, this program knows up to 1" in message
    assert "use a newer makemore" in message
    with pytest.raises(RunError, match="made by format 2"):
        RunWriter(folder)
    assert "config.json" in contents(folder)  # and nothing was removed
