"""run.py: a run is read whole, by one manifest, and nothing that it holds is trusted."""

from __future__ import annotations

import json
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from makemore import MakeMore
from makemore.errors import RunError
from makemore.runs import manifest as manifest_module
from makemore.runs.manifest import verify
from makemore.runs.run import Run
from run_folder import (
    BOTH,
    NAMES,
    SECOND,
    STRANGE,
    VOCABULARY,
    contents,
    forge,
    forge_keys,
    forge_manifest,
    forge_vocabulary,
    go_on,
    make_run,
    read_json,
    refused,
    step_of,
)

pytestmark = pytest.mark.usefixtures("no_fsync")


def test_a_run_holds_the_documented_files_and_gives_back_what_was_saved(folder: Path) -> None:
    logs = {"lock", "metrics.jsonl", "samples.txt"}
    first = {"weights-0.safetensors", "state-0.json", "state-0.safetensors"}
    assert set(contents(folder)) == {"checkpoint.json", *logs, *BOTH, *first, *SECOND}
    assert step_of(folder) == 2 and verify(folder) == []
    loaded = Run.load(folder)
    assert loaded.state is None  # sampling needs none of it
    assert loaded.vocabulary.symbols == tuple("abcehilmoprstv")
    assert read_json(folder / "config.json")["format"] == 1
    assert (folder / "split/train.txt").read_bytes() == b"emma\nolivia\nava\nisabella\n"
    weights = safetensors.numpy.load((folder / "weights-2.safetensors").read_bytes())
    assert np.array_equal(weights["w"], np.full((2, 3), 2))  # the format's own library reads it


# -- hostile: changed, and every digest computed again --------------------------------------------


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        *(("config.json", changes) for changes in (
            {"class_name": "os.system"}, {"threads": ...}, {"vocab_size": "15"},
            {"vocab_size": True}, {"vocab_size": 14}, {"vocab_size": 0}, {"vocab_size": -15},
            {"block_size": 2**62}, {"block_size": 1.5}, {"block_size": -1}, {"round_size": 0},
            {"round_size": 10**12}, {"threads": 10_000}, {"resolved": []}, {"asked": None},
            {"data": {}}, {"data": {"name": "a", "digest": "b", "path": "/etc/passwd"}},
            {"data": {"name": "a", "digest": 5}}, {"model": 5}, {"ranks": 0}, {"ranks": 2.0},
            {"ranks": True}, {"ranks": 10**6},
        )),
        *(("state-2.json", changes) for changes in (
            {"step": -1}, {"step": 2.0}, {"step": "2"}, {"step": True}, {"step": ...},
            {"step": 10**100}, {"best_step": -1}, {"best_val": "low"}, {"best_val": 2},
            {"waited": -1}, {"waited": None}, {"finished": 1}, {"code": "import os"},
        )),
    ],
    ids=str,
)  # fmt: skip
def test_keys_and_values_of_another_shape_are_refused(
    name: str, changes: dict[str, Any], folder: Path
) -> None:
    forge_keys(folder, name, **changes)
    assert name.partition("-")[0] in refused(folder)


NO_JSON = (b"[" * 200_000, b'{"a": 1, "a": 1}', b'{"a": NaN}', b'{"a": 1e999}', b"", b"[]", b"null")
NO_TENSORS = {
    safetensors.numpy.save({"w": np.array([1, np.nan])}): "'w' holds values that are no numbers",
    (2**40).to_bytes(8, "little") + b"{}": "its header is too long",
    safetensors.numpy.save({f"{i}": np.zeros(1) for i in range(20_000)}): "too long",
}


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        *((name, body, name.partition("-")[0])
          for name in ("config.json", "vocabulary.json", "state-2.json", "checkpoint.json")
          for body in NO_JSON),
        ("vocabulary.json", b'{"symbols": ["a", "b"]}', "vocabulary.json does not fit config.json"),
        *(("split/train.txt", body, "split/train.txt")
          for body in (b"\xff\xfe", b"ava\n\xc0\xaf\n", b"\n\n", b"   \n", b"")),
        *((name, body, words) for name in SECOND[1:] for body, words in NO_TENSORS.items()),
    ],
    ids=lambda value: ascii(value[:20]),
)  # fmt: skip
def test_a_file_with_another_body_is_refused(
    name: str, body: bytes, words: str, folder: Path
) -> None:
    forge(folder, name, body)
    message = refused(folder)
    assert words in message
    if name in SECOND[1:]:
        assert name in message and verify(folder) == [f"{name}: not what was saved"]


@pytest.mark.parametrize(
    "record",
    [
        *({"symbols": symbols} for symbols in (
            [], ["a", "a"], ["b", "a"], ["ab"], [""], [1], [None], "abc", {"a": 1}, ["\n"],
            ["a", "\ud800"], ["\udfff"], [["a"]], ["a"] * 3, ["e\u0301"],
        )),
        *({"symbols": ["a", "b"], "rule": "character", "labels": [], **changes} for changes in (
            {"rule": "("}, {"rule": ""}, {"rule": 1}, {"rule": None}, {"rule": "a" * 20_000},
            {"symbols": ["a", "ab\n"], "rule": "ab|a"}, {"symbols": ["a", ""], "rule": "a"},
            {"symbols": ["ab", "a"], "rule": "."}, {"labels": "ab"}, {"labels": [1]},
            {"labels": ["b", "a"]}, {"labels": ["a", "a"]}, {"labels": [""]}, {"labels": [" a"]},
            {"labels": ["a\tb"]}, {"labels": ["a\n"]}, {"labels": ["\ud800"]},
            {"labels": sorted(str(number) for number in range(1001))}, {"labels": None},
        )),
    ],
)  # fmt: skip
def test_a_vocabulary_that_no_text_has_is_refused(record: dict[str, Any], folder: Path) -> None:
    forge_vocabulary(folder, **record)
    assert "vocabulary.json" in refused(folder)


def test_a_vocabulary_of_before_there_were_labels_is_read(folder: Path) -> None:
    record = read_json(folder / "vocabulary.json")
    assert record == {"symbols": [*VOCABULARY.symbols], "rule": "character", "labels": []}
    forge_vocabulary(folder, symbols=record["symbols"])
    found = Run.load(folder).vocabulary
    assert (found.symbols, found.rule, found.labels) == (VOCABULARY.symbols, "character", ())


def test_a_vocabulary_of_control_characters_is_allowed(folder: Path) -> None:
    symbols = sorted(["\0", "\x07", "\x1b", "\r", "\u2028", "\u202e", "\U0001f600"])
    forge_vocabulary(folder, symbols=symbols)
    assert Run.load(folder).vocabulary.symbols == tuple(symbols)


@pytest.mark.parametrize("body", [b"ava\n", b"ava\t\n", b"ava\ty\n", b"ava\tx\nmia\n"])
def test_lines_without_one_of_the_labels_are_refused(body: bytes, folder: Path) -> None:
    forge_keys(folder, "vocabulary.json", labels=["x"])
    for part in ("train", "val", "test"):
        forge(folder, f"split/{part}.txt", b"ava\tx\n")
    assert Run.load(folder).split.train.label_of_each() == ["x"]
    forge(folder, "split/val.txt", body)
    assert "split/val.txt" in refused(folder)


# -- what is planted ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind in STRANGE if kind != "dangling link"])
@pytest.mark.parametrize(
    "name", ["checkpoint.json", "config.json", "vocabulary.json", "split/train.txt", *SECOND]
)
def test_what_is_no_file_is_refused_at_once(name: str, kind: str, folder: Path) -> None:
    (folder / name).unlink()
    STRANGE[kind](folder / name)
    began = time.monotonic()
    message = refused(folder)
    assert time.monotonic() - began < 5
    assert Path(name).name in message and "secret" not in message


def test_a_link_to_the_very_same_bytes_is_refused(folder: Path, tmp_path: Path) -> None:
    for name in ("checkpoint.json", *BOTH, *SECOND):
        (folder / name).rename(tmp_path / "elsewhere")
        (folder / name).symlink_to(tmp_path / "elsewhere")
        assert "it is a link" in refused(folder)
        (tmp_path / "elsewhere").replace(folder / name)
    assert step_of(folder) == 2
    (folder / "split").rename(tmp_path / "elsewhere")
    (folder / "split").symlink_to(tmp_path / "elsewhere")
    assert "split is a link" in refused(folder)


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


# -- readers beside a writer ----------------------------------------------------------------------


@pytest.mark.parametrize("last", [60, pytest.param(300, marks=pytest.mark.slow)])
def test_a_reader_always_gets_one_whole_generation(last: int, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", 0)
    failed: list[BaseException] = []

    def write() -> None:
        try:
            go_on(folder, *range(1, last + 1))
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    seen = [step_of(folder)]
    while thread.is_alive():
        seen.append(step_of(folder))  # raises if it is not whole or not of one step
    thread.join()
    assert failed == []
    assert seen == sorted(seen) and len(set(seen)) >= last // 10
    assert step_of(folder) == last


def test_a_reader_reads_again_when_a_file_has_gone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, saved = manifest_module.open_plain, []

    def slow(path: Path, limit: int) -> Any:
        if path.name == "weights-2.safetensors" and not saved:
            saved.append(True)
            go_on(folder, 4, 6)  # now the file that is about to be read has gone
        return opened(path, limit)

    monkeypatch.setattr(manifest_module, "open_plain", slow)
    assert step_of(folder) == 6 and saved == [True]


# -- JSON that was changed ------------------------------------------------------------------------


JSON_FILES = ("config.json", "vocabulary.json", "state-1.json", "checkpoint.json")
OTHERS = (None, "x", "", -1, 3, True, 1.5, 1e300, 10**400, [], {}, [3], ["x"], {"a": 1})


def places_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to each value within a JSON value."""
    yield path
    inside: Any = value.items() if isinstance(value, dict) else ()
    for key, each in enumerate(value) if isinstance(value, list) else inside:
        yield from places_of(each, (*path, key))


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fitted") / "run"
    MakeMore("ngram", order=2).fit(NAMES, [str(len(name) % 2) for name in NAMES]).save(folder)
    return folder


@pytest.mark.parametrize("name", JSON_FILES)
@given(data=st.data())
def test_json_that_was_changed_anywhere_is_read_or_refused(
    name: str, data: st.DataObject, fitted: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """By whoever also computed the digests anew: never another error than that of a run."""
    folder = Path(shutil.copytree(fitted, tmp_path_factory.mktemp("changed") / "run"))
    value = read_json(folder / name)
    paths = [path for path in places_of(value) if path and path != ("sha256",)]
    *above, last = data.draw(st.sampled_from(paths))
    within: Any = value
    for key in above:
        within = within[key]
    if data.draw(st.booleans()):
        within[last] = data.draw(st.sampled_from(OTHERS))
    else:
        del within[last]
    if name == "checkpoint.json":
        keys = {key: value.get(key, ...) for key in read_json(folder / name) if key != "sha256"}
        forge_manifest(folder, **keys)
    else:
        forge(folder, name, json.dumps(value).encode())
    try:
        MakeMore.load(folder).sample(1, random_state=1, all=True)
    except RunError as error:
        assert str(folder) in str(error) and "Error" not in str(error)
