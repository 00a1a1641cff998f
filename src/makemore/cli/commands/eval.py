"""makemore eval: exact losses of a run by part, and what its samples are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from makemore.cli.options import device_option, plugin_option
from makemore.cli.output import note, result, result_json


@click.command(
    "eval",
    params=[
        click.Argument(["dir"]),
        click.Option(["--test"], is_flag=True,
                     help="score the test part, too; the look is counted"),
        click.Option(["--json"], is_flag=True, help="one object a part"),
        device_option(),
        plugin_option("the file of the run's own model"),
    ],
)  # fmt: skip
def command(**values: Any) -> int:
    """Print the exact losses of the run in DIR by part: nats and bits a symbol, perplexity.

    And which percentages of 1,000 draws are new, repeated, or copied from the text or from what the
    prior has read. In a run with labels: the accuracy of choosing the likeliest label of a line,
    and of always choosing the label that most training lines have. The test part is for the end:
    --test scores it, and each look is counted in looks.jsonl.
    """
    from makemore.analysis import sample_shares
    from makemore.analysis.novelty import DRAWS
    from makemore.api import MakeMore
    from makemore.errors import UsageError
    from makemore.runs.archive import is_archive

    if values["test"] and is_archive(values["dir"]):
        what = "a look at the test part is counted in the run directory, and a zip keeps no count"
        raise UsageError(what, "--test", "unpack it")
    maker = MakeMore.load(values["dir"])
    maker.to(values["device"], sum(len(part) for _, part in maker.split))
    names = [name for name, part in maker.split if len(part) and (name != "test" or values["test"])]
    reports = [maker.report(name) for name in names]
    accuracies = [maker.accuracy(name) if maker.vocabulary.labels else {} for name in names]
    if values["test"]:
        count_test_look(Path(values["dir"]), reports)
    kinds = sample_shares(maker)  # new, repeated, ... -> fraction of the draws
    if values["json"]:
        objects = [{**report, **each} for report, each in zip(reports, accuracies, strict=True)]
        result_json(*objects, {"samples": DRAWS, **kinds})
        return 0
    result("part      nll    unseen   bits   perplexity   lines")
    for report in reports:
        losses = (report["nll"], report["nll_unseen"], report["bits"], report["perplexity"])
        cells = ["-" if loss is None else f"{loss:.4f}" for loss in losses]
        widths = "{:6} {:>8} {:>8} {:>8} {:>10} {:>8,}"
        result(widths.format(report["split"], *cells, report["lines"]))
        if report["unknown"]:
            left_out = f"{report['unknown']} lines of {report['split']} left out"
            note(f"{left_out}: they hold unknown symbols")
        if report["read"]:
            left_out = f"{report['read']} lines of {report['split']} left out"
            note(f"{left_out}: the prior that the training started from has read them")
    for report, accuracy in zip(reports, accuracies, strict=True):
        if accuracy:
            result(describe_accuracy(report, accuracy))
    percentages = ", ".join(f"{100 * fraction:.1f} % {kind}" for kind, fraction in kinds.items())
    result(f"of {DRAWS:,} draws: {percentages}")
    return 0


def describe_accuracy(report: dict[str, Any], accuracy: dict[str, Any]) -> str:
    """Say how often the likeliest label is right, beside what always guessing one label gives."""
    few = accuracy["labelled"] < report["lines"]
    of = f" (of {accuracy['labelled']:,} lines)" if few else ""
    return (
        f"labels of {report['split']}: {100 * accuracy['accuracy']:.1f} % right, "
        f"{100 * accuracy['majority']:.1f} % by the majority class{of}"
    )


def count_test_look(folder: Path, reports: list[dict[str, Any]]) -> None:
    """Record a look at the test part: whoever looks often ends up choosing by it."""
    from makemore.runs.logs import count_look

    nll = next((report["nll"] for report in reports if report["split"] == "test"), None)
    note(f"look {count_look(folder, nll)} at the test part; choose by val, report test once")
