"""explain.py, forward.py and the command: what is said about a model is what the model does."""

from __future__ import annotations

import json
import math
import re
import subprocess
from collections import Counter
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.cells import cell_len

from conftest import Call
from kinds import each_kind
from makemore import MakeMore, parallel
from makemore.analysis.context import inputs_after
from makemore.analysis.explain import expected, generation
from makemore.analysis.forward_pass import forward_pass
from makemore.errors import UsageError
from makemore.models.core import registry
from makemore.models.core.base import log_softmax
from makemore.options import options_of

Makers = Callable[..., MakeMore]

NAMES = registry.model_names()
TRACED = [name for name in NAMES if name != "ensemble"]  # it has a pass for each member
LINES = ["".join(parts) for parts in product("kmnr", "aeio", ("la", "ri", "no", "sa"))]
SMALL = {
    "members": "ngram order=4, gru n_hidden=12", "n_layer": 1, "n_head": 2, "n_embd": 8,
    "n_hidden": 12, "n_skip": 10, "order": 4,
}  # fmt: skip
SCRIPTS = {
    "greek": ["".join(p) for p in product("αβγ", "εηι", "λμν")],
    "hebrew": ["".join(p) for p in product("אבג", "דהו", "זחט")],
    "devanagari": ["".join(p) for p in product("कखग", "ािी", "तथद")],
    "chinese": ["".join(p) for p in product("李王张", "小大", "明红伟")],
    "emoji": ["".join(p) for p in product("😀🎉🚀", "🌍🌱", "🐍🦀")],
}
HOSTILE = ["a.b", "x|y", "<b>$x$", "_a_", "p\tq", "r\x1b[1m", "s t", "u\u202ev", "w\u200dz", "`'\""]


@pytest.fixture(autouse=True)
def one_thread_unless_more_are_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "usable_cores", lambda: 1)


def small(name: str, lines: list[str], **options: Any) -> MakeMore:
    own = {k: v for k, v in SMALL.items() if k in options_of(registry.get_model(name).Options)}
    steps = {} if name == "ngram" else {"max_steps": 8}
    return MakeMore(name, random_state=1, threads=1, **{**own, **steps, **options}).fit(lines)


@pytest.fixture(scope="module")
def maker() -> Makers:
    """A small model by name, trained once on LINES and never to be changed."""
    made: dict[str, MakeMore] = {}

    def of(name: str) -> MakeMore:
        return made.setdefault(name, made.get(name) or small(name, LINES))

    return of


@pytest.fixture(scope="module")
def folder(maker: Makers, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    above = tmp_path_factory.mktemp("runs")

    def of(name: str) -> Path:
        if not (above / name).exists():
            maker(name).save(above / name)
        return above / name

    return of


@pytest.fixture
def explain(call: Call, folder: Callable[[str], Path]) -> Call:
    """Runs `makemore explain` on the run of the model of that name."""
    return lambda name, *words: call("explain", folder(name), *words)


def objects(ended: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


def failed(ended: subprocess.CompletedProcess[str], code: int, words: str) -> None:
    assert ended.returncode == code and ended.stdout == "" and words in ended.stderr


# -- a line ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", each_kind(NAMES))
@pytest.mark.parametrize("text", ["kala", "", "a", "nosanosanosanosa"])
def test_the_sum_is_the_score_of_the_line(maker: Makers, name: str, text: str) -> None:
    rows = expected(maker(name), text, top=99)
    assert [row.symbol for row in rows] == [*text, None]
    assert rows[-1].total == -maker(name).score_samples([text])[0]
    total = 0.0
    for row in rows:
        total += row.surprisal
        assert row.total == pytest.approx(total)
        assert row.surprisal == pytest.approx(-math.log(row.probability), abs=1e-5)
        assert row.bits == pytest.approx(row.surprisal / math.log(2))
        shares = [each.probability for each in row.candidates]
        assert sum(shares) == pytest.approx(1) and shares == sorted(shares, reverse=True)
        assert row.rank == 1 + sum(share > row.probability for share in shares)
        found = [each.probability for each in row.candidates if each.symbol == row.symbol]
        assert found == [row.probability]


@pytest.mark.slow
@pytest.mark.parametrize("name", each_kind(TRACED, ["ngram", "mlp", "transformer"]))
def test_what_was_expected_is_what_forward_says(maker: Makers, name: str) -> None:
    """The second text is longer than any block_size here."""
    for text, positions in (("nosa", (1, 4, 5)), ("kalanorisanokalame", (7, 19))):
        rows = expected(maker(name), text, top=3)
        for position in positions:
            row, found = rows[position - 1], forward_pass(maker(name), text, position)
            assert (found.context, found.symbol) == (row.context, row.symbol)
            assert found.probability == pytest.approx(row.probability, abs=1e-5)
            assert len(row.candidates) == 3


def test_temperature_is_that_of_draws(maker: Makers) -> None:
    made = maker("mlp")
    plain = expected(made, "kala", top=99)
    half = expected(made, "kala", top=99, temperature=0.5)
    for one, other in zip(plain, half, strict=True):
        squared = {each.symbol: each.probability**2 for each in one.candidates}
        total = sum(squared.values())
        for each in other.candidates:
            assert each.probability == pytest.approx(squared[each.symbol] / total)
        assert other.surprisal == pytest.approx(-math.log(other.probability))
    greedy = expected(made, "kala", temperature=0)
    assert all(len(row.candidates) == 1 for row in greedy)
    assert all(row.surprisal in (0, math.inf) for row in greedy)


def test_an_unknown_symbol_ends_the_list(maker: Makers) -> None:
    rows = expected(maker("gru"), "ka€la")
    assert [row.symbol for row in rows] == ["k", "a", "€"]
    assert rows[-1].surprisal == rows[-1].total == math.inf and rows[-1].rank is None
    assert [row.symbol for row in expected(maker("gru"), "€a")] == ["€"]
    before = expected(maker("gru"), "ka")
    assert [row.surprisal for row in rows[:2]] == [row.surprisal for row in before[:2]]


# -- a draw ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", each_kind(NAMES))
@pytest.mark.parametrize("seed", [0, 7])
def test_the_line_is_the_first_that_sample_draws(maker: Makers, name: str, seed: int) -> None:
    line, draws = generation(maker(name), seed, top=99)
    assert line == next(maker(name).samples(1, seed, all=True, style="plain"))
    assert "".join(draw.symbol or "" for draw in draws) == line.text
    assert (draws[-1].symbol is None) is not line.capped
    for draw in draws:
        assert draw.low <= draw.uniform < draw.high
        assert draw.high - draw.low == pytest.approx(draw.probability)
        assert sum(each.probability for each in draw.candidates) == pytest.approx(1)
    if not line.capped:
        nats = -sum(math.log(draw.probability) for draw in draws)
        assert nats == pytest.approx(line.nll, abs=1e-4)


@pytest.mark.parametrize("temperature", [0.0, 0.3, 3.0])
def test_the_line_is_that_of_the_temperature(maker: Makers, temperature: float) -> None:
    line, draws = generation(maker("ngram"), 3, temperature=temperature)
    assert line == next(maker("ngram").samples(1, 3, all=True, temperature=temperature))
    assert all(draw.low <= draw.uniform < draw.high for draw in draws)


def test_a_line_that_is_cut_has_no_end() -> None:
    made = small("bigram", ["a", "b"] * 3, keep_copies=True, max_steps=1, learning_rate=1e-9)
    found = [generation(made, seed) for seed in range(40)]
    cut = [(line, draws) for line, draws in found if line.capped]
    assert cut
    for line, draws in cut:
        assert [draw.symbol for draw in draws] == list(line.text)


# -- a forward pass -------------------------------------------------------------------------------


def test_the_steps_of_the_mlp_are_those_computed_by_hand() -> None:
    """Bengio's MLP in numpy, from the weights alone; emma is [5, 13, 13] -> 1 with 26 letters."""
    letters = [chr(97 + number) for number in range(26)]
    made = small("mlp", [*letters, "emma", "olivia"], n_embd=4)
    found = forward_pass(made, "emma")
    w = made.model_.tensors()
    x = np.array([[5, 13, 13]])
    emb = w["embedding.weight"][x]
    flat = np.concatenate([emb[:, 0], emb[:, 1], emb[:, 2]], axis=1)
    hidden = flat @ w["hidden.weight"].T + w["hidden.bias"]
    logits = np.tanh(hidden) @ w["head.weight"].T + w["head.bias"]
    probs = np.exp(logits[0]) / np.exp(logits[0]).sum()
    by_hand = [
        ("ids", ("N", "block_size"), x), ("embedding", ("N", "block_size", "n_embd"), emb),
        ("flatten", ("N", "block_size * n_embd"), flat), ("linear", ("N", "n_hidden"), hidden),
        ("tanh", ("N", "n_hidden"), np.tanh(hidden)), ("linear", ("N", "V"), logits),
        ("softmax", ("V",), probs),
    ]  # fmt: skip
    assert (found.id, found.symbol) == (1, "a")
    assert found.loss == pytest.approx(-math.log(probs[1]), abs=1e-6)
    for step, (function, named, values) in zip(found.steps, by_hand, strict=True):
        assert (step.function, step.dimensions) == (function, named)
        np.testing.assert_allclose(step.values, values, atol=1e-5)


@pytest.mark.parametrize("name", each_kind(TRACED, ["ngram", "mlp", "transformer"]))
@pytest.mark.parametrize("at", [None, 1, 3, 5])
def test_a_pass_ends_in_the_logits_of_step(maker: Makers, name: str, at: int | None) -> None:
    made = maker(name)
    found = forward_pass(made, "kala", at)
    model, history = made.model_, "kala"[: (at or 4) - 1]
    state = model.initial_state(1)
    for number in [0, *made.vocabulary.encode_line(history)]:
        logits, state = model.step(np.array([number]), state)
    last = found.steps[-2].at_last()
    np.testing.assert_allclose(last, logits[0], atol=1e-5)
    np.testing.assert_allclose(found.steps[-1].values, np.exp(log_softmax(logits))[0], atol=1e-6)
    assert found.symbol == [*"kala", None][(at or 4) - 1]
    assert found.loss == -math.log(found.probability)


@pytest.mark.parametrize("name", each_kind(name for name in TRACED if name != "ngram"))
def test_every_dimension_that_a_size_makes_is_named(maker: Makers, name: str) -> None:
    """The names multiply to the shape; batch and V are found in each model."""
    made = maker(name)
    found = forward_pass(made, "kala", 3)
    options = made.plan_.options
    sizes = {"B": 1, "N": 1, "T": 3, "V": len(made.vocabulary)}
    sizes |= {key: getattr(options, key) for key in options_of(type(options))}
    for step in found.steps:
        assert len(step.dimensions) == step.values.ndim
        for text, size in zip(step.dimensions, step.values.shape, strict=True):
            assert eval(text, {}, sizes) == size  # noqa: S307 (our own names)
    batch = "N" if made.plan_.kind.input_kind == "window" else "B"
    assert found.steps[-2].dimensions[:1] + found.steps[-2].dimensions[-1:] == (batch, "V")


def test_sizes_that_are_equal_are_told_apart() -> None:
    """n_embd = n_hidden = T = block_size: what is said comes from what it grows with."""
    made = small("bow", LINES, n_embd=4, n_hidden=4)
    found = {(step.module, step.function): step for step in forward_pass(made, "kala").steps}
    assert found["embedding", "embedding"].dimensions == ("B", "T", "n_embd")
    assert found["hidden", "linear"].dimensions == ("B", "T", "n_hidden")
    assert found["hidden", "linear"].values.shape == (1, 4, 4)
    transformer = small("transformer", LINES)
    named = {step.name: step.dimensions for step in forward_pass(transformer, "kala").steps}
    assert named["q"] == named["mix"] == ("B", "n_head", "T", "n_embd / n_head")
    assert named["scores"] == named["weights"] == ("B", "n_head", "T", "T")
    assert named["wide"] == ("B", "T", "4 * n_embd")
    attend = forward_pass(transformer, "kala", calls=True).steps
    heads = next(step for step in attend if step.function == "view" and step.values.ndim == 5)
    assert heads.dimensions == ("B", "T", "3", "n_head", "n_embd / n_head")
    assert ("B * n_head", "T", "T") in [s.dimensions for s in attend if s.function == "softmax"]


@pytest.mark.parametrize("smoothing", ["kneser-ney", "add-k"])
@pytest.mark.parametrize("order", [1, 2, 4, 7])
def test_the_levels_of_counts_add_up(smoothing: str, order: int) -> None:
    made = small("ngram", LINES, order=order, smoothing=smoothing, k=0.5)
    for text, at in [*product(("kala", "aaaa", "rrr"), (1, 2, 4)), ("", 1)]:
        found = forward_pass(made, text, at)
        probability = 1 / len(made.vocabulary)
        for level in found.levels:
            if level.total:
                extra = 0.5 * len(made.vocabulary) if smoothing == "add-k" else 0
                own = (level.count - level.discount) / (level.total + extra)
                assert level.weight == pytest.approx(own)
            probability = level.weight + level.backoff * probability
            assert level.probability == pytest.approx(probability)
        assert found.levels[-1].probability == pytest.approx(found.probability)
        reached = [level.context for level in found.levels]
        assert reached == [found.context[len(found.context) - len(c) :] for c in reached]


def test_the_counts_are_those_of_the_text() -> None:
    made = small("ngram", ["ab", "ab", "ac", "b"] * 2, order=2, keep_copies=True)
    after_a = forward_pass(made, "ab", 2).levels[-1]
    assert (after_a.context, after_a.whole, after_a.count, after_a.total) == (("a",), True, 4, 6)
    empty = forward_pass(made, "ab", 2).levels[0]  # b came after a and after the start
    assert (empty.context, empty.whole, empty.count) == ((), False, 2)
    unseen = forward_pass(small("ngram", ["ab", "ba"], order=3), "aab", 3).levels[-1]
    assert (unseen.context, unseen.total, unseen.backoff) == (("a", "a"), 0, 1.0)


def test_places_and_symbols_that_are_none(maker: Makers) -> None:
    for at in (0, 6, -1):
        with pytest.raises(UsageError, match="no symbol"):
            forward_pass(maker("mlp"), "kala", at)
    with pytest.raises(UsageError, match="does not know '€'"):
        forward_pass(maker("mlp"), "k€la", 3)
    assert forward_pass(maker("mlp"), "kal€", 3).symbol == "l"  # not read, not asked for
    for ask in (expected, forward_pass):
        with pytest.raises(UsageError, match="nothing was learned"):
            ask(MakeMore("mlp"), "kala")


def test_explaining_changes_no_model(maker: Makers) -> None:
    made = maker("deep_mlp")
    before = {key: value.copy() for key, value in made.model_.tensors().items()}
    made.model_.train()
    expected(made, "kala")
    generation(made, 1)
    forward_pass(made, "kala")
    assert made.model_.training
    made.model_.eval()
    after = made.model_.tensors()
    assert all((after[key] == value).all() for key, value in before.items())


def test_inputs_of_a_window_start_as_boundaries(maker: Makers) -> None:
    model = maker("mlp").model_
    assert [inputs_after(model, ids).tolist() for ids in ([], [4], [4, 5, 6, 7])] == [
        [[0, 0, 0]], [[0, 0, 4]], [[5, 6, 7]],
    ]  # fmt: skip


# -- the command ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", each_kind(NAMES))
def test_the_command_says_what_score_says(call: Call, explain: Call, folder, name: str) -> None:
    shown = explain(name, "kala")
    assert shown.returncode == 0 and shown.stderr == ""
    score = call("score", folder(name), "-", input=b"kala\n").stdout.split("\t")[0]
    lines = shown.stdout.splitlines()
    assert len(lines) == 1 + 5 + 1
    assert lines[-1].startswith(f"{score} nats") and "5 symbols" in lines[-1]
    assert lines[0].split()[:3] == ["#", "read", "came"]
    assert [line.split()[2] for line in lines[1:6]] == [*"kala", "."]


def test_the_command_shows_a_draw(call: Call, explain: Call, folder) -> None:
    shown = explain("ngram", "--seed", "5")
    plain = ("--seed", "5", "--all", "-n", "1", "--style", "plain")
    line = call("sample", folder("ngram"), *plain).stdout.split("\t")[0]
    begun = [line[:length] for length in range(1, len(line) + 1)]
    assert shown.stdout.splitlines()[0] == " → ".join(["...", *begun, "."])
    assert shown.stdout.splitlines()[-1].startswith(f"{line}: ")
    *draws, last = objects(explain("ngram", "--seed", "5", "--json"))
    assert "".join(draw["symbol"] or "" for draw in draws) == last["text"] == line
    fresh = explain("ngram")
    again = explain("ngram", *fresh.stderr.removeprefix("makemore: ").split())
    assert again.stdout == fresh.stdout and again.stderr == ""


def test_the_command_traces(explain: Call) -> None:
    shown = explain("mlp", "kala", "--trace").stdout
    assert shown.startswith("x = [") and "(kal), y = " in shown.splitlines()[0]
    for word in ("embedding", "block_size * n_embd", "tanh", "softmax", "loss = -log(probs["):
        assert word in shown
    *steps, last = objects(explain("mlp", "kala", "--trace", "--json"))
    probabilities = steps[-1]["values"]
    assert last["probability"] == probabilities[last["id"]]
    assert last["loss"] == pytest.approx(-math.log(probabilities[last["id"]]))
    for step in steps:
        assert np.shape(step["values"]) == tuple(step["shape"])
    counts = explain("ngram", "kala", "--trace", "--at", "5").stdout
    assert "own = (count - discount) / total" in counts and "y = 0 (.)" in counts
    at = objects(explain("transformer", "kala", "--trace", "--calls", "--json"))
    masked = next(s for s in at if s.get("function") == "where" and len(s["shape"]) == 3)
    assert masked["values"][0][0] == [0.0, None, None, None]  # -inf is no JSON


@pytest.mark.parametrize("name", each_kind(TRACED, ["ngram", "mlp", "transformer", "lstm"]))
def test_the_losses_of_the_traces_add_up_to_the_score(maker: Makers, name: str) -> None:
    for text in ("kala", ""):
        losses = [forward_pass(maker(name), text, at).loss for at in range(1, len(text) + 2)]
        assert sum(losses) == pytest.approx(-maker(name).score_samples([text])[0], abs=1e-4)


@pytest.mark.parametrize("name", each_kind(TRACED, ["ngram", "mlp", "transformer", "lstm"]))
def test_json_has_the_steps_that_are_shown(explain: Call, name: str) -> None:
    *steps, last = objects(explain(name, "kala", "--trace", "--json"))
    steps = [step for step in steps if "step" in step]  # of counts, contexts come after them
    assert [step["step"] for step in [*steps, last]] == [*range(1, len(steps) + 2)]
    lines = explain(name, "kala", "--trace").stdout.splitlines()
    rows = [line.split(maxsplit=1) for line in lines if re.match(r" *\d+  \S+ =", line)]
    assert [int(number) for number, _ in rows] == [step["step"] for step in [*steps, last]]
    for step, (_, row) in zip([*steps, last], rows, strict=True):
        assert row.startswith(f"{step['what']} "), row
    for step, (_, row) in zip(steps, rows, strict=False):
        sizes = ", ".join(map(str, step["shape"])) + ("," if len(step["shape"]) == 1 else "")
        assert f" = ({sizes}) " in row
        if not row.endswith(":"):  # of attention, a map stands below
            first = step["values"][0] if step["function"] == "ids" else step["at_last"]
            shown = [
                float(value) for value in row.rpartition(f"({sizes})")[2].split() if value != "…"
            ]
            assert shown == pytest.approx(first[: len(shown)], abs=5e-5) and shown
    parts = [step["part"] for step in steps if step["part"]]
    assert all(part in [line.partition(":")[0] for line in lines] for part in parts)
    assert f"{last['loss']:.4f} nats" in rows[-1][1]


@pytest.mark.parametrize("name", each_kind(TRACED, ["ngram", "transformer", "lstm"]))
@pytest.mark.parametrize("arguments", ["kala", "nosanosanosanosa", "kala --trace", "--seed 5"])
def test_nothing_is_cut_at_any_width(
    explain: Call, monkeypatch: pytest.MonkeyPatch, name: str, arguments: str
) -> None:
    plain = explain(name, *arguments.split()).stdout
    for width in (60, 80, 100, 200):
        monkeypatch.setenv("COLUMNS", str(width))
        shown = explain(name, *arguments.split()).stdout
        assert max(map(cell_len, shown.splitlines())) <= width
        assert Counter(shown.split()) == Counter(plain.split())
        assert shown == plain or max(map(cell_len, plain.splitlines())) > width


def test_a_map_of_attention_says_what_it_leaves_out(call: Call, tmp_path: Path) -> None:
    long = [line * 4 for line in LINES]
    small("transformer", [*LINES, *long], n_head=4, max_steps=2).save(tmp_path / "run")
    for text, at, keys in (("kala", 3, 3), (long[0], 16, 12)):
        lines = call("explain", "run", text, "--trace", "--at", str(at)).stdout.splitlines()
        scores, weights = (
            next(number for number, line in enumerate(lines) if f" {name} = " in line)
            for name in ("scores", "weights")
        )
        left_out = f", the last {keys} of {at} positions:" if keys < at else ":"
        assert lines[scores].endswith(f"head 1, a row a position{left_out}")
        assert lines[weights].endswith(f"the last position, a row a head{left_out}")
        masked = [row.split()[1:] for row in lines[scores + 2 : scores + 2 + keys]]
        assert [row.count("-inf") for row in masked] == [*reversed(range(keys))]
        shares = [row.split()[2:] for row in lines[weights + 2 : weights + 6]]
        assert all(len(row) == keys for row in shares)
        sums = [sum(map(float, row)) for row in shares]
        assert all(total == pytest.approx(1, abs=2e-4) for total in sums) == (keys == at)


def test_the_pass_of_a_transformer_packs_lines_only_on_request(explain: Call) -> None:
    shown = explain("transformer", "kala", "--trace").stdout
    assert not re.search(r"cummax|repeat_interleave|where|view|permute", shown)
    calls = explain("transformer", "kala", "--trace", "--calls").stdout
    for call in ("cummax", "repeat_interleave", "where", "blocks.0.attend linear", "baddbmm"):
        assert call in calls
    loss = r"loss = .* nats"
    assert re.search(loss, shown)[0].split("  ")[-1] == re.search(loss, calls)[0].split("  ")[-1]


def test_json_of_a_line(explain: Call) -> None:
    rows = objects(explain("gru", "kala", "--json", "--top", "2"))
    assert [row["symbol"] for row in rows] == [*"kala", None]
    assert [row["context"] for row in rows][1] == [None, "k"]
    assert all(len(row["expected"]) == 2 for row in rows)
    unknown = explain("gru", "k€", "--json")
    assert objects(unknown)[-1]["surprisal"] is None and "€" in unknown.stderr


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("name", each_kind(["ngram", "mlp", "gru"], ["mlp"]))
def test_other_scripts(call: Call, tmp_path: Path, script: str, name: str) -> None:
    lines = SCRIPTS[script]
    made = small(name, lines)
    made.save(tmp_path / "run")
    shown = call("explain", "run", lines[0])
    assert shown.returncode == 0 and shown.stderr == ""
    column = [line.split()[2].removeprefix("◌") for line in shown.stdout.splitlines()[1:-1]]
    assert column == [*lines[0], "."]
    assert call("explain", "run", lines[0], "--trace").returncode == 0
    assert call("explain", "run", "--seed", "1").returncode == 0


def test_hostile_text_is_shown_and_never_raw(call: Call, tmp_path: Path) -> None:
    small("ngram", HOSTILE).save(tmp_path / "run")
    words = [[*flags, "--", text] for text in HOSTILE for flags in ([], ["--trace"])]
    for each in [*words, *(["--seed", str(seed)] for seed in range(8))]:
        shown = call("explain", "run", *each)
        assert shown.returncode == 0 and shown.stdout.replace("\n", "").isprintable(), each
    for text in HOSTILE:
        rows = objects(call("explain", "run", "--json", "--", text))
        assert "".join(row["symbol"] or "" for row in rows) == text
    dotted = call("explain", "run", "a.b").stdout.splitlines()
    assert "'.'" in dotted[2] and dotted[4].split()[2] == "."


def test_text_is_read_as_a_line_of_a_file(explain: Call) -> None:
    plain = explain("bigram", "kala").stdout
    assert explain("bigram", "  kala \n").stdout == plain
    assert "for 1 symbol, the end; " in explain("bigram", "").stdout
    failed(explain("bigram", "ka\nla"), 2, "more than one line")


def test_one_symbol_and_a_line_past_the_end(call: Call, tmp_path: Path) -> None:
    small("mlp", ["a", "aa", "aaa"]).save(tmp_path / "run")
    for arguments in (["aaaa"], ["aaaa", "--trace"], ["", "--trace"], ["--seed", "1"]):
        assert call("explain", "run", *arguments).returncode == 0


REFUSED = {
    "--trace": "nothing to trace", "kala --trace --temperature 2": "no temperature",
    "kala --at 2": "--trace", "kala --calls": "--trace", "--calls": "--trace",
    "kala --seed 2": "is not drawn", "kala --trace --at 9": "1 to 5",
    "k€ --trace": "does not know '€'", "kala --top 0": "--top", "--seed -1": "seed",
    "kala --temperature -1": "temperature", "kala rima": "rima",
}  # fmt: skip


@pytest.mark.parametrize("arguments", REFUSED)
def test_what_cannot_be_is_refused(explain: Call, arguments: str) -> None:
    failed(explain("ngram", *arguments.split()), 2, REFUSED[arguments])


def test_no_run_is_refused(call: Call, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name, words in (("nowhere", "nowhere"), ("empty", "no run here")):
        failed(call("explain", name, "kala"), 4, words)
