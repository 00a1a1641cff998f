"""own_form.py: files of lines to avoid or to score, in the form of the run's own text, or plain."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from api.conftest import like_names
from makemore import MakeMore, read_lines
from makemore.api.avoided import taken_whole
from makemore.api.own_form import read_in_own_form
from makemore.errors import DataError
from makemore.text import TextConfig

TABLE = "name,sex\nemma,f\nbob,m\n"


WHOLE = "so its lines are taken whole"


@pytest.mark.parametrize(
    ("own", "body", "lines", "remark"),
    [
        ({}, "emma\nbob\n", ["emma", "bob"], None),
        ({}, "", [], None),
        ({}, "1. emma\n2. bob\n", ["1. emma", "2. bob"],
         f"the lines are numbered: 1. emma, {WHOLE}; "
         "makemore data PATH --fix avoid-fixed.txt makes a list of it"),
        ({}, TABLE, ["name,sex", "emma,f", "bob,m"],
         f"the file is a table of 2 columns, separated by commas: name, sex, {WHOLE}; "
         "makemore data PATH --text-column name --fix avoid-fixed.txt makes a list of it"),
        ({"as_is": True}, TABLE, ["name,sex", "emma,f", "bob,m"], None),
        ({"labels": True}, "emma\tf\nbob\tm\n", ["emma\tf", "bob\tm"], None),
        ({"labels": True}, "emma\tf\n", ["emma\tf"], None),  # to_avoid takes the label off
        ({"label_column": "sex"}, TABLE, ["emma", "bob"], None),
        ({"text_column": "name"}, TABLE, ["emma", "bob"], None),
        ({"label_column": "2"}, "emma,f\n", ["emma"], None),
        ({"label_column": "sex"}, "emma\nbob\n", ["emma", "bob"],
         "the file has one column, 'emma', so"),
        ({"label_column": "2"}, "emma\nbob\n", ["emma", "bob"],
         "the file has one column, 'emma', so"),
        ({"label_column": "sex"}, "emma\tf\n", ["emma\tf"], "unknown column 'sex'"),
    ],
)  # fmt: skip
def test_a_file_is_read_as_the_runs_text_was(
    own: dict[str, Any], body: str, lines: list[str], remark: str | None, tmp_path: Path
) -> None:
    path, config = tmp_path / "avoid", TextConfig(**own, max_line=3)  # no limit of it applies
    path.write_text(body)
    found, said = read_in_own_form(path, config)
    assert list(found) == lines
    said = said or taken_whole(found.remarks, path, config)
    shown = (said or "").replace(str(path), "PATH")
    assert shown.startswith(remark or "") and (said is None) == (remark is None)


def test_a_file_is_decoded_as_the_runs_text_was(tmp_path: Path) -> None:
    path = tmp_path / "avoid"
    path.write_bytes("caf\u00e9\n".encode("latin-1"))
    assert list(read_in_own_form(path, TextConfig(encoding="latin-1"))[0]) == ["caf\u00e9"]
    assert list(read_in_own_form(path, TextConfig(errors="ignore"))[0]) == ["caf"]
    with pytest.raises(DataError, match="no utf-8"):
        read_in_own_form(path, TextConfig())


def test_a_maker_knows_how_its_text_was_read(tmp_path: Path) -> None:
    maker = MakeMore("ngram", order=2, encoding="latin-1", labels=True).fit(["a\tx", "b\ty"])
    maker.save(tmp_path)
    own = MakeMore.load(tmp_path).text_config
    assert own == replace(TextConfig(), encoding="latin-1", labels=True)


LINES = like_names(60)
ROWS = "id,name,sex\n" + "".join(f"{i},{line},{line[-1]}\n" for i, line in enumerate(LINES))


@pytest.fixture(scope="module")
def of_table(tmp_path_factory: pytest.TempPathFactory) -> MakeMore:
    path = tmp_path_factory.mktemp("table") / "names.csv"
    path.write_text(ROWS)
    return MakeMore("ngram", order=3, text_column="name", label_column="sex").fit(path)


def bodies(lines: list[str]) -> dict[str, str]:
    return {
        "its own": "id,name,sex\n" + "".join(f"1,{line},a\n" for line in lines),
        "without labels": "name;id\n" + "".join(f"{line};1\n" for line in lines),
        "plain": "\ufeff" + "\r\n".join(lines),
    }


@pytest.mark.parametrize("form", ["its own", "without labels", "plain"])
def test_lines_of_a_table_are_avoided_and_scored_in_each_form(
    form: str, of_table: MakeMore, tmp_path: Path
) -> None:
    lines = of_table.sample(8, 1)
    path, body = tmp_path / "lines", bodies(lines)[form].encode()
    path.write_bytes(body)
    for source in (path, io.BytesIO(body)):  # what is read twice is not gone the second time
        assert not set(of_table.sample(20, 1, avoid=source)) & set(lines)
        if isinstance(source, io.BytesIO):
            source.seek(0)
        assert of_table.score_samples(source).tolist() == of_table.score_samples(lines).tolist()
    assert of_table.predict(path).tolist() == of_table.predict(lines).tolist()


def test_labels_are_taken_off_what_is_scored(tmp_path: Path) -> None:
    maker = MakeMore("ngram", order=3).fit(LINES, [line[-1] for line in LINES])
    path = tmp_path / "lines"
    path.write_text("".join(f"{line}\t{line[-1]}\n" for line in [*LINES, LINES[0]]))
    expected = maker.score_samples([*LINES, LINES[0]])
    assert maker.score_samples(path).tolist() == expected.tolist()  # a copy has a score, too
    assert maker.scores(path).nll.tolist() == (-expected).tolist()


def test_another_table_is_refused_with_how_to_read_it(tmp_path: Path) -> None:
    maker = MakeMore("ngram", order=3).fit(LINES)
    path = tmp_path / "names.csv"
    path.write_text(ROWS)
    message = (
        r"a table of 3 columns.*: give its lines: makemore.read_lines\(.*text_column='name'\)$"
    )
    for use in (maker.score_samples, lambda file: maker.sample(1, 1, avoid=file)):
        with pytest.raises(DataError, match=message):
            use(path)
    lines = read_lines(path, text_column="name")
    assert maker.score_samples(lines).tolist() == maker.score_samples(LINES).tolist()
    assert maker.sample(5, 1, avoid=pd.read_csv(path)["name"]) == maker.sample(5, 1)
    as_it_is = MakeMore("ngram", order=3, as_is=True).fit(path)
    assert len(as_it_is.score_samples(path)) == 61
