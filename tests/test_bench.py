"""The published splits, letter for letter; what benches count, measure, record; their page."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import card
import cores
import curve
import fingerprint
import house
import made
import measure
import operations
import original
import page
import shards
import splits
import time_to_loss
import train_throughput
from makemore.models import get_model
from makemore.scoring.line_tensors import LineTensors
from makemore.text import Vocabulary
from makemore.text.builtin_lists import builtin_names
from makemore.training.batches import Batches

ROOT = Path(__file__).resolve().parent.parent
WORDS = [a + b + c for a in "abcdem" for b in "aeiou" for c in ("n", "na", "nna")]


@pytest.fixture(scope="module")
def words(names_file):
    return splits.read_words(names_file)


def bench(*script: str | Path) -> subprocess.CompletedProcess[str]:
    """A bench that has ended as it should, on the built-in names unless it is given others."""
    around = {k: v for k, v in os.environ.items() if k != "MAKEMORE_NAMES"}
    around["PYTHONPATH"] = str(ROOT / "src")
    command = [sys.executable, *script]
    done = subprocess.run(command, cwd=ROOT, env=around, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


def test_the_lecture_split_has_the_lectures_examples(words):
    parts = splits.lecture(words)
    assert [len(part) for _, part in parts] == [25626, 3203, 3204]
    assert [int(part.lengths.sum()) + len(part) for _, part in parts] == [182625, 22655, 22866]


def test_distinct_42_has_no_copies_on_two_sides(words):
    parts = splits.distinct_42(words)
    assert (len(words), len(set(words))) == (32033, 29494)
    assert [len(part) for _, part in parts] == [23595, 2949, 2950]
    assert not set(parts.train) & (set(parts.val) | set(parts.test))


def test_the_original_split_leaks_153_names(words):
    parts = splits.original(words)
    assert [len(part) for _, part in parts] == [31033, 0, 1000]
    assert int(np.isin(parts.test.hashes(), parts.train.hashes()).sum()) == 153


@pytest.mark.slow
def test_a_bench_runs_on_the_built_in_names_and_prints_json():
    done = bench("bench/models.py", "--short", "--models", "ngram", "--splits", "hash")
    row = json.loads(done.stdout)
    assert row["model"] == "ngram"
    assert 1.5 < row["val"] < 2.5
    assert "| hash | ngram |" in done.stderr


# -- operations -----------------------------------------------------------------------------------


def test_operations_of_a_small_transformer_by_hand():
    kind = get_model("transformer")
    model = kind(5, 4, kind.Options(n_layer=2, n_head=2, n_embd=8, dropout=0.0))
    # A block: 8 x 24 attend, 8 x 8 project, 8 x 32 widen, 32 x 8 narrow; the head: 8 x 5.
    assert operations.matrix_parameters(model) == 2 * (192 + 64 + 256 + 256) + 40 == 1576
    # Lines of 3 and 2 targets: 5 symbols, and 1 + 2 + 3 + 1 + 2 pairs of query and key. A pair
    # costs 2 operations a channel for q k, 2 for weights v, in each of 2 layers of 8 channels.
    forward = 2 * 1576 * 5 + 4 * 8 * 2 * 9
    assert operations.operations(model, np.array([3, 2]), operations.FORWARD) == forward == 16336
    training = 6 * 1576 * 5 + 3 * 4 * 8 * 2 * 9
    assert operations.operations(model, np.array([3, 2]), operations.TRAINING) == training
    # They are those that torch counts, except that it computes the future, too, and masks it.
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 4, dtype=torch.long))
    future = 4 * 8 * 2 * (16 - 10)
    needed = operations.operations(model, np.array([4]), operations.FORWARD)
    assert counter.get_total_flops() == needed + future


@pytest.mark.parametrize("name, matrices", [("bigram", 0), ("mlp", 30 * 200 + 200 * 27),
                                            ("gru", 3 * 128 * (64 + 128) + 128 * 27)])  # fmt: skip
def test_tables_are_looked_up_and_matrices_multiply(name, matrices):
    kind = get_model(name)
    options = kind.Options()
    model = kind(27, kind.context_for(options, 15), options)
    assert operations.matrix_parameters(model) == matrices


def test_targets_are_counted_without_padding():
    ids, offsets = np.array([1, 2, 3, 1]), np.array([0, 1, 4])  # lines of 1 and 3 symbols
    sequences = LineTensors(ids, offsets, "sequence", 5)
    groups = [sequences.sequences(np.array([0, 1]), 5)]
    assert groups[0][1].shape == (2, 4)  # 8 places
    assert operations.targets_of(groups).tolist() == [2, 4]
    windows = Batches(LineTensors(ids, offsets, "window", 3), 6, 0)
    assert operations.targets_of(windows(0)).tolist() == [1] * 6


# -- measuring ------------------------------------------------------------------------------------


def test_sides_run_by_turns_and_give_their_spread():
    order = []
    values = {"a": iter([3.0, 1.0, 2.0]), "b": iter([5.0, 5.0, 8.0])}

    def side(name):
        order.append(name)
        return next(values[name])

    found = measure.alternating({n: lambda n=n: side(n) for n in values}, 3)
    assert order == ["a", "b"] * 3
    assert found["a"] == {"median": 2.0, "low": 1.0, "high": 3.0, "n": 3}
    assert 1e8 < measure.product_rate(1) < 1e13  # the peak is a rate of this machine
    assert measure.per(10, found["b"]) == {"median": 2.0, "low": 1.25, "high": 2.0, "n": 3}


def test_a_pace_counts_the_work_of_the_steps_it_took():
    maker = train_throughput.begun("bigram", splits.by_hash(WORDS), max_steps=4, batch_size=8)
    pace = train_throughput.Pace(maker)
    assert pace.go(3) > 0 and pace.taken == 3
    symbols, needed = pace.work(0, 3)
    assert symbols == np.mean([(maker.batches()(k)[0][1] >= 0).sum() for k in range(3)])
    assert needed == 0


def test_made_lines_look_like_the_text():
    flat, vocabulary = made.stream(WORDS, 20_000)
    ids, offsets = made.encoded(flat)
    assert abs(len(flat) - 20_000) < 200 and flat[-1] == 0 and len(ids) == offsets[-1]
    lengths = np.diff(offsets)
    assert lengths.min() >= 1 and len(lengths) + len(ids) == len(flat)
    shares = np.bincount(ids, minlength=len(vocabulary))[1:] / len(ids)
    own = np.array(["".join(WORDS).count(s) for s in vocabulary.symbols]) / len("".join(WORDS))
    assert np.abs(shares - own).max() < 0.03
    assert isinstance(vocabulary, Vocabulary)
    again, _ = made.stream(WORDS, 20_000)
    assert (again == flat).all()


def test_made_lines_are_as_many_as_asked_for(tmp_path):
    made.write_lines(WORDS, 1234, tmp_path / "lines.txt")
    *lines, last = (tmp_path / "lines.txt").read_text(encoding="utf-8").split("\n")
    assert last == "" and len(lines) == 1234 and all(lines)
    assert len(set(lines) & set(WORDS)) > 20 and set("".join(lines)) <= set("".join(WORDS))


# -- threads --------------------------------------------------------------------------------------


def test_the_numbers_of_threads_that_are_tried():
    assert cores.counts(1, 1) == [1] and cores.counts(2, 2) == [1, 2]
    assert cores.counts(16, 4) == [1, 2, 4, 8, 16]
    assert cores.counts(12, 3) == [1, 2, 3, 4, 8, 12]


def fake(pace, seconds):
    """A Pace of these seconds a step, which depend on its threads; nothing is computed."""

    class Faked(pace):
        def go(self, steps):
            return seconds[self.threads]

    return Faked


def test_a_rule_that_is_a_tenth_off_the_best_is_said(monkeypatch):
    monkeypatch.setattr(cores, "rule_of", lambda model, parts: 2)
    parts, rows = splits.by_hash(WORDS), {}
    for best, seconds in ((1, {1: 0.010, 2: 0.012, 4: 0.020}), (4, {1: 0.03, 2: 0.02, 4: 0.019})):
        monkeypatch.setattr(cores, "Pace", fake(train_throughput.Pace, seconds))
        bench = measure.Bench("cores", measure.parser("x").parse_args(["--short"]))
        cores.steps(["mlp"], parts, 4, True, bench)
        assert [row["threads"] for row in bench.rows] == [1, 2, 4]
        assert [row["time"]["median"] for row in bench.rows] == pytest.approx(
            [1000 * value for value in seconds.values()]
        )
        rows[best] = bench.rows
    assert [row["rule / best"] for row in rows[1]] == [None, pytest.approx(1.2), None]
    said = "step of mlp: 2 threads are chosen, which take 1.20 times as long as the best number"
    assert cores.wrong(rows[1]) == [said]
    assert cores.wrong(rows[4]) == []  # near enough


@pytest.mark.parametrize(("load", "ends"), [(0.1, True), (3.0, False)])
def test_check_fails_on_a_quiet_machine_alone(load, ends, monkeypatch, capsys):
    row = {"what": "step of mlp", "unit": "ms", "threads": 2, "time": 1.0, "rule": 2}
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0, 0))
    monkeypatch.setattr(
        cores, "steps", lambda *given: given[-1].rows.append({**row, "rule / best": 1.5})
    )
    monkeypatch.setattr(cores, "trainings", lambda *given: None)
    cores.main(["--short"])
    if ends:
        with pytest.raises(SystemExit, match=r"step of mlp: 2 threads .* 1.50 times as long"):
            cores.main(["--short", "--check"])
    else:
        cores.main(["--short", "--check"])
        assert "nothing is checked: the machine was not quiet, load 3.00" in capsys.readouterr().out


def test_many_cores_are_not_measured_unless_they_were(records):
    def on(number):
        return lambda record: record["machine"].update(cores=number)

    change(records, "cores", on(2))
    assert "\n16 cores: not measured. There, `python bench/cores.py" in page.page(records)
    change(records, "cores", on(16))
    assert "16 cores: not measured" not in page.page(records)


# -- the stopwatch --------------------------------------------------------------------------------


def test_a_curve_tells_when_the_target_was_passed():
    found = curve.Curve(2.0)
    for step, seconds, nll in ((1, 4.0, 2.5), (2, 8.0, 1.9), (3, 12.0, 2.1)):
        found.add(step, seconds, nll)
    told = found.told()
    assert (told["seconds"], told["steps"]) == (8.0, 2)
    assert (told["nll at the end"], told["seconds in all"], told["steps in all"]) == (2.1, 12.0, 3)
    assert curve.Curve(1.0, found.points).told()["seconds"] is None


def test_the_clock_stands_still_while_the_loss_is_looked_at(monkeypatch):
    parts = splits.original(WORDS * 20)
    maker = time_to_loss.begun("bigram", parts, max_steps=6, threads=1)
    scored, real = [], time_to_loss.score

    def slow(*args: Any) -> Any:
        scored.append(args[2])
        time.sleep(0.3)
        return real(*args)

    monkeypatch.setattr(time_to_loss, "score", slow)
    found = curve.Curve(0.0)
    began = time.perf_counter()
    time_to_loss.train(maker, parts.test, found, 2, 1e9)
    taken = time.perf_counter() - began
    assert [step for step, _, _ in found.points] == [2, 4, 6]
    assert all(part is parts.test for part in scored)
    assert taken >= 0.9 and found.points[-1][1] <= taken - 0.9


def test_a_training_ends_where_the_target_is_passed():
    parts = splits.original(WORDS * 20)
    maker = time_to_loss.begun("bigram", parts, max_steps=50, threads=1)
    found = curve.Curve(2.2)
    time_to_loss.train(maker, parts.test, found, 5, 1e9)
    assert found.reached is not None and found.points[-1] == found.reached
    assert found.points[-1][0] < 50 and all(nll > 2.2 for _, _, nll in found.points[:-1])


def test_held_out_lines_are_a_tenth_of_train_and_the_test_is_gone():
    parts = splits.original(WORDS * 20)  # with copies: compare by place, not by text
    chosen = splits.held_out(parts)
    assert (len(chosen.train), len(chosen.test)) == (720, 80)
    both = sorted([*chosen.train, *chosen.test])
    assert both == sorted(parts.train)


ORIGINAL = """
import argparse, time
from pathlib import Path
import torch
from torch.utils.tensorboard import SummaryWriter

class Lines(list):
    pass
class InfiniteDataLoader:
    def __init__(self, lines):
        self.lines = lines
    def next(self):
        return self.lines
def evaluate(model, lines, batch_size=50, max_batches=None):
    torch.rand(1)
    time.sleep(0.2)
    return float(model)
def print_samples(num=10):
    time.sleep(0.2)
if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("-i")
    parser.add_argument("-o")
    args = parser.parse_args()
    writer = SummaryWriter(log_dir=args.o)
    torch.manual_seed(1)
    test_dataset = Lines(Path(args.i).read_text().split())
    model, step, draws = torch.tensor(3.0), 0, []
    loader = InfiniteDataLoader(test_dataset)
    while True:
        loader.next()
        time.sleep(0.01)
        model -= 0.1
        draws.append(torch.rand(1).item())
        Path(args.i).with_name("draws").write_text(str(draws))
        writer.add_scalar("loss", model, step)
        if step % 2 == 0:
            evaluate(model, test_dataset)
            torch.manual_seed(step)
            print_samples()
        print("step", step)
        step += 1
"""


@pytest.mark.slow
def test_a_makemore_py_runs_unchanged_and_only_its_training_is_timed(tmp_path, capsys):
    """The stand-in has the names that the stopwatch looks for, and nothing else of the original."""
    (tmp_path / "makemore.py").write_text(ORIGINAL, encoding="utf-8")
    (tmp_path / "names.txt").write_text("anna\nben\n", encoding="utf-8")
    argv, main = list(sys.argv), sys.modules["__main__"]
    files = (tmp_path / "makemore.py", tmp_path / "names.txt")
    found = original.run(*files, curve.Curve(2.55), 2, 30.0)
    steps = [step for step, _, _ in found.points]
    assert steps == [2, 4, 6] and found.reached is not None and found.reached[0] == 6
    assert [round(nll, 1) for _, _, nll in found.points] == [2.8, 2.6, 2.4]
    torch.manual_seed(0)  # as its step 0 does; our look after step 1 takes nothing from that
    draws = json.loads((tmp_path / "draws").read_text(encoding="utf-8"))
    assert draws[1:3] == [torch.rand(1).item(), torch.rand(1).item()]
    seconds = found.points[-1][1]
    assert 0.06 <= seconds < 0.5  # six steps; its own three looks alone are 1.2 s
    assert capsys.readouterr().out == ""  # what it prints is no result of the bench
    assert (sys.argv, sys.modules["__main__"]) == (argv, main)
    (tmp_path / "x.py").write_text("x = 1\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="no main block"):
        original.halves(tmp_path / "x.py")


# -- the page -------------------------------------------------------------------------------------

# Of each record a figure that the page shows of every row that it shows.
SHOWN = {
    "time_to_loss": "seconds", "quality": "nll test", "train_throughput": "ms a step",
    "cores": "time",
    "sample_throughput": "names a second", "conditions": "names a second",
    "score_throughput": "lines a second", "ngram_scale": "seconds", "start_up": "ms",
    "memory": "memory GB", "loaded_machine": "ms a step beside",
}  # fmt: skip


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """A folder with a copy of every record."""
    return shutil.copytree(page.RECORDS, tmp_path / "records")


def change(records: Path, name: str, how: Any) -> None:
    """Apply `how` to a record, in place."""
    path = records / f"{name}.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    how(record)
    path.write_text(json.dumps(record), encoding="utf-8")


@pytest.mark.parametrize("name", page.BENCHES)
def test_a_figure_of_the_page_is_that_of_its_record(name, records):
    before, key = page.page(records), SHOWN[name]
    shown = []

    def set_values(record):
        for number, row in enumerate(record["rows"]):
            value = 7000.5 + 10 * number
            row[key] = {"median": value, "low": value, "high": value, "n": 1}
            shown.append(page.cell(key, value))

    change(records, name, set_values)
    after = page.page(records)
    changed = [line for line in after.splitlines() if line not in before.splitlines()]
    cells = {cell.strip().removesuffix(" ms") for line in changed for cell in line.split("|")}
    assert changed and all(line.startswith("| ") for line in changed)
    assert len(cells & set(shown)) >= min(4, len(shown))
    assert after.count("\n") == before.count("\n")


def test_no_figure_is_typed_by_hand(tmp_path):
    text = page.page(tmp_path)  # without any record
    assert set(re.findall(r"\d[\d.,]*", text)) <= {"32", "42"}  # of fp32 and distinct-42
    assert "|" not in text


def test_a_missing_record_or_row_is_said(records):
    assert "not measured yet" not in page.page(records)
    for name in ("quality", "train_throughput"):
        (records / f"{name}.json").unlink()
    text = page.page(records)
    for name in ("quality", "train_throughput"):
        assert f"{name} is not measured yet: `python bench/{name}.py --names names.txt" in text
    assert text.count("not measured yet") == 2
    assert (
        text.count("\n|--") == len(page.SECTIONS) - 1
    )  # the table of training speed has no other record
    change(records, "start_up", lambda record: record["rows"].pop(0))
    with pytest.raises(SystemExit, match="no row 'python -c pass'"):
        page.page(records)


def test_the_page_is_tables_that_are_read_in_two_minutes():
    text = page.PAGE.read_text(encoding="utf-8")
    lines = text.splitlines()
    assert len(lines) <= 180
    on_card = (page.RECORDS / "card.json").exists()  # whose table is there once it was measured
    assert sum(line.startswith("|--") for line in lines) - on_card == len(page.SECTIONS)
    assert [name for part in page.SECTIONS for name in part.benches] == list(page.BENCHES)
    for model in ("transformer", "ngram"):
        for flag in page.CONSTRAINTS:
            assert f"| {model} | `{flag}" in text
    assert "`--suffix son --exact`" in text  # where guided draws are approximate
    assert "`--prefix mar --exact`" not in text  # exact without it


def test_a_short_run_a_loaded_and_a_second_machine_are_said(records):
    one = json.loads((records / "start_up.json").read_text(encoding="utf-8"))
    same = {"short": False, "date": one["date"], "machine": one["machine"]}
    for name in page.BENCHES:
        change(records, name, lambda record: record.update(same))
    before = page.page(records)
    assert page.SHORT not in before and "**The machine:**" in before
    change(records, "memory", lambda record: record.update(short=True, load=3.25))
    change(records, "memory", lambda record: record["machine"].update(processor="Abacus", cores=1))
    text = page.page(records)
    assert f"memory.json) ({page.SHORT}, **the machine was not quiet: load 3.25" in text
    assert "**The machines:**" in text and "- memory: " in text and "Abacus, 1 core," in text


def test_without_the_original_the_page_says_so(records):
    assert page.NO_ORIGINAL not in page.page(records)
    assert "The loss is reached 25 (24.4 to 26.3) times sooner" in page.page(records)

    def ours_alone(record):
        record["rows"] = [row for row in record["rows"] if row["side"] == "ours"]
        record["rows"][0] |= {"times sooner": None, "that reached it": 4}

    change(records, "time_to_loss", ours_alone)
    text = page.page(records)
    assert page.NO_ORIGINAL in text and "times sooner" not in text
    assert "until the test loss is 1.97 (4 of 5 did)" in text


def test_a_cell_is_short():
    """Runs near the median need no brackets; an ensemble is told by its members."""
    near = {"median": 10.0, "low": 9.1, "high": 10.9, "n": 3}
    assert page.cell("ms", page.brief(near)) == "10"
    assert page.cell("ms", page.brief(near | {"high": 11.1})) == "10 (9.1 to 11.1)"
    assert page.timed(near | {"low": 8.9}, "ms") == "10 (8.9 to 10.9) ms"
    assert page.timed(None, "ms") == "-"
    assert page.rate(30, {"median": 3.0, "low": 2.0, "high": 5.0, "n": 3}) == {
        "median": 10.0, "low": 6.0, "high": 15.0, "n": 3,
    }  # fmt: skip
    assert page.chosen("gru (90 steps, n_embd 8)") == "gru (90 steps, n_embd 8)"
    members = "ngram + ngram + gru (90 steps) + gru (90 steps, n_layer 2)"
    assert page.chosen(members) == "ensemble of 4: 2 ngram, 2 gru"


def test_a_bench_writes_its_record(tmp_path, capsys):
    options = measure.parser("x").parse_args(["--short", "--json", str(tmp_path)])
    bench = measure.Bench("start_up", options)
    bench.load = 3.25
    bench.add({"started": "a | b", "ms": measure.spread([1234.5678, 1.0, 2.5]), "share of": 0.5})
    bench.finish()
    record = json.loads((tmp_path / "start_up.json").read_text(encoding="utf-8"))
    assert record["machine"]["torch"] == torch.__version__
    assert record["rows"][0]["ms"] == {"median": 2.5, "low": 1.0, "high": 1234.6, "n": 3}
    printed = capsys.readouterr().out
    assert r"| a \| b | 2.5 (1 to 1,235) | 50.0 % |" in printed
    assert page.SHORT in printed and "load 3.25 at the start" in printed


# -- a graphics card ------------------------------------------------------------------------------


def test_without_its_record_the_page_says_how_a_card_is_measured(records):
    (records / "card.json").unlink(missing_ok=True)
    text = page.page(records)
    assert "## On a graphics card\n\n**Not measured:** no card was at hand" in text
    [command] = re.findall(r"^    python (bench/card.py .*)$", text, re.MULTILINE)
    script, *words = command.split()
    assert (ROOT / script).is_file()
    known = bench(script, "--help").stdout
    assert all(word in known for word in words if word.startswith("--"))


def test_the_page_shows_what_was_measured_on_a_card(records):
    record = json.loads((records / "memory.json").read_text(encoding="utf-8"))
    steady = {"median": 2.25, "low": 2.2, "high": 2.3, "n": 5}
    rows = [
        {"what": "a training step, 256 lines", "unit": "ms", "time": steady, "per": "symbols",
         "a second": {"median": 816_000.0, "low": 8e5, "high": 8.2e5, "n": 5}, "TFLOP/s": 1.5},
        {"what": "an ensemble of 8 members", "unit": "s", "time": steady, "nll val": 1.87654},
        {"what": "wide failed", "why": "TimeUp: more than 60 seconds"},
    ]  # fmt: skip
    record |= {"bench": "card", "rows": rows, "settings": {"card": "Abacus 100"}}
    (records / "card.json").write_text(json.dumps(record), encoding="utf-8")
    text = page.page(records)
    assert "**Not measured:**" not in text and "Abacus 100. " in text
    assert "| a training step, 256 lines | 2.25 ms | 816,000 symbols | 1.5 | - |" in text
    assert "| an ensemble of 8 members | 2.25 s | - | - | 1.8765 |" in text
    assert "| wide failed | TimeUp: more than 60 seconds | - | - | - |" in text


@pytest.fixture
def card_of(tmp_path, monkeypatch):
    """Makes what the parts of the card's bench share; its lines are few."""

    def make(*arguments):
        own = measure.parser("x")
        own.add_argument("--device", default="cpu")
        own.add_argument("--original")
        names = tmp_path / "given.txt"
        names.write_text("\n".join(WORDS), encoding="utf-8")
        given = ["--short", "--names", str(names), "--json", str(tmp_path), *map(str, arguments)]
        options = own.parse_args(given)
        return card.Card(options, measure.Bench("card", options), tmp_path)

    return make


def test_a_part_that_fails_or_takes_long_says_so_and_the_record_is_there(
    card_of, monkeypatch, tmp_path
):
    def fails(card):
        card.add("half", "s", measure.spread([1.0]))
        raise RuntimeError("CUDA error: no kernel image\nmore of it")

    made = card_of()
    slow = (lambda card: time.sleep(30), 60)
    monkeypatch.setattr(card, "PARTS", {"fails": (fails, 60), "slow": slow})
    began = time.monotonic()
    assert not card.measured(made, "fails", 100)
    assert not card.measured(made, "slow", 0.2)  # what is left of the whole time
    assert time.monotonic() - began < 20
    record = json.loads((tmp_path / "card.json").read_text(encoding="utf-8"))
    assert [row.get("why") for row in record["rows"]] == [
        None, "RuntimeError: CUDA error: no kernel image", "TimeUp: more than 0 seconds",
    ]  # fmt: skip
    assert record["rows"][0]["time"]["median"] == 1.0


# What the original's makemore.py has, and its main block.
STAND_IN = """
from dataclasses import dataclass
import torch
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torch.utils.tensorboard import SummaryWriter

@dataclass
class ModelConfig:
    block_size: int = None
    vocab_size: int = None
    n_layer: int = 4
    n_embd: int = 64
    n_embd2: int = 64
    n_head: int = 4

class Transformer(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        self.table = torch.nn.Embedding(config.vocab_size, config.vocab_size)
    def forward(self, x, y=None):
        logits = self.table(x)
        flat = None if y is None else y.view(-1)
        loss = None if y is None else torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), flat, ignore_index=-1)
        return logits, loss

class Words(Dataset):
    def __init__(self, words):
        self.words = words
    def __len__(self):
        return len(self.words)
    def get_vocab_size(self):
        return 27
    def get_output_length(self):
        return max(map(len, self.words)) + 1
    def __getitem__(self, number):
        x = torch.zeros(self.get_output_length(), dtype=torch.long)
        ids = torch.tensor([1 + ord(letter) % 26 for letter in self.words[number]])
        y = torch.full_like(x, -1)
        x[1 : 1 + len(ids)], y[: len(ids)], y[len(ids)] = ids, ids, 0
        return x, y

def create_datasets(path):
    with open(path) as file:
        words = file.read().split()
    print("number of examples", len(words))
    return Words(words), Words(words[:2])

class InfiniteDataLoader:
    def __init__(self, words, **how):
        order = RandomSampler(words, replacement=True, num_samples=10**6)
        self.left = iter(DataLoader(words, sampler=order, **how))
    def next(self):
        return next(self.left)

@torch.no_grad()
def generate(model, ids, longest, temperature=1.0, do_sample=False, top_k=None):
    for _ in range(longest):
        logits, _ = model(ids)
        ids = torch.cat([ids, torch.multinomial(logits[:, -1].softmax(-1), 1)], 1)
    return ids

if __name__ == "__main__":
    raise SystemExit("its main block is not run")
"""


def test_the_originals_step_and_generate_are_timed(card_of, tmp_path, capsys):
    (tmp_path / "makemore.py").write_text(STAND_IN, encoding="utf-8")
    made = card_of("--original", tmp_path / "makemore.py")
    card.original(made)
    rows = made.bench.rows
    assert [row["what"] for row in rows] == [
        "the original's step, 32 lines", "the original's step, 32 lines",
        "the original's generate(), 20 draws", "the original's generate(), 200 draws",
    ]  # fmt: skip
    mean = np.mean([len(word) + 1 for word in WORDS])
    for row in rows[:2]:
        symbols = row["a second"]["median"] * row["time"]["median"] / 1000
        assert abs(symbols - 32 * mean) < 3 * 32  # of lines drawn at random
    assert all(row["time"]["median"] > 0 for row in rows)
    assert capsys.readouterr().out == ""


def test_a_card_that_is_not_there_and_a_part_that_is_none_are_said(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="--device cpu --short tries the script"):
        card.main([])
    with pytest.raises(SystemExit, match="no part fly; there are train, step"):
        card.main(["--parts", "step,fly"])


@pytest.mark.slow
def test_the_cards_bench_runs_whole_without_a_card(tmp_path):
    (tmp_path / "makemore.py").write_text(STAND_IN, encoding="utf-8")
    script = ["bench/card.py", "--device", "cpu", "--short", "--json", tmp_path]
    began = time.monotonic()
    done = bench(*script, "--original", tmp_path / "makemore.py")
    assert time.monotonic() - began < 120
    record = json.loads((tmp_path / "card.json").read_text(encoding="utf-8"))
    assert not [row for row in record["rows"] if "why" in row]
    assert page.table(record["rows"]) in done.stdout
    told = " ".join(row["what"] for row in record["rows"])
    for what in ("20 names", "training step", "new names", "lines scored", "layers of",
                 "original's step", "generate()", "ensemble of 2"):  # fmt: skip
        assert what in told
    assert "TFLOP/s" in record["rows"][1] and record["settings"] == {"card": "none (cpu)"}


def test_every_bench_of_the_page_is_there_and_runs_with_make():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    listed = next(line for line in makefile.splitlines() if line.startswith("BENCHES :="))
    assert listed.split(":=")[1].split() == ["models", *page.BENCHES]
    assert all((ROOT / "bench" / f"{name}.py").is_file() for name in page.BENCHES)


EXPECTED = {
    "time_to_loss": {"side", "measured", "seconds", "times sooner"},
    "quality": {"split", "asked", "chosen", "nll val", "nll test"},
    "train_throughput": {"model", "ms a step", "symbols a second", "MFU"},
    "cores": {"what", "unit", "threads", "time", "rule", "rule / best"},
    "sample_throughput": {"model", "names", "names a second", "MFU"},
    "conditions": {"condition", "exact", "share that passes", "share of free"},
    "score_throughput": {"model", "lines a second", "MFU"},
    "ngram_scale": {"symbols", "seconds", "memory GB", "symbols a second"},
    "start_up": {"started", "ms"},
    "memory": {"lines", "command", "memory GB"},
    "loaded_machine": {"model", "threads", "times as long"},
}
FEWER = {  # with --models, of which these
    "sample_throughput": "ngram,mlp", "score_throughput": "ngram,mlp",
    "train_throughput": "mlp,gru", "cores": "mlp,gru",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", page.BENCHES)
def test_the_short_form_of_a_bench_runs_and_its_record_makes_a_page(name, tmp_path):
    models = ["--models", FEWER[name]] if name in FEWER else []
    script = [f"bench/{name}.py", "--short", "--json", tmp_path, *models]
    if name == "time_to_loss":
        (tmp_path / "names.txt").write_text("\n".join(builtin_names()) + "\n", encoding="utf-8")
        (tmp_path / "makemore.py").write_text(ORIGINAL, encoding="utf-8")
        script += ["--original", tmp_path / "makemore.py", "--names", tmp_path / "names.txt"]
    done = bench(*script)
    record = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
    assert record["short"] and record["bench"] == name
    assert EXPECTED[name] <= {key for row in record["rows"] for key in row}
    assert page.table(record["rows"]) in done.stdout
    text = page.page(tmp_path)
    assert text.count("\n|--") == 1 and f"performance/{name}.json) (" in text
    assert text.count(page.SHORT) == 1
    if name == "time_to_loss":
        assert {row["side"] for row in record["rows"]} == {"ours", "original"}
    for row in record["rows"]:
        for key in ("ms", "seconds", "memory GB", "names a second", "times as long"):
            value = row.get(key)
            number = value["median"] if isinstance(value, dict) else value
            assert number is None or number > 0


def test_fingerprints_that_differ_are_named(tmp_path: Path) -> None:
    one = {"gru": {"files": {"a": fingerprint.mark(b"x")}, "printed": {"top": ["0", 3]}}}
    other = {"gru": {"files": {"a": fingerprint.mark(b"y")}, "printed": {"top": ["0", 3]}}}
    assert fingerprint.compared(one, one) == []
    assert fingerprint.compared(one, other) == ["/gru/files/a"]
    assert fingerprint.compared({**one, "rnn": {}}, one) == ["/rnn"]
    assert fingerprint.total(one) == (2, 4)
    (tmp_path / "split").mkdir()
    (tmp_path / "split" / "train.txt").write_text("Ann")
    (tmp_path / "lock").write_text("")
    for seconds in ("1.5", "2e-05"):  # what no two trainings share
        (tmp_path / "metrics.jsonl").write_text('{"nll": 2.5, "seconds": ' + seconds + "}")
        found = fingerprint.files_of(tmp_path)
        assert found["metrics.jsonl"] == fingerprint.mark(b'{"nll": 2.5, }')
    assert found.keys() == {"metrics.jsonl", "split/train.txt"}
    for symbols in (10, 2000):  # of a training that was stopped at some moment
        (tmp_path / "metrics.jsonl").write_text(f'{{"nll": 2.5, "symbols": {symbols}}}')
        found = fingerprint.files_of(tmp_path, resumed=True)
        assert found["metrics.jsonl"] == fingerprint.mark(b'{"nll": 2.5, }')


def test_lines_of_code_comments_and_docstrings_are_counted_apart(tmp_path: Path) -> None:
    source = '"""One.\n\nTwo.\n"""\n\n# Why.\nx = 1  # and how\ny = (\n    2,\n)\n'
    (tmp_path / "a.py").write_text(source)
    assert house.lines_of(tmp_path / "a.py") == {"code": 4, "comments": 2, "docstrings": 3}


# -- shards ---------------------------------------------------------------------------------------


def test_two_samples_of_one_distribution_are_told_from_two_of_others():
    chance = np.random.default_rng(2)
    one, other = chance.integers(0, 9, 3000).tolist(), chance.integers(0, 9, 2000).tolist()
    assert shards.p_value(one, other)[0] > 0.01 and shards.p_value(one, other)[1] == 9
    assert shards.p_value(one, chance.binomial(9, 0.5, 2000).tolist())[0] < 1e-6


@pytest.mark.slow
def test_shards_are_compared_with_one_process():
    done = bench("bench/shards.py", "--short")
    assert "| ngram | 2,000 | 0 | " in done.stdout and "| True | " in done.stdout
