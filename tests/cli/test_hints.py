"""Hints: every command that `data` and refusals print works as it is printed."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from cli.conftest import failed
from conftest import Call
from makemore.runs.run import Run

FEW = ["anna", "karl", "emma", "bert", "ida", "otto"]
PEOPLE = "".join(f"{name},{'fm'[i % 2]}\n" for i, name in enumerate(FEW))
SWALLOWED = 'name,notes,sex\nanna,"tall,f\nkarl,x,m\nemma,y",f\nbert,z,m\n'

# A file, its bytes, the options that are typed with it, and the lines that are learned in the end.
FILES: dict[str, tuple[str, str | bytes, tuple[str, ...], list[str]]] = {
    "plain": ("a.txt", "\n".join(FEW), (), FEW),
    "no ending": ("data", "\n".join(FEW), (), FEW),
    "spaces in its name": ("my list (1).txt", "\n".join(FEW), (), FEW),
    "a dash before its name": ("-x.txt", "\n".join(FEW), ("--",), FEW),
    "copies": ("a.txt", "\n".join(FEW * 3), (), FEW),
    "too long": ("a.txt", "\n".join([*FEW, "x" * 20]), ("--max-line", "9"), FEW),
    "long": ("a.txt", "\n".join([*FEW, "ab" * 150]), (), [*FEW, "ab" * 150]),
    "label column": ("p.csv", "name,sex\n" + PEOPLE, ("--label-column", "sex"), FEW),
    "label column of ;": ("p.csv", ("name,sex\n" + PEOPLE).replace(",", ";"),
                          ("--label-column", "sex", "--text-column", "name"), FEW),
    "labels": ("p.txt", PEOPLE.replace(",", "\t"), ("--labels",), FEW),
    "delimiter": ("p.txt", PEOPLE.replace(",", "~"), ("--delimiter", "~", "--text-column", "1"),
                  FEW),
    "tab by its name": ("p.txt", PEOPLE.replace(",", "\t"),
                        ("--delimiter", "tab", "--text-column", "1"), FEW),
    "latin-1": ("a.txt", "zo\u00eb\nanna\n".encode("latin-1"), ("--encoding", "latin-1"),
                ["zo\u00eb", "anna"]),
    "replaced": ("a.txt", b"zo\xeb\nanna\n", ("--errors", "replace"), ["zo\ufffd", "anna"]),
    "symbols": ("a.txt", "\n".join(FEW), ("--symbols", "an|."), FEW),
    "graphemes": ("a.txt", "zoe\u0308\nzo\u00eb\nanna\n", ("--symbols", "grapheme"),
                  ["zoe\u0308", "zo\u00eb", "anna"]),
    "as it is": ("c.csv", "name,hex\nred,ff\n", ("--as-is",), ["name,hex", "red,ff"]),
    "a table": ("c.csv", "name,hex,x\nRed Sun,#ee88,x\nBlue,#0088,x\n", (), ["Red Sun", "Blue"]),
    "a table of ;": ("c.txt", "sep=;\nid;title\n1;anna\n2;karl\n", (), ["anna", "karl"]),
    "a table of tabs": ("c.txt", "1\tanna\n2\tkarl\n", (), ["anna", "karl"]),
    "labels of tabs": ("c.txt", PEOPLE.replace(",", "\t"), (), FEW),
    "a column": ("c.csv", "name\nanna\nkarl\n", (), ["anna", "karl"]),
    "no header": ("c.csv", "7,anna\n8,karl\n", (), ["anna", "karl"]),
    "quotes": ("s.csv", SWALLOWED, ("--text-column", "name", "--label-column", "sex"),
               ["anna", "bert"]),
    "one quote": ("s.csv", 'name,notes\nanna,"x\nkarl,y\n', ("--text-column", "name"),
                  ["anna", "karl"]),
    "numbers": ("n.txt", "1. Bella\n2) Max\n3. Luna\n", (), ["Bella", "Max", "Luna"]),
    "bullets": ("n.txt", "- Bella\n- Max\n", (), ["Bella", "Max"]),
    "one line": ("o.txt", "Bella, Max, New York, Luna", (), ["Bella", "Max", "New York", "Luna"]),
    "one long line": ("o.txt", ", ".join(f"Bella{i}" for i in range(300)), (),
                      [f"Bella{i}" for i in range(300)]),
    "JSON": ("o.json", '["Bella", "Karl, jr", "Max", "Luna"]', (),
             ["Bella", "Karl, jr", "Max", "Luna"]),
    "code": ("o.txt", "names = [\n    'Bella',\n    'Max',\n    'Luna'\n]\n", (),
             ["Bella", "Max", "Luna"]),
    "quoted": ("q.txt", '"Bella"\n"Max"\n', (), ["Bella", "Max"]),
    "broken": ("b.txt", "Bj\u00c3\u00b6rn\nZo\u00c3\u00ab\nAnna\n", (),
               ["Bj\u00f6rn", "Zo\u00eb", "Anna"]),
    "broken twice": ("b.txt", "Bj\u00c3\u0192\u00c2\u00b6rn\nAnna\n", (), ["Bj\u00f6rn", "Anna"]),
    "broken in a column": ("b.csv", "name,sex\nBj\u00c3\u00b6rn,m\nZo\u00c3\u00ab,f\n",
                           ("--label-column", "sex"), ["Bj\u00f6rn", "Zo\u00eb"]),
    "cp1252": ("w.txt", "d\u2019Arc\nzo\u00eb\n".encode("cp1252"), (), ["d\u2019Arc", "zo\u00eb"]),
    "UTF-16": ("w.txt", "\u0410\u043d\u043d\u0430\n\u0418\u0432\u0430\u043d\n".encode("utf-16-le"),
               (), ["\u0410\u043d\u043d\u0430", "\u0418\u0432\u0430\u043d"]),
    "many symbols": ("a.txt", "\n".join(FEW), ("--max-vocab", "3"), FEW),
}  # fmt: skip
QUICK_ROWS = ("a dash before its name", "label column of ;", "a table of ;", "one quote", "quotes",
              "JSON", "code", "broken in a column", "replaced")  # fmt: skip
QUICK = ("--model", "ngram", "--order", "2", "--fresh", "-o", "run")


def hints(ended: subprocess.CompletedProcess[str]) -> list[list[str]]:
    """The commands that were printed, as a shell reads them, without the program."""
    printed = re.findall(r"type:? (makemore .+)$", ended.stdout + ended.stderr, re.MULTILINE)
    return [shlex.split(command)[1:] for command in printed]


def learned() -> list[str]:
    return [line for _, part in Run.load("run").split for line in part]


def follow(call: Call, words: list[str]) -> None:
    """Type what is advised, until something was learned."""
    for _ in range(4):
        looks = words[0] == "data"
        ended = call(*words) if looks else call(*with_quick(words))
        if ended.returncode == 0 and not looks:
            return
        assert ended.returncode in (0, 3), ended.stderr
        words = hints(ended)[-1]
    raise AssertionError(words)


def with_quick(words: list[str]) -> list[str]:
    """A training of counts, whatever was advised beside."""
    if "gru" in words:
        return [*words, "--max-steps", "1", "--n-hidden", "4", "--fresh", "-o", "run"]
    return [*words, *(() if set(QUICK) <= set(words) else QUICK)]


@pytest.mark.parametrize(
    "row", [pytest.param(row, marks=() if row in QUICK_ROWS else pytest.mark.slow) for row in FILES]
)
def test_every_hint_is_a_command_that_works_as_printed(row: str, call: Call) -> None:
    name, body, options, lines = FILES[row]
    Path(name).write_bytes(body if isinstance(body, bytes) else body.encode())
    ended = call("data", *options, name)
    commands = hints(ended)
    assert commands and ended.returncode in (0, 3), ended.stderr
    for words in commands:
        if words == commands[-1]:
            continue
        follow(call, words)
        for made in Path().glob("*-fixed*"):
            made.unlink()
    # The last hint is what to type next: what it leads to are the lines that the file holds.
    follow(call, commands[-1])
    assert sorted(learned()) == sorted(lines)


REFUSED = ("a table", "labels of tabs", "numbers", "UTF-16", "many symbols")


@pytest.mark.parametrize("row", REFUSED)
def test_what_a_training_refuses_it_learns_by_what_it_says(row: str, call: Call) -> None:
    name, body, options, lines = FILES[row]
    Path(name).write_bytes(body if isinstance(body, bytes) else body.encode())
    typed = ["train", name, *options, "--model", "ngram", "--order", "2", "-o", "first"]
    ended = call(*typed)
    failed(ended, 3, name)
    assert not Path("first").exists()
    (words,) = hints(ended)
    if words[0] == "train":  # all that was typed is in it
        assert [word for word in typed if word in words] == typed or "--max-vocab" in typed
        assert call(*words, "--fresh", "-o", "run").returncode == 0
    else:
        follow(call, words)
    assert sorted(learned()) == sorted(lines)


def test_a_hint_takes_the_place_of_what_was_typed_wrong(call: Call) -> None:
    Path("a.txt").write_bytes("zo\u00eb\n\u201canna\u201d\n".encode("cp1252"))
    ended = call("a.txt", "--encoding=utf-8", "--model", "ngram", "-o", "run")
    assert ended.stderr.endswith(": type makemore a.txt --model ngram -o run --encoding cp1252\n")
    ended = call("-i", "a.txt", "-o", "run", "--type", "ngram")  # the original's command line
    (words,) = hints(ended)
    assert words == ["train", "a.txt", "-o", "run", "--model", "ngram", "--encoding", "cp1252"]
    assert call(*words).returncode == 0 and learned() == ["zo\u00eb", "\u201canna\u201d"]


def test_a_hint_of_a_pipe_needs_the_pipe_again(call: Call) -> None:
    body = b"name;sex\nanna;f\nkarl;m\n"
    ended = call("train", "-", "--model", "ngram", "-o", "run", input=body)
    (words,) = hints(ended)
    assert words == ["train", "-", "--model", "ngram", "-o", "run", "--text-column", "name"]
    assert call(*words, input=body).returncode == 0 and learned() == ["anna", "karl"]
