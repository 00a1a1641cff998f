"""A lesson's pictures, light and dark, with the words that stand for them."""

from __future__ import annotations

import ast
import shutil

from lesson_records import Cell, Recorded
from links import Links

from record import PICTURES

# What a picture of several panels shows, and one whose titles are made up as it is drawn. The
# titles of all others stand in the lesson as they are.
WORDS = {
    "03_mlp-embeddings": "Symbols as points, before and after training: "
    "vowels (orange) end close together, the dot (grey) alone",
    "05_initialisation-saturation": "Before and after tanh: "
    "unfixed 61 % of the values lie beyond 0.99, repaired 1 %",
    "05_initialisation-losses": "Losses of four networks: only the unfixed one falls from far "
    "above log 27, and it stays behind to the end",
    "07_inside-inside": "Histograms: outputs and gradients of five tanh layers are alike; "
    "of the weights' gradients the last stands out",
    "07_inside-gains": "Standard deviation, saturation and gradient by tanh layer: "
    "without BatchNorm the gain decides, with it all are alike",
    "09_wavenet-flat-and-tree": "Flat: eight symbols into one node; "
    "tree: two at a time in three layers",
    "11_attention-attention": "Weights of four heads for charlotte; head 4 looks one letter back",
}


def picture(lesson: Recorded, cell: Cell, name: str, links: Links) -> str:
    """A picture, light and dark, each a link to its file: on a phone one wants to zoom."""
    parts = []
    for mode, ending in (("only-light", ""), ("only-dark", "-dark")):
        file = f"{lesson.name}-{name}{ending}.png"
        if not (PICTURES / file).is_file():
            raise SystemExit(f"no docs/lessons/{file}: python lessons/record.py {lesson.name}")
        folder = links.tree / "course/pictures"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PICTURES / file, folder / file)
        # The class is on a box around the link: a link to a picture that is not shown has no name.
        parts += [
            f"````{{container}} {mode}",
            f"```{{image}} pictures/{file}",
            f":alt: {alt_text(lesson, cell, name)}",
            f":target: ../_images/{file}",  # where Sphinx puts it
            ":loading: lazy",  # the picture of the other mode is never read
            "```",
            "````",
            "",
        ]
    return "\n".join(parts)


def alt_text(lesson: Recorded, cell: Cell, name: str) -> str:
    """The words for a picture: those above, or the titles that its code gives it."""
    file = f"{lesson.name}-{name}"
    if file in WORDS:
        return WORDS[file]
    titles = titles_of(lesson, cell, name)
    if not titles or None in titles:
        raise SystemExit(
            f"docs/site/lesson_pictures.py: docs/lessons/{file}.png has no title, or one that is "
            "computed: say in WORDS what it shows"
        )
    return "Chart: " + "; ".join(filter(None, titles))


def titles_of(lesson: Recorded, cell: Cell, name: str) -> list[str | None]:
    """The titles in the picture that a cell shows by this name: None for one that is computed."""
    everything = [ast.parse(each.source) for each in lesson.cells if each.kind == "code"]
    functions = {
        node.name: node for tree in everything for node in tree.body
        if isinstance(node, ast.FunctionDef)
    }  # fmt: skip
    titles: list[str | None] = []
    for node in ast.parse(cell.source).body:
        match node:
            case ast.Expr(
                ast.Call(ast.Attribute(attr="show"), [drawn, ast.Constant(value=shown_name)])
            ):
                if isinstance(drawn, ast.Call) and isinstance(drawn.func, ast.Name):
                    titles = titles_in(functions[drawn.func.id])
                if shown_name == name:
                    return titles
                titles = []
            case _:
                titles += titles_in(node)
    return []


def titles_in(node: ast.AST) -> list[str | None]:
    """The titles that some code gives a figure and its axes, in their order."""
    calls = [call for call in ast.walk(node) if isinstance(call, ast.Call)]
    found: list[ast.expr] = []
    for call in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
        if isinstance(call.func, ast.Attribute) and call.func.attr in ("suptitle", "set_title"):
            found += call.args[:1]
        elif isinstance(call.func, ast.Attribute) and call.func.attr == "set":
            found += [word.value for word in call.keywords if word.arg == "title"]
    return [
        " ".join(str(each.value).split()) if isinstance(each, ast.Constant) else None
        for each in found
    ]
