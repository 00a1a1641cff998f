"""The pictures of the glossary: drawn by their script, small, and readable on any ground."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "glossary"
PAGE = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
PICTURES = sorted(FOLDER.glob("*.svg"))


def test_every_picture_is_used_once_and_described() -> None:
    used = re.findall(r"^!\[(.+)\]\(glossary/([\w-]+)\.svg\)$", PAGE, re.MULTILINE)
    assert sorted(name for _, name in used) == [path.stem for path in PICTURES]
    assert len(PICTURES) >= 12 and all(len(words) > 30 for words, _ in used)


@pytest.fixture
def drawing(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The script that draws them, whose siblings are no packages."""
    monkeypatch.syspath_prepend(FOLDER)
    for name in ("canvas", "networks"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return runpy.run_path(str(FOLDER / "pictures.py"))


def test_pictures_are_what_the_script_draws(drawing: dict[str, Any]) -> None:
    assert drawing["main"](["--check"]) == 0
    assert sorted(drawing["PICTURES"]) == [path.stem for path in PICTURES]


def test_a_picture_that_was_changed_is_named(
    drawing: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setitem(drawing["main"].__globals__, "FOLDER", tmp_path)
    assert drawing["main"]([]) == 0
    file = tmp_path / "softmax.svg"
    file.write_text(text := file.read_text("utf-8").replace("0.6652", "0.6653"), encoding="utf-8")
    assert drawing["main"](["--check"]) == 1
    said = capsys.readouterr().err
    assert said.count("is not what") == 1 and "softmax.svg" in said and "pictures.py" in said
    assert file.read_text(encoding="utf-8") == text  # only checked


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_a_picture_is_small_complete_and_has_a_title(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)  # noqa: S314 (our own file)
    title = root.find("{http://www.w3.org/2000/svg}title")
    assert root.get("role") == "img" and title is not None and len(title.text or "") > 20
    assert len(text.encode()) < 6000
    assert re.findall(r"https?://[^\"]+", text) == ["http://www.w3.org/2000/svg"]
    assert not any(part in text for part in ("href", "url(", "@import", "<script"))


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_words_of_pictures_have_contrast_in_light_and_dark(drawing: dict[str, Any]) -> None:
    """WCAG 2 AA: words 4.5, lines 3; pictures bring their own ground for both."""
    style = sys.modules["canvas"].STYLE
    schemes = [
        dict(re.findall(r"--(\w+):(#\w{6})", rule)) for rule in re.findall(r"svg{.*?}", style)
    ]
    assert len(schemes) == 2 and luminance(schemes[0]["bg"]) > 0.8 > 0.05 > luminance(
        schemes[1]["bg"]
    )
    for colours in schemes:
        light = {name: luminance(colour) for name, colour in colours.items()}
        for name, least in (("ink", 4.5), ("blue", 4.5), ("red", 4.5), ("green", 4.5), ("line", 3)):
            for ground in ("bg", "soft"):
                low, high = sorted((light[name], light[ground]))
                assert (high + 0.05) / (low + 0.05) >= least, (name, ground)
