"""What a stand-in for `makemore serve` reads of a run directory, in the words of its contract."""

from __future__ import annotations

import fcntl
import json
import os
import struct
from pathlib import Path
from typing import Any

from makemore import MakeMore
from makemore.errors import MakemoreError
from makemore.runs.listing import RunSummary
from makemore.runs.logs import read_metrics
from makemore.version import __version__
from makemore.web.arrays import packed
from makemore.web.export import history_of, known_hashes, sampling_of, spec_of

Json = dict[str, Any]


def is_locked(path: Path) -> bool:
    try:
        handle = os.open(path / "lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def standing(summary: RunSummary, metrics: list[Json], trains: bool) -> Json:
    """What a run's last save and its log say."""
    last = {kind: [e["nll"] for e in metrics if e["kind"] == kind] for kind in ("train", "val")}
    vals = [nll for nll in last["val"] if nll is not None]
    return {
        "state": "training" if trains else "finished" if summary.finished else "stopped",
        "step": max([summary.step or 0, *(entry["step"] for entry in metrics)]),
        "of": summary.steps,
        "seconds": metrics[-1]["seconds"] if metrics else 0,
        "losses": {
            "train": last["train"][-1] if last["train"] else None,
            "val": last["val"][-1] if last["val"] else None, "best": min(vals, default=None),
        },
        **({"state": "failed", "message": summary.problem, "fix": None} if summary.problem else {}),
    }  # fmt: skip


def metrics_of(path: Path) -> list[Json]:
    try:
        return read_metrics(path)
    except MakemoreError:
        return []


def preview_of(path: Path) -> Json | None:
    file = path / "samples.txt"
    if not file.is_file():
        return None
    lines = [line.partition("\t") for line in file.read_text(encoding="utf-8").splitlines()]
    last = lines[-1][0] if lines else "0"
    return {"step": int(last), "lines": [text for step, _, text in lines if step == last][-8:]}


def weights_of(path: Path) -> str | None:
    try:
        return str(json.loads((path / "checkpoint.json").read_text())["weights"])
    except FileNotFoundError:
        return None


def weights_answer(path: Path) -> bytes:
    """The weights of a run as the contract has them: a head, and the arrays."""
    maker = MakeMore.load(path)
    plan, model = maker.plan_, maker.model_
    assert plan is not None and model is not None
    listed, body = packed(model.tensors())
    known, manifest = known_hashes(plan), json.loads((path / "checkpoint.json").read_text())
    payload = {
        "format": 1, "version": __version__, "name": path.name,
        "model": {**spec_of(model), "nParameters": model.n_parameters},
        "vocabulary": plan.vocabulary.record(), "tensors": listed,
        "lines": {name: len(part) for name, part in plan.split},
        "known": {"count": len(known) // 5, "bytes": 5},
        "sampling": sampling_of(plan), "losses": {"train": None, "val": None},
        "history": history_of(maker),
        "card": {
            "digest": plan.config.data["digest"], "license": "not stated", "copies": None,
            "made": f"makemore {__version__}; no number is rounded",
        },
    }  # fmt: skip
    head: Json = {
        "payload": payload, "weights": len(body), "known": len(known),
        "generation": manifest["generation"], "step": 0,
    }  # fmt: skip
    written = json.dumps(head).encode()
    return struct.pack("<I", len(written)) + written + body + known
