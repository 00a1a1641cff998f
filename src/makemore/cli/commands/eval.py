"""makemore eval: exact losses of a run by part, and what its samples are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from makemore.cli.options import plugin_option
from makemore.cli.output import note, result, result_json


def evaluate(**values: Any) -> int:
    """Exact losses of the run in DIR by part: nats and bits a symbol, perplexity.

    And the shares of 1,000 draws that are new, repeated, or copied from the text. In a run with
    labels: how often the likeliest label of a line is the right one, beside the share of the label
    that most training lines have. The test part is for the end: --test scores it, and each look is
    counted in looks.jsonl.
    """
    from makemore.analysis import sample_shares
    from makemore.analysis.novelty import DRAWS
    from makemore.api import MakeMore

    maker = MakeMore.load(values["dir"])
    names = [name for name, part in maker.split if len(part) and (name != "test" or values["test"])]
    reports = [maker.report(name) for name in names]
    told = [maker.accuracy(name) if maker.vocabulary.labels else {} for name in names]
    if values["test"]:
        note_look(Path(values["dir"]), reports)
    shares = sample_shares(maker)
    if values["json"]:
        for report, labels in zip(reports, told, strict=True):
            result_json({**report, **labels})
        result_json({"samples": DRAWS, **shares})
        return 0
    result("part      nll    unseen   bits   perplexity   lines")
    for report in reports:
        numbers = (report["nll"], report["nll_unseen"], report["bits"], report["perplexity"])
        cells = ["-" if number is None else f"{number:.4f}" for number in numbers]
        result(
            "{:6} {:>8} {:>8} {:>8} {:>10} {:>8,}".format(report["split"], *cells, report["lines"])
        )
        if report["unknown"]:
            left_out = f"{report['unknown']} lines of {report['split']} left out"
            note(f"makemore: {left_out}: they hold unknown symbols")
    for report, labels in zip(reports, told, strict=True):
        if labels:
            result(in_words(report, labels))
    kinds = ", ".join(f"{100 * share:.1f} % {name}" for name, share in shares.items())
    result(f"of {DRAWS:,} draws: {kinds}")
    return 0


def in_words(report: dict[str, Any], labels: dict[str, Any]) -> str:
    """How often the likeliest label is right."""
    few = labels["labelled"] < report["lines"]
    of = f" (of {labels['labelled']:,} lines)" if few else ""
    return (
        f"labels of {report['split']}: {100 * labels['accuracy']:.1f} % right, "
        f"{100 * labels['majority']:.1f} % by the majority class{of}"
    )


def note_look(folder: Path, reports: list[dict[str, Any]]) -> None:
    from makemore.runs.logs import count_look

    nll = next((report["nll"] for report in reports if report["split"] == "test"), None)
    looks = count_look(folder, nll)
    note(f"makemore: look {looks} at the test part; choose by val, report test once")


command = click.Command(
    "eval",
    callback=evaluate,
    help=evaluate.__doc__,
    params=[
        click.Argument(["dir"]),
        click.Option(
            ["--test"], is_flag=True, help="score the test part, too; the look is counted"
        ),
        click.Option(["--json"], is_flag=True, help="one object a part"),
        plugin_option(),
    ],
)
