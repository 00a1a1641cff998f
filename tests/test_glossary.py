"""The glossary: its examples are right, and the commands and lessons that it names are there."""

from __future__ import annotations

import functools
import math
import re
import shlex
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from makemore.cli.main import group, with_command
from makemore.models.core.registry import get_model
from makemore.models.ensemble import Ensemble
from makemore.models.transformer import Block
from makemore.text.tokenizer import Tokenizer
from makemore.training.optimizer import AdamW

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
SUBJECTS, TERMS = PAGE.partition("\n## By subject\n")[2].split("\n## Terms\n")
ENTRIES = dict(re.findall(r"^### (.+?)\n(.*?)(?=^### |\Z)", TERMS, re.MULTILINE | re.DOTALL))


PHONE = 42  # characters of code in a line of a phone that is 390 pixels wide


def values(numbers: Tensor, digits: int = 2) -> str:
    """Write numbers as the page has them: (0.70, 0.30)."""
    return f"({', '.join(f'{number:.{digits}f}' for number in numbers.tolist())})"


def mixture() -> str:
    """The example of an ensemble, by the ensemble itself."""
    ensemble = Ensemble(2, 4, Ensemble.Options(members="ngram, ngram"))
    ensemble.weights[:] = 0.5
    p1, p2 = torch.tensor([0.7, 0.3]), torch.tensor([0.4, 0.6])
    mixed = ensemble.mix([p1.log(), p2.log()], np.array(False)).exp()
    return f"p1 = {values(p1)}, p2 = {values(p2)}\nweights of a half:\n  p = {values(mixed, 4)}"


def stopping() -> str:
    """The example of early stopping: stops after two evaluations without a lower loss."""
    losses = [2.10, 2.05, 2.03, 2.04, 2.06]
    best = losses.index(min(losses)) + 1
    shown = "  ".join(f"{loss:.2f}" for loss in losses)
    return f"val loss     {shown}\npatience 2: stops after {best + 2}, keeps {best}"


def soft_target() -> str:
    counts, came = torch.tensor([0.2, 0.6, 0.2]), torch.tensor([0, 1, 0])
    target = values(0.5 * counts + 0.5 * came, 1)
    return f"counts {values(counts, 1)}, came (0, 1, 0),\nshare 0.5:\n  target = {target}"


def neuron() -> str:
    total = torch.tensor([0.5, -1]) @ torch.tensor([2.0, 1]) + 0.3
    return f"w = (0.5, -1), x = (2, 1), b = 0.3:\n  tanh({total:.1f}) = {total.tanh():.4f}"


def clipped() -> str:
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([3.0, 4.0])
    norm = nn.utils.clip_grad_norm_([parameter], 1)
    return f"g = (3, 4), |g| = {norm:.0f}, limit 1:\n  {values(parameter.grad, 1)}"


def normalised() -> str:
    """Layer norm of four numbers; -0.00 would be 0.00."""
    y = values(F.layer_norm(torch.tensor([1.0, 2, 3, 6]), (4,)) + 0.0)
    return f"x = (1, 2, 3, 6), gain 1, shift 0:\n  y = {y}"


LOGITS = torch.tensor([2.0, 1, 0])
SURPRISES = [-math.log(probability) for probability in (0.5, 0.25, 0.1)]
BLOCK = Block(64, 4, 0.0)
FEED_FORWARD = [*BLOCK.widen.parameters(), *BLOCK.narrow.parameters()]
MEAN, SQUARE = AdamW.BETAS


def size_of(name: str, longest: int) -> int:
    """How many parameters a model has on the names."""
    kind: Any = get_model(name)
    options = kind.Options()
    return int(kind(27, kind.context_for(options, longest), options).n_parameters)


# By term, what holds a number on the page: made here from what is computed, and looked for there.
EXAMPLES: dict[str, list[str]] = {
    "Activation": [f"tanh(0.5) = {math.tanh(0.5):.4f}", f"tanh(2) = {math.tanh(2):.4f}"],
    "AdamW": [
        f"m = {MEAN} m + {1 - MEAN:.1f} g ",
        f"v = {SQUARE} v + {1 - SQUARE:.2f} g^2 ",
        f"(m / (1 - {MEAN}^t))\n        / (sqrt(v / (1 - {SQUARE}^t)) + 1e-8)",
    ],
    "Batch": [f"sqrt(32) = {math.sqrt(32):.2f}"],
    "Chain rule": [f"dz/dx = 2 * 4 * 3 = {((3 * (1 + 1e-6) + 1) ** 2 - 16) / 1e-6:.0f}"],
    "Cross entropy": [
        "logits (2, 1, 0), the second one came:\n  ln(e^2 + e^1 + e^0) - 1 = "
        f"{F.cross_entropy(LOGITS, torch.tensor(1)):.4f}"
    ],
    "Dropout": [f"a share of 0.2: what is left times\n  1 / (1 - 0.2) = {1 / (1 - 0.2):g}"],
    "Early stopping": [stopping()],
    "Ensemble": [mixture()],
    "Epoch": [f"228,146 / 32, rounded up: {math.ceil(228_146 / 32):,} steps"],
    "Feed-forward layer": [
        f"64 -> {BLOCK.widen.out_features} -> 64 numbers:\n  "
        f"{sum(part.numel() for part in FEED_FORWARD):,} parameters"
    ],
    "Gate": [f"sigmoid({a}) = {torch.tensor(float(a)).sigmoid():.4f}" for a in (0, 2)],
    "Gradient": [f"a step at rate 0.1:\n  w = 3 - 0.1 * 6 = {3 - 0.1 * 6:g}"],
    "Gradient clipping": [clipped()],
    "Initialisation": [f"(5/3) / sqrt(30) = {nn.init.calculate_gain('tanh') / 30**0.5:.4f}"],
    "Layer norm": [normalised()],
    "Likelihood": [
        f"probabilities 0.5, 0.25 and 0.1:\n  0.5 * 0.25 * 0.1 = {math.exp(-sum(SURPRISES)):.4f}"
    ],
    "Loss": [f"ln 27 = {math.log(27):.4f}"],
    "Momentum": [
        "v = 0.9 v + g\nw = w - rate * v\na gradient that stays the same:\n  up to "
        f"1 / (1 - 0.9) = {sum(0.9**step for step in range(500)):.0f} times as far"
    ],
    "N-gram": [f"27^2 = {27**2} bigrams\n  27^3 = {27**3:,} trigrams"],
    "Nat and bit": [
        f"1 nat = 1 / ln 2 = {math.log2(math.e):.4f} bits\n2.1 nats = "
        f"{math.log2(math.exp(2.1)):.4f} bits"
    ],
    "Negative log-likelihood": [
        f"-ln 0.5 = {SURPRISES[0]:.4f}\n-ln 0.01 = {-math.log(0.01):.4f}\n",
        f"probabilities 0.5, 0.25 and 0.1:\n  {sum(SURPRISES):.4f} nats, or "
        f"{sum(SURPRISES) / 3:.4f} nats a symbol",
    ],
    "Neuron": [neuron()],
    "Parameter": [f"27*10 + 30*200 + 200 + 200*27 + 27\n  = {size_of('mlp', 15):,}\n"],
    "Perplexity": [f"e^2.1 = {math.exp(2.1):.2f}"],
    "Probability distribution": [f"0.7 + 0.2 + 0.1 = {sum((0.7, 0.2, 0.1)):g}"],
    "Saturation": [f"at tanh = 0.97:\n  1 - 0.97^2 = {1 - math.tanh(math.atanh(0.97)) ** 2:.4f}"],
    "Soft targets": [soft_target()],
    "Softmax": [
        f"softmax(2, 1, 0)\n  = {values(LOGITS.softmax(0), 4)}",
        f"divided by their sum, {values(LOGITS.softmax(0), 4)[1:-1]}",
        f"become {values(LOGITS.exp(), 3)[1:-1]} and",
    ],
    "Temperature": [f"softmax((2, 1, 0) / 0.5)\n  = {values((LOGITS / 0.5).softmax(0), 4)}"],
    "Tensor": [f"32 * 3 * 10 = {torch.zeros(32, 3, 10).numel()} numbers"],
    "Transformer": [f"{size_of('transformer', 15):,} parameters"],
    "Update ratio": [f"log10(0.1 * 0.002 / 0.2) = {math.log10(0.1 * 0.002 / 0.2):.0f}\n"],
    "Vanishing gradient": [
        f"0.9^20 = {0.9**20:.4f}\n  0.5^20 = {0.5**20:.1e}\n  1.5^20 = {1.5**20:.1f}"
    ],
    "Weight decay": [
        "1,000 steps at rate 0.003, decay 0.01:\n  (1 - 0.003 * 0.01)^1000 = "
        f"{math.exp(1000 * math.log1p(-0.003 * 0.01)):.4f}"
    ],
}


@pytest.mark.parametrize("term", EXAMPLES)
def test_an_example_is_what_is_computed(term: str) -> None:
    for text in EXAMPLES[term]:
        assert text in ENTRIES[term]


def test_every_number_of_a_formula_is_computed() -> None:
    """What stands in a formula with a decimal point stands in the table above, too."""
    for term, entry in ENTRIES.items():
        left = "\n".join(formulas(entry))
        for text in EXAMPLES.get(term, []):
            left = left.replace(text, "")
        assert re.findall(r".*\d\.\d.*", left) == [], term


def formulas(entry: str) -> list[str]:
    """The blocks of an entry, and what is a formula between backquotes."""
    blocks = re.findall(r"^```text\n(.*?)^```", entry, re.MULTILINE | re.DOTALL)
    return blocks + [code for code in quoted(entry) if " = " in code]


def quoted(text: str) -> list[str]:
    """What stands between backquotes around the blocks, each on one line."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose)]


def test_logits_may_be_shifted() -> None:
    """As the entry of logits has it: softmax(2, 1, 0) = softmax(7, 6, 5)."""
    assert "softmax(2, 1, 0) = softmax(7, 6, 5)" in ENTRIES["Logits"]
    assert torch.allclose(LOGITS.softmax(0), (LOGITS + 5).softmax(0))


def test_lines_are_cut_into_symbols_as_told() -> None:
    for rule, count in ((None, 8), (r"\w+|\s", 3)):
        found = list("Anna Lee") if rule is None else Tokenizer(rule).tokenize("Anna Lee")[0]
        shown = " ".join(found).replace("   ", " _ ")
        option = f", with\n  --symbols '{rule}'" if rule else ""
        assert f"{shown}\n  {count} symbols and the end{option}\n" in ENTRIES["Symbol"]


def test_there_are_sixty_terms_in_order() -> None:
    terms = re.findall(r"^### (.+)$", TERMS, re.MULTILINE)
    assert len(terms) >= 60 and terms == sorted(set(terms), key=str.casefold)
    listed = re.findall(r"\[([^\]]+)\]\(#([\w-]+)\)", SUBJECTS.split("\n\nWords that")[0])
    assert sorted(name for name, _ in listed) == sorted(terms)  # each under one subject
    assert all(anchor == name.lower().replace(" ", "-") for name, anchor in listed)


@pytest.mark.parametrize("term", ENTRIES)
def test_a_term_is_explained_shown_and_placed(term: str) -> None:
    entry = ENTRIES[term]
    explained = entry.strip().split("\n\n")[0]
    assert 1 <= len(re.findall(r"[.](?=\s|$)", explained)) <= 5 and len(explained) < 420
    assert formulas(entry) or "](glossary/" in entry
    assert entry.count("\n**Here:** ") == 1
    lines = [line for text in formulas(entry) for line in text.splitlines()]
    assert all(len(line) <= PHONE for line in lines)


def commands() -> list[str]:
    """Every line `makemore ...` of the page."""
    lines = [
        line
        for entry in ENTRIES.values()
        for block in formulas(entry)
        for line in block.splitlines()
    ]
    shown = [re.split(r"\s{3,}", line)[0] for line in lines]
    return sorted({line for line in shown + quoted(TERMS) if line.startswith("makemore ")})


@functools.cache
def flags() -> set[str]:
    """The flags of all commands and models."""
    found = set[str]()
    models = ("ngram", "mlp", "deep_mlp", "wavenet", "gru", "transformer", "ensemble")
    lines = [["train", "--model", model] for model in models]
    lines += [[name] for name in group.list_commands(click.Context(group)) if name != "train"]
    for name, *rest in lines:
        command = group.get_command(click.Context(group), name)
        assert command is not None
        context = click.Context(command, info_name=name, resilient_parsing=True)
        command.parse_args(context, rest)
        found |= {flag for each in command.get_params(context) for flag in each.opts}
    return found


def parse(line: str) -> None:
    """Read a command line as the program does; raises for what it does not know."""
    name, *words = with_command(shlex.split(line)[1:])
    command = group.get_command(click.Context(group), name)
    assert command is not None
    command.make_context(name, words, parent=click.Context(group, info_name="makemore"))


@pytest.mark.parametrize("line", commands())
def test_a_command_is_one(line: str) -> None:
    parse(line)


@pytest.mark.parametrize(
    "line",
    ["makemore sample runs/names --temprature 1", "makemore names.txt --model mlp --n-head 4"],
)
def test_a_command_that_is_none_is_found(line: str) -> None:
    with pytest.raises(click.ClickException):
        parse(line)


def test_every_option_that_is_named_exists() -> None:
    named = [code.split()[0] for code in quoted(TERMS) if code.startswith("--")]
    assert len(named) > 20 and set(named) <= flags()
    assert "--temprature" not in flags()


def test_lessons_are_linked_by_their_numbers() -> None:
    links = re.findall(r"\[lesson (\d+)\]\(\.\./lessons/(\d+)_(\w+)\.py\)", TERMS)
    assert len(links) > 40 and all(1 <= int(number) <= 13 for number, _, _ in links)
    assert [number for number, file, _ in links if int(number) != int(file)] == []
    places = "\n".join(re.findall(r"^\*\*Here:\*\*.*(?:\n.+)*", TERMS, re.MULTILINE))
    assert len(links) == len(re.findall(r"\blesson\s\d", places))  # none is named without a link
