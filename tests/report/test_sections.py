"""makemore inspect: every kind of model gives a page, and what is not shown is said."""

from __future__ import annotations

import math
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_page import Page, chromium, quick

import battery
from kinds import each_kind
from makemore.analysis import diagnostics
from makemore.analysis.calibration import Calibration, calibrate
from makemore.api import MakeMore, plan
from makemore.models.core import registry
from makemore.options import options_of
from makemore.report import page as page_module
from makemore.report import sections
from makemore.runs import Run
from makemore.scoring import score

LETTERS = "abeioл<&"  # few, so that maps are small; markup among them


def some_lines(number: int = 120) -> list[str]:
    chance = np.random.default_rng(0)
    lines: dict[str, None] = {}
    while len(lines) < number:
        lines["".join(chance.choice(list(LETTERS), chance.integers(2, 7)))] = None
    return list(lines)


SMALL = {**battery.SMALL, "n_embd": 8, "n_layer": 1, "block_size": 3, "order": 3}


def train(call: Any, folder: Path, model: str, *more: str, lines: list[str] | None = None) -> Path:
    """A run of a tiny model after 4 steps, in folder/run."""
    (folder / "list.txt").write_text("\n".join(lines or some_lines()), encoding="utf-8")
    own = options_of(registry.get_model(model).Options) if model != "mine" else {}
    flags = [f"--{k.replace('_', '-')}={v}" for k, v in SMALL.items() if k in own]
    steps = ["--max-steps=4", "--eval-interval=2", "--log-interval=1", "--batch-size=3"]
    few = [*steps, "--threads=1"] if model != "ngram" else []
    done = call("train", "list.txt", "-o", "run", "--model", model, *flags, *few, *more)
    assert done.returncode in (0, 7), done.stderr  # 7: there are no 20 new lines
    return folder / "run"


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def drawn_at_once(folder: Path, name: str, draw: Any, *data: Any, **how: Any) -> list[Path]:
    """Draws each chart, but writes a picture that costs nothing."""
    draw(*data, **how)
    return quick(folder, name, draw, *data)


@pytest.fixture
def inspect(call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs `makemore inspect` on the run of `train`, its pictures drawn but not written."""
    monkeypatch.setattr(page_module, "save", drawn_at_once)

    def page_of(*flags: str) -> Page:
        done = call("inspect", "run", *flags)
        assert (done.returncode, done.stdout) == (0, "run-inspect/index.html\n"), done.stderr
        page = Page(tmp_path / done.stdout.strip())
        page.check()
        page.said = done.stderr
        return page

    return page_of


ALWAYS = {"pairs", "lengths", "symbols", "calibration"}
WATCHED = {"losses", "batch-loss", "learning-rate", "ratios"}
LAYERS = {"saturation", "histograms"}
TABLE = {"embedding", "embedding-path"}


def expected(model: str) -> set[str]:
    own = ALWAYS if model == "ngram" else ALWAYS | WATCHED | TABLE
    own = own if model in ("ngram", "bigram") else own | LAYERS  # those two have no layers
    return own | {"attention"} if model == "transformer" else own


@pytest.mark.parametrize(
    "model", each_kind((name for name in registry.model_names() if name != "ensemble"), ["gru"])
)
def test_every_model_gives_a_page(model: str, call, inspect, tmp_path) -> None:
    run = train(call, tmp_path, model, *([] if model == "ngram" else ["--watch"]))
    before = files_of(run)
    page = inspect()
    assert files_of(run) == before  # a run directory holds only its run
    pictures = {path.stem for path in (tmp_path / "run-inspect").glob("*.png")}
    narrow = {f"{name}-narrow" for name in expected(model) - {"pairs"}}
    light = expected(model) | narrow
    assert pictures == light | {f"{name}-dark" for name in light}
    shown = {attributes["id"] for tag, attributes in page.tags if tag == "section"}
    assert expected(model) | {"summary", "parts", "samples"} <= shown
    assert 'href="inside.html#view=inside&amp;name=' in page.source and "inside" in shown
    drags = "drag it through 3 steps" in page.texts["inside"]
    assert drags == (model != "ngram") and "kept none" not in page.texts["inside"]
    for sentence in page.texts.get("findings", "").splitlines():  # the terminal says the same
        assert sentence in ("", "Findings") or f"makemore: {sentence}\n" in page.said
    assert ("neighbours" in shown) == (model != "ngram") == ("findings" in shown)
    for line in re.findall(r"not shown: (.*)", page.said):  # what is said here stands there
        assert line in page.texts["not-shown"]
    assert ("attention maps" in page.texts.get("not-shown", "")) == (model != "transformer")


@pytest.mark.slow
def test_the_numbers_of_the_page(call, inspect, tmp_path) -> None:
    run = train(call, tmp_path, "mlp", "--watch")
    page, maker = inspect(), MakeMore.load(run)
    assert f"parameters\n{maker.n_parameters:,}\n" in spaced(page.texts["summary"])
    assert "4 of 4; best weights: step" in page.texts["summary"]
    for name in ("train", "val"):
        exact = maker.report(name)
        told = [f"{exact[key]:.4f}" for key in ("nll", "bits", "perplexity")]
        row = "\n".join([name, *told, f"{exact['lines']:,}"])
        assert row in spaced(page.texts["parts"])
    assert "test" not in page.texts["parts"] and "logged" not in page.texts["parts"]
    twenty = maker.sample(20, random_state=0)
    assert spaced(page.texts["samples"]).strip().split("\n") == ["20 new lines", *twenty]
    assert f"guessing among {len(maker.vocabulary)} symbols" in page.texts["findings"]


def test_it_says_so_where_the_log_has_the_loss_of_some_lines(
    call, inspect, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(plan, "MAX_TRAIN_LINES", 5)
    monkeypatch.setattr(sections.summary, "MAX_TRAIN_LINES", 5)
    train(call, tmp_path, "mlp")
    assert "what was logged: the loss of 5 of the lines" in " ".join(
        inspect().texts["parts"].split()
    )


def spaced(text: str) -> str:
    """Cells of a table, or lines of a list, one a line."""
    return re.sub(r"\s*\n\s*", "\n", text)


def test_the_test_part_is_never_scored(call, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(page_module, "save", quick)
    run = train(call, tmp_path, "bigram")
    test = {line for line in Run.load(run).split.test}
    assert test
    scored: list[str] = []

    def watched_score(model: Any, vocabulary: Any, corpus: Any, shares: Any = None) -> Any:
        scored.extend(corpus)
        return score(model, vocabulary, corpus, shares)

    monkeypatch.setattr("makemore.scoring.scorer.score", watched_score)
    monkeypatch.setattr(
        sections.drawn,
        "calibrate",
        lambda maker, part: scored.extend(part) or calibrate(maker, part),
    )
    assert call("inspect", "run").returncode == 0
    assert scored and not test & set(scored)
    assert not (run / "looks.jsonl").exists()


@pytest.mark.slow
def test_a_real_page_opens_from_the_disk(warm, tmp_path: Path) -> None:
    """That of a transformer, drawn by processes as a person starts them."""
    folder = tmp_path / "cwd"
    folder.mkdir()
    (folder / "<script>&.txt").write_text("\n".join(some_lines()), encoding="utf-8")
    train = ("train", "<script>&.txt", "-o", "a 'run'", "--watch", "--max-steps", "20",
             "--threads", "1", "--n-layer", "1", "--n-head", "2", "--n-embd", "8")  # fmt: skip
    assert warm.start(*train, cwd=folder).wait() in (0, 7)
    inspect = warm.start("inspect", "a 'run'", "--word", "<a&", cwd=folder)
    assert inspect.wait() == 0, inspect.err
    assert inspect.out == "a 'run'-inspect/index.html\n"
    assert "not shown" not in inspect.err
    real = folder / "a 'run'-inspect" / "index.html"
    page = Page(real)
    page.check()
    assert page.texts["title"] == "<script>&: transformer"
    assert "Attention: <a&" in page.texts["attention"]
    pictures = [a["src"] for t, a in page.tags if t == "img"]
    assert len(pictures) == len(page_module.FIGURES)
    dumped = chromium("--dump-dom", real.as_uri()).decode()
    assert dumped.count("<img") == len(page_module.FIGURES) and "<script" not in dumped


def test_the_same_run_gives_the_same_page(call, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(page_module, "save", quick)
    train(call, tmp_path, "bow")
    pages = []
    for out, *seed in (("a",), ("b",), ("c", "--seed", "1")):
        assert call("inspect", "run", "-o", out, *seed).returncode == 0
        pages.append((tmp_path / out / "index.html").read_bytes())
    assert pages[0] == pages[1] != pages[2]
    beside = [(tmp_path / out / "inside.html").read_bytes() for out in "abc"]
    assert beside[0] == beside[1] == beside[2]  # nothing in it is drawn by --seed


# -- what is left out, and why --------------------------------------------------------------------


def test_a_run_that_was_not_watched(call, inspect, tmp_path) -> None:
    train(call, tmp_path, "mlp")
    page = inspect()
    assert page.said.count("train with --watch") == 3
    assert "the training kept none of earlier steps (--watch)" in page.texts["inside"]
    drawn = {path.stem for path in (tmp_path / "run-inspect").glob("*[!k].png")}
    drawn = {name for name in drawn if not name.endswith("-narrow")}
    assert drawn == ALWAYS | WATCHED - {"ratios"} | {"histograms", "embedding"}


def test_a_text_that_is_too_short_for_a_validation_part(call, inspect, tmp_path) -> None:
    train(call, tmp_path, "transformer", "--watch", lines=["a", "aa", "aaaaaa"])
    page = inspect()  # one symbol, few lines, no val
    assert "not shown: calibration: there is no validation part" in page.said
    assert "not shown: 20 new lines: only" in page.said
    assert "val" not in page.texts["parts"] and "1 and the boundary" in page.texts["summary"]


def test_a_boundary_beside_a_full_stop(call, inspect, tmp_path) -> None:
    train(call, tmp_path, "bigram", "--watch", lines=[f"a.{n}b" for n in range(100)])
    texts = inspect().texts
    assert "(end)" in texts["pairs"] and "(end)" in texts["neighbours"]


@pytest.mark.slow
def test_other_scripts_and_signs(call, inspect, tmp_path) -> None:
    chance = np.random.default_rng(1)
    symbols = [chr(0x4E00 + number) for number in range(120)] + list("אבש😀$_|%\x1b ")
    lines = ["x" + "".join(chance.choice(symbols, 4)) + "x" for _ in range(200)]
    train(call, tmp_path, "gru", "--watch", lines=lines)
    page = inspect("--word", lines[0])
    assert "The 39 most frequent of" in page.texts["pairs"]
    assert "一 U+4E00" in page.texts["neighbours"] or "U+4E" in page.texts["neighbours"]


PLUGIN = '''"""A bag <script>alert(1)</script> of "logits".

Paper: Nobody & <b>Co</b>
"""
from dataclasses import dataclass
import torch
from torch import nn
from makemore.models import NeuralModel, register
from makemore.options import option

@register("mine")
class Mine(NeuralModel):
    @dataclass(frozen=True)
    class Options:
        block_size: int = option(2, "symbols of context", minimum=1)
    input_kind = "window"
    recipe = {"max_steps": 4}
    def __init__(self, vocab_size, block_size, options):
        super().__init__(vocab_size, block_size, options)
        self.weight = nn.Parameter(torch.zeros(block_size, vocab_size, vocab_size))
    def forward(self, inputs):
        return self.weight[torch.arange(self.block_size), inputs].sum(1)
'''


def test_somebody_else_s_model(call, inspect, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(registry, "_register", dict(registry._register))
    (tmp_path / "mine.py").write_text(PLUGIN)
    train(call, tmp_path, "mine", "--plugin=mine.py", "--watch")
    page = inspect("--plugin", "mine.py")
    assert "<script>alert(1)</script>" in page.texts["summary"]
    assert "the model has no table of embeddings" in page.texts["not-shown"]
    assert "the model has no matrix that moved" in page.texts["not-shown"]
    assert "from inside: no page computes the model 'mine'" in page.texts["not-shown"]
    assert not (tmp_path / "run-inspect" / "inside.html").exists()


# -- mistakes -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a transformer, without its pictures."""
    maker = MakeMore("transformer", max_steps=2, n_layer=2, n_head=2, n_embd=8, threads=1,
                     random_state=0)  # fmt: skip
    folder = tmp_path_factory.mktemp("trained") / "run"
    maker.fit(some_lines()).save(folder)
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


MISTAKES = {
    "nowhere": (4, "no run directory"), "run --word aqz": (2, "does not know 'q' 'z' (--word)"),
    "run --word ''": (2, "the word is empty (--word)"), "run --seed -1": (2, "seed cannot be -1"),
    "run -o run": (2, "a run directory holds only its run"),
    "run -o mine.txt/page": (5, "cannot make"),
    "run -o run/page": (2, "holds only its run"), "run -o mine.txt": (2, "a file of that name"),
    "run -o mine": (2, "not one that inspect made"), "run run": (2, "unexpected extra argument"),
    f"run --word {'a' * 300}": (2, "give at most"),
}  # fmt: skip


@pytest.mark.parametrize("typed", MISTAKES, ids=lambda typed: typed[:40])
def test_mistakes(typed: str, run: Path, call, tmp_path: Path) -> None:
    code, message = MISTAKES[typed]
    (tmp_path / "mine").mkdir()
    for path in ("mine.txt", "mine/index.html"):
        (tmp_path / path).write_text("mine")
    before = files_of(tmp_path)
    done = call("inspect", *shlex.split(typed))
    assert (done.returncode, done.stdout) == (code, "") and message in done.stderr
    assert done.stderr.splitlines()[-1].startswith("makemore: error: ")
    assert files_of(tmp_path) == before


LOGS = {
    "no JSON": ("diagnostics", "{", "no valid JSON"),
    "no entry": ("diagnostics", "[1]", "is no entry"),
    "markup": ("diagnostics", '{"kind": "activations", "step": "<script>"}', "not makemore's"),
    "text for a loss": ("metrics", '{"kind": "val", "step": 1, "nll": "2"}', "not makemore's"),
}


@pytest.mark.parametrize("name", LOGS)
def test_damaged_logs(name: str, run: Path, call) -> None:
    file, line, message = LOGS[name]
    with (run / f"{file}.jsonl").open("a") as stream:
        stream.write(line + "\n")
    done = call("inspect", "run")
    assert done.returncode == 4 and message in done.stderr
    assert not run.with_name("run-inspect").exists()


@pytest.mark.slow
@pytest.mark.parametrize("typed", ["run", "run/", "./run", "run/../run", "."])
def test_the_page_stands_beside_the_run(typed: str, run: Path, call, monkeypatch) -> None:
    monkeypatch.setattr(page_module, "save", quick)
    monkeypatch.chdir(run if typed == "." else run.parent)
    done = call("inspect", typed)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).samefile(run.parent / "run-inspect" / "index.html")


def test_attention_looks_back_only(trained: Path) -> None:
    maker = MakeMore.load(trained)
    ids = sections.model.word_ids(maker, "abba")
    weights = sections.model.attention_of(maker, ids)
    assert [each.shape for each in weights] == [(2, 5, 5)] * 2
    for each in weights:
        np.testing.assert_allclose(each.sum(-1), 1, atol=1e-6)
        assert (np.triu(each, 1) == 0).all()


@pytest.mark.parametrize("model", each_kind(registry.model_names()))
def test_calibration_counts_every_symbol_once(model: str, monkeypatch) -> None:
    """The probabilities are those that the losses come from."""
    own = {k: v for k, v in SMALL.items() if k in options_of(registry.get_model(model).Options)}
    steps = {} if model == "ngram" else {"max_steps": 2, "threads": 1}
    maker = MakeMore(model, random_state=0, **own, **steps).fit(some_lines())
    val = maker.split.val
    symbols = int(val.lengths.sum()) + len(val)
    V = len(maker.vocabulary)
    nats = []
    add = Calibration.add

    def spied(self: Calibration, probabilities: Any, targets: Any) -> None:
        nats.append(-np.log(probabilities[np.arange(len(targets)), targets]).sum())
        add(self, probabilities, targets)

    monkeypatch.setattr(Calibration, "add", spied)
    counted = calibrate(maker, val)
    assert sum(nats) == pytest.approx(maker.scores(val).nll.sum(), rel=1e-4)
    assert counted.likeliest[:, 0].sum() == symbols
    assert counted.every[:, 0].sum() == symbols * V
    assert counted.every[:, 1].sum() == pytest.approx(symbols)
    assert counted.every[:, 2].sum() == symbols


def test_calibration_of_guessing(monkeypatch) -> None:
    """A bigram before its first step says 1 / V to everything."""
    maker = MakeMore("bigram", max_steps=1, learning_rate=1e-30, threads=1, random_state=0)
    maker.fit(some_lines())
    counted, V = calibrate(maker, maker.split.val), len(maker.vocabulary)
    number = counted.every[:, 0].sum()
    place = math.floor(10 / V)
    np.testing.assert_allclose(counted.every[place], [number, number / V, number / V])
    # In small pieces it is the same.
    monkeypatch.setattr("makemore.analysis.calibration.CHUNK", 40)
    pieces = calibrate(maker, maker.split.val)
    np.testing.assert_allclose(pieces.every, counted.every)
    np.testing.assert_allclose(pieces.likeliest, counted.likeliest)


def test_most_frequent_keeps_the_boundary() -> None:
    counts = np.array([1, 5, 9, 7, 9])
    assert diagnostics.most_frequent(counts, 3).tolist() == [0, 2, 4]
    assert diagnostics.most_frequent(counts, 99).tolist() == [0, 1, 2, 3, 4]
