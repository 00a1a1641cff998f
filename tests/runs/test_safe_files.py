"""safe_files.py: files that others may have touched are read strictly, ours are written whole."""

from __future__ import annotations

import ast
import errno
import hashlib
import json
import os
import stat
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from makemore.errors import RunError, SystemFault
from makemore.runs import safe_files
from run_folder import STRANGE

SOURCE = Path(safe_files.__file__).parent.parent
REAL = {name: getattr(os, name) for name in ("open", "write", "fsync", "replace", "unlink")}


@pytest.fixture(autouse=True)
def no_handle_stays_open() -> Iterator[None]:
    before = len(os.listdir("/dev/fd"))
    yield
    assert len(os.listdir("/dev/fd")) == before


# -- reading: only what is a regular file, of a bounded size ------------------------------------


@pytest.mark.parametrize("kind", STRANGE)
def test_what_is_no_regular_file_is_refused_at_once(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    STRANGE[kind](path)
    began = time.monotonic()
    with pytest.raises(RunError, match=r"config\.json") as caught:
        safe_files.read_plain(path, 100)
    assert time.monotonic() - began < 5
    assert "secret" not in str(caught.value) and str(tmp_path) in str(caught.value)


def test_a_device_is_refused() -> None:
    with pytest.raises(RunError, match="zero is no regular file"):
        safe_files.read_plain(Path("/dev/zero"), 100)
    with pytest.raises(RunError, match="null is no regular file"):
        safe_files.append(Path("/dev"), "null", "line")


def test_a_file_is_read_up_to_the_limit_and_refused_beyond_it(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert safe_files.read_plain(path, 5) == b"12345"
    assert safe_files.read_plain(path, 10**30) == b"12345"  # a limit that a hostile file named
    with pytest.raises(RunError, match="a is larger than 4 bytes"):
        safe_files.read_plain(path, 4)


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch()
    os.truncate(path, 2**33)
    tracemalloc.start()
    with pytest.raises(RunError, match="larger"):
        safe_files.read_plain(path, safe_files.MAX_JSON)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_a_missing_file_is_left_to_the_caller(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        safe_files.read_plain(tmp_path / "a", 5)


# -- JSON ---------------------------------------------------------------------------------------

HOSTILE_JSON = [
    # nested deeper than Python goes
    b"[" * 200_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000,
    # a key twice
    b'{"a": 1, "a": 2}', b'{"b": [{"a": 1, "\\u0061": 2}]}',
    # numbers that JSON lacks, or that are beyond Python's
    b'{"a": NaN}', b"[Infinity]", b"[-Infinity]", b"[1e999]", b"[" + b"9" * 100_000 + b"]",
    # not UTF-8
    *('{"a": 1}'.encode(encoding) for encoding in ("utf-16", "utf-16-le", "utf-32")),
    b"\xef\xbb\xbf{}", b'{"a": "\xe9"}', b'"\xed\xa0\x80"',
    # no value, or not one
    b"", b"  \n", b"{} {}", b"[1,]", b"{'a': 1}", b'"a\nb"', b'{"\x1b[31m": ',
]  # fmt: skip


@pytest.mark.parametrize("body", HOSTILE_JSON, ids=lambda body: ascii(body[:20]))
def test_json_that_is_not_strict_is_one_kind_of_error(body: bytes, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"^a\.json is no valid JSON") as caught:
        safe_files.parse_json(body, "a.json", tmp_path)
    message = str(caught.value)
    assert len(message) < 400 and message.isprintable()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.text()
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=10,
    )
)  # fmt: skip
def test_what_was_written_is_read_again(value: object) -> None:
    assert safe_files.parse_json(safe_files.to_json(value), "a.json", Path()) == value


def test_no_number_that_json_lacks_is_written() -> None:
    for number in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not JSON compliant"):
            safe_files.to_json({"a": number})


# -- safetensors --------------------------------------------------------------------------------

WEIGHTS = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.array([1, 2], np.uint8)}
PLACE = Path("run")


def with_header(header: object, data: bytes = b"") -> bytes:
    body = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(body).to_bytes(8, "little") + body + data


def tensor(dtype: str, shape: list[int], start: int, end: int) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def one(*arguments: Any) -> bytes:
    """A file of one byte with one tensor."""
    return with_header({"a": tensor(*arguments)}, b"1")


ONE_BYTE = b'"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}'
HOSTILE_TENSORS = {
    "empty": b"",
    "seven bytes": b"\0" * 7,
    "no header": (0).to_bytes(8, "little"),
    **{f"a header of {n} bytes": n.to_bytes(8, "little") + b"{}" for n in (3, 2**40, 2**64 - 1)},
    "a header over 1 MiB": with_header(b" " * 2**20 + b"{}"),
    "no JSON": with_header(b"hello"),
    "a list": with_header([]),
    "deep JSON": with_header(b'{"a":' * 10_000),
    "a tensor twice": with_header(b"{%b,%b}" % (ONE_BYTE, ONE_BYTE), b"1"),
    "an unknown type": one("X9", [1], 0, 1),
    "a type that numpy lacks": one("F8_E4M3", [1], 0, 1),
    "too few bytes for its shape": one("F32", [2], 0, 1),
    "a negative shape": one("U8", [-1], 0, 1),
    "a shape that overflows": one("U8", [2**40, 2**40], 0, 1),
    "offsets past the end": one("U8", [9], 0, 9),
    "offsets that go back": one("U8", [1], 1, 0),
    "tensors that overlap": with_header(
        {"a": tensor("U8", [2], 0, 2), "b": tensor("U8", [2], 1, 3)}, b"123"
    ),
    "a hole between tensors": with_header(
        {"a": tensor("U8", [1], 0, 1), "b": tensor("U8", [1], 2, 3)}, b"123"
    ),
    "bytes that no tensor holds": with_header({"a": tensor("U8", [1], 0, 1)}, b"12"),
    **{f"{n} tensors": with_header({f"{i}": tensor("U8", [0], 0, 0) for i in range(n)})
       for n in (10_001, 20_000)},
    "no dict as a tensor": with_header({"a": 5}),
    "a pickle": b"\x80\x04cos\nsystem\n(S'touch pwned'\ntR.",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_TENSORS)
def test_what_is_no_whole_safetensors_file_is_refused(name: str) -> None:
    with pytest.raises(RunError, match="weights") as caught:
        safe_files.parse_tensors(HOSTILE_TENSORS[name], "weights", PLACE)
    assert str(caught.value).isprintable()


def test_the_most_tensors_that_are_allowed_are_read() -> None:
    most = safe_files.MAX_TENSORS
    body = with_header({f"{i}": tensor("U8", [0], 0, 0) for i in range(most)})
    assert len(safe_files.parse_tensors(body, "weights", PLACE)) == most


@pytest.mark.parametrize("size", [2**40, 2**63])
def test_a_header_that_claims_to_be_huge_costs_neither_time_nor_memory(size: int) -> None:
    body = size.to_bytes(8, "little") + b"{}" + bytes(100)
    tracemalloc.start()
    began = time.monotonic()
    with pytest.raises(RunError, match="its header is too long"):
        safe_files.parse_tensors(body, "weights", PLACE)
    took, peak = time.monotonic() - began, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert took < 0.2 and peak < 2**16


def test_a_file_that_is_cut_anywhere_is_refused() -> None:
    body = safetensors.numpy.save(WEIGHTS)
    for length in range(len(body)):
        with pytest.raises(RunError):
            safe_files.parse_tensors(body[:length], "weights", PLACE)
    with pytest.raises(RunError):
        safe_files.parse_tensors(body + b"\0", "weights", PLACE)
    whole = safe_files.parse_tensors(body, "weights", PLACE)
    assert whole.keys() == WEIGHTS.keys()
    for name, array in WEIGHTS.items():
        assert np.array_equal(whole[name], array) and whole[name].dtype == array.dtype


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_values_that_are_no_numbers_are_refused(value: float, dtype: type) -> None:
    array = np.zeros((3, 2), dtype)
    array[2, 1] = value
    with pytest.raises(RunError, match="tensor 'a' holds values that are no numbers"):
        safe_files.parse_tensors(safetensors.numpy.save({"a": array}), "weights", PLACE)


def test_names_from_the_file_are_shown_escaped_and_short() -> None:
    name = "\x1b[31m\n\u202e" + "x" * 5000
    body = safetensors.numpy.save({name: np.array([np.nan], np.float32)})
    with pytest.raises(RunError) as caught:
        safe_files.parse_tensors(body, "weights", PLACE)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 200


# -- writing: whole or not at all ---------------------------------------------------------------


def test_a_file_is_there_with_its_size_and_digest(tmp_path: Path) -> None:
    entry = safe_files.write_atomically(tmp_path, "a.json", b"hello")
    assert (tmp_path / "a.json").read_bytes() == b"hello"
    assert entry == {"size": 5, "sha256": hashlib.sha256(b"hello").hexdigest()}
    safe_files.write_atomically(tmp_path, "a.json", b"other")
    assert (tmp_path / "a.json").read_bytes() == b"other"
    assert os.listdir(tmp_path) == ["a.json"]


def test_the_file_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    did: list[str] = []

    def fsync(handle: int) -> None:
        did.append("fsync folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "fsync file")
        if did[-1] == "fsync file":
            assert os.fstat(handle).st_size == 5
        REAL["fsync"](handle)

    def replace(source: Path, target: Path) -> None:
        did.append("rename")
        assert Path(source).parent == Path(target).parent  # one file system
        REAL["replace"](source, target)

    monkeypatch.setattr(safe_files.os, "fsync", fsync)
    monkeypatch.setattr(safe_files.os, "replace", replace)
    safe_files.write_atomically(tmp_path, "a", b"hello")
    assert did == ["fsync file", "rename", "fsync folder"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG])
@pytest.mark.parametrize("call", ["open", "fsync", "replace"])
def test_a_fault_leaves_the_old_file_and_no_other(
    call: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    safe_files.write_atomically(tmp_path, "a", b"old")
    calls = []

    def fail(*arguments: object, **_: object) -> int:
        calls.append(arguments)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(safe_files.os, call, fail)
    with pytest.raises(SystemFault, match=os.strerror(number).lower()) as caught:
        safe_files.write_atomically(tmp_path, "a", b"new")
    monkeypatch.undo()
    assert len(calls) == 1  # what failed once is not tried again as if it had worked
    assert str(tmp_path) in str(caught.value) and "cannot write a" in str(caught.value)
    assert os.listdir(tmp_path) == ["a"] and (tmp_path / "a").read_bytes() == b"old"
    safe_files.write_atomically(tmp_path, "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


def test_an_interrupt_leaves_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(safe_files.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        safe_files.write_atomically(tmp_path, "a", b"new")
    assert os.listdir(tmp_path) == []


def test_a_planted_folder_is_an_error_with_its_name(tmp_path: Path) -> None:
    for name in ("a", ".tmp-b", "log"):
        (tmp_path / name).mkdir()
    for name in ("a", "b"):
        with pytest.raises(SystemFault, match=f"cannot write {name}: is a directory"):
            safe_files.write_atomically(tmp_path, name, b"new")
    with pytest.raises(SystemFault, match="cannot write log: is a directory"):
        safe_files.append(tmp_path, "log", "line")
    with pytest.raises(SystemFault, match="cannot write a: "):
        safe_files.remove(tmp_path / "a")
    assert sorted(os.listdir(tmp_path)) == [".tmp-b", "a", "log"]


# -- logs ---------------------------------------------------------------------------------------


def test_lines_are_appended_and_counted(tmp_path: Path) -> None:
    for line in ("one", "zwei \u00fc", "three"):
        safe_files.append(tmp_path, "log", line)
    assert (tmp_path / "log").read_bytes() == "one\nzwei \u00fc\nthree\n".encode()
    assert safe_files.count_lines(tmp_path, "log") == 3


def test_a_line_that_the_disk_takes_in_parts_is_written_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        safe_files.os, "write", lambda handle, body: REAL["write"](handle, body[:3])
    )
    safe_files.append(tmp_path, "log", "a line")
    assert (tmp_path / "log").read_bytes() == b"a line\n"


@pytest.mark.parametrize("kind", ["link", "link to a device", "dangling link", "pipe", "socket"])
def test_a_log_that_is_no_file_is_refused_at_once(kind: str, tmp_path: Path) -> None:
    STRANGE[kind](tmp_path / "log")
    began = time.monotonic()
    with pytest.raises((RunError, SystemFault), match="log"):
        safe_files.append(tmp_path, "log", "line")
    assert time.monotonic() - began < 5
    assert not (tmp_path / "nowhere").exists()


def test_a_pipe_with_a_reader_is_no_log_either(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    reader = os.open(tmp_path / "log", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(RunError, match="log is no regular file"):
            safe_files.append(tmp_path, "log", "line")
    finally:
        os.close(reader)


# -- nothing that is read is ever run -----------------------------------------------------------

RUNS_CODE = {
    "pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "yaml", "shelve", "marshal",
    "runpy", "code", "codeop", "jsonpickle",
}  # fmt: skip
CALLS = {"eval", "exec", "compile", "__import__", "allow_pickle"}
LOADERS = {"torch.load", "np.load", "numpy.load", "np.fromfile"}


def what_could_run(source: str) -> set[str]:
    """Imports and calls in `source` that can turn the content of a file into code that runs."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found |= {each.name for each in names if each.name.split(".")[0] in RUNS_CODE}
            case ast.ImportFrom(module=str(module), names=names):
                found |= {module} if module.split(".")[0] in RUNS_CODE else set()
                found |= {f"{module}.{each.name}" for each in names} & LOADERS
            case ast.Attribute(value=ast.Name(id=owner), attr=name):
                found |= {f"{owner}.{name}"} & LOADERS
            case ast.Name(id=name) | ast.keyword(arg=str(name)):
                found |= {name} & CALLS
    return found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import pickle", "pickle"), ("def f():\n    from joblib import load", "joblib"),
        ("import torch\ntorch.load('a')", "torch.load"), ("import yaml.cyaml", "yaml.cyaml"),
        ("from torch import load as read", "torch.load"), ("exec(open('a').read())", "exec"),
        ("x = eval", "eval"), ("np.load('a', allow_pickle=True)", "allow_pickle"),
    ],
)  # fmt: skip
def test_the_check_of_the_source_finds_what_it_should(source: str, found: str) -> None:
    assert found in what_could_run(source)


def test_no_source_file_can_run_what_a_file_holds() -> None:
    paths = sorted(SOURCE.rglob("*.py"))
    assert len(paths) > 20
    found = {
        str(path.relative_to(SOURCE)): what_could_run(path.read_text("utf-8")) for path in paths
    }
    assert {name: words for name, words in found.items() if words} == {}
