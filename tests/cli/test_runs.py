"""makemore runs: the table, its JSON, and a folder without runs."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

from cli.conftest import LINES, TEXT, config_of, failed, lines_of, objects
from conftest import Call
from makemore import MakeMore


def test_runs_are_listed_with_text_model_loss_and_state(call: Call, tmp_path: Path) -> None:
    Path("towns.txt").write_text(TEXT)
    train = ("train", "towns.txt", "--model")
    call(*train, "ngram")
    call(*train, "mlp", "--max-steps", "2", "--n-hidden", "4", "--threads", "1")
    ended = call("runs")
    header, *rows = [line.split() for line in lines_of(ended)]
    assert header == ["run", "text", "model", "val", "saved", "training"]
    assert [row[:3] for row in rows] == [
        [f"runs/towns-{model}", "towns", model] for model in ("mlp", "ngram")
    ]
    losses = [MakeMore.load(f"runs/towns-{m}").report("val")["nll"] for m in ("mlp", "ngram")]
    assert [row[3] for row in rows] == [f"{loss:.4f}" for loss in losses]
    assert all(row[6] == "finished" for row in rows)
    assert ended.stderr == "makemore: new lines of one: makemore sample runs/towns-mlp\n"
    assert call("runs", "runs/towns-mlp").stdout.count("\n") == 2


def test_json_has_the_same_values(call: Call, ngram: Path) -> None:
    (one,) = objects(call("runs", ngram, "--json"))
    assert list(one) == [
        "run", "text", "model", "val", "step", "steps", "best_step", "finished", "problem",
        "modified",
    ]  # fmt: skip
    assert (one["run"], one["model"], one["finished"]) == (str(ngram), "ngram", True)
    assert datetime.fromisoformat(one["modified"]).utcoffset() is not None
    assert config_of(str(ngram))["data"]["name"] == one["text"]


def test_a_training_that_was_stopped_is_not_finished(call: Call, ngram: Path) -> None:
    from makemore.runs.writer import RunWriter

    shutil.rmtree(ngram)
    maker = MakeMore("ngram", order=2).fit(LINES)
    plan = maker._plan
    progress = {"step": 3, "best_step": 2, "best_val": 1.25, "waited": 0, "finished": False}
    with RunWriter(ngram) as writer:
        writer.create(plan.config, plan.vocabulary, plan.split)
        writer.save(progress, maker._model.tensors())
    assert "1.2500" in call("runs", ngram).stdout and "step 3 of 1" in call("runs", ngram).stdout
    (one,) = objects(call("runs", ngram, "--json"))
    assert (one["step"], one["best_step"], one["finished"]) == (3, 2, False)


def test_a_damaged_run_does_not_hide_the_others(call: Call, ngram: Path) -> None:
    Path(shutil.copytree(ngram, ngram.parent / "two"), "config.json").write_text("")
    shown = lines_of(call("runs", ngram.parent))
    assert len(shown) == 3 and "damaged: the run is damaged: config.json" in shown[2]
    assert " ngram " in shown[1]


def test_no_runs_are_no_error_unless_the_folder_was_named(call: Call) -> None:
    ended = call("runs")
    assert (ended.returncode, ended.stdout) == (0, "")
    assert "no runs in runs: makemore FILE makes one" in ended.stderr
    assert objects(call("runs", "--json")) == []
    failed(call("runs", "nowhere"), 4, "no such folder (nowhere)")


def test_commands_name_the_runs_that_are_there(call: Call) -> None:
    Path("towns.txt").write_text(TEXT)
    call("train", "towns.txt", "--model", "ngram", "-o", "runs/towns-ngram")
    for name in ("sample", "top", "score", "eval", "verify", "explain", "inspect"):
        failed(call(name, "runs/towns"), 4, "did you mean runs/towns-ngram?")
    failed(call("sample", "towns.txt"), 4, "this is a text, and no run (towns.txt)",
           "makemore towns.txt makes a run of it; there is runs/towns-ngram")  # fmt: skip
    failed(call("data", "towns.txt", "--model", "towns"), 4, "did you mean runs/towns-ngram?")
