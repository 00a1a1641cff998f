"""--avoid and --avoid-like: files in the form of the run's text, their encoding, and case."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.conftest import LINES, failed, learn, lines_of
from conftest import Call

DRAWN = ("-n", "10", "--seed", "1")
TABLE = "name,sex\n" + "".join(f"{line},{'fm'[i % 2]}\n" for i, line in enumerate(LINES))


@pytest.mark.parametrize("command", ["sample", "top"])
@pytest.mark.parametrize(
    ("body", "options", "form"),
    [
        ("".join(f"{line}\tf\n" for line in LINES), ["--labels"], "{}\tf\n"),
        ("".join(f"{line}\tf\n" for line in LINES), ["--labels"], "{}\n"),
        (TABLE, ["--label-column", "sex"], "{},f\n"),
        (TABLE, ["--label-column", "sex"], "{}\n"),
        (TABLE, ["--text-column", "name"], "{},f\n"),
    ],
)
def test_lines_are_avoided_in_the_form_in_which_they_came(
    command: str, body: str, options: list[str], form: str, call: Call
) -> None:
    learn(call, body, *options)
    typed = DRAWN if command == "sample" else ("-n", "10")
    texts = [line.split("\t")[-1] for line in lines_of(call(command, "run", *typed))]
    head = "name,sex\n" if "," in form else ""
    Path("avoid.csv").write_text(head + "".join(map(form.format, texts)))
    ended = call(command, "run", *typed, "--avoid", "avoid.csv")
    rest = [line.split("\t")[-1] for line in lines_of(ended)]
    assert len(rest) == 10 and not set(rest) & set(texts)
    plain = options != ["--labels"] and "," not in form
    assert ("so its lines are taken whole" in ended.stderr) == plain


@pytest.mark.parametrize("command", ["sample", "top"])
def test_the_encoding_is_the_runs_unless_it_is_typed(command: str, call: Call) -> None:
    names = ["zoë", "noël", "joël", "chloë", "gaël"]
    learn(call, "\n".join(names).encode("latin-1"), "--encoding", "latin-1")
    Path("latin").write_bytes("anaïs\n".encode("latin-1"))
    Path("utf8").write_bytes("anaïs\n".encode())
    for line in (("latin",), ("utf8", "--encoding", "utf-8"), ("utf8", "--errors", "replace")):
        assert call(command, "run", "-n", "2", "--avoid", *line).returncode == 0
    learn(call, "\n".join(names), "--fresh")
    message = f"type makemore {command} run --avoid latin --encoding latin-1"
    failed(call(command, "run", "--avoid", "latin"), 3, message)
    for option in (("--encoding", "latin-1"), ("--errors", "replace")):
        assert call(command, "run", "-n", "2", "--avoid", "latin", *option).returncode == 0
        failed(call(command, "run", *option), 2, "give --avoid FILE, too")


@pytest.mark.parametrize("command", ["sample", "top"])
def test_lines_in_another_case_are_told_and_avoided_if_asked_for(
    command: str, ngram: Path, call: Call
) -> None:
    typed = DRAWN if command == "sample" else ("-n", "10")
    first = call(command, ngram, *typed)
    texts = [line.split("\t")[-1] for line in lines_of(first)]
    Path("a b").write_text("".join(f"{text.upper()}\n" for text in texts))
    ended = call(command, ngram, *typed, "--avoid", "a b")
    assert ended.stdout == first.stdout
    assert (
        "makemore: a b: none of its 10 lines can be drawn as it is written, 10 would in another "
        "case or with other accents: --avoid-like 'a b' compares without both\n" in ended.stderr
    )
    ended = call(command, ngram, *typed, "--avoid-like", "a b")
    rest = [line.split("\t")[-1] for line in lines_of(ended)]
    assert not set(rest) & set(texts) and len(rest) == 10
    assert "case" not in ended.stderr


def test_lines_that_were_drawn_in_another_case_are_counted(call: Call) -> None:
    learn(call, "\n".join([line.title() for line in LINES] + LINES[:20]))
    texts = lines_of(call("sample", "run", *DRAWN))
    swapped = [text.lower() if text.istitle() else text.title() for text in texts[:3]]
    Path("avoid").write_text("\n".join([*swapped, LINES[0]]))  # one of them is in the text
    ended = call("sample", "run", *DRAWN, "--avoid", "avoid")
    assert "of these lines stand in avoid in another case or with other accents: " in ended.stderr
    assert "--avoid-like avoid refuses them, too" in ended.stderr


def test_what_is_avoided_comes_from_a_pipe_too(ngram: Path, call: Call) -> None:
    texts = lines_of(call("sample", ngram, *DRAWN))
    body = "\n".join(texts).encode()
    rest = lines_of(call("sample", ngram, *DRAWN, "--avoid", "-", input=body))
    assert not set(rest) & set(texts)
    rest = lines_of(call("sample", ngram, *DRAWN, "--avoid-like", "-", input=body.upper()))
    assert not set(rest) & set(texts)
    both = ("--avoid", "-", "--avoid-like", "-")
    failed(call("sample", ngram, *both), 2, "standard input is one file")


def test_all_shows_what_is_avoided_in_any_case(ngram: Path, call: Call) -> None:
    shown = lines_of(call("sample", ngram, *DRAWN, "--all"))
    new = [line.split("\t")[0] for line in shown if line.endswith("\tnew")]
    Path("avoid").write_text("\n".join(new).upper())
    again = lines_of(call("sample", ngram, *DRAWN, "--all", "--avoid-like", "avoid"))
    assert again == [line.replace("\tnew", "\tavoid") for line in shown] and new
