"""The command line of the original makemore.py: makemore -i names.txt -o names."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from makemore.cli.options import click_options
from makemore.cli.output import note, result
from makemore.cli.typed import typed as typed_here
from makemore.errors import Unsatisfiable
from makemore.options import as_flags
from makemore.text import TextConfig
from makemore.training.config import DEFAULT_MODEL

SAMPLED = 50  # lines that the original prints with --sample-only
SAME_NAME = (
    "max_steps", "device", "seed", "n_layer", "n_head", "n_embd", "batch_size", "encoding", "errors"
)  # fmt: skip


@click.command(
    "original",
    params=[
        click.Option(["-i", "--input-file"], default="names.txt",
                     help="the text, one thing a line"),
        click.Option(["-o", "--work-dir"], default="out", help="the run directory"),
        click.Option(["--resume"], is_flag=True, default=None, help="go on with the run in DIR"),
        click.Option(["--sample-only"], is_flag=True, default=None, help="print 50 lines and end"),
        click.Option(["-n", "--num-workers"], type=int, help="ignored"),
        click.Option(["--max-steps"], type=int, help="-1: from the amount of data"),
        click.Option(["--device"], help="cpu, cuda, mps"),
        click.Option(["--seed"], type=int, help="of training, or of --sample-only"),
        click.Option(["--top-k"], type=int, help="draw from the K likeliest; -1: from all"),
        click.Option(["--type"], help="the model"),
        click.Option(["--n-layer"], type=int),
        click.Option(["--n-head"], type=int),
        click.Option(["--n-embd"], type=int),
        click.Option(["--n-embd2"], type=int, help="the hidden size"),
        click.Option(["-b", "--batch-size"], type=int),
        click.Option(["-l", "--learning-rate"], type=float),
        click.Option(["-w", "--weight-decay"], type=float),
        # The original has neither; an error that the text's bytes give names them.
        *[option for option in click_options(TextConfig) if option.name in ("encoding", "errors")],
    ],
)  # fmt: skip
def command(**values: Any) -> int:
    """Run the original's command line. `makemore --help` shows ours, which can do more."""
    from makemore.models import get_model
    from makemore.options import options_of

    # The original writes -1 for "off"; here a flag that is off is not there.
    typed = {key: value for key, value in values.items() if value is not None and value != -1}
    folder, model = Path(typed["work_dir"]), typed.get("type", DEFAULT_MODEL)
    if typed.get("sample_only"):
        return sample_only(folder, typed)
    requested = {key: typed[key] for key in SAME_NAME if key in typed}
    if "n_embd2" in typed:
        requested["n_hidden"] = typed["n_embd2"]
    if "learning_rate" in typed or "weight_decay" in typed:  # the original has AdamW alone
        requested["optimizer"] = "adamw"
        requested |= {k: typed[k] for k in ("learning_rate", "weight_decay") if k in typed}
    # The original has one list of flags for all models; here a model has its own.
    model_options = options_of(get_model(model).Options)
    for key in ("n_layer", "n_head", "n_embd", "n_hidden"):
        if key in requested and key not in model_options:
            note(f"{key} is ignored: {model} has none")
            del requested[key]
    if "num_workers" in typed:
        note("-n (workers) is ignored: there is no data loader")
    if typed.get("resume") and not (folder / "checkpoint.json").exists():
        from makemore.errors import RunError

        raise RunError("no run to resume", str(folder), "leave out --resume to start one")
    from makemore.cli.commands.train import train_in

    # Our command line for the same, as a hint shows it: the original's has hardly any option.
    typed_here().words = [
        "train", typed["input_file"], "-o", str(folder), "--model", model, *as_flags(requested)
    ]  # fmt: skip
    return train_in(folder, typed["input_file"], model, requested, {})


def sample_only(folder: Path, typed: dict[str, Any]) -> int:
    """Print 50 new lines of a run."""
    from makemore.api import MakeMore
    from makemore.api.checks import fresh_seed

    maker, seed = MakeMore.load(folder), typed.get("seed")
    if seed is None:
        seed = fresh_seed()
        note(f"--seed {seed}")
    limits = {"style": "plain"} | ({"top_k": typed["top_k"]} if "top_k" in typed else {})
    try:
        for line in maker.samples(SAMPLED, seed, **limits):
            result(line.text)
    except Unsatisfiable as error:  # its ways out are options that this command line lacks
        to_do = f"makemore sample {shlex.quote(str(folder))} --all refuses none"
        raise Unsatisfiable(error.what, error.where, to_do) from None
    return 0
