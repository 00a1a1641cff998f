"""The models: a page for each, with its idea, its losses, its options and its whole source."""

from __future__ import annotations

import inspect
import json
import sys
from typing import Any

import generate
from links import ROOT, Links, source_of

from makemore.cli.options import default_of
from makemore.models import get_model
from makemore.models.core.base import Model
from makemore.models.core.registry import about
from makemore.options import options_of

SPLIT = "distinct-42"  # of docs/models.json: no name is in two parts


def model_places() -> dict[str, str]:
    """Where the models are: "src/makemore/models/gru.py" -> "models/gru.md"."""
    places = {f"src/makemore/models/{name}.py": f"models/{name}.md" for name in names()}
    return {**places, "src/makemore/models": "models/index.md", "docs/models.md": "models/index.md"}


def names() -> list[str]:
    """The models in the order in which they are best read."""
    return generate.model_names()


def write_models(links: Links) -> None:
    """Write the page of each model, and the page that compares them."""
    folder = links.tree / "models"
    folder.mkdir()
    rows = json.loads((ROOT / "docs/models.json").read_text(encoding="utf-8"))
    measured = {row["model"]: row for row in rows if row["split"] == SPLIT}
    for name in names():
        text = page(name, measured.get(name))
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    (folder / "index.md").write_text(index(links), encoding="utf-8")


def index(links: Links) -> str:
    """All models in a table, and what each reached on names.txt."""
    table = generate.models()
    for name in names():
        table = table.replace(f"| `{name}` |", f"| [`{name}`]({name}.md) |")
    title, _, losses = (ROOT / "docs/models.md").read_text(encoding="utf-8").partition("\n")
    losses = links.rewrite(losses, "docs/models.md", "models/index.md")
    return "\n".join([
        "# Models", "",
        "Each model is one file, written to be read. `makemore list.txt --model NAME` chooses one,",
        "`makemore models` lists them with their options. Parameters: default sizes, on",
        "names.txt, the list of the lectures.", "",
        table, "",
        f"## {title.removeprefix('# ')}", losses,
    ])  # fmt: skip


def page(name: str, measured: dict[str, Any] | None) -> str:
    """The page of one model. measured: its row of docs/models.json, None without one."""
    kind, file = get_model(name), f"src/makemore/models/{name}.py"
    headline, paper = about(kind)
    called, _, idea = headline.partition(": ")
    said = inspect.getdoc(sys.modules[kind.__module__]) or ""
    # Its first line became the title and the sentence below; the paper gets a line of its own.
    told = "\n".join(
        line for line in said.split("\n", 1)[1].splitlines() if not line.startswith("Paper:")
    )
    return "\n".join([
        f"# {called}", "", f"{idea[:1].upper()}{idea[1:]}.", "", told.strip(), "",
        "```bash", f"makemore list.txt --model {name}", "```", "",
        *([f"**Paper:** {paper}", ""] if paper else []),
        *how_good(kind, measured),
        "## Options", "", options(kind), "",
        *recipe(kind),
        "## Source", "", f"All of it: `{file}`.", "", source_of(file),
    ])  # fmt: skip


def how_good(kind: type[Model], measured: dict[str, Any] | None) -> list[str]:
    """The size of a model, and its losses on names.txt if they were measured."""
    size = f"**Parameters:** {generate.size_of(kind)}, at default sizes on names.txt."
    if measured is None:
        return [size, ""]
    losses = f"{measured['val']:.4f} on val and {measured['test']:.4f} on test"
    return [
        size, "",
        f"**Losses** on the distinct names of names.txt, nats a symbol: {losses}, after",
        f"{measured['seconds']:.1f} seconds of training. [All models side by side](index.md)", "",
    ]  # fmt: skip


def options(kind: type[Model]) -> str:
    """A row for each option of a model: flag, default, help."""
    known = options_of(kind.Options).values()
    if not known:
        return "It has none of its own."
    rows = [f"| `{each.flag}` | `{default_of(each)}` | {each.help} |" for each in known]
    return "\n".join(["{.options}", "| option | default | what it is |", "|---|---|---|", *rows])


def recipe(kind: type[Model]) -> list[str]:
    """How a model is trained unless other options are given."""
    if not kind.recipe:
        return []
    given = ", ".join(f"`{key}={value}`" for key, value in kind.recipe.items())
    return [f"Trained by default with {given}; options of the training change that.", ""]
