"""Run facts: what a page knows of a run beside its weights, losses and card. No torch.

The names are those of PagePayload in page/src/contract.ts. All of it stays the same as long as the
run trains, so a server computes it once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from makemore.errors import UsageError
from makemore.models.core.base import Arrays
from makemore.models.core.declared import Declared, declared
from makemore.models.core.member_text import member_block_size, model_options, written_members
from makemore.options import make, options_of
from makemore.runs import RunConfig
from makemore.runs.logs import Entry
from makemore.sampling.config import with_style
from makemore.text import Split, Vocabulary
from makemore.text.line_hashes import PACKED_BYTES, PriorLines, pack, unpack
from makemore.version import __version__
from makemore.web.contents import FORMAT

KINDS = (  # models that the page computes
    "ngram", "bigram", "mlp", "deep_mlp", "wavenet", "bow", "rnn", "gru", "lstm", "transformer",
    "ensemble",
)  # fmt: skip
RULES = ("character", "grapheme")  # by which it cuts lines into symbols
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")  # of BatchNorm: not learned


@dataclass(frozen=True)
class RunFacts:
    """Holds what a page has of a run, whatever its weights are.

    name: of the text; spec: ModelSpec of contract.ts; vocabulary: its record
    lines: how many train, val and test have; known: packed hashes of all lines that are not new
    sampling: how lines are drawn where nobody says otherwise
    """

    name: str
    spec: dict[str, Any]
    vocabulary: dict[str, Any]
    lines: dict[str, int]
    known: bytes
    sampling: dict[str, Any]

    @classmethod
    def of(
        cls, config: RunConfig, vocabulary: Vocabulary, split: Split, prior: PriorLines | None
    ) -> RunFacts:
        """Collect the facts of a run. Raises UsageError for a model that no page computes."""
        if vocabulary.rule not in RULES:
            raise UsageError(
                "a page cuts lines by character or grapheme, and by no pattern", "--symbols",
                "train with --symbols grapheme",
            )  # fmt: skip
        return cls(
            config.data["name"], spec_of(config, len(vocabulary.labels)), vocabulary.record(),
            {name: len(part) for name, part in split}, known_hashes(split, prior),
            sampling_of(config, vocabulary, split),
        )  # fmt: skip

    def payload(self) -> dict[str, Any]:
        """Write the facts by the names of PagePayload, in a new dictionary."""
        return {
            "format": FORMAT, "version": __version__, "name": self.name, "model": {**self.spec},
            "vocabulary": self.vocabulary, "lines": self.lines,
            "known": {"count": len(self.known) // PACKED_BYTES, "bytes": PACKED_BYTES},
            "sampling": self.sampling,
        }  # fmt: skip


def spec_of(config: RunConfig, n_labels: int) -> dict[str, Any]:
    """Describe a run's model, with its members: ModelSpec of contract.ts. Raises UsageError."""
    model = declared_here(config.model)
    known = options_of(model.kind.Options)
    options: Any = make(
        model.kind.Options, {k: value for k, value in config.resolved.items() if k in known}
    )
    spec = described(model, options, config.vocab_size, config.block_size, n_labels)
    if model.kind.is_ensemble:
        # A member without a weight has no tensors, but its number counts: others' are "K.name".
        spec["members"] = [
            member_spec(name, written, spec) for name, written in written_members(options.members)
        ]
    return spec


def member_spec(name: str, written: dict[str, str], whole: dict[str, Any]) -> dict[str, Any]:
    """Describe a member of an ensemble by what --members says of it."""
    model = declared_here(name)
    options: Any = make(model.kind.Options, model_options(model.kind, written))
    labels = whole["nLabels"]
    block_size = member_block_size(model.kind, options, whole["blockSize"], bool(labels))
    return described(model, options, whole["vocabSize"], block_size, labels)


def declared_here(name: str) -> Declared:
    """Find what a model of the page declares. Raises UsageError for any other."""
    if name not in KINDS:
        raise UsageError(
            f"no page computes the model {name!r}", None, "train one that `makemore models` lists"
        )
    return declared(name)


def described(
    model: Declared, options: Any, vocab_size: int, block_size: int, n_labels: int
) -> dict[str, Any]:
    """Write a ModelSpec without members; an option that is off is left out."""
    values = {key: value for key, value in asdict(options).items() if value is not None}
    return {
        "kind": model.name, "vocabSize": vocab_size, "blockSize": block_size, "nLabels": n_labels,
        "options": values,
    }  # fmt: skip


def n_parameters(spec: dict[str, Any], tensors: Arrays) -> int:
    """Count what a model learned, by its tensors: parameters, or the n-grams of a model of counts.

    As Model.n_parameters, without the model.
    """
    if "members" in spec:
        of_members: dict[int, Arrays] = {}
        for name, array in tensors.items():
            number, point, rest = name.partition(".")
            if point:  # "weights" and "known" are the mixture's own
                of_members.setdefault(int(number), {})[rest] = array
        return sum(n_parameters(spec["members"][n], each) for n, each in of_members.items())
    own = {name.rpartition(".")[2]: 0 for name in tensors}
    for name, array in tensors.items():
        own[name.rpartition(".")[2]] += array.size
    if declared(spec["kind"]).counts:
        return own["ngrams"]  # of each label's table, if there are labels
    return sum(size for name, size in own.items() if name not in BUFFERS)


def known_hashes(split: Split, prior: PriorLines | None) -> bytes:
    """Pack the hashes of all lines that are not new: those of the text, and of its prior."""
    hashes = [part.hashes() for _, part in split]
    if prior is not None:
        hashes += [unpack(prior.read), unpack(prior.held_out)]
    return pack(np.concatenate(hashes)).tobytes()


def sampling_of(config: RunConfig, vocabulary: Vocabulary, split: Split) -> dict[str, Any]:
    """Say how lines are drawn where nobody says otherwise: as `makemore sample` draws them."""
    return {
        "minP": with_style({}, split.n_lines).get("min_p"),
        "roundSize": config.round_size,
        "cap": 2 * vocabulary.longest([split.train]),
    }


def losses_over_time(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """Collect the losses of each evaluation from a run's log, nats a symbol, by their step."""
    steps: dict[int, dict[str, Any]] = {}
    for entry in entries:
        kind, nll = entry["kind"], entry.get("nll")
        if kind in ("train", "val") and (nll is None or isinstance(nll, float)):
            step = steps.setdefault(entry["step"], {"train": None, "val": None})
            step[kind] = None if nll is None else round(nll, 4)
    return [{"step": step, **losses} for step, losses in sorted(steps.items())]
