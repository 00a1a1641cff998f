"""Weights: what the page needs of a run's current generation, to compute with it. No torch.

    4 bytes, little-endian: length of the head
    the head, JSON: {"payload": PagePayload, "weights": bytes, "known": bytes, "generation", "step"}
    the weights, then the hashes of known lines, as many bytes as the head says

What stays the same while a run trains, as its symbols and known lines, is read once.
"""

from __future__ import annotations

import json
import struct
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

from makemore.errors import RunError, UsageError
from makemore.models.core.base import Arrays
from makemore.runs import Run
from makemore.runs.manifest import (
    GENERATED,
    READ_TRIES,
    read_manifest,
    read_verified,
    too_fast,
)
from makemore.runs.run import parse_config, parse_progress
from makemore.runs.safe_files import parse_tensors
from makemore.version import __version__
from makemore.web.arrays import packed, rounded
from makemore.web.run_facts import RunFacts, n_parameters

KEPT = 8  # runs whose facts and last answer are kept in memory
NOT_STATED = "not stated"


class WeightsReader:
    """Reads the weights of runs for pages; equal answers are made once."""

    def __init__(self) -> None:
        self._facts: OrderedDict[Path, tuple[Any, RunFacts, str]] = OrderedDict()
        self._answers: OrderedDict[Path, tuple[Any, bytes]] = OrderedDict()
        self._reading = threading.Lock()  # the same answer is not made by two threads

    def read(self, folder: Path, losses: Any = None, history: Any = None) -> bytes:
        """Read the current generation of a run. Raises RunError, UsageError.

        losses, history: as PagePayload has them
        """
        with self._reading:
            for _ in range(READ_TRIES):
                manifest = read_manifest(folder)
                kept = self._answers.get(folder)
                if kept and kept[0] == manifest["sha256"]:
                    return kept[1]
                try:
                    answer = self._answer(folder, manifest, losses, history)
                except FileNotFoundError:  # of a generation that a newer one has replaced
                    if read_manifest(folder) == manifest:
                        raise RunError("files of the run are missing", str(folder)) from None
                    continue
                keep(self._answers, folder, (manifest["sha256"], answer))
                return answer
        raise too_fast(folder)

    def _answer(self, folder: Path, manifest: dict[str, Any], losses: Any, history: Any) -> bytes:
        facts, digest = self._facts_of(folder, manifest)
        progress = parse_progress(
            read_verified(folder, manifest["state"] + ".json", manifest), folder
        )
        name = manifest["weights"]
        tensors = parse_tensors(read_verified(folder, name, manifest), name, folder)
        halves, made = in_half_precision(tensors)
        listed, body = packed(halves)
        payload = {
            **facts.payload(), "tensors": listed,
            "losses": losses or {"train": None, "val": progress["best_val"]},
            "history": history or [],
            "card": {"digest": digest, "license": NOT_STATED, "copies": None, "made": made},
        }  # fmt: skip
        try:
            payload["model"]["nParameters"] = n_parameters(facts.spec, tensors)
        except (LookupError, ValueError):
            raise RunError("the weights file holds other tensors", str(folder)) from None
        head = json.dumps(
            {
                "payload": payload, "weights": len(body), "known": len(facts.known),
                "generation": manifest["generation"], "step": progress["best_step"],
            },
            allow_nan=False, separators=(",", ":"),
        ).encode()  # fmt: skip
        return struct.pack("<I", len(head)) + head + body + facts.known

    def _facts_of(self, folder: Path, manifest: dict[str, Any]) -> tuple[RunFacts, str]:
        """Read what does not change with a save; again if somebody has trained anew there."""
        fixed = {k: v for k, v in manifest["files"].items() if not GENERATED.fullmatch(k)}
        kept = self._facts.get(folder)
        if kept and kept[0] == fixed:
            return kept[1], kept[2]
        config = parse_config(read_verified(folder, "config.json", manifest), folder)
        run = Run.load(folder)
        try:
            facts = RunFacts.of(run.config, run.vocabulary, run.split, run.prior_lines)
        except KeyError as error:
            raise RunError(f"config.json lacks {error}", str(folder)) from None
        if run.config != config:
            raise FileNotFoundError  # somebody has trained anew there, just now: read again
        keep(self._facts, folder, (fixed, facts, config.data["digest"]))
        return facts, config.data["digest"]


def in_half_precision(tensors: Arrays) -> tuple[Arrays, str]:
    """Round the weights to half precision, and say so; some are too large for it, and stay."""
    try:
        return rounded(tensors, "float16"), f"makemore {__version__}; weights in half precision"
    except UsageError:
        return dict(tensors), f"makemore {__version__}; no number is rounded"


def keep(kept: OrderedDict[Path, Any], folder: Path, value: Any) -> None:
    """Keep a value, and forget the one that was used least recently where there are too many."""
    kept[folder] = value
    kept.move_to_end(folder)
    if len(kept) > KEPT:
        kept.popitem(last=False)
