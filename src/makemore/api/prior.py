"""Prior: a model that has read many lists, and from which a training on one more list may start.

A list of 60 lines does not show what words look like, and lists of the same language and kind do.
So a prior is a model with labels, one for each list that it has read; on a new list the training
goes on from its weights (prior_start.py). The built-in one comes with makemore, packed:

    prior.json           model, options, vocabulary, the lists with their digests, how it was made
    prior.safetensors    the weights as float16, and 5 bytes of the hash of each line of its lists

Any run directory will do as well; then its lines are those that it knows. No torch.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from makemore.errors import DataError, RunError, UsageError
from makemore.escaping import visible
from makemore.models.core.base import Arrays
from makemore.options import options_of
from makemore.runs import Run
from makemore.runs.safe_files import (
    parse_json,
    parse_tensors,
    read_plain,
    to_json,
    write_atomically,
)
from makemore.runs.shapes import ANY, has_shape
from makemore.text import Vocabulary
from makemore.text.line_hashes import PriorLines
from makemore.training.config import BUILTIN_PRIOR, names_prior

CARD, WEIGHTS = "prior.json", "prior.safetensors"
FORMAT = 1
BUILTIN_FOLDER = Path(__file__).parent / "builtin_prior"
MOST_BYTES = 256 * 2**20  # of the weights
# Training from a prior: the weights are near good ones, so the steps are small.
FINE_TUNING = {
    "learning_rate": 0.001, "muon_learning_rate": 0.0015, "batch_size": 64, "dropout": 0.2,
    "soft_targets": 0.0,
}  # fmt: skip
SHAPE = {
    "format": int, "model": str, "options": {ANY: str | bool | float | None}, "block_size": int,
    "weights": {"size": int, "sha256": str}, "about": dict, "vocabulary": dict,
}  # fmt: skip
DIGEST = 12  # hexadecimal digits of a digest that are recorded


@dataclass(frozen=True)
class Prior:
    """Holds a model of many lists.

    name: as the option `prior` names it, with the digest: "builtin@0123456789ab"
    model, options, block_size: of the model; its vocabulary's labels are the lists
    tensors: its weights by name, float32; lines: hashes of those of its lists
    about: what prior.json tells a person, {} of a run
    """

    name: str
    model: str
    options: dict[str, Any]
    block_size: int
    vocabulary: Vocabulary
    tensors: Arrays
    lines: PriorLines
    about: dict[str, Any]

    @classmethod
    def of_run(cls, run: Run, name: str) -> Prior:
        """Take a run as a prior: with labels, those are the lists that it has read."""
        from makemore.models import CountModel, get_model  # get_model loads torch

        kind = get_model(run.config.model)
        # A window's weights depend on its width, and an ensemble's are those of several models.
        if issubclass(kind, CountModel) or kind.is_ensemble or kind.input_kind != "sequence":
            raise UsageError(
                f"{name!r} is a run of the model {run.config.model!r}, no prior", "--prior",
                "give a run of a transformer, gru, lstm or rnn",
            )  # fmt: skip
        known = options_of(kind.Options)
        options = {key: value for key, value in run.config.resolved.items() if key in known}
        read = np.concatenate([part.hashes() for _, part in run.split])
        lines = PriorLines.of(read, np.zeros(0, dtype=np.uint64))
        if run.prior_lines is not None:  # what its own prior has read, it has read
            lines = PriorLines.union([lines, run.prior_lines])
        digest = hashlib.sha256(b"".join(part.tobytes() for _, part in sorted(run.weights.items())))
        return cls(
            f"{name}@{digest.hexdigest()[:DIGEST]}", run.config.model, options,
            run.config.block_size, run.vocabulary, run.weights, lines, {},
        )  # fmt: skip

    def check_options(self, model: str, requested: Mapping[str, Any]) -> None:
        """Raise UsageError if these are of another model, or change the sizes of its weights."""
        if model != self.model:
            raise UsageError(
                f"the prior's model is {self.model}, not {model}", "--prior",
                f"give --model {self.model}, or --prior none",
            )  # fmt: skip
        for key, value in self.sizes().items():
            if key in requested and requested[key] != value:
                flag = "--" + key.replace("_", "-")
                raise UsageError(f"the prior has {key} {value}", flag, f"give {flag} {value}")

    def sizes(self) -> dict[str, Any]:
        """Return the options that the shapes of its weights depend on."""
        return {key: value for key, value in self.options.items() if key != "dropout"}

    def write(self, folder: Path) -> None:
        """Write the prior, packed: prior.json and prior.safetensors. Raises SystemFault."""
        import safetensors.numpy

        halves = {name: array.astype(np.float16) for name, array in self.tensors.items()}
        body = safetensors.numpy.save({**halves, **self.lines.tensors()})
        folder.mkdir(parents=True, exist_ok=True)
        entry = write_atomically(folder, WEIGHTS, body)
        card = {
            "format": FORMAT, "model": self.model, "options": self.options,
            "block_size": self.block_size, "weights": entry, "about": self.about,
            "vocabulary": self.vocabulary.record(),
        }  # fmt: skip
        write_atomically(folder, CARD, to_json(card))


def split_name(text: str) -> tuple[str, str | None]:
    """Split "NAME@DIGEST" into its parts; the digest is None where none is named."""
    match = re.fullmatch(r"(.+)@([0-9a-f]{12})", text)
    return (match[1], match[2]) if match else (text, None)


def load_prior(text: str | None) -> Prior | None:
    """Load the prior that the option names; None for "none" and "auto".

    Raises UsageError where there is no such prior or another one by that name now, RunError for a
    damaged one.
    """
    if text is None or not names_prior(text):
        return None
    name, digest = split_name(text)
    prior = _builtin() if name == BUILTIN_PRIOR else _read(Path(name), name)
    if digest is not None and prior.name != text:
        raise UsageError(
            f"the prior {visible(name, 80)!r} is another one than this run began with", "--prior",
            "train again with --fresh",
        )  # fmt: skip
    return prior


@functools.cache
def _builtin() -> Prior:
    return _read(BUILTIN_FOLDER, BUILTIN_PRIOR)


def _read(folder: Path, name: str) -> Prior:
    """Read a packed prior, or a run directory as one."""
    try:
        card = parse_json(read_plain(folder / CARD, 2**24), CARD, folder)
        body = read_plain(folder / WEIGHTS, MOST_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        if (folder / "checkpoint.json").exists():
            return Prior.of_run(Run.load(folder), name)
        raise UsageError(
            f"no prior at {visible(name, 80)!r}", "--prior",
            "give builtin, none, or the folder of a run: makemore prior LIST... -o DIR makes one",
        ) from None  # fmt: skip
    again = "install makemore again" if name == BUILTIN_PRIOR else "make the prior again"
    known = card.get("format") if isinstance(card, dict) else None
    if type(known) is int and known > FORMAT:
        raise RunError(f"{CARD} is of format {known}", str(folder), "update makemore")
    if not has_shape(card, SHAPE) or known != FORMAT or not 1 <= card["block_size"] <= 2**16:
        raise RunError(f"{CARD} is not as makemore writes it", str(folder), again)
    digest = hashlib.sha256(body).hexdigest()
    if {"size": len(body), "sha256": digest} != card["weights"]:
        raise RunError(f"{WEIGHTS} is not what was saved", str(folder), again)
    try:
        vocabulary = Vocabulary.of_record(card["vocabulary"])
    except (DataError, UsageError) as error:
        raise RunError(f"{CARD}: vocabulary {error.what}", str(folder), again) from None
    tensors = parse_tensors(body, WEIGHTS, folder)
    try:
        lines = PriorLines.of_tensors(tensors)
    except (KeyError, ValueError):
        raise RunError(f"{WEIGHTS} holds no hashes of lines", str(folder), again) from None
    weights = {
        key: array.astype(np.float32) for key, array in tensors.items()
        if key not in lines.tensors()
    }  # fmt: skip
    return Prior(
        f"{name}@{digest[:DIGEST]}", card["model"], card["options"], card["block_size"], vocabulary,
        weights, lines, card["about"],
    )  # fmt: skip
