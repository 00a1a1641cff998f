"""run.py: one whole generation on the disk at any moment, and nothing in it is trusted."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import example, given
from hypothesis import strategies as st

from makemore import MakeMore
from makemore.api.resume import same_command
from makemore.errors import RunError, SystemFault, UsageError
from makemore.runs import manifest as manifest_module
from makemore.runs.manifest import FORMAT, verify
from makemore.runs.run import Run, RunConfig
from makemore.runs.writer import RunWriter
from makemore.text.corpus import Corpus
from makemore.text.dataset import Split
from makemore.text.vocabulary import Vocabulary

NAMES = ["emma", "olivia", "ava", "isabella", "sophia", "charlotte"]
SPLIT = Split(*(Corpus.exactly(part) for part in (NAMES[:4], NAMES[4:5], NAMES[5:])))
VOCABULARY = Vocabulary.of(part for _, part in SPLIT)
CONFIG = RunConfig(
    model="ngram", asked={"order": 2}, resolved={"order": 2}, vocab_size=len(VOCABULARY),
    block_size=1, data={"name": "names", "digest": SPLIT.digest()}, threads=1, round_size=256,
    version="0.1.0",
)  # fmt: skip
LATEST = {2: "weights-2.safetensors", 4: "weights-4.safetensors"}
BOTH = {"config.json", "vocabulary.json", "split/train.txt", "split/val.txt", "split/test.txt"}
SECOND = {"weights-2.safetensors", "state-2.json", "state-2.safetensors"}
TOOLS = ("open", "write", "fsync", "replace", "ftruncate", "mkdir", "fdopen")
REAL = {name: getattr(os, name) for name in TOOLS}


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No power is cut here; that fsync is called, and when, is what test_files.py looks at."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def arrays(step: int) -> dict[str, Any]:
    return {"w": np.full((2, 3), step, np.float32), "b": np.arange(3, dtype=np.float32)}


def progress(step: int, finished: bool = False) -> dict[str, Any]:
    return {
        "step": step, "best_step": step, "best_val": 2.5 / (step + 1), "waited": 0,
        "finished": finished,
    }  # fmt: skip


def save(writer: RunWriter, step: int) -> None:
    for name in manifest_module.LOGS:
        writer.log(name, json.dumps({"step": step}))
    writer.save(progress(step), arrays(step), {"model.w": arrays(step)["w"]})


def make_run(folder: Path, *steps: int) -> Path:
    """A run directory with a generation for each of these steps, without any model."""
    with RunWriter(folder) as writer:
        writer.create(CONFIG, VOCABULARY, SPLIT)
        for step in steps or (0, 2):
            save(writer, step)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("run") / "run")


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A run with generations of the steps 0 and 2, to be harmed."""
    return Path(shutil.copytree(made, tmp_path / "run", symlinks=True))


def contents(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def step_of(folder: Path) -> int:
    """The step of the generation in a folder; fails unless all its parts are of that step."""
    loaded = Run.load(folder, state=True)
    step = loaded.progress["step"]
    assert loaded.progress == progress(step) and loaded.config == CONFIG
    assert loaded.weights.keys() == {"w", "b"} and loaded.state is not None
    assert (loaded.weights["w"] == step).all() and (loaded.state["model.w"] == step).all()
    assert [list(part) for _, part in loaded.split] == [NAMES[:4], NAMES[4:5], NAMES[5:]]
    return int(step)


def forge(folder: Path, name: str, body: bytes) -> None:
    """Put other content into a file of the run, with digests as makemore would write them."""
    (folder / name).write_bytes(body)
    manifest = json.loads((folder / "checkpoint.json").read_bytes())
    entry = {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    forge_manifest(folder, {**manifest, "files": {**manifest["files"], name: entry}})


def forge_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    rest = {key: value for key, value in manifest.items() if key != "sha256"}
    digest = hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
    (folder / "checkpoint.json").write_text(json.dumps({**rest, "sha256": digest}))


def refused(folder: Path) -> str:
    """The message with which a run directory is refused; it names the directory."""
    with pytest.raises(RunError) as caught:
        Run.load(folder, state=True)
    message = str(caught.value)
    assert str(folder) in message and message.isprintable() and len(message) < 1000
    return message


# -- what a run directory holds ------------------------------------------------------------------


def test_a_run_holds_the_documented_files_and_gives_back_what_was_saved(folder: Path) -> None:
    assert set(contents(folder)) == {
        "config.json", "vocabulary.json", "checkpoint.json", "lock", "metrics.jsonl", "samples.txt",
        "split/train.txt", "split/val.txt", "split/test.txt",
        "weights-0.safetensors", "state-0.json", "state-0.safetensors",
        "weights-2.safetensors", "state-2.json", "state-2.safetensors",
    }  # fmt: skip
    assert step_of(folder) == 2 and verify(folder) == []
    loaded = Run.load(folder)
    assert loaded.state is None  # sampling needs none of it
    assert loaded.vocabulary.symbols == tuple("abcehilmoprstv")
    assert json.loads((folder / "config.json").read_text())["format"] == 1
    assert (folder / "split/train.txt").read_bytes() == b"emma\nolivia\nava\nisabella\n"
    weights = safetensors.numpy.load((folder / "weights-2.safetensors").read_bytes())
    assert np.array_equal(weights["w"], np.full((2, 3), 2))  # the format's own library reads it


def test_the_manifest_holds_true_sizes_and_digests(folder: Path) -> None:
    manifest = json.loads((folder / "checkpoint.json").read_bytes())
    assert manifest["generation"] == 1 and manifest["previous"]["generation"] == 0
    assert manifest["logs"] == {
        name: (folder / name).stat().st_size for name in manifest_module.LOGS
    }
    assert set(manifest["files"]) == BOTH | SECOND
    for generation in (manifest, manifest["previous"]):
        for name, entry in generation["files"].items():
            body = (folder / name).read_bytes()
            assert entry == {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def test_nothing_in_a_run_is_executable_or_random(made: Path, tmp_path: Path) -> None:
    other = make_run(tmp_path / "other")
    assert {k: v for k, v in contents(other).items() if k != "lock"} == {
        k: v for k, v in contents(made).items() if k != "lock"
    }
    modes = [path.stat().st_mode for path in made.rglob("*") if path.is_file()]
    assert not any(mode & 0o111 for mode in modes)


def test_the_last_two_generations_stay_and_no_more(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with RunWriter(folder) as writer:
        writer.create(CONFIG, VOCABULARY, SPLIT)
        for number in range(6):
            save(writer, 3 * number)
            kept = {0, 3 * number, max(0, 3 * number - 3)} - ({0} if number > 1 else set())
            found = {path.name for path in folder.glob("weights-*")}
            assert found == {f"weights-{step}.safetensors" for step in kept}
            found = {path.name for path in folder.glob("state-*")}
            assert found == {f"state-{s}.{end}" for s in kept for end in ("json", "safetensors")}
    assert step_of(folder) == 15 and verify(folder) == []


def test_best_weights_that_do_not_change_are_written_once(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", 2)
    before = (folder / LATEST[2]).stat()
    with RunWriter(folder) as writer:
        writer.resume()
        for step in (4, 6, 8):
            writer.save({**progress(step), "best_step": 2}, arrays(2), {"model.w": arrays(0)["w"]})
    after = (folder / LATEST[2]).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert [path.name for path in folder.glob("weights-*")] == [LATEST[2]]
    assert Run.load(folder).progress["step"] == 8


def test_clocks_do_not_decide_what_is_latest(folder: Path) -> None:
    year = 365 * 24 * 3600
    for name, age in (("0", +10 * year), ("2", -10 * year)):
        for path in folder.glob(f"*-{name}.*"):
            os.utime(path, (time.time() + age,) * 2)
    os.utime(folder / "checkpoint.json", (0, 0))
    assert step_of(folder) == 2
    with RunWriter(folder) as writer:
        writer.resume()
        save(writer, 4)
    assert step_of(folder) == 4


# -- damage --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*sorted(BOTH - {"split/test.txt"}), "split/test.txt"])
def test_a_file_of_both_generations_that_is_cut_anywhere_is_refused(
    name: str, folder: Path
) -> None:
    body = (folder / name).read_bytes()
    for length in range(len(body)):
        (folder / name).write_bytes(body[:length])
        message = refused(folder)
        assert f"{name} is not what was saved" in message
        assert "--restore" not in message and "train again" in message  # there is no way back
    assert verify(folder) == [f"{name}: not what was saved"]


@pytest.mark.parametrize("name", sorted(SECOND))
def test_a_file_of_the_last_generation_that_is_cut_anywhere_has_a_way_back(
    name: str, folder: Path
) -> None:
    body = (folder / name).read_bytes()
    for length in range(len(body)):
        (folder / name).write_bytes(body[:length])
        message = refused(folder)
        assert f"{name} is not what was saved" in message
        assert f"makemore verify {folder} --restore" in message
    with RunWriter(folder) as writer:
        writer.restore()
    assert step_of(folder) == 0 and verify(folder) == []


def test_a_checkpoint_file_that_is_cut_anywhere_is_refused(folder: Path) -> None:
    body = (folder / "checkpoint.json").read_bytes()
    for length in range(len(body) - 1):  # the last byte is a line feed
        (folder / "checkpoint.json").write_bytes(body[:length])
        assert "checkpoint.json" in refused(folder)
    (folder / "checkpoint.json").write_bytes(body[:-1])
    assert step_of(folder) == 2


def test_a_file_with_more_at_its_end_is_refused(folder: Path) -> None:
    for name in sorted(BOTH | SECOND):
        body = (folder / name).read_bytes()
        for more in (b"\0", b"\n", b" " * 5000):
            (folder / name).write_bytes(body + more)
            assert Path(name).name in refused(folder)
        (folder / name).write_bytes(body)
    assert step_of(folder) == 2


@given(
    name=st.sampled_from(["checkpoint.json", *sorted(BOTH | SECOND)]),
    place=st.floats(0, 1, exclude_max=True),
    bit=st.integers(0, 7),
)
@example(name="checkpoint.json", place=0.0, bit=0)
@example(name="weights-2.safetensors", place=0.999, bit=7)
def test_one_flipped_bit_anywhere_is_found(name: str, place: float, bit: int, made: Path) -> None:
    path = made / name
    body = path.read_bytes()
    harmed = bytearray(body)
    harmed[int(place * len(body))] ^= 1 << bit
    path.write_bytes(harmed)
    try:
        assert name in refused(made)
    finally:
        path.write_bytes(body)


def test_flipped_bits_all_over_the_checkpoint_file_are_found(folder: Path) -> None:
    body = (folder / "checkpoint.json").read_bytes()
    for place in range(0, len(body) - 1, 3):
        harmed = bytearray(body)
        harmed[place] ^= 1 << place % 8
        (folder / "checkpoint.json").write_bytes(harmed)
        assert "checkpoint.json" in refused(folder)


@pytest.mark.parametrize("name", sorted(BOTH | SECOND | {"checkpoint.json"}))
def test_a_file_that_is_missing_is_named(name: str, folder: Path) -> None:
    (folder / name).unlink()
    message = refused(folder)
    assert Path(name).name in message and "missing" in message or "no run here" in message
    assert ("--restore" in message) == (name in SECOND)


def test_files_of_another_run_are_refused(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    with RunWriter(other) as writer:
        writer.create(
            RunConfig(**{**CONFIG.__dict__, "asked": {}}),
            Vocabulary("abcehilmoprstw"),
            Split(*(Corpus.exactly([line]) for line in ("ava", "mia", "eli"))),
        )
        for step in (0, 2):
            writer.save(
                {**progress(step), "best_val": 1.0}, {"w": arrays(9)["w"], "b": arrays(9)["b"]},
                {"model.w": arrays(9)["w"]},
            )  # fmt: skip
    assert Run.load(other).progress["step"] == 2
    for name in sorted(BOTH | SECOND):
        body = (folder / name).read_bytes()
        assert body != (other / name).read_bytes()
        shutil.copyfile(other / name, folder / name)
        assert f"{name} is not what was saved" in refused(folder)
        (folder / name).write_bytes(body)
    shutil.copyfile(other / "checkpoint.json", folder / "checkpoint.json")
    assert "is not what was saved" in refused(folder)


def test_old_weights_under_the_new_name_are_refused(folder: Path) -> None:
    shutil.copyfile(folder / "weights-0.safetensors", folder / "weights-2.safetensors")
    assert "weights-2.safetensors is not what was saved" in refused(folder)


def test_restore_goes_back_only_to_what_is_whole(folder: Path) -> None:
    good = contents(folder)
    (folder / "state-0.json").write_bytes(b"{}")
    with RunWriter(folder) as writer:
        with pytest.raises(RunError, match=r"damaged, too: state-0.json: not what was saved"):
            writer.restore()
    assert {k: v for k, v in contents(folder).items() if k != "state-0.json"} == {
        k: v for k, v in good.items() if k != "state-0.json"
    }
    assert step_of(folder) == 2  # nothing was lost by asking


def test_there_is_one_checkpoint_to_go_back_to(folder: Path) -> None:
    with RunWriter(folder) as writer:
        writer.restore()
    assert step_of(folder) == 0 and not (folder / "weights-2.safetensors").exists()
    with RunWriter(folder) as writer:
        with pytest.raises(RunError, match="no checkpoint before this one"):
            writer.restore()
        writer.resume()
        save(writer, 2)
    assert step_of(folder) == 2


# -- hostile: changed, and every digest recomputed ------------------------------------------------


def changed(body: bytes, **changes: Any) -> bytes:
    """A JSON object with some keys set (or, to `...`, taken out)."""
    value = {**json.loads(body), **changes}
    return json.dumps({k: v for k, v in value.items() if v is not ...}).encode()


HOSTILE_CONFIG: dict[str, dict[str, Any]] = {
    "a key too many": {"class_name": "os.system"},
    "a key too few": {"threads": ...},
    "vocab_size is a text": {"vocab_size": "15"},
    "vocab_size is true": {"vocab_size": True},
    "vocab_size is another": {"vocab_size": 14},
    "vocab_size is 0": {"vocab_size": 0},
    "vocab_size is negative": {"vocab_size": -15},
    "block_size is huge": {"block_size": 2**62},
    "block_size is a float": {"block_size": 1.5},
    "block_size is negative": {"block_size": -1},
    "round_size is 0": {"round_size": 0},
    "round_size is huge": {"round_size": 10**12},
    "threads is 10,000": {"threads": 10_000},
    "resolved is a list": {"resolved": []},
    "asked is null": {"asked": None},
    "data is empty": {"data": {}},
    "data holds a path": {"data": {"name": "a", "digest": "b", "path": "/etc/passwd"}},
    "data's digest is a number": {"data": {"name": "a", "digest": 5}},
    "model is a number": {"model": 5},
}


@pytest.mark.parametrize("what", HOSTILE_CONFIG)
def test_a_config_of_another_shape_is_refused(what: str, folder: Path) -> None:
    body = (folder / "config.json").read_bytes()
    forge(folder, "config.json", changed(body, **HOSTILE_CONFIG[what]))
    assert "config.json" in refused(folder)


BAD_JSON = {
    "deep": b"[" * 200_000,
    "a key twice": b'{"format": 1, "format": 1}',
    "NaN": b'{"format": NaN}',
    "100,000 digits": b'{"format": ' + b"1" * 100_000 + b"}",
    "UTF-16": '{"format": 1}'.encode("utf-16"),
    "empty": b"",
    "a list": b"[]",
    "null": b"null",
}


@pytest.mark.parametrize("what", BAD_JSON)
@pytest.mark.parametrize("name", ["config.json", "vocabulary.json", "state-2.json"])
def test_json_that_is_not_strict_is_refused(name: str, what: str, folder: Path) -> None:
    forge(folder, name, BAD_JSON[what])
    assert str(folder) in refused(folder)


@pytest.mark.parametrize("what", BAD_JSON)
def test_a_checkpoint_file_that_is_no_strict_json_is_refused(what: str, folder: Path) -> None:
    (folder / "checkpoint.json").write_bytes(BAD_JSON[what])
    assert "checkpoint.json" in refused(folder)


def test_files_that_are_too_big_are_refused_before_they_are_read(folder: Path) -> None:
    os.truncate(folder / "weights-2.safetensors", 2**40)  # a sparse file
    assert "weights-2.safetensors is larger than" in refused(folder)
    os.truncate(folder / "checkpoint.json", 2**34)
    assert "checkpoint.json is larger than" in refused(folder)


@pytest.mark.parametrize("size", [-1, 10**30, "5", None, True, 2.0])
def test_a_size_that_is_none_is_refused(size: Any, folder: Path) -> None:
    manifest = json.loads((folder / "checkpoint.json").read_bytes())
    manifest["files"]["config.json"]["size"] = size
    forge_manifest(folder, manifest)
    refused(folder)


HOSTILE_MANIFEST: dict[str, dict[str, Any]] = {
    "no files": {"files": {}},
    "files is a list": {"files": []},
    "weights outside": {"weights": "../../etc/passwd"},
    "weights is absolute": {"weights": "/etc/passwd"},
    "weights is a number": {"weights": 2},
    "weights is missing": {"weights": ...},
    "state outside": {"state": "../state-2"},
    "state is no state": {"state": "config"},
    "logs is a list": {"logs": []},
    "a negative log": {"logs": {"metrics.jsonl": -1}},
    "a log of half a byte": {"logs": {"metrics.jsonl": 0.5}},
    "generation is a text": {"generation": "1"},
    "previous is a text": {"previous": "weights-0"},
    "previous is a list": {"previous": []},
    "previous is empty": {"previous": {}},
    "previous names no files": {"previous": {"generation": 0, "files": None}},
    "format is a text": {"format": "1"},
    "format is 0": {"format": 0},
    "format is missing": {"format": ...},
}


@pytest.mark.parametrize("what", HOSTILE_MANIFEST)
def test_a_checkpoint_file_of_another_shape_is_refused(what: str, folder: Path) -> None:
    manifest = {**json.loads((folder / "checkpoint.json").read_bytes()), **HOSTILE_MANIFEST[what]}
    forge_manifest(folder, {k: v for k, v in manifest.items() if v is not ...})
    assert "passwd" not in refused(folder)
    with pytest.raises(RunError):
        verify(folder)
    with pytest.raises(RunError):
        RunWriter(folder)


def test_a_file_that_is_not_ours_cannot_be_listed(folder: Path) -> None:
    manifest = json.loads((folder / "checkpoint.json").read_bytes())
    for name in ("../x", "/etc/passwd", "evil.py", "split/../../x", "weights-1.safetensors\n"):
        entry = manifest["files"]["config.json"]
        forge_manifest(folder, {**manifest, "files": {**manifest["files"], name: entry}})
        assert "another shape" in refused(folder)


def test_a_checkpoint_of_a_later_format_says_so(folder: Path) -> None:
    manifest = json.loads((folder / "checkpoint.json").read_bytes())
    forge_manifest(folder, {"format": FORMAT + 1, "anything": manifest})
    message = refused(folder)
    assert "made by format 2, this program knows up to 1" in message
    assert "use a newer makemore" in message
    with pytest.raises(RunError, match="made by format 2"):
        RunWriter(folder)
    assert "config.json" in contents(folder)  # and nothing was removed


@pytest.mark.parametrize(
    "symbols",
    [
        [], ["a", "a"], ["b", "a"], ["ab"], [""], [1], [None], "abc", {"a": 1}, ["\n"],
        ["a", "\ud800"], ["\udfff"], [["a"]], ["a"] * 3, ["e\u0301"],
    ],
)  # fmt: skip
def test_a_vocabulary_that_no_text_has_is_refused(symbols: Any, folder: Path) -> None:
    size = len(symbols) + 1
    forge(folder, "vocabulary.json", json.dumps({"symbols": symbols}).encode())
    config = (folder / "config.json").read_bytes()
    forge(folder, "config.json", changed(config, vocab_size=size))
    assert "vocabulary.json" in refused(folder)


@pytest.mark.parametrize(
    "record",
    [
        {"rule": "("}, {"rule": ""}, {"rule": 1}, {"rule": None}, {"rule": "a" * 20_000},
        {"symbols": ["a", "ab\n"], "rule": "ab|a"}, {"symbols": ["a", ""], "rule": "a"},
        {"symbols": ["ab", "a"], "rule": "."}, {"labels": "ab"}, {"labels": [1]},
        {"labels": ["b", "a"]}, {"labels": ["a", "a"]}, {"labels": [""]}, {"labels": [" a"]},
        {"labels": ["a\tb"]}, {"labels": ["a\n"]}, {"labels": ["\ud800"]},
        {"labels": sorted(str(number) for number in range(1001))}, {"labels": None},
    ],
)  # fmt: skip
def test_a_rule_or_labels_that_no_text_has_are_refused(
    record: dict[str, Any], folder: Path
) -> None:
    whole = {"symbols": ["a", "b"], "rule": "character", "labels": [], **record}
    forge(folder, "vocabulary.json", json.dumps(whole).encode())
    config = (folder / "config.json").read_bytes()
    forge(folder, "config.json", changed(config, vocab_size=len(whole["symbols"]) + 1))
    assert "vocabulary.json" in refused(folder)


def test_a_vocabulary_of_before_there_were_labels_is_read(folder: Path) -> None:
    symbols = list(VOCABULARY.symbols)
    record = json.loads((folder / "vocabulary.json").read_text())
    assert record == {"symbols": symbols, "rule": "character", "labels": []}
    forge(folder, "vocabulary.json", json.dumps({"symbols": symbols}).encode())
    found = Run.load(folder).vocabulary
    assert (found.symbols, found.rule, found.labels) == (tuple(symbols), "character", ())


@pytest.mark.parametrize("body", [b"ava\n", b"ava\t\n", b"ava\ty\n", b"ava\tx\nmia\n"])
def test_lines_without_one_of_the_labels_are_refused(body: bytes, folder: Path) -> None:
    record = {"symbols": list(VOCABULARY.symbols), "rule": "character", "labels": ["x"]}
    forge(folder, "vocabulary.json", json.dumps(record).encode())
    for part in ("train", "val", "test"):
        forge(folder, f"split/{part}.txt", b"ava\tx\n")
    assert Run.load(folder).split.train.label_of_each() == ["x"]
    forge(folder, "split/val.txt", body)
    assert "split/val.txt" in refused(folder)


def test_a_vocabulary_of_control_characters_is_allowed(folder: Path) -> None:
    symbols = ["\0", "\x07", "\x1b", "\r", "\u2028", "\u202e", "\U0001f600"]
    symbols.sort()
    forge(folder, "vocabulary.json", json.dumps({"symbols": symbols}).encode())
    config = (folder / "config.json").read_bytes()
    forge(folder, "config.json", changed(config, vocab_size=8))
    assert Run.load(folder).vocabulary.symbols == tuple(symbols)


def test_a_vocabulary_that_does_not_fit_the_config_is_refused(folder: Path) -> None:
    forge(folder, "vocabulary.json", b'{"symbols": ["a", "b"]}')
    assert "vocabulary.json does not fit config.json" in refused(folder)


@pytest.mark.parametrize("body", [b"\xff\xfe", b"ava\n\xc0\xaf\n", b"\n\n", b"   \n", b""])
def test_lines_that_no_text_has_are_refused(body: bytes, folder: Path) -> None:
    forge(folder, "split/train.txt", body)
    assert "split/train.txt" in refused(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"step": -1}, {"step": 2.0}, {"step": "2"}, {"step": True}, {"step": ...},
        {"step": 10**100}, {"best_step": -1}, {"best_val": "low"}, {"best_val": 2}, {"waited": -1},
        {"waited": None}, {"finished": 1}, {"code": "import os"},
    ],
)  # fmt: skip
def test_a_state_of_another_shape_is_refused(changes: dict[str, Any], folder: Path) -> None:
    body = (folder / "state-2.json").read_bytes()
    forge(folder, "state-2.json", changed(body, **changes))
    assert "state" in refused(folder)
    forge(folder, "state-2.json", body.replace(b"0.8333333333333334", b"1e999"))
    assert "1e999 is no JSON" in refused(folder)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["weights-2.safetensors", "state-2.safetensors"])
def test_weights_that_are_no_numbers_are_refused(name: str, value: float, folder: Path) -> None:
    forge(folder, name, safetensors.numpy.save({"w": np.array([1, value], np.float32)}))
    assert "holds values that are no numbers" in refused(folder)
    assert verify(folder) == [f"{name}: not what was saved"]


def test_a_header_that_claims_to_be_huge_is_refused_at_once(folder: Path) -> None:
    for size in (2**40, 2**63):
        forge(folder, "weights-2.safetensors", size.to_bytes(8, "little") + b"{}")
        began = time.monotonic()
        assert "its header is too long" in refused(folder)
        assert time.monotonic() - began < 0.2


def test_twenty_thousand_tensors_are_refused(folder: Path) -> None:
    many = {str(i): np.zeros(1, np.uint8) for i in range(20_000)}
    forge(folder, "weights-2.safetensors", safetensors.numpy.save(many))
    assert "weights-2.safetensors" in refused(folder)


# -- what is planted ------------------------------------------------------------------------------


def plant_socket(path: Path) -> None:
    os.mknod(path, 0o600 | stat.S_IFSOCK)


PLANTED: dict[str, Callable[[Path], None]] = {
    "link": lambda path: path.symlink_to("/etc/passwd"),
    "link to zeros": lambda path: path.symlink_to("/dev/zero"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "directory": lambda path: path.mkdir(),
    "pipe": lambda path: os.mkfifo(path),
    "socket": plant_socket,
}


@pytest.mark.parametrize("kind", PLANTED)
@pytest.mark.parametrize(
    "name",
    ["checkpoint.json", "config.json", "vocabulary.json", "split/train.txt", *sorted(SECOND)],
)
def test_what_is_no_file_is_refused_within_a_second(name: str, kind: str, folder: Path) -> None:
    (folder / name).unlink()
    PLANTED[kind](folder / name)
    began = time.monotonic()
    message = refused(folder)
    assert time.monotonic() - began < 1
    assert Path(name).name in message and "root:" not in message


def test_a_link_to_the_very_same_bytes_is_refused(folder: Path, tmp_path: Path) -> None:
    for name in sorted(BOTH | SECOND | {"checkpoint.json"}):
        (folder / name).rename(tmp_path / "elsewhere")
        (folder / name).symlink_to(tmp_path / "elsewhere")
        assert "it is a link" in refused(folder)
        (tmp_path / "elsewhere").replace(folder / name)
    assert step_of(folder) == 2


def test_a_split_that_is_a_link_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "split").rename(tmp_path / "elsewhere")
    (folder / "split").symlink_to(tmp_path / "elsewhere")
    assert "split is a link" in refused(folder)


NAMES_WE_WRITE = [
    "lock", "config.json", "vocabulary.json", "checkpoint.json", "metrics.jsonl", "samples.txt",
    "looks.jsonl", "weights-4.safetensors", "state-4.json", "state-4.safetensors",
    "split/train.txt", "split/val.txt", "split/test.txt", ".tmp-config.json",
    ".tmp-vocabulary.json", ".tmp-checkpoint.json", ".tmp-weights-4.safetensors",
    ".tmp-state-4.json", ".tmp-state-4.safetensors", "split/.tmp-train.txt", "split/.tmp-val.txt",
]  # fmt: skip


@pytest.mark.parametrize("start_over", [False, True], ids=["resume", "start over"])
@pytest.mark.parametrize("name", NAMES_WE_WRITE)
def test_no_planted_link_is_written_through(
    name: str, start_over: bool, folder: Path, tmp_path: Path
) -> None:
    refuses = (
        {"lock"}
        if start_over
        else {"lock", *manifest_module.FIXED, *manifest_module.LOGS, "checkpoint.json"}
    )
    precious = tmp_path / ".bashrc"
    precious.write_bytes(b"mine")
    path = folder / name
    path.unlink(missing_ok=True)
    path.symlink_to(precious)
    try:
        with RunWriter(folder, fresh=start_over) as writer:
            if start_over:
                writer.create(CONFIG, VOCABULARY, SPLIT)
            else:
                writer.resume()
            save(writer, 4)
        assert step_of(folder) == 4 and name not in refuses
    except (RunError, SystemFault) as error:
        assert Path(name).name in str(error) and name in refuses
    assert precious.read_bytes() == b"mine" and not precious.is_symlink()


@pytest.mark.parametrize("name", [".tmp-config.json", "weights-7.safetensors"])
def test_a_planted_folder_is_an_error_of_the_machine(name: str, folder: Path) -> None:
    (folder / name).mkdir()
    with pytest.raises(SystemFault, match=f"cannot write {name}"), RunWriter(folder) as writer:
        writer.resume()
        save(writer, 4)
    (folder / name).rmdir()
    assert step_of(folder) in (2, 4)


@pytest.mark.parametrize("kind", ["pipe", "directory", "socket", "link"])
@pytest.mark.parametrize("name", ["lock", "metrics.jsonl"])
def test_what_is_no_file_is_not_written_and_never_waited_for(
    name: str, kind: str, folder: Path
) -> None:
    (folder / name).unlink()
    PLANTED[kind](folder / name)
    began = time.monotonic()
    with pytest.raises((SystemFault, RunError), match=name), RunWriter(folder) as writer:
        writer.resume()
    assert time.monotonic() - began < 1


def test_a_split_that_is_a_link_is_replaced_when_starting_over(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "split").rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/train.txt").write_bytes(b"mine")
    (folder / "split").symlink_to(tmp_path / "elsewhere")
    with RunWriter(folder, fresh=True) as writer:
        writer.create(CONFIG, VOCABULARY, SPLIT)
        save(writer, 0)
    assert step_of(folder) == 0 and not (folder / "split").is_symlink()
    assert (tmp_path / "elsewhere/train.txt").read_bytes() == b"mine"


OPENED: list[str] | None = None


def listen(event: str, arguments: tuple[Any, ...]) -> None:
    if OPENED is not None and event in ("open", "pickle.find_class"):
        OPENED.append(f"{event} {arguments[0]}")


def test_what_was_planted_is_never_opened(tmp_path: Path) -> None:
    global OPENED
    maker = MakeMore("ngram", order=2).fit(NAMES)
    maker.save(tmp_path / "run")
    bomb = b"\x80\x04cos\nsystem\n(S'touch pwned'\ntR."
    for name in ("model.pt", "optimizer.pt", "weights-1.pkl", "config.pkl", "weights.bin"):
        (tmp_path / "run" / name).write_bytes(bomb)
    for name in ("json.py", "torch.py", "numpy.py", "sitecustomize.py", "conftest.py"):
        (tmp_path / "run" / name).write_text("raise SystemExit('pwned')")
    sys.addaudithook(listen)  # for good: there is no way to take one back
    OPENED = []
    try:
        MakeMore.load(tmp_path / "run").sample(5, random_state=1, all=True)
        verify(tmp_path / "run")
        ours = {Path(line.split(" ", 1)[1]).name for line in OPENED if str(tmp_path) in line}
    finally:
        seen, OPENED = OPENED, None
    assert {line for line in seen if not line.startswith("open")} == set()
    assert ours == {
        "checkpoint.json", "config.json", "vocabulary.json", "train.txt", "val.txt", "test.txt",
        "weights-1.safetensors", "state-1.json",
    }  # fmt: skip


# -- a directory that is no run, or somebody else's -----------------------------------------------


def test_a_folder_that_is_no_run_is_refused_and_left_alone(tmp_path: Path) -> None:
    for name in ("letter.txt", "config.json", "weights-1.safetensors"):
        (tmp_path / name).write_text("mine")
    with pytest.raises(RunError, match="not empty and no run"):
        RunWriter(tmp_path)
    with pytest.raises(RunError, match="no run here"):
        Run.load(tmp_path)
    assert set(contents(tmp_path)) == {"letter.txt", "config.json", "weights-1.safetensors"}
    with pytest.raises(RunError, match="no directory"):
        RunWriter(tmp_path / "letter.txt")
    with pytest.raises(RunError, match="no run directory at"):
        Run.load(tmp_path / "letter.txt")
    with pytest.raises(RunError, match="no run directory at"):
        Run.load(tmp_path / "missing")


def test_starting_over_removes_our_files_and_no_other(folder: Path) -> None:
    (folder / "mine.txt").write_text("mine")
    (folder / "split/mine.txt").write_text("mine")
    (folder / "weights-2.safetensors.bak").write_text("mine")
    (folder / "looks.jsonl").write_text("{}\n")
    with RunWriter(folder) as writer:
        writer.clear()
    assert set(contents(folder)) == {
        "lock", "mine.txt", "split/mine.txt", "weights-2.safetensors.bak",
    }  # fmt: skip


def test_a_damaged_run_can_be_started_over_unless_it_may_be_foreign(folder: Path) -> None:
    (folder / "checkpoint.json").write_bytes(b"{")
    with pytest.raises(RunError, match=r"checkpoint\.json"):
        RunWriter(folder)
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(RunError, match=r"checkpoint\.json"):
        RunWriter(folder, fresh=True)
    (folder / "mine.txt").unlink()
    with RunWriter(folder, fresh=True) as writer:
        writer.create(CONFIG, VOCABULARY, SPLIT)
        save(writer, 0)
    assert step_of(folder) == 0


def test_what_was_killed_before_its_first_checkpoint_is_taken_over(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with RunWriter(folder) as writer:
        writer.create(CONFIG, VOCABULARY, SPLIT)
    (folder / ".tmp-checkpoint.json").write_bytes(b"half")
    with pytest.raises(RunError, match="no run here"):
        Run.load(folder)
    make_run(folder, 0)
    assert step_of(folder) == 0 and not (folder / ".tmp-checkpoint.json").exists()


@pytest.mark.parametrize(
    ("mask", "of_file", "of_folder"), [(0o022, 0o644, 0o755), (0o027, 0o640, 0o750),
                                       (0o077, 0o600, 0o700)]
)  # fmt: skip
def test_the_umask_decides_who_may_read_a_run(
    mask: int, of_file: int, of_folder: int, tmp_path: Path
) -> None:
    before = os.umask(mask)
    try:
        folder = make_run(tmp_path / "a run", 0, 2)
    finally:
        os.umask(before)
    for path in (folder, *folder.rglob("*")):
        expected = of_folder if path.is_dir() else of_file
        assert stat.S_IMODE(path.stat().st_mode) == expected, path


# -- the lock -------------------------------------------------------------------------------------

HOLD = """
import sys, time
from makemore.runs.writer import RunWriter
with RunWriter(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_writer_is_refused_until_the_first_is_killed(folder: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, folder], stdout=subprocess.PIPE)
    assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
    try:
        before = contents(folder)
        began = time.monotonic()
        with pytest.raises(SystemFault, match=f"process {holder.pid} is training here"):
            RunWriter(folder)
        assert time.monotonic() - began < 3
        assert contents(folder) == before  # the first is unharmed
        assert step_of(folder) == 2  # and readers need no lock
    finally:
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
    with RunWriter(folder) as writer:  # no stale lock is left
        writer.resume()
        assert (folder / "lock").read_text() == f"{os.getpid()}\n"


def test_the_lock_goes_with_its_writer(folder: Path) -> None:
    with RunWriter(folder) as writer:
        with pytest.raises(SystemFault, match=str(os.getpid())):
            RunWriter(folder)
        writer.close()
        RunWriter(folder).close()


def test_what_the_lock_holds_is_shown_escaped(folder: Path) -> None:
    with RunWriter(folder):
        (folder / "lock").write_bytes(b"\x1b[31m\n\xff" * 50)
        with pytest.raises(SystemFault) as caught:
            RunWriter(folder)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 300


# -- faults of the disk ---------------------------------------------------------------------------


class FailingDisk:
    """Counts what a save asks of the disk, and fails from the k-th such request on."""

    def __init__(self, patch: pytest.MonkeyPatch, fails_at: int, number: int) -> None:
        self.fails_at, self.number, self.requests = fails_at, number, 0
        self.done: list[str] = []
        for name in TOOLS:
            patch.setattr(os, name, getattr(self, name, None) or self.asked(name))

    def ask(self, what: str) -> None:
        self.requests += 1
        if self.requests >= self.fails_at:
            raise OSError(self.number, os.strerror(self.number))
        self.done.append(what)

    def asked(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            self.ask(f"{name} {arguments[-1] if name == 'replace' else ''}")
            return None if name == "fsync" else REAL[name](*arguments, **more)

        return call

    def mkdir(self, path: Any, *arguments: Any, **more: Any) -> None:
        if not Path(path).is_dir():
            self.ask("mkdir")
        REAL["mkdir"](path, *arguments, **more)

    def open(self, path: Any, flags: int, *arguments: Any, **more: Any) -> int:
        if flags & (os.O_WRONLY | os.O_CREAT):
            self.ask("open")
        return int(REAL["open"](path, flags, *arguments, **more))

    def fdopen(self, handle: int, mode: str, *arguments: Any, **more: Any) -> Any:
        stream = REAL["fdopen"](handle, mode, *arguments, **more)
        if "w" in mode:
            try:
                self.ask("write")
            except OSError:
                REAL["write"](handle, b"half")
                stream.close()
                raise
        return stream


def go_on(folder: Path) -> None:
    with RunWriter(folder) as writer:
        writer.resume()
        save(writer, 4)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_save_that_fails_anywhere_leaves_a_whole_generation(
    number: int, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = []
    for fails_at in range(1, 200):
        folder = Path(shutil.copytree(made, tmp_path / str(fails_at)))
        with monkeypatch.context() as patch:
            disk = FailingDisk(patch, fails_at, number)
            try:
                go_on(folder)
                break
            except SystemFault as error:
                assert os.strerror(number).lower() in str(error) and str(folder) in str(error)
                assert disk.requests == fails_at  # nothing is tried again as if it had worked
        steps.append(step_of(folder))
        committed = any("checkpoint.json" in what for what in disk.done)
        assert steps[-1] == (4 if committed else 2)
        assert not list(folder.rglob(".tmp-*")) and verify(folder) == []
        go_on(folder)  # after space is freed
        assert step_of(folder) == 4 and verify(folder) == []
        lines = (folder / "metrics.jsonl").read_text().splitlines()
        logged = [json.loads(line)["step"] for line in lines]
        # What was not committed is not there; what was is not lost.
        assert logged == ([0, 2, 4, 4] if committed else [0, 2, 4])
    # lock (2), logs (2 opened, 2 lines), 4 files with 5 requests each, 2 log lengths, and more
    assert len(steps) > 25 and steps.count(2) == len(steps) - 1


def test_a_first_save_that_fails_anywhere_can_be_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = 0
    for fails_at in range(1, 200):
        folder = tmp_path / str(fails_at)
        with monkeypatch.context() as patch:
            FailingDisk(patch, fails_at, errno.ENOSPC)
            try:
                make_run(folder, 0)
                break
            except SystemFault as error:
                assert "no space left on device" in str(error).lower()
        failures += 1
        assert not list(folder.rglob(".tmp-*"))
        make_run(folder, 0)
        assert step_of(folder) == 0
    assert failures > 40


def test_going_back_that_fails_anywhere_leaves_a_whole_generation(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for fails_at in range(1, 100):
        folder = Path(shutil.copytree(made, tmp_path / str(fails_at)))
        with RunWriter(folder) as writer, monkeypatch.context() as patch:
            FailingDisk(patch, fails_at, errno.ENOSPC)
            try:
                writer.restore()
                break
            except SystemFault:
                pass
        assert step_of(folder) in (0, 2) and verify(folder) == []
    assert fails_at > 4 and step_of(folder) == 0


def test_a_folder_that_goes_while_training_is_named(folder: Path, tmp_path: Path) -> None:
    for lose in (lambda: folder.rename(tmp_path / "moved"), lambda: shutil.rmtree(folder)):
        with RunWriter(folder) as writer:
            writer.resume()
            lose()
            for act in (lambda: writer.log("metrics.jsonl", "{}"), lambda: save(writer, 4)):
                with pytest.raises(SystemFault, match="the run directory has gone") as caught:
                    act()
                assert str(folder) in str(caught.value)
            assert not folder.exists()
        if (tmp_path / "moved").exists():
            assert step_of(tmp_path / "moved") == 2
            (tmp_path / "moved").rename(folder)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without the rights of root, to whom no mode says no."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_folder_that_may_not_be_written_is_found_before_training() -> None:
    with tempfile.TemporaryDirectory() as above:
        os.chmod(above, 0o755)  # noqa: S103 (so that nobody comes in)
        parent, folder = Path(above) / "parent", Path(above) / "run"
        parent.mkdir(mode=0o555)
        make_run(folder)
        for path in folder.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o444)
        folder.chmod(0o555)
        before = contents(folder)
        with as_nobody():
            with pytest.raises(SystemFault, match="cannot make .*parent/new") as caught:
                RunWriter(parent / "new")
            assert "Permission denied" in str(caught.value)
            with pytest.raises(SystemFault, match="cannot write lock: permission denied"):
                RunWriter(folder)
            assert step_of(folder) == 2  # reading needs no right to write
        assert contents(folder) == before and os.listdir(parent) == []
        parent.chmod(0o755)
        folder.chmod(0o755)


# -- logs -----------------------------------------------------------------------------------------


def test_logs_are_cut_to_what_the_checkpoint_committed(folder: Path) -> None:
    committed = {name: (folder / name).read_bytes() for name in manifest_module.LOGS}
    for name in manifest_module.LOGS:
        with open(folder / name, "ab") as stream:
            stream.write(b'{"step": 3}\n{"step": 4}\n{"st')  # not committed, the last not whole
    with RunWriter(folder) as writer:
        writer.resume()
        assert {name: (folder / name).read_bytes() for name in manifest_module.LOGS} == committed
        writer.log("metrics.jsonl", '{"step": 3}')
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [0, 2, 3]


def test_a_log_that_was_lost_starts_again(folder: Path) -> None:
    (folder / "metrics.jsonl").unlink()
    with RunWriter(folder) as writer:
        writer.resume()
        save(writer, 4)
    assert step_of(folder) == 4
    assert (folder / "metrics.jsonl").read_text() == '{"step": 4}\n'


# -- readers --------------------------------------------------------------------------------------


def test_a_reader_always_gets_one_whole_generation(tmp_path: Path) -> None:
    folder, last = make_run(tmp_path / "run", 0), 300
    failed: list[BaseException] = []

    def write() -> None:
        try:
            with RunWriter(folder) as writer:
                writer.resume()
                for step in range(1, last + 1):
                    save(writer, step)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    seen = [step_of(folder)]
    while thread.is_alive():
        seen.append(step_of(folder))  # raises if it is not whole or not of one step
    thread.join()
    assert failed == []
    assert seen == sorted(seen) and len(set(seen)) >= 30
    assert step_of(folder) == last


def test_a_reader_reads_again_when_a_file_has_gone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, saved = manifest_module.read_plain, []

    def slow(path: Path, limit: int) -> bytes:
        if path.name == "weights-2.safetensors" and not saved:
            saved.append(True)
            with RunWriter(folder) as writer:
                writer.resume()
                save(writer, 4)
                save(writer, 6)  # now the file that is about to be read has gone
        return read(path, limit)

    monkeypatch.setattr(manifest_module, "read_plain", slow)
    assert step_of(folder) == 6 and saved == [True]


# -- the same command -----------------------------------------------------------------------------


def test_another_command_names_what_differs() -> None:
    same_command(CONFIG, {"order": 2}, SPLIT.digest())
    same_command(CONFIG, {"order": 2}, None)
    for asked, words in (
        ({"order": 3}, "order = 2, not 3"),
        ({}, "with order = 2, not without it"),
        ({"order": 2, "seed": 5}, "without seed, not 5"),
    ):
        with pytest.raises(UsageError, match=words):
            same_command(CONFIG, asked, None)
    digest = "f" * 64
    with pytest.raises(UsageError, match="this run learned other data") as caught:
        same_command(CONFIG, {"order": 2}, digest)
    assert SPLIT.digest()[:12] in str(caught.value) and digest[:12] in str(caught.value)


# -- models of hostile files ----------------------------------------------------------------------

TINY: dict[str, dict[str, Any]] = {
    "transformer": {"n_layer": 1, "n_head": 2, "n_embd": 8},
    "mlp": {"block_size": 2, "n_embd": 2, "n_hidden": 4},
    "deep_mlp": {"block_size": 2, "n_embd": 2, "n_hidden": 4, "n_layer": 1},
    "wavenet": {"n_embd": 4, "n_skip": 4},
    "bow": {"n_embd": 4, "n_hidden": 4},
    "rnn": {"n_embd": 4, "n_hidden": 4},
    "gru": {"n_embd": 4, "n_hidden": 4},
    "lstm": {"n_embd": 4, "n_hidden": 4},
    "bigram": {},
    "ngram": {"order": 3},
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A run directory of each model, trained for a step and never to be changed."""
    above, known = tmp_path_factory.mktemp("trained"), {}

    def of(model: str) -> Path:
        if model not in known:
            maker = MakeMore(model, max_steps=1, random_state=1, threads=1, **TINY[model])
            maker.fit(NAMES).save(above / model)
            known[model] = above / model
        return known[model]

    return of


Trained = Callable[[str], Path]


@pytest.mark.parametrize("model", TINY)
def test_a_model_is_loaded_as_it_was_saved(model: str, trained: Trained) -> None:
    first, second = (MakeMore.load(trained(model)) for _ in range(2))
    assert first.model == model
    assert first.sample(5, 7, all=True) == second.sample(5, 7, all=True)


def of_trained(trained: Trained, model: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained(model), tmp_path / "run"))


def weights_of(folder: Path) -> tuple[str, dict[str, Any]]:
    path = next(folder.glob("weights-*.safetensors"))
    return path.name, safetensors.numpy.load(path.read_bytes())


Change = Callable[[dict[str, Any]], None]
HOSTILE_WEIGHTS: dict[str, tuple[Change, str]] = {
    "lacks one": (lambda w: w.pop("head.weight"), "lacks tensor 'head.weight'"),
    "holds another": (
        lambda w: w.update(evil=np.zeros(1, np.float32)), "holds an unknown tensor 'evil'",
    ),
    "wrong shape": (
        lambda w: w.update({"norm.bias": np.zeros(9, np.float32)}),
        "tensor 'norm.bias' is float32[9], expected float32[8]",
    ),
    "one value that would spread": (
        lambda w: w.update({"norm.bias": np.zeros(1, np.float32)}),
        "tensor 'norm.bias' is float32[1], expected float32[8]",
    ),
    "wrong type": (
        lambda w: w.update({"norm.bias": np.zeros(8, np.float64)}),
        "tensor 'norm.bias' is float64[8], expected float32[8]",
    ),
    "transposed": (
        lambda w: w.update({"head.weight": np.ascontiguousarray(w["head.weight"].T)}),
        "tensor 'head.weight' is float32[8, ",
    ),
    "whole numbers": (
        lambda w: w.update({"norm.bias": np.zeros(8, np.int32)}),
        "tensor 'norm.bias' is int32[8], expected float32[8]",
    ),
    "nothing": (lambda w: w.clear(), "lacks tensor"),
    "a long name": (
        lambda w: w.update({"\x1b\n" * 900: np.zeros(1, np.float32)}), "holds an unknown tensor",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE_WEIGHTS)
def test_weights_of_another_model_are_named(what: str, trained: Trained, tmp_path: Path) -> None:
    folder = of_trained(trained, "transformer", tmp_path)
    name, weights = weights_of(folder)
    change, words = HOSTILE_WEIGHTS[what]
    change(weights)
    forge(folder, name, safetensors.numpy.save(weights))
    with pytest.raises(RunError) as caught:
        MakeMore.load(folder)
    message = str(caught.value)
    assert words in message and str(folder) in message
    assert message.isprintable() and len(message) < 500


HOSTILE_COUNTS: dict[str, Change] = {
    "lacks one": lambda w: w.pop("counts"),
    "holds another": lambda w: w.update(evil=np.zeros(1, np.uint8)),
    "a float": lambda w: w.update(counts=w["counts"].astype(np.float32)),
    "negative": lambda w: w.update(counts=-w["counts"].astype(np.int16)),
    "a count of 0": lambda w: w["counts"].__setitem__(0, 0),
    "too few": lambda w: w.update(counts=w["counts"][:-1]),
    "a table": lambda w: w.update(counts=w["counts"][None]),
    "not sorted": lambda w: w.update(ngrams=w["ngrams"][::-1].copy()),
    "an unknown context": lambda w: w["ngrams"].__setitem__(-1, np.iinfo(w["ngrams"].dtype).max),
    "a huge number": lambda w: w.update(ngrams=w["ngrams"].astype(np.uint64) + np.uint64(2**60)),
}


@pytest.mark.parametrize("what", HOSTILE_COUNTS)
def test_counts_that_are_none_are_refused(what: str, trained: Trained, tmp_path: Path) -> None:
    folder = of_trained(trained, "ngram", tmp_path)
    name, counts = weights_of(folder)
    HOSTILE_COUNTS[what](counts)
    forge(folder, name, safetensors.numpy.save(counts))
    with pytest.raises(RunError) as caught:
        MakeMore.load(folder)
    assert str(folder) in str(caught.value)


HOSTILE_RESOLVED: dict[str, dict[str, Any]] = {
    "an unknown key": {"import": "os"},
    "a template": {"template": "{{ 7 * 7 }}"},
    "n_layer is 0": {"n_layer": 0},
    "n_layer is 1e9": {"n_layer": 10**9},
    "n_embd is a text": {"n_embd": "8"},
    "n_embd is a float": {"n_embd": 8.0},
    "n_head does not divide": {"n_head": 3},
    "dropout is 1": {"dropout": 1.0},
    "dropout is negative": {"dropout": -0.1},
    "learning_rate is a list": {"learning_rate": [1]},
    "optimizer is a class": {"optimizer": "torch.optim.Adam"},
    "max_steps is negative": {"max_steps": -5},
    "seed is 2^64": {"seed": 2**64},
    "device is a number": {"device": 5},
}


ONLY_BUILT = "n_head does not divide"  # found by building, and only what is resolved is built


@pytest.mark.parametrize(
    ("what", "key"),
    [(w, k) for w in HOSTILE_RESOLVED for k in ("resolved", "asked") if (w, k) != (ONLY_BUILT, k)]
    + [(ONLY_BUILT, "resolved")],
)
def test_options_out_of_range_are_refused(
    what: str, key: str, trained: Trained, tmp_path: Path
) -> None:
    folder = of_trained(trained, "transformer", tmp_path)
    body = (folder / "config.json").read_bytes()
    values = {**json.loads(body)[key], **HOSTILE_RESOLVED[what]}
    forge(folder, "config.json", changed(body, **{key: values}))
    with pytest.raises(RunError, match=r"config\.json: ") as caught:
        MakeMore.load(folder)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("name", ["os", "base", "neural", "../evil", "a.b", "", "\x1b[31m", "gru2"])
def test_a_model_that_is_not_known_is_not_looked_for_elsewhere(
    name: str, trained: Trained, tmp_path: Path
) -> None:
    folder = of_trained(trained, "ngram", tmp_path)
    forge(folder, "config.json", changed((folder / "config.json").read_bytes(), model=name))
    with pytest.raises(RunError, match=r"is not known here .*--plugin") as caught:
        MakeMore.load(folder)
    assert str(caught.value).isprintable()


BOMBS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "transformer": ({"n_embd": 4096, "n_layer": 64, "n_head": 1}, {}),
    "transformer's positions": ({}, {"block_size": 2**16}),
    "mlp": ({"n_embd": 4096, "n_hidden": 65536}, {}),
    "deep_mlp": ({"n_hidden": 65536, "n_layer": 64}, {}),
    "wavenet": ({"n_embd": 4096, "n_skip": 4096}, {}),
    "bow": ({"n_embd": 4096, "n_hidden": 65536}, {}),
    "rnn": ({"n_embd": 4096, "n_hidden": 4096, "n_layer": 32}, {}),
    "gru": ({"n_embd": 4096, "n_hidden": 4096, "n_layer": 32}, {}),
    "lstm": ({"n_embd": 4096, "n_hidden": 4096, "n_layer": 32}, {}),
}


@pytest.mark.parametrize("what", BOMBS)
def test_a_model_larger_than_its_file_is_refused_before_it_is_made(
    what: str, trained: Trained, tmp_path: Path
) -> None:
    folder = of_trained(trained, what.partition("'")[0], tmp_path)
    body = (folder / "config.json").read_bytes()
    options, changes = BOMBS[what]
    values = {**json.loads(body)["resolved"], **options}
    forge(folder, "config.json", changed(body, resolved=values, **changes))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    with pytest.raises(RunError, match="tensor '"):
        MakeMore.load(folder)
    assert time.monotonic() - began < 5
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 50_000 * (1 if sys.platform == "linux" else 1024)  # kilobytes, on a Mac bytes


def test_a_window_that_its_options_do_not_have_is_refused(trained: Trained, tmp_path: Path) -> None:
    for model in ("ngram", "mlp"):
        folder = of_trained(trained, model, tmp_path / model)
        body = (folder / "config.json").read_bytes()
        forge(folder, "config.json", changed(body, block_size=60_000))
        with pytest.raises(RunError, match=r"config\.json: block_size is 60000"):
            MakeMore.load(folder)


def resumable(folder: Path) -> Path:
    """A run of a tiny transformer that was stopped after two of four steps."""
    from makemore.api.plan import Plan
    from makemore.training.events import Saved

    options = {**TINY["transformer"], "max_steps": 4, "save_interval": 0.0, "threads": 1}
    corpus = Corpus.from_lines(NAMES)
    nothing = corpus.take(slice(0))
    maker = MakeMore("transformer")
    maker.begin(Plan.make("transformer", options, Split(corpus, nothing, nothing), "names"))
    with RunWriter(folder) as writer:
        for event in maker.training(writer):
            if isinstance(event, Saved) and event.step == 2:
                break
    return folder


def resume(folder: Path) -> None:
    from makemore.api.plan import Plan

    with RunWriter(folder) as writer:
        found = writer.resume()
        maker = MakeMore("transformer")
        maker.begin(Plan.from_run(found))
        for _ in maker.training(writer, found):
            pass


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return resumable(tmp_path_factory.mktemp("stopped") / "run")


HOSTILE_STATE: dict[str, Change] = {
    "lacks a weight": lambda s: s.pop("model.head.weight"),
    "a weight of another shape": lambda s: s.update({"model.norm.bias": np.zeros(9, np.float32)}),
    "an unknown weight": lambda s: s.update({"model.evil": np.zeros(1, np.float32)}),
    "an unknown tensor": lambda s: s.update({"evil": np.zeros(1, np.float32)}),
    "an unknown memory": lambda s: s.update({"optimizer.evil.norm.bias": np.zeros(8, np.float32)}),
    "a memory of another shape": lambda s: s.update(
        {"optimizer.exp_avg.norm.bias": np.zeros(9, np.float32)}
    ),
    "a memory of another type": lambda s: s.update(
        {"optimizer.exp_avg.norm.bias": np.zeros(8, np.int64)}
    ),
    "half a memory": lambda s: s.pop("optimizer.exp_avg_sq.norm.bias"),
    "a step of many": lambda s: s.update({"optimizer.step.norm.bias": np.ones(8, np.float32)}),
    "a matrix's memory of another shape": lambda s: s.update(
        {"optimizer.momentum.blocks.0.attend.weight": np.zeros((8, 24), np.float32)}
    ),
}


def test_a_run_that_was_stopped_goes_on(stopped: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(stopped, tmp_path / "run"))
    resume(folder)
    assert Run.load(folder).progress["step"] == 4 and Run.load(folder).progress["finished"]


@pytest.mark.parametrize("what", HOSTILE_STATE)
def test_a_state_of_another_training_is_refused(what: str, stopped: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(stopped, tmp_path / "run"))
    state = safetensors.numpy.load((folder / "state-2.safetensors").read_bytes())
    HOSTILE_STATE[what](state)
    forge(folder, "state-2.safetensors", safetensors.numpy.save(state))
    with pytest.raises(RunError, match="tensor") as caught:
        resume(folder)
    assert str(folder) in str(caught.value)
    MakeMore.load(folder)  # the best weights are whole


def test_a_model_larger_than_its_file_is_not_made_to_go_on_either(
    stopped: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(stopped, tmp_path / "run"))
    body = (folder / "config.json").read_bytes()
    values = {**json.loads(body)["resolved"], "n_embd": 4096, "n_layer": 64}
    forge(folder, "config.json", changed(body, resolved=values))
    with pytest.raises(RunError, match="lacks tensor|expected"):
        resume(folder)
