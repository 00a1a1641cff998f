"""What a page gets of a run, read without torch, is what an export of the run holds."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kinds import each_kind
from makemore import MakeMore, RunError, UsageError
from makemore.runs import RunWriter
from makemore.web import run_page
from makemore.web.run_facts import KINDS
from makemore.web.server.weights import WeightsReader

LINES = [f"{a}{b}{c}" for a in "kmnr" for b in "aeio" for c in ("la", "ri", "no", "sa")]
STEPS: dict[str, Any] = {"max_steps": 2, "threads": 1, "random_state": 1}
OWN: dict[str, dict[str, Any]] = {
    "ngram": {"order": 3}, "bigram": {}, "mlp": {"n_hidden": 8, "batch_norm": True},
    "deep_mlp": {"n_layer": 2, "n_hidden": 8}, "wavenet": {"n_embd": 8, "n_skip": 8},
    "bow": {"n_embd": 8, "n_hidden": 8}, "rnn": {"n_hidden": 8}, "lstm": {"n_hidden": 8},
    "gru": {"n_hidden": 8, "n_layer": 2}, "transformer": {"n_layer": 1, "n_head": 2, "n_embd": 8},
    "ensemble": {"members": "ngram order=3, mlp n_hidden=8, gru n_hidden=8"},
}  # fmt: skip


def parts(answer: bytes) -> tuple[Any, bytes, bytes]:
    """The head of an answer, the weights, and the hashes."""
    (length,) = struct.unpack("<I", answer[:4])
    head, rest = json.loads(answer[4 : 4 + length]), answer[4 + length :]
    assert len(rest) == head["weights"] + head["known"]
    return head, rest[: head["weights"]], rest[head["weights"] :]


def saved(folder: Path, model: str, labels: bool = False, **options: Any) -> Path:
    given = [line[1] for line in LINES] if labels else None
    steps = {} if model == "ngram" else STEPS
    MakeMore(model, **{**OWN[model], **steps, **options}).fit(LINES, given).save(folder)
    return folder


def same_as_export(folder: Path) -> Any:
    head, weights, known = parts(WeightsReader().read(folder))
    page = run_page(MakeMore.load(folder))
    assert weights == page.weights and known == page.known
    read, exported = head["payload"], json.loads(json.dumps(page.payload))
    assert read.keys() == exported.keys()
    for key in read.keys() - {"losses", "history", "card"}:
        assert read[key] == exported[key], key
    assert read["card"].keys() == exported["card"].keys()
    assert read["card"]["digest"] == exported["card"]["digest"]
    return head


@pytest.mark.parametrize("labels", [False, True], ids=["", "labels"])
@pytest.mark.parametrize("model", each_kind(list(KINDS), ["ngram", "mlp", "ensemble"]))
def test_every_kind_is_read_as_it_is_exported(model: str, labels: bool, tmp_path: Path) -> None:
    head = same_as_export(saved(tmp_path / "run", model, labels))
    assert head["payload"]["model"]["nParameters"] > 0 and head["generation"] == 0


def test_all_kinds_are_tested() -> None:
    assert OWN.keys() == set(KINDS)


@pytest.mark.slow
def test_lines_of_a_prior_are_known(tmp_path: Path) -> None:
    MakeMore("transformer", prior="builtin", **STEPS).fit(LINES).save(tmp_path / "run")
    head = same_as_export(tmp_path / "run")
    assert head["payload"]["known"]["count"] > 100_000


def test_it_takes_no_torch(tmp_path: Path) -> None:
    folder = saved(tmp_path / "run", "ensemble")
    code = (
        "import sys\nfrom pathlib import Path\nimport makemore.web.server.app\n"
        "from makemore.web.server.weights import WeightsReader\n"
        f"print(len(WeightsReader().read(Path({str(folder)!r}))), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(len(WeightsReader().read(folder))), "False"]


def test_a_generation_is_read_once_and_a_new_one_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, reader = saved(tmp_path / "run", "mlp"), WeightsReader()
    before = reader.read(folder)
    assert reader.read(folder) is before
    facts = reader._facts[folder][1]
    with RunWriter(folder) as writer:
        run = writer.resume()
        other = {
            name: np.asarray(array + array.dtype.type(1)) for name, array in run.weights.items()
        }
        writer.save({**run.progress, "step": 3, "best_step": 3}, other, {})
    after, weights, _ = parts(reader.read(folder))
    assert after["generation"] == 1 and after["step"] == 3 and weights != parts(before)[1]
    assert reader._facts[folder][1] is facts, "symbols and hashes are those of before"
    # Somebody trains anew in the same folder: nothing of the old run is left.
    shutil.rmtree(folder)
    saved(folder, "gru")
    head, _, _ = parts(reader.read(folder))
    assert head["payload"]["model"]["kind"] == "gru" and reader._facts[folder][1] is not facts


def test_a_damaged_run_and_one_that_no_page_computes_are_errors(tmp_path: Path) -> None:
    folder, reader = saved(tmp_path / "run", "mlp"), WeightsReader()
    file = next(folder.glob("weights-*.safetensors"))
    body = bytearray(file.read_bytes())
    body[-1] ^= 1
    file.write_bytes(body)
    with pytest.raises(RunError, match="not what was saved"):
        reader.read(folder)
    file.unlink()
    with pytest.raises(RunError, match="missing"):
        reader.read(folder)
    shutil.rmtree(folder)
    with pytest.raises(RunError, match="no run directory"):
        reader.read(folder)
    words = tmp_path / "words"
    MakeMore("ngram", order=2, symbols=r"\w+|\s").fit(["ab cd", "ef gh", "ab gh"]).save(words)
    with pytest.raises(UsageError, match="character or grapheme"):
        reader.read(words)


def test_weights_beyond_half_precision_stay_as_they_are(tmp_path: Path) -> None:
    folder, reader = saved(tmp_path / "run", "mlp"), WeightsReader()
    with RunWriter(folder) as writer:
        run = writer.resume()
        large = {
            name: np.asarray(array * array.dtype.type(1e6)) for name, array in run.weights.items()
        }
        writer.save({**run.progress, "step": 3, "best_step": 3}, large, {})
    head, _, _ = parts(reader.read(folder))
    assert {each["dtype"] for each in head["payload"]["tensors"]} == {"F32", "I64"}
    assert "no number is rounded" in head["payload"]["card"]["made"]
