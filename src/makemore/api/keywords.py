"""Keywords: the types of the keyword arguments (`**options`) of MakeMore, sample and top.

A type checker finds `max_stepz=10`, and an editor completes names. They are the options of the
command line by the same names; each is explained where it is declared (text/config.py,
training/config.py, sampling/config.py, and the Options of each model). A test checks that none is
missing here. Options of a plugin's model are passed as `**{"mine": 3}` from a dict of Any.

jedi, which completes names in IPython and many editors, knows no Unpack: it finds the keywords
where a function hands its `**options` to one of these classes.
"""

from __future__ import annotations

from typing import TypedDict, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(kw_only_default=True)
def completed(kind: type[T]) -> type[T]:
    """Mark a class as one that is called with its fields as keywords; it stays as it is."""
    return kind


# total=False: every keyword may be left out.
@completed
class TextKeywords(TypedDict, total=False):
    """Types the options of a text."""

    encoding: str
    errors: str
    symbols: str
    labels: bool
    label_column: str | None
    text_column: str | None
    delimiter: str | None
    quote: str | None
    as_is: bool
    max_line: int
    max_vocab: int
    keep_copies: bool


@completed
class ModelKeywords(TypedDict, total=False):
    """Types the options of all models; a model takes its own and refuses others (UsageError)."""

    batch_norm: bool
    block_size: int
    dropout: float
    gain: float
    head_scale: float
    k: float
    members: str
    n_embd: int
    n_head: int
    n_hidden: int
    n_layer: int
    n_skip: int
    order: int
    smoothing: str


@completed
class TrainingKeywords(TextKeywords, ModelKeywords, total=False):
    """Types the options of a training, of its text and of its model."""

    # steps and batches
    max_steps: int | None
    batch_size: int
    # the optimizer and its learning rate
    optimizer: str
    learning_rate: float
    muon_learning_rate: float
    muon_momentum: float
    muon_row_momentum: float
    soft_targets: float
    momentum: float
    weight_decay: float
    # how the learning rate rises and falls
    schedule: str
    warmup_steps: int
    decay_at: float
    grad_clip: float | None
    ends: str
    # where the weights start
    prior: str
    # evaluation
    eval_interval: int | None
    patience: int | None
    calibrate: bool
    seed: int
    # these do not identify a run
    save_interval: float
    log_interval: int
    threads: int | None
    device: str


# Apart from SamplingKeywords, as `top` takes these alone.
@completed
class ConstraintKeywords(TypedDict, total=False):
    """Types the constraints that every line has to satisfy."""

    prefix: str
    suffix: str
    contains: str
    exclude: str
    pattern: str
    min_length: int | None
    max_length: int | None
    label: str
    all: bool


@completed
class SamplingKeywords(ConstraintKeywords, total=False):
    """Types the options of sampling, and the constraints."""

    style: str | None
    temperature: float
    top_k: int | None
    top_p: float | None
    min_p: float | None
    min_distance: int | None
    exact: bool
