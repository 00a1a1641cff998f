"""Runs as zips: those that a page writes are runs like any other, and hostile ones are refused."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Call
from makemore import MakeMore, RunError, UsageError
from makemore.runs import Run, archive, verify
from makemore.web.run_facts import spec_of

LINES = [f"{a}{b}{c}" for a in "kmnr" for b in "aeio" for c in ("la", "ri", "no", "sa")]
TRAINED: dict[str, Any] = {"max_steps": 3, "threads": 1, "random_state": 1}
MODELS: dict[str, dict[str, Any]] = {
    "ngram": {"order": 3},
    "bigram": TRAINED,
    "mlp": {"n_embd": 4, "n_hidden": 8, "batch_norm": True, **TRAINED},
    "gru": {"n_embd": 4, "n_hidden": 8, **TRAINED},
    "transformer": {"n_layer": 1, "n_head": 2, "n_embd": 8, **TRAINED},
    "ensemble": {"members": "ngram order=3, mlp n_hidden=8, gru n_hidden=8", **TRAINED},
}
KINDS = {"float32": "Float32Array", "float64": "Float64Array", "int64": "BigInt64Array"}


def as_given(maker: MakeMore, name: str) -> dict[str, Any]:
    """What a page hands to writeRunZip: of a model that has learned the same there."""
    plan, model = maker.plan_, maker.model_
    assert plan is not None and model is not None
    tensors = {
        key: {
            # A page counts in float64; BatchNorm's count of batches has 64 bits there, too.
            "kind": KINDS.get(array.dtype.name, "Float64Array"), "shape": list(array.shape),
            "data": array.reshape(-1).tolist(),
        }
        for key, array in model.tensors().items()
    }  # fmt: skip
    return {
        "version": "0.1.0", "name": name, "tensors": tensors,
        "model": spec_of(plan.config, len(plan.vocabulary.labels)),
        "vocabulary": plan.vocabulary.record(),
        "parts": {key: part.written().splitlines() for key, part in plan.split},
        "training": {} if plan.config.model == "ngram" else {"max_steps": 3, "seed": 1},
        "step": 0 if plan.config.model == "ngram" else 3, "bestVal": 2,
        "bestStep": 0 if plan.config.model == "ngram" else 2,
        "metrics": [
            {"step": 2, "kind": "batch", "nll": 2.5, "lr": 0.01, "symbols": 9, "seconds": 1},
            {"step": 2, "kind": "val", "nll": 2, "lr": None, "symbols": 9, "seconds": 1},
        ],
        "samples": [{"step": 2, "line": "mera"}],
    }  # fmt: skip


@pytest.mark.parametrize("labels", [False, True], ids=["", "labels"])
@pytest.mark.parametrize("model", MODELS)
def test_what_a_page_writes_is_a_run(
    model: str, labels: bool, tmp_path: Path, run_node: Callable[..., Any], call: Call
) -> None:
    if labels and model == "bigram":
        pytest.skip("it reads no labels")
    maker = MakeMore(model, **MODELS[model]).fit(LINES, [x[1] for x in LINES] if labels else None)
    file = tmp_path / "page-run.zip"
    run_node("zip", as_given(maker, "names"), file)

    with archive.opened(file) as folder:
        assert verify(folder) == []
    loaded = MakeMore.load(file)
    assert loaded.plan_ and maker.plan_ and loaded.model_ and maker.model_
    expected, tensors = maker.model_.tensors(), loaded.model_.tensors()
    assert {key: array.dtype for key, array in tensors.items()} == {
        key: array.dtype for key, array in expected.items()
    }
    assert all(np.array_equal(array, expected[key]) for key, array in tensors.items())
    assert loaded.plan_.config.data == {"name": "names", "digest": maker.split.digest()}
    assert loaded.plan_.split.digest() == maker.split.digest()
    assert loaded.sample(9, 1) == maker.sample(9, 1)
    ended = call("sample", file, "-n", "5", "--seed", "1")
    assert ended.returncode == 0 and ended.stdout.splitlines() == maker.sample(5, 1)
    assert "noise" not in ended.stderr  # as where nothing was learned
    assert call("verify", file).stdout.startswith("whole: ")


def test_its_files_are_those_that_python_writes(
    tmp_path: Path, run_node: Callable[..., Any]
) -> None:
    """Byte by byte where nothing depends on who wrote it."""
    maker = MakeMore("transformer", **MODELS["transformer"]).fit(LINES)
    maker.save(tmp_path / "run")
    run_node("zip", as_given(maker, "lines"), tmp_path / "run.zip")
    with archive.opened(tmp_path / "run.zip") as folder:
        for name in ("vocabulary.json", *(f"split/{part}.txt" for part in ("train", "val"))):
            assert (folder / name).read_bytes() == (tmp_path / "run" / name).read_bytes()
        [ours] = (tmp_path / "run").glob("weights-*")
        assert (folder / "weights-2.safetensors").read_bytes() == ours.read_bytes()
        progress = json.loads((folder / "state-3.json").read_text())
        assert type(progress["best_val"]) is float
        assert {"step": 2, "kind": "val"}.items() <= json.loads(
            (folder / "metrics.jsonl").read_text().splitlines()[1]
        ).items()


def test_the_same_run_gives_the_same_bytes(tmp_path: Path, run_node: Callable[..., Any]) -> None:
    given = as_given(MakeMore("ngram", order=3).fit(LINES), "Ünicode / of ../ names")
    for name in ("one.zip", "two.zip"):
        run_node("zip", given, tmp_path / name)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as packed:
        assert packed.testzip() is None
        assert {name.split("/")[0] for name in packed.namelist()} == {"U-nicode-of-names"}
    assert run_node("names", ["", "..", "a/b\\c", "x" * 99]) == ["run", "run", "a-b-c", "x" * 60]


def test_digests_numbers_and_json_are_python_s(run_node: Callable[..., Any]) -> None:
    bodies = [bytes(range(256)) * 9, *(b"a" * size for size in (0, 1, 55, 56, 63, 64, 65, 119))]
    digests = run_node("sha256", [base64.b64encode(body).decode() for body in bodies])
    assert digests == [hashlib.sha256(body).hexdigest() for body in bodies]
    bits = np.arange(2**16, dtype=np.uint16)
    expected = bits.view(np.float16).astype(np.float32)
    widened = np.array([float(x) for x in run_node("halves", bits.tolist())], dtype=np.float32)
    np.testing.assert_array_equal(widened, expected)
    values = [{"b": [1, None, True], "a": {"é\u007f\u2028😀": 'x"\\\n'}}, [], {}, "ü"]
    assert run_node("canonical", values) == [json.dumps(each, sort_keys=True) for each in values]


def test_kept_lines_are_written_for_people_programs_and_spreadsheets(
    run_node: Callable[..., Any],
) -> None:
    texts = ['say "x", y', "=1+1", "+a", "-b", "@c", "\td", "\re", "'f", "née"]
    given = [{"text": text, "nll": 1.5, "origin": "new"} for text in texts]
    given[1]["nll"] = None
    found = run_node("kept", given)
    assert found["txt"] == "".join(f"{text}\n" for text in texts)
    assert [json.loads(line)["text"] for line in found["json"].split("\n")[:-1]] == texts
    assert found["csv"].splitlines()[0] == "text,nll,origin"
    assert found["csv"].startswith('text,nll,origin\r\n"say ""x"", y",1.5,new\r\n\'=1+1,,new\r\n')
    for text in texts[1:7]:
        assert f"'{text}" in found["csv"]
    assert "''f" not in found["csv"]


# -- zips of strangers ----------------------------------------------------------------------------


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    MakeMore("ngram", order=2).fit(LINES).save(folder)
    return folder


def members(folder: Path, prefix: str = "") -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {prefix + path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def zipped(file: Path, held: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(file, "w", method) as packed:
        for name, body in held.items():
            packed.writestr(zipfile.ZipInfo(name), body, method)
    return file


@pytest.mark.parametrize("prefix", ["", "run/", "runs/names/"])
def test_a_zipped_run_is_read_by_every_command(
    whole: Path, tmp_path: Path, prefix: str, call: Call
) -> None:
    file = zipped(tmp_path / "run.zip", members(whole, prefix))
    temporary = set(os.listdir("/tmp"))  # noqa: S108
    names = call("sample", file, "-n", "4", "--seed", "3").stdout
    assert names == call("sample", whole, "-n", "4", "--seed", "3").stdout and names
    assert call("top", file).stdout == call("top", whole).stdout
    assert (
        call("score", file, "-", input=b"mera\n").stdout.split()
        == call("score", whole, "-", input=b"mera\n").stdout.split()
    )
    assert call("eval", file).stdout == call("eval", whole).stdout
    assert call("explain", file, "kala").stdout == call("explain", whole, "kala").stdout
    assert call("verify", file).returncode == 0
    left = {name for name in os.listdir("/tmp") if name.startswith("makemore-")}  # noqa: S108
    assert left <= temporary  # nothing that was unpacked is still there


def test_python_and_a_link_to_a_zip(whole: Path, tmp_path: Path) -> None:
    file = zipped(tmp_path / "run.zip", members(whole))
    (tmp_path / "link.zip").symlink_to(file)
    maker = MakeMore.load(str(tmp_path / "link.zip"))
    assert maker.sample(3, 1) == MakeMore.load(whole).sample(3, 1)
    assert Run.load(file).path == file
    with pytest.raises(UsageError, match="remembers no lines"):
        maker.sample(1, remember=True)


def test_what_a_zip_cannot_do_is_told(whole: Path, tmp_path: Path, call: Call) -> None:
    file = zipped(tmp_path / "run.zip", members(whole))
    for line in (["eval", file, "--test"], ["verify", file, "--restore"],
                 ["sample", file, "--remember"]):  # fmt: skip
        ended = call(*line)
        assert ended.returncode == 2 and "unpack it" in ended.stderr


def link(info: zipfile.ZipInfo) -> None:
    info.create_system, info.external_attr = 3, 0o120777 << 16


HOSTILE: dict[str, dict[str, bytes]] = {
    "up": {"../evil": b"x"},
    "up inside": {"split/../../evil": b"x"},
    "absolute": {"/etc/evil": b"x"},
    "backslash": {"..\\evil": b"x"},
    "code": {"torch.py": b"x"},
    "pickle": {"weights-1.pkl": b"x"},
    "a member's run": {"members/0/checkpoint.json": b"{}"},
    "a bomb": {"state-9.json": bytes(15 * 2**20), "state-8.json": bytes(15 * 2**20)},
    "too large": {"state-9.json": bytes(17 * 2**20)},
    "too many": {f"weights-{n}.safetensors": b"" for n in range(70)},
    "a number too long": {"weights-" + "1" * 40 + ".safetensors": b""},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_no_run_holds_is_refused(name: str, whole: Path, tmp_path: Path, call: Call) -> None:
    file = zipped(tmp_path / "bad.zip", members(whole) | HOSTILE[name])
    before = set(tmp_path.rglob("*"))
    ended = call("sample", file)
    assert ended.returncode == 4 and "bad.zip" in ended.stderr and "Traceback" not in ended.stderr
    assert set(tmp_path.rglob("*")) == before and not Path("/etc/evil").exists()


def test_a_folder_that_leads_up_is_refused(whole: Path, tmp_path: Path) -> None:
    for prefix in ("../", "/", "a/../"):
        with pytest.raises(RunError, match="names"):
            Run.load(zipped(tmp_path / "bad.zip", members(whole, prefix)))


def test_links_and_twice_and_secrets_are_refused(whole: Path, tmp_path: Path) -> None:
    held = members(whole)
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as packed:
        for name, body in held.items():
            info = zipfile.ZipInfo(name)
            if name == "config.json":
                link(info)
            packed.writestr(info, b"/etc/passwd" if name == "config.json" else body)
    with pytest.raises(RunError, match=r"config.json in the zip is no regular file"):
        Run.load(tmp_path / "link.zip")
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as packed:
        for name, body in held.items():
            packed.writestr(zipfile.ZipInfo(name), body)
        with pytest.warns(UserWarning, match="Duplicate"):
            packed.writestr(zipfile.ZipInfo("config.json"), b"{}")
    with pytest.raises(RunError, match="twice"):
        Run.load(tmp_path / "twice.zip")
    body = bytearray(zipped(tmp_path / "secret.zip", held).read_bytes())
    body[body.index(b"PK\x01\x02") + 8] |= 1  # the flag of the first member in the list
    (tmp_path / "secret.zip").write_bytes(body)
    with pytest.raises(RunError, match="encrypted"):
        Run.load(tmp_path / "secret.zip")
    with pytest.raises(RunError, match="packed in a way"):
        Run.load(zipped(tmp_path / "odd.zip", held, zipfile.ZIP_BZIP2))


def test_a_size_that_lies_unpacks_no_more_than_it_says(whole: Path, tmp_path: Path) -> None:
    held = members(whole) | {"state-9.json": bytes(2**20)}
    body = bytearray(zipped(tmp_path / "lie.zip", held).read_bytes())
    at = body.rindex(b"PK\x01\x02", 0, body.rindex(b"state-9.json"))
    struct.pack_into("<L", body, at + 24, 10)  # unpacked size in the list
    (tmp_path / "lie.zip").write_bytes(body)
    with pytest.raises(RunError):
        Run.load(tmp_path / "lie.zip")


def test_a_damaged_zip_is_refused_wherever_it_is_cut_or_changed(
    whole: Path, tmp_path: Path
) -> None:
    file = zipped(tmp_path / "run.zip", members(whole), zipfile.ZIP_STORED)
    body = file.read_bytes()
    for cut in range(8, len(body), max(1, len(body) // 60)):
        (tmp_path / "cut.zip").write_bytes(body[:cut])
        with pytest.raises(RunError):
            Run.load(tmp_path / "cut.zip")
    for at in range(4, len(body), max(1, len(body) // 200)):
        changed = bytearray(body)
        changed[at] ^= 0x10
        (tmp_path / "bit.zip").write_bytes(changed)
        try:
            Run.load(tmp_path / "bit.zip")  # such as a date: no run depends on it
        except RunError as error:
            assert "bit.zip" in str(error) or str(tmp_path) in str(error)
            assert "makemore-" not in str(error)


def test_a_million_members_are_not_even_listed(tmp_path: Path) -> None:
    entry = b"PK\x01\x02" + bytes(42)
    end = b"PK\x05\x06" + struct.pack("<HHHHLLH", 0, 0, 65535, 65535, 46 * 10**6, 4, 0)
    (tmp_path / "many.zip").write_bytes(b"PK\x03\x04" + entry * 10**5 + end)
    with pytest.raises(RunError, match="more than 64 members"):
        Run.load(tmp_path / "many.zip")


def test_a_damaged_run_in_a_zip_is_told_by_the_zip_s_name(whole: Path, tmp_path: Path) -> None:
    held = members(whole)
    held["config.json"] = held["config.json"].replace(b'"threads": 1', b'"threads": 2')
    file = zipped(tmp_path / "run.zip", held)
    with pytest.raises(RunError) as found:
        Run.load(file)
    assert str(file) in str(found.value) and "makemore-" not in str(found.value)
    with pytest.raises(RunError, match="holds no run"):
        Run.load(zipped(tmp_path / "other.zip", {"readme.txt": b"x"}))


def test_other_files_are_told_as_before(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("emma\n")
    with pytest.raises(RunError, match="this is a text, and no run"):
        Run.load(tmp_path / "names.txt")
    os.mkfifo(tmp_path / "pipe.zip")
    with pytest.raises(RunError):
        Run.load(tmp_path / "pipe.zip")  # and nobody waits for a writer
