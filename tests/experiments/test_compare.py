"""compare.py, its chart and the command: every model on the same lines, against the counts."""

from __future__ import annotations

import json
import math
import subprocess
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from conftest import Call
from kinds import each_kind
from makemore import MakeMore, parallel
from makemore.analysis import novelty
from makemore.cli.commands.compare import plain
from makemore.cli.tables import aligned
from makemore.experiments import compare as compared
from makemore.experiments.compare import Row, Started, floor, measure, ordered, verdict
from makemore.models.core import registry
from makemore.report.plots.comparison import losses
from makemore.report.plots.style import DARK, LIGHT, png
from makemore.runs.writer import remove_run
from makemore.text import Corpus, train_val_test_split

LINES = ["".join(parts) for parts in product("kmnr", "aeio", ("la", "ri", "no", "sa"))]
PARTS = train_val_test_split(Corpus.from_lines(LINES))
FAST = ("--max-steps", "3", "--threads", "1", "--seed", "5")
SOME = "mlp,ngram,bigram"

PLUGIN = '''
"""Broken: fails as it is told."""
from makemore.models.core.registry import register
from makemore.models.bigram import Bigram

@register("broken")
class Broken(Bigram):
    def forward(self, inputs):
        raise KeyError("no such row")
'''
pytestmark = pytest.mark.usefixtures("unrendered")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "usable_cores", lambda: 1)
    monkeypatch.setattr(novelty, "DRAWS", 50)
    monkeypatch.setattr("makemore.sampling.policy.GIVE_UP", 500)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "names.txt"
    path.write_text("\n".join(LINES) + "\n")
    return path


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()][1:]


def shown(ended: subprocess.CompletedProcess[str]) -> list[str]:
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


def failed(ended: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert ended.returncode == code, ended.stderr
    assert ended.stdout == ""
    message = ended.stderr.splitlines()[-1]
    assert message.startswith("makemore: error: ")
    for word in words:
        assert word in message


# -- the rows -------------------------------------------------------------------------------------


def test_a_row_is_what_the_estimator_says() -> None:
    """By another way: fit, report and sample of one model with the same options."""
    events = list(compared.compare(["mlp"], PARTS, {"max_steps": 4, "threads": 1, "seed": 2}, True))
    row = events[-1]
    assert isinstance(events[0], Started) and isinstance(row, Row)
    maker = MakeMore("mlp", max_steps=4, threads=1, random_state=2).fit(LINES)
    for part in ("train", "val", "test"):
        assert getattr(row, part) == maker.report(part)["nll"]
    assert row.bits == maker.report("val")["bits"] == pytest.approx((row.val or 0) / math.log(2))
    assert row.parameters == maker.n_parameters
    assert row.samples == maker.sample(12, 0, style="plain")
    draws = [line.text for line in maker.samples(50, 0, all=True, style="plain")]
    assert sum(row.shares.values()) == pytest.approx(1)
    assert row.shares["copied"] == sum(text in LINES for text in draws) / 50
    assert row.seconds is not None and row.seconds > 0


def test_the_shares_are_counted_by_hand() -> None:
    class Lines:
        def samples(self, n: int, seed: int, all: bool, style: str) -> Any:
            assert (n, seed, all, style) == (50, 0, True, "plain")
            drawn = [("ab", "new", False)] * 3 + [("kala", "val", False)] * 2
            drawn += [("", "new", False), ("abab", "new", True)] + [("b", "new", False)]
            for text, origin, capped in drawn:
                yield type("Line", (), {"text": text, "origin": origin, "capped": capped})

    told = {key: round(share * 50) for key, share in novelty.sample_shares(Lines()).items()}  # type: ignore[arg-type]
    assert told == {"new": 2, "repeated": 2, "copied": 2, "cut or empty": 2}


def test_the_floor_is_trained_first_and_each_model_once() -> None:
    events = compared.compare(["mlp", "bigram", "ngram", "mlp"], PARTS, {"max_steps": 1})
    kinds = [(type(e).__name__, e.model) for e in events if isinstance(e, Started | Row)]
    assert kinds == [(k, name) for name in ("ngram", "mlp", "bigram") for k in ("Started", "Row")]


def test_the_test_part_is_scored_only_if_asked_for(monkeypatch) -> None:
    asked: list[str] = []
    report = MakeMore.report
    monkeypatch.setattr(MakeMore, "report", lambda s, name: asked.append(name) or report(s, name))
    *_, row = compared.compare(["ngram"], PARTS, {})
    assert asked == ["train", "val"] and isinstance(row, Row) and row.test is None


ROWS = [
    Row("mlp", 5, 1.0, 1.2, 1.9, test=1.0), Row("ngram", 9, 0.1, 0.9, 1.5, test=3.0),
    Row("bad", error="it diverged", code=6), Row("gru", 7, 9.0, 1.3, 1.4, test=2.0),
    Row("same", 7, 9.0, 1.3, 1.5),
]  # fmt: skip


def test_the_order_is_by_val_and_the_floor_must_be_beaten() -> None:
    assert measure(ROWS) == "val" and floor(ROWS) == 1.5
    assert [row.model for row in ordered(ROWS)] == ["gru", "ngram", "same", "mlp", "bad"]
    assert verdict(ROWS) == [
        "The floor, ngram (Kneser-Ney counts), has val 1.5000.",
        "Below it, as a neural model must be: gru.",
        "Not below it, so that counting does as well or better: same, mlp.",
    ]
    assert "no floor" in verdict(ROWS[:1])[0] and floor(ROWS[:1]) is None
    few = [Row("a", train=2.0), Row("ngram", train=1.0)]
    assert [row.model for row in ordered(few)] == ["ngram", "a"]
    assert "held back" in verdict(few)[0]


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_the_chart_has_the_numbers_of_the_rows(theme: Any) -> None:
    made = losses(ROWS, "na$m$e", theme=theme)
    axis, costs = made.axes
    named = [label.get_text() for label in axis.get_yticklabels()]
    assert named == [row.model for row in ordered(ROWS)]
    assert axis.yaxis_inverted()
    dots: dict[str, list[tuple[float, float]]] = {}
    for line in axis.lines:
        x, y = line.get_data()
        dots.setdefault(str(line.get_label()), []).append((float(x[0]), float(y[0])))
    assert dots["val, below the floor"] == [(1.4, 0.0)]
    assert dots["val of the counts"] == [(1.5, 1.0)]
    assert dots["val, not below the floor"] == [(1.5, 2.0), (1.9, 3.0)]
    assert dots["train"] == [(1.3, 0.0), (0.9, 1.0), (1.3, 2.0), (1.2, 3.0)]
    assert dots["floor: ngram, 1.5000"][0][0] == 1.5
    told = [(round(t.get_position()[1]), t.get_text()) for t in costs.texts]
    assert told[2:] == [(0, "7"), (0, "9.0"), (1, "9"), (1, "0.1"), (2, "7"), (2, "9.0"),
                        (3, "5"), (3, "1.0"), (4, "failed")]  # fmt: skip
    assert axis.get_title(loc="left") == "Loss of each model on na$m$e"
    # Without val it shows train.
    made = losses([Row("ngram", 1, 1.0, 1.0), Row("mlp", 1, 1.0, 2.0)])
    found = {str(line.get_label()): float(line.get_xdata()[0]) for line in made.axes[0].lines}
    assert found == {"train of the counts": 1.0, "train": 2.0}


def test_the_chart_of_many_and_of_none() -> None:
    many = [Row(f"m{n}_$x$<b>😀" * 3, 10**n, 10.0**n, 2.0, 2.0 + n / 100) for n in range(12)]
    none = [Row("x", error="no")]
    endless = [Row("ngram", 1, 1.0, 1.0, math.inf), Row("mlp", 1, 1.0, None, None)]
    for rows in (many, none, endless, []):
        assert png(losses, rows, "a_$b$|<i>\x1b", theme=DARK).startswith(b"\x89PNG")
    heights = [losses(rows).get_figheight() for rows in (many[:5], many)]
    assert heights[0] < heights[1]  # a row keeps its height


# -- the command ----------------------------------------------------------------------------------


def test_the_command_prints_and_writes(call: Call, text: Path, tmp_path: Path) -> None:
    ended = call("compare", text, "--models", SOME, *FAST)
    lines = shown(ended)
    folder = tmp_path / "runs" / "names-compare"
    assert sorted(path.name for path in folder.iterdir()) == [
        "bigram", "compare-dark.png", "compare.png", "mlp", "ngram", "rows.jsonl", "table.md",
    ]  # fmt: skip
    rows = {row["model"]: row for row in rows_of(folder)}
    assert list(rows) == ["ngram", "mlp", "bigram"]
    best = sorted(rows, key=lambda name: rows[name]["val"])
    assert [line.split()[0] for line in lines[1:4]] == best
    assert lines[0].split()[:5] == ["model", "parameters", "seconds", "train", "val"]
    assert "test" not in lines[0].split()
    for line in lines[1:4]:
        row = rows[line.split()[0]]
        assert line.split()[1:6] == [
            f"{row['parameters']:,}", f"{row['seconds']:,.1f}",
            *(f"{row[key]:.4f}" for key in ("train", "val", "bits")),
        ]  # fmt: skip
    assert "The floor, ngram (Kneser-Ney counts), has val" in ended.stdout
    header = next(n for n, line in enumerate(lines) if line.split() == best)
    for place, name in enumerate(best):  # the new lines, a column each
        column = [line.split()[place] for line in lines[header + 1 : header + 4]]
        assert column == rows[name]["samples"][:3]
    assert sum(line.startswith(f"makemore: {name}: ") for name in rows
               for line in ended.stderr.splitlines()) == 3  # fmt: skip
    page = (folder / "table.md").read_text()
    for word in ("torch ", "cores (", "Python 3", "--models mlp,ngram,bigram", "# Models on names",
                 "![Loss of each model](compare.png)", f"| {best[0]} |"):  # fmt: skip
        assert word in page
    facts = json.loads((folder / "rows.jsonl").read_text().splitlines()[0])
    assert facts["data"] in page and facts["date"] in page


def test_a_finished_model_is_not_trained_again(call: Call, text, tmp_path, monkeypatch) -> None:
    first = call("compare", text, "--models", SOME, *FAST, "-o", "c")
    pages = [(tmp_path / "c" / name).read_bytes() for name in ("rows.jsonl", "table.md")]
    monkeypatch.setattr(compared, "_one", lambda *_: pytest.fail("trained again"))
    again = call("compare", text, "--models", SOME, *FAST, "-o", "c")
    assert again.stdout == first.stdout and "finished before: ngram, mlp, bigram" in again.stderr
    assert pages == [(tmp_path / "c" / name).read_bytes() for name in ("rows.jsonl", "table.md")]
    as_json = shown(call("compare", text, "--models", SOME, *FAST, "-o", "c", "--json"))
    by_val = sorted(rows_of(tmp_path / "c"), key=lambda row: row["val"])
    by_val = [{**row, "run": f"c/{row['model']}"} for row in by_val]
    assert [json.loads(line) for line in as_json] == by_val


@pytest.mark.slow
def test_only_what_is_missing_is_trained(call: Call, text: Path, tmp_path: Path) -> None:
    """More models can be added, and the model of a torn line is trained again."""
    shown(call("compare", text, "--models", "ngram", *FAST, "-o", "c"))
    path = tmp_path / "c" / "rows.jsonl"
    one, both = path.read_bytes(), ("compare", text, "--models", "ngram,bigram", *FAST, "-o", "c")
    first, whole = shown(call(*both)), rows_of(path.parent)
    assert path.read_bytes().startswith(one)
    assert [row["model"] for row in whole] == ["ngram", "bigram"]
    path.write_bytes(path.read_bytes()[:-40])  # wherever else it may be torn: test_journal.py
    again, rows = shown(call(*both)), rows_of(path.parent)
    assert path.read_bytes().startswith(one)
    assert [{**row, "seconds": 0} for row in rows] == [{**row, "seconds": 0} for row in whole]
    assert [line.split()[0] for line in again[1:3]] == [line.split()[0] for line in first[1:3]]


@pytest.fixture
def counted(call: Call, text: Path, tmp_path: Path) -> Any:
    """Compares the counts in folder c, where that was done once before, with other words."""
    assert call("compare", text, "--models", "ngram", *FAST, "-o", "c").returncode == 0
    return lambda *words: call("compare", text, "--models", "ngram", *words, "-o", "c")


OTHER = {
    "max_steps was 3, is 4": ("--max-steps", "4", "--threads", "1", "--seed", "5"),
    "seed was 5, is not given": ("--max-steps", "3", "--threads", "1"),
    "test was false, is true": (*FAST, "--test"),
    "keep_copies was not given, is true": (*FAST, "--keep-copies"),
    "its text is another": FAST,
}


@pytest.mark.slow
@pytest.mark.parametrize("words", OTHER)
def test_another_command_is_refused(counted: Any, text: Path, tmp_path: Path, words: str) -> None:
    if words == "its text is another":
        text.write_text("\n".join([*LINES, "one more"]) + "\n")
    body = (tmp_path / "c" / "rows.jsonl").read_bytes()
    failed(counted(*OTHER[words]), 2, words)
    assert (tmp_path / "c" / "rows.jsonl").read_bytes() == body
    shown(counted(*OTHER[words], "--fresh"))


def test_what_is_no_folder_of_rows_is_left_alone(call: Call, text: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "rows.jsonl").symlink_to(tmp_path / "mine" / "letter.txt")
    for name, code in (("mine", 4), ("mine/letter.txt", 4), ("link", 5)):
        ended = call("compare", text, "--models", "ngram", *FAST, "-o", name, "--fresh")
        failed(ended, code)
    assert [path.read_text() for path in (tmp_path / "mine").iterdir()] == ["dear"]


@pytest.mark.parametrize("damage", ['{"format": 1}\n', "not json\n", "row"])
def test_a_damaged_file_is_named(counted: Any, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "c" / "rows.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    row = {**json.loads(lines[1]), "val": "low"}
    path.write_text(lines[0] + json.dumps(row) + "\n" if damage == "row" else damage)
    failed(counted(*FAST), 4, "rows.jsonl")
    shown(counted(*FAST, "--fresh"))
    assert len(rows_of(tmp_path / "c")) == 1


def test_a_folder_is_held_by_one_process(counted: Any, tmp_path: Path) -> None:
    first = json.loads((tmp_path / "c" / "rows.jsonl").read_text().splitlines()[0])
    ledger, _ = compared.opened(tmp_path / "c", first)
    with ledger:
        failed(counted(*FAST), 5, "another process")
    shown(counted(*FAST))


def test_what_a_model_raises_is_a_row(call: Call, text: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(registry, "_register", dict(registry._register))
    broken = tmp_path / "broken.py"
    broken.write_text(PLUGIN)
    command = ["compare", text, "--models", "broken,ngram", *FAST, "-o", "c", "--plugin", broken]
    lines = shown(call(*command))
    assert "broken failed: KeyError: 'no such row'" in lines
    assert next(line for line in lines if line.startswith("broken ")).split()[1] == "-"
    row = rows_of(tmp_path / "c")[-1]
    assert (row["model"], row["val"], row["code"]) == ("broken", None, 1)
    assert "broken failed: KeyError" in (tmp_path / "c" / "table.md").read_text()
    alone = call("compare", text, "--models", "broken", *FAST, "-o", "d", "--plugin", broken)
    assert alone.returncode == 1


def test_a_training_that_diverges_does_not_stop_the_others() -> None:
    asked = {"max_steps": 3, "learning_rate": 1e30, "optimizer": "sgd", "threads": 1}
    rows = [e for e in compared.compare(["bow", "ngram"], PARTS, asked) if isinstance(e, Row)]
    assert [(row.model, row.code) for row in rows] == [("ngram", 0), ("bow", 6)]
    assert "diverged" in str(rows[1].error)


def test_test_is_a_look_and_orders_nothing(call: Call, text: Path, tmp_path: Path) -> None:
    ended = call("compare", text, "--models", SOME, *FAST, "--test", "-o", "c")
    lines = shown(ended)
    assert "test" in lines[0].split()
    assert any("look at the test part for each of 3 models" in line for line in lines)
    rows = sorted(rows_of(tmp_path / "c"), key=lambda row: row["val"])
    assert [line.split()[0] for line in lines[1:4]] == [row["model"] for row in rows]
    assert all(row["test"] is not None for row in rows)


def test_few_lines_have_no_val(call: Call, tmp_path: Path) -> None:
    (tmp_path / "few.txt").write_text("\n".join(LINES[:20]) + "\n")
    ended = call("compare", "few.txt", "--models", SOME, *FAST)
    lines = shown(ended)
    assert "val" not in lines[0].split() and "held back" in ended.stdout
    rows = sorted(rows_of(tmp_path / "runs" / "few-compare"), key=lambda row: row["train"])
    assert [line.split()[0] for line in lines[1:4]] == [row["model"] for row in rows]
    assert "bits are those of train" in (tmp_path / "runs/few-compare/table.md").read_text()
    failed(call("compare", "few.txt", "--models", "ngram", "--test", "-o", "x"), 2, "no test part")
    assert not (tmp_path / "x").exists()


def test_unseen_is_shown_where_copies_exist(call: Call, text: Path, tmp_path: Path) -> None:
    (tmp_path / "val.txt").write_text("\n".join([*LINES[:3], "larala", "norino"]) + "\n")
    ended = call("compare", text, "--val", "val.txt", "--models", "ngram", *FAST, "-o", "c")
    assert "val, unseen" in shown(ended)[0]
    (row,) = rows_of(tmp_path / "c")
    assert row["val_unseen"] > row["val"]
    assert f"{row['val_unseen']:.4f}" in ended.stdout


@pytest.mark.parametrize(
    "arguments, code, word",
    [
        (["names.txt", "--models", "grru"], 2, "gru"),
        (["names.txt", "--models", ""], 2, "unknown model"),
        (["names.txt", "--max-steps", "0"], 2, "max_steps"),
        (["names.txt", "--device", "moon"], 2, "device"),
        (["names.txt", "--seed", "-1"], 2, "seed"),
        (["nowhere.txt", *FAST], 3, "nowhere.txt"),
    ],
)
def test_what_cannot_be_is_refused(call: Call, text, tmp_path, arguments, code, word) -> None:
    failed(call("compare", *arguments, "-o", "c"), code, word)
    assert not (tmp_path / "c").exists()


TEXTS = {
    "greek": ["".join(parts) for parts in product("αβγδ", "εηιο", ("λα", "ρι", "νο", "σα"))],
    "one symbol": ["a" * n for n in range(1, 70)],
    "hostile": [a + b for a, b in product("|$_<`*", ("x|", "<b>", "\x1b[1m", "a_"))],
}


@pytest.mark.parametrize("name", each_kind(TEXTS, [next(iter(TEXTS))]))
def test_other_texts(call: Call, tmp_path: Path, name: str) -> None:
    (tmp_path / "a_$b$|<i>.txt").write_text("\n".join(TEXTS[name]) + "\n")
    ended = call("compare", "a_$b$|<i>.txt", "--models", "ngram,bigram", *FAST, "-o", "c")
    assert ended.stdout.replace("\n", "").isprintable()
    assert len(shown(ended)) > 3
    page = (tmp_path / "c" / "table.md").read_text()
    assert page.replace("\n", "").isprintable()
    table = [line for line in page.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in table[-3:]} == {3}
    prose = [line for line in page.splitlines() if not line.startswith(("    ", "!["))]
    assert not any(sign in "".join(prose) for sign in "<$`*")


def test_cells_are_nothing_but_text_and_hold_wide_symbols() -> None:
    assert plain("deep_mlp, 1.5 (x)") == "deep_mlp, 1.5 (x)"
    assert plain("<b>|_x_`") == "&#60;b&#62;&#124;&#95;x&#95;&#96;"
    assert plain("a\x1bb") == "a&#92;x1bb"
    lines = aligned(["a", "b"], [["李明", "x"], ["é", "y"], ["nan", "z"]])
    assert len({cell_len(line) for line in lines}) == 1
    assert len({cell_len(line.rsplit(" ", 1)[0]) for line in lines}) == 1


def test_what_was_finished_stays_when_it_is_stopped(call, text, tmp_path, monkeypatch) -> None:
    whole = compared._one

    def one(model: str, *rest: Any) -> Any:
        if model == "bigram":
            raise KeyboardInterrupt
        yield from whole(model, *rest)

    command = ["compare", text, "--models", "bigram,ngram", *FAST, "-o", "c"]
    monkeypatch.setattr(compared, "_one", one)
    ended = call(*command)
    assert ended.returncode == 130 and "the same command goes on" in ended.stderr
    (kept,) = rows_of(tmp_path / "c")
    monkeypatch.setattr(compared, "_one", whole)
    shown(call(*command))
    assert rows_of(tmp_path / "c")[0] == kept and len(rows_of(tmp_path / "c")) == 2
    monkeypatch.setattr(compared, "_one", one)  # a table of rows that were forgotten is no table
    assert call(*command, "--fresh").returncode == 130
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == ["ngram", "rows.jsonl"]


def test_each_model_is_kept_as_a_run_that_can_be_drawn_from(
    call: Call, text: Path, tmp_path: Path
) -> None:
    ended = call("compare", text, "--models", SOME, *FAST, "-o", "a b")
    best = min(rows_of(tmp_path / "a b"), key=lambda row: row["val"])
    command = f"makemore sample 'a b/{best['model']}'"
    assert ended.stderr.endswith(f"makemore: the lowest val has {best['model']}: {command}\n")
    assert f"\n    {command}\n" in (tmp_path / "a b" / "table.md").read_text()
    for row in rows_of(tmp_path / "a b"):
        maker = MakeMore.load(tmp_path / "a b" / row["model"])
        assert maker.report("val")["nll"] == pytest.approx(row["val"])
        assert maker.sample(12, 0, style="plain") == row["samples"]
        assert shown(call("sample", f"a b/{row['model']}", "-n", "12", "--seed", "0",
                          "--style", "plain")) == row["samples"]  # fmt: skip
    listed = [json.loads(line) for line in shown(call("runs", "a b", "--json"))]
    assert [(run["model"], run["text"]) for run in listed] == [
        (name, "names") for name in ("bigram", "mlp", "ngram")
    ]
    assert call("verify", "a b/mlp").returncode == 0
    failed(call("sample", "a b"), 4, "it holds 'a b/bigram', 'a b/mlp', 'a b/ngram'")


def test_a_model_that_was_not_kept_is_no_error(counted: Any, tmp_path: Path) -> None:
    remove_run(tmp_path / "c" / "ngram")  # as earlier versions left it
    ended = counted(*FAST)
    assert ended.stderr.endswith("its model was not kept; --fresh trains and keeps all\n")
    assert "sample" not in (tmp_path / "c" / "table.md").read_text()
    assert json.loads(counted(*FAST, "--json").stdout)["run"] is None
    shown(counted(*FAST, "--fresh"))
    assert (tmp_path / "c" / "ngram" / "checkpoint.json").is_file()


def test_fresh_forgets_the_models_and_nothing_else(
    counted: Any, call: Call, text: Path, tmp_path: Path
) -> None:
    (tmp_path / "c" / "ngram" / "mine.txt").write_text("stays")
    (tmp_path / "c" / "other").mkdir()
    MakeMore("ngram", order=2).fit(LINES).save(tmp_path / "c" / "my-own")
    shown(call("compare", text, "--models", "bigram", *FAST, "-o", "c", "--fresh"))
    folders = sorted(path.name for path in (tmp_path / "c").iterdir() if path.is_dir())
    assert folders == ["bigram", "my-own", "ngram", "other"]
    assert [path.name for path in (tmp_path / "c" / "ngram").iterdir()] == ["mine.txt"]


def test_a_link_in_place_of_a_model_is_refused(call: Call, text: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "rows.jsonl").touch()
    (tmp_path / "c" / "ngram").symlink_to(tmp_path / "elsewhere")
    failed(call("compare", text, "--models", "ngram", *FAST, "-o", "c"), 4, "this is a link")
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert compared.run_folder(Path("c"), "../a b/c") == Path("c/___a_b_c")


def test_all_models_are_compared_without_models(call: Call, text: Path, monkeypatch) -> None:
    trained: list[str] = []

    def one(model: str, *_: Any) -> Any:
        trained.append(model)
        yield Row(model, 1, 1.0, 1.0, 1.0 + len(trained), samples=["x"])

    monkeypatch.setattr(compared, "_one", one)
    shown(call("compare", text, *FAST))
    # The ensemble trains for many minutes, and only when it is named.
    wanted = sorted({*registry.model_names()} - {"ensemble"})
    assert trained[0] == "ngram" and sorted(trained) == wanted
    shown(call("compare", text, *FAST, "--models", "ensemble", "-o", "other"))
    assert trained[-1] == "ensemble"


def test_eval_has_the_same_shares(call: Call, text: Path) -> None:
    shown(call("compare", text, "--models", "ngram", "-o", "c", "--json"))
    row = json.loads(call("compare", text, "--models", "ngram", "-o", "c", "--json").stdout)
    assert call("train", text, "--model", "ngram", "-o", "r").returncode == 0
    *_, shares = map(json.loads, call("eval", "r", "--json").stdout.splitlines())
    assert shares == {"samples": 50, **row["shares"]}
