"""The command line of the original makemore.py: makemore -i names.txt -o names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from makemore.cli.output import note, result
from makemore.training.config import DEFAULT_MODEL

SAMPLED = 50  # what the original prints with --sample-only
SAME_NAME = ("max_steps", "device", "seed", "n_layer", "n_head", "n_embd", "batch_size")


def original(**values: Any) -> int:
    """The original's command line. `makemore --help` shows ours, which says more."""
    from makemore.models import get_model
    from makemore.options import options_of

    given = {key: value for key, value in values.items() if value is not None and value != -1}
    folder, model = Path(given["work_dir"]), given.get("type", DEFAULT_MODEL)
    if given.get("sample_only"):
        return sample_only(folder, given)
    kind, asked = get_model(model), {key: given[key] for key in SAME_NAME if key in given}
    if "n_embd2" in given:
        asked["n_hidden"] = given["n_embd2"]
    if "learning_rate" in given or "weight_decay" in given:  # they are AdamW's there
        asked["optimizer"] = "adamw"
        asked |= {k: given[k] for k in ("learning_rate", "weight_decay") if k in given}
    for key in ("n_layer", "n_head", "n_embd", "n_hidden"):
        if key in asked and key not in options_of(kind.Options):
            note(f"makemore: {key} is ignored: {model} has none")
            del asked[key]
    if "num_workers" in given:
        note("makemore: -n (workers) is ignored: there is no data loader")
    if given.get("resume") and not (folder / "checkpoint.json").exists():
        from makemore.errors import RunError

        raise RunError("no run to resume", str(folder), "leave out --resume to start one")
    from makemore.cli.commands.train import train_in

    return train_in(folder, given["input_file"], model, asked, {})


def sample_only(folder: Path, given: dict[str, Any]) -> int:
    from makemore.api import MakeMore
    from makemore.api.fitted import fresh_seed

    maker, seed = MakeMore.load(folder), given.get("seed")
    if seed is None:
        seed = fresh_seed()
        note(f"makemore: --seed {seed}")
    limits = {"top_k": given["top_k"]} if "top_k" in given else {}
    for line in maker.samples(SAMPLED, seed, **limits):
        result(line.text)
    return 0


command = click.Command(
    "original",
    callback=original,
    help=original.__doc__,
    params=[
        click.Option(
            ["-i", "--input-file"], default="names.txt", help="the text, one thing a line"
        ),
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
    ],
)
