"""Links from a lesson's text to what it mentions: lessons, the course's modules, the glossary."""

from __future__ import annotations

import re
from collections.abc import Mapping
from posixpath import dirname, relpath

from lesson_records import Recorded
from links import LINK_OR_CODE, ROOT, Links

MODULES = ("course", "layers", "mlp", "rows")  # files beside the lessons, which several import
GLOSSARY = "docs/glossary.md"
OTHER_SENSE = {"06_batchnorm": "momentum"}  # of the kept mean; the entry is the optimizer's
_NAME = rf"(?:{'|'.join(MODULES)})\.py"
MENTION = re.compile(
    rf"(?P<module>`{_NAME}`|(?<![\w/.`]){_NAME}\b)|{LINK_OR_CODE.pattern}"
    r"|(?P<lesson>\b[Ll]essons\s\d+(?:(?:,|\sand|\sor|\sto)\s\d+)*|\b[Ll]esson\s\d+)\b"
    r"|(?P<heading>^#[^\n]*)|(?<![*\w])\*(?P<term>[\w-]+(?:\s[\w-]+){0,3})\*(?![*\w])",
    re.MULTILINE | re.DOTALL,
)


class Mentions:
    """What the page of one lesson links. It links an entry of the glossary once."""

    def __init__(self, lesson: Recorded, lessons: Mapping[int, str], links: Links) -> None:
        """lessons: the file names of all lessons by their numbers."""
        folder = dirname(lesson.place)
        self.lessons = {
            number: place for number, place in lessons.items() if number != lesson.number
        }
        self.modules = {
            f"{name}.py": relpath(links.places[f"lessons/{name}.py"], folder)
            for name in MODULES if f"lessons/{name}.py" in links.places
        }  # fmt: skip
        self.terms: dict[str, str] = {}
        if GLOSSARY in links.places:
            page = relpath(links.places[GLOSSARY], folder)
            self.terms = {term: page + anchor for term, anchor in terms().items()}
            self.terms.pop(OTHER_SENSE.get(lesson.name, ""), None)

    def linked(self, text: str) -> str:
        """Make links of what a text mentions, but for headings and code."""
        return MENTION.sub(self._replaced, text)

    def _replaced(self, found: re.Match[str]) -> str:
        if found["module"]:
            place = self.modules.get(found["module"].strip("`"))
            return f"[{found[0]}]({place})" if place else found[0]
        if found["lesson"]:
            return self._lessons(found["lesson"])
        return self._term(found[0], found["term"]) if found["term"] else found[0]

    def _lessons(self, mention: str) -> str:
        """Link "lesson 5" as a whole, of "lessons 3 and 6" each number."""
        if not mention.lower().startswith("lessons"):
            place = self.lessons.get(int(mention[len("lesson ") :]))
            return f"[{mention}]({place})" if place else mention

        def number(found: re.Match[str]) -> str:
            place = self.lessons.get(int(found[0]))
            return f"[{found[0]}]({place})" if place else found[0]

        return re.sub(r"\d+", number, mention)

    def _term(self, written: str, term: str) -> str:
        """Link a term in italics to its entry, if it is the first that leads there."""
        term = " ".join(term.lower().split())
        for form in (term, term.removesuffix("s"), f"{term}s"):
            if form in self.terms:
                entry = self.terms[form]
                self.terms = {key: value for key, value in self.terms.items() if value != entry}
                return f"[{written}]({entry})"
        return written


def terms() -> dict[str, str]:
    """The glossary's terms and where they stand: "nat" -> "#nat-and-bit"."""
    listed = (ROOT / GLOSSARY).read_text(encoding="utf-8").partition("\n## Terms")[0]
    found: dict[str, str] = {}
    for words, anchor in re.findall(r"\[([^\]]+)\]\((#[^)\s]+)\)", listed):
        whole = " ".join(words.lower().split())
        for term in (whole, *re.split(r", | and ", whole)):
            found.setdefault(term, anchor)
    return found
