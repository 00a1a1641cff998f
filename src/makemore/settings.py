"""Every knob that is not a model's own: of the text, of training and of sampling. No code.

They stand apart from the code that uses them because `train --help` must wait for neither numpy
nor torch, and above the models because each model declares the recipe that serves it best.
"""

from __future__ import annotations

from dataclasses import dataclass

from makemore.options import option


@dataclass(frozen=True)
class TextOptions:
    """How a file is read into a corpus."""

    encoding: str = option("utf-8", "how the bytes of FILE are read")
    errors: str = option(
        "strict", "bytes that cannot be read: stop, or replace or ignore them",
        choices=("strict", "replace", "ignore"),
    )  # fmt: skip
    symbols: str = option(
        "character", "what a line is made of: character, grapheme (what a reader takes for one), "
        "or a regular expression whose matches are the symbols",
    )  # fmt: skip
    labels: bool = option(False, "each line is TEXT<tab>LABEL: one model learns all labels")
    label_column: str | None = option(
        None, "FILE is CSV or TSV; its column of labels, by name (the first row has names) or "
        "number (it has none)",
    )  # fmt: skip
    text_column: str | None = option(
        None, "its column of texts, by name or number (default: the first other one)"
    )
    max_line: int = option(
        1000, "skip (and count) lines of more characters than this", minimum=1, maximum=1_000_000
    )
    max_vocab: int = option(
        30_000, "refuse a text with more different symbols than this", minimum=1, maximum=1_114_112
    )
    keep_copies: bool = option(False, "keep every copy of a line instead of the first")


@dataclass(frozen=True)
class Recipe:
    """The knobs of a training. A model's own `recipe` overrides these defaults."""

    max_steps: int | None = option(
        None, "training steps (default: from the amount of data)", minimum=1, maximum=10**9
    )
    batch_size: int = option(
        512, "lines (or windows, for window models) in a step", minimum=1, maximum=2**20
    )
    optimizer: str = option(
        "muon", "muon: Muon for matrices, AdamW for the rest", choices=("sgd", "adamw", "muon")
    )
    learning_rate: float = option(0.003, "peak learning rate of AdamW or SGD", above=0.0)
    muon_learning_rate: float = option(0.02, "peak learning rate of Muon's matrices", above=0.0)
    muon_momentum: float = option(0.95, "momentum of Muon", minimum=0.0, maximum=0.9999)
    muon_row_momentum: float = option(
        0.0, "Muon: rows that moved far move less, by this momentum of their squares (0: alike)",
        minimum=0.0, maximum=0.9999,
    )  # fmt: skip
    soft_targets: float = option(
        0.0, "learn from what may follow, not only from what does: this share by counts of the "
        "train lines, the rest by the lines that begin alike (0: each line by itself; default: "
        "more of it the fewer lines there are)",
        minimum=0.0, maximum=1.0,
    )  # fmt: skip
    momentum: float = option(0.0, "momentum of SGD", minimum=0.0, maximum=0.9999)
    weight_decay: float = option(0.01, "decoupled weight decay of matrices", minimum=0.0)
    schedule: str = option(
        "linear",
        "how the learning rate falls from its peak",
        choices=("constant", "step", "linear", "cosine"),
    )
    warmup_steps: int = option(0, "steps in which the learning rate rises from 0", minimum=0)
    decay_at: float = option(
        0.5, "step schedule: the share of the steps after which the rate is a tenth",
        minimum=0.0, maximum=1.0,
    )  # fmt: skip
    grad_clip: float | None = option(None, "clip the norm of all gradients to this", above=0.0)
    eval_interval: int | None = option(
        None, "steps between evaluations (default: 20 of them in a training)", minimum=1
    )
    patience: int | None = option(
        None, "stop after this many evaluations without a better validation loss", minimum=1
    )
    calibrate: bool = option(
        False, "BatchNorm: statistics of one whole epoch before each evaluation, not running ones"
    )
    seed: int = option(
        3407, "of initial weights, data order and dropout", minimum=0, maximum=2**63 - 1
    )
    save_interval: float = option(10.0, "seconds between checkpoints", minimum=0.0, names_run=False)
    log_interval: int = option(10, "steps between lines of the log", minimum=1, names_run=False)
    threads: int | None = option(
        None, "CPU threads (default: chosen once and recorded)", minimum=1, maximum=1024,
        names_run=False,
    )  # fmt: skip
    device: str = option(
        "auto", "auto (cuda if there is one, else cpu), cpu, cuda or mps", names_run=False
    )


@dataclass(frozen=True)
class Budget:
    """What a training may cost, in place of saying what it shall be."""

    time: float | None = option(
        None, "seconds that training may take; model, size and steps are chosen for them",
        above=0.0, maximum=1e7,
    )  # fmt: skip


@dataclass(frozen=True)
class Conditions:
    """What every line has to satisfy. They choose among lines; nothing is cut or mended."""

    prefix: str = option("", "every line starts with this")
    suffix: str = option("", "every line ends with this")
    contains: str = option("", "every line holds this")
    exclude: str = option("", "no line holds any of these characters")
    pattern: str = option("", "a regular expression that every line matches as a whole")
    min_length: int | None = option(
        None, "refuse lines of fewer symbols", minimum=0, maximum=10_000
    )
    max_length: int | None = option(None, "refuse lines of more symbols", minimum=1)
    label: str = option("", "of a run with labels: NAME, or a mixture NAME=.7,OTHER=.3")
    all: bool = option(False, "show every line with its origin, refuse none")


@dataclass(frozen=True)
class Sampling(Conditions):
    """How lines are drawn, and which."""

    temperature: float = option(
        1.0, "below 1 safer, above 1 wilder, 0 always the likeliest symbol", minimum=0.0
    )
    top_k: int | None = option(None, "draw from the K likeliest symbols", minimum=1)
    top_p: float | None = option(
        None, "draw from the fewest symbols that hold this probability", above=0.0, maximum=1.0
    )
    min_p: float | None = option(
        None, "drop symbols less likely than this share of the likeliest", minimum=0.0, maximum=1.0
    )
    min_distance: int | None = option(
        None, "refuse lines fewer edits than this away from a line of the text", minimum=1,
        maximum=10,
    )  # fmt: skip
    exact: bool = option(False, "never draw by lookahead, which is faster but approximate")
