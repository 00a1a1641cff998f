"""soft_targets.py: soft targets against counts made by hand, prefix for prefix."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

import battery
from makemore import MakeMore
from makemore.models.core.label_counts import PerLabelCounts
from makemore.models.ngram import NGram
from makemore.models.transformer import Transformer
from makemore.scoring.line_tensors import IGNORED, LineTensors
from makemore.scoring.loss import cross_entropy, nll
from makemore.text.corpus import Corpus
from makemore.text.vocabulary import Vocabulary
from makemore.training import soft_targets
from makemore.training.batches import Batches
from makemore.training.gradients import gradients
from makemore.training.soft_targets import (
    ORDER,
    SoftTargets,
    add_shared_prefixes,
    make_soft_targets,
)

LINES = ["anna", "anne", "ann", "bob", "bo", "anna", "c", "ccc", "cab"]


def lines_of(
    lines: Sequence[str], labels: Sequence[str] | None = None
) -> tuple[Corpus, Vocabulary]:
    corpus = Corpus.exactly(lines, labels)
    return corpus, Vocabulary.of([corpus])


def expected(
    lines: Sequence[str], corpus: Corpus, vocabulary: Vocabulary, line: str, share: float
) -> torch.Tensor:
    """(len + 1, V) the targets of a line: by a dictionary of prefixes and the n-grams alone."""
    follows: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for other in lines:
        ids = [*vocabulary.encode_line(other).tolist(), 0]
        for place, symbol in enumerate(ids):
            follows[other[:place]][symbol] += 1
    counts = NGram(len(vocabulary), ORDER - 1, NGram.Options(order=ORDER))
    text = vocabulary.encode(corpus)
    counts.fit_counts(text.ids, text.offsets)
    rows, ids = [], vocabulary.encode_line(line).tolist()
    for place, symbol in enumerate([*ids, 0]):
        found = follows[line[:place]]
        alike = np.zeros(len(vocabulary))
        if sum(found.values()) > 1:
            for other, times in found.items():
                alike[other] = times / sum(found.values())
        else:
            alike[symbol] = 1
        window = np.array([[0] * (ORDER - 1) + ids[:place]])[:, -(ORDER - 1) :]
        rows.append((1 - share) * alike + share * np.exp(counts.forward(window)[0]))
    return torch.from_numpy(np.array(rows)).float()


def vocabulary_ids(vocabulary: Vocabulary, text: str) -> torch.Tensor:
    return torch.from_numpy(vocabulary.encode_line(text)).long()


def made(lines: Sequence[str], share: float = 0.3, windows: bool = False) -> SoftTargets:
    found = make_soft_targets(*lines_of(lines), share, windows)
    assert found is not None
    return found


@pytest.mark.parametrize("share", [0.3, 1.0])
@pytest.mark.parametrize("packs", [False, True])
def test_targets_are_those_counted_by_hand(share: float, packs: bool) -> None:
    corpus, vocabulary = lines_of(LINES)
    text = vocabulary.encode(corpus)
    batches = Batches(LineTensors(text.ids, text.offsets, "sequence", 9), 10**6, 0, packs)
    own = made(LINES, share)
    seen = Counter[str]()
    for inputs, targets in batches(0):
        soft = own(inputs, targets)
        assert soft.shape == (*targets.shape, len(vocabulary))
        assert not soft[targets == IGNORED].any()
        for row, (ids, aims) in enumerate(zip(inputs, targets, strict=True)):
            ends = torch.nonzero(aims == 0).flatten().tolist()
            begin = 0
            for end in ends:
                line = vocabulary.decode(ids[begin + 1 : end + 1].tolist())
                seen[line] += 1
                wanted = expected(LINES, corpus, vocabulary, line, share)
                torch.testing.assert_close(soft[row, begin : end + 1], wanted)
                begin = end + 1
    assert seen == Counter(LINES)


def test_targets_of_windows_go_by_what_they_show() -> None:
    """A window that begins within its line says nothing of how the line begins."""
    corpus, vocabulary = lines_of(LINES)
    text = vocabulary.encode(corpus)
    lines = LineTensors(text.ids, text.offsets, "window", 3)
    inputs, targets = lines.windows(torch.from_numpy(lines.ends()))
    soft = made(LINES, windows=True)(inputs, targets)
    counts = NGram(len(vocabulary), ORDER - 1, NGram.Options(order=ORDER))
    counts.fit_counts(text.ids, text.offsets)
    number = 0
    for line in LINES:
        wanted = expected(LINES, corpus, vocabulary, line, 0.3)
        for place in range(len(line) + 1):
            if place < 3:
                torch.testing.assert_close(soft[number], wanted[place])
            else:
                row = F.one_hot(targets[number], len(vocabulary)).float() * 0.7
                row += 0.3 * torch.from_numpy(np.exp(counts.forward(inputs[[number]].numpy())[0]))
                torch.testing.assert_close(soft[number], row.float())
            number += 1


def test_each_label_has_counts_and_beginnings_of_its_own() -> None:
    labels = ["x", "y"] * 5
    lines = ["ab", "ab", "ac", "cb", "ad", "cb", "a", "cc", "ab", "c"]
    corpus, vocabulary = lines_of(lines, labels)
    text, ids = vocabulary.encode(corpus), vocabulary.encode_labels(corpus)
    found = make_soft_targets(corpus, vocabulary, 0.4, windows=False)
    assert found is not None
    read = LineTensors(text.ids, text.offsets, "sequence", 4, labels=ids)
    inputs, targets = read.sequences(np.arange(len(lines)), 4)
    soft = found(inputs, targets)
    for name in "xy":
        own = [line for line, label in zip(lines, labels, strict=True) if label == name]
        part = Corpus.exactly(own)
        for row, (line, label) in enumerate(zip(lines, labels, strict=True)):
            if label == name:
                wanted = expected(own, part, vocabulary, line, 0.4)
                torch.testing.assert_close(soft[row, : len(line) + 1], wanted)


def test_windows_of_labelled_lines_know_the_label_and_what_they_show() -> None:
    lines = ["ab", "ab", "acba", "cb", "ad", "cbcb"]
    corpus, vocabulary = lines_of(lines, ["x", "y"] * 3)
    text, ids = vocabulary.encode(corpus), vocabulary.encode_labels(corpus)
    assert ids is not None
    found = make_soft_targets(corpus, vocabulary, 1.0, windows=True)
    assert found is not None
    read = LineTensors(text.ids, text.offsets, "window", 3, labels=ids)
    inputs, targets = read.windows(torch.from_numpy(read.ends()))
    counts = PerLabelCounts(NGram, len(vocabulary), ORDER, NGram.Options(order=ORDER), 2)
    counts.fit_counts(text.ids, text.offsets, ids)
    wanted = torch.from_numpy(np.exp(counts.forward(inputs.numpy()))).float()
    torch.testing.assert_close(found(inputs, targets), wanted)
    half = make_soft_targets(corpus, vocabulary, 0.5, windows=True)
    assert half is not None
    first = (inputs[:, 1:] == 0).all(1) & (inputs[:, 0] == len(vocabulary))  # of label x
    alike = F.one_hot(vocabulary_ids(vocabulary, "aaa"), len(vocabulary)).float().mean(0)
    for row in half(inputs, targets)[first] - 0.5 * wanted[first]:
        torch.testing.assert_close(row, 0.5 * alike)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text("abc", min_size=1, max_size=9), min_size=1, max_size=12))
def test_targets_are_probabilities_that_leave_no_symbol_out(lines: list[str]) -> None:
    corpus, vocabulary = lines_of(lines)
    text = vocabulary.encode(corpus)
    own = made(lines, 0.5)
    read = LineTensors(text.ids, text.offsets, "sequence", 10)
    inputs, targets = read.sequences(np.arange(len(lines)), 10)
    soft = own(inputs, targets)
    torch.testing.assert_close(soft.sum(-1), (targets != IGNORED).float())
    assert soft.gather(-1, targets.clamp(min=0)[..., None])[targets != IGNORED].min() > 0


def test_there_is_no_teacher_where_there_is_no_room_or_nothing_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    corpus, vocabulary = lines_of(LINES)
    assert make_soft_targets(corpus, vocabulary, 0.0, windows=False) is None
    monkeypatch.setattr(soft_targets, "MAX_COUNTED_SYMBOLS", len(corpus.codes) - 1)
    assert make_soft_targets(corpus, vocabulary, 0.5, windows=False) is None
    monkeypatch.setattr(soft_targets, "MAX_COUNTED_SYMBOLS", len(corpus.codes))
    monkeypatch.setattr(soft_targets, "MAX_TARGET_CELLS", 40)
    assert make_soft_targets(corpus, vocabulary, 0.5, windows=False) is None


def test_beginnings_for_which_there_is_no_room_are_left_to_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    corpus, vocabulary = lines_of(LINES)
    text = vocabulary.encode(corpus)
    counts = NGram(len(vocabulary), ORDER - 1, NGram.Options(order=ORDER))
    counts.fit_counts(text.ids, text.offsets)
    states = counts.transition_table()
    assert states is not None
    firsts = np.zeros(len(LINES), dtype=np.int64)
    _, whole, _ = add_shared_prefixes(states, text, firsts, 0)
    room = (len(states.logs) + 3) * len(vocabulary)
    monkeypatch.setattr(soft_targets, "MAX_TARGET_CELLS", room // 2)
    context, follows, after = add_shared_prefixes(states, text, firsts, 0)
    assert 1 <= len(context) == len(follows) < len(whole)
    np.testing.assert_array_equal(follows, whole[: len(follows)])
    assert len(after) == len(states.logs) + len(context) > after.max()


def test_gradients_are_those_of_the_cross_entropy_and_the_loss_is_the_nll() -> None:
    corpus, vocabulary = lines_of(LINES)
    text = vocabulary.encode(corpus)
    model = battery.shaken(Transformer, len(vocabulary), 9, dropout=0.0).train()
    own = made(LINES, 0.5)
    batches = Batches(LineTensors(text.ids, text.offsets, "sequence", 9), 10**6, 0, packs=True)
    [(inputs, targets)] = batches(0)
    logits = model(inputs)
    counted = targets != IGNORED
    soft = own(inputs, targets)[counted]
    wanted = -(soft * logits[counted].log_softmax(-1)).sum(-1).mean()
    torch.testing.assert_close(cross_entropy(logits, own(inputs, targets)), wanted)
    grads = torch.autograd.grad(wanted, list(model.parameters()))
    halves = [(inputs[::2], targets[::2]), (inputs[1::2], targets[1::2])]
    for groups in ([(inputs, targets)], halves):
        loss, symbols = gradients(model, groups, 0, 0, own)
        assert symbols == int(counted.sum())
        torch.testing.assert_close(loss, nll(logits, targets).detach())
        for parameter, grad in zip(model.parameters(), grads, strict=True):
            torch.testing.assert_close(parameter.grad, grad)


def test_a_model_that_is_taught_does_better_on_names_it_has_not_seen(names_file: Path) -> None:
    """A short training on 3,000 names; test_bench and docs/performance.md have the long ones."""
    lines = names_file.read_text().split()[::10]
    found = []
    for share in (0.0, 0.5):
        maker = MakeMore("gru", max_steps=120, batch_size=128, soft_targets=share, threads=1)
        maker.fit(lines[:2000], val=lines[2000:])
        found.append(-maker.score(lines[2000:]))
    assert found[1] < found[0] - 0.05
