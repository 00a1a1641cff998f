"""Scorer: surprisal of each symbol, nll of each line and mean nll of a part, in nats."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from makemore.models import CountModel, Model, NeuralModel
from makemore.models.core.base import log_softmax
from makemore.models.ensemble import Ensemble
from makemore.scoring.line_tensors import IGNORED, LineTensors
from makemore.scoring.prefix_scorer import SortedPrefixes
from makemore.text import Corpus, Vocabulary
from makemore.text.vocabulary import UNKNOWN, Encoded

CHUNK = 2**14  # symbols in a forward pass
BLOCK = 2**17  # lines that are sorted together: memory stays bounded
SHORT = 128  # symbols of a line: where longer ones are, steps cost more than they save
SHARED = 2**15  # symbols of the lines whose prefixes are looked at together
WINDOWS = 2**17  # among which equal ones are looked for
PAYS = 0.6  # distinct prefixes a symbol, below which each is looked at once
FAR = 4096  # inputs that a model without a limit is given at once


@contextmanager
def eval_mode(model: Model) -> Iterator[None]:
    """Evaluation mode and no gradients inside; the mode that was before is given back."""
    was_training = isinstance(model, nn.Module) and model.training
    if isinstance(model, nn.Module):
        model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        if isinstance(model, nn.Module):
            model.train(was_training)


def surprisals(
    model: Model,
    ids: NDArray[np.int64],
    offsets: NDArray[np.int64],
    labels: NDArray[np.int64] | None = None,
) -> NDArray[Any]:
    """(n_symbols + n_lines,) -log p of each line's symbols and of its end, in nats.

    ids (n_symbols,) one line after another, all known to the model; offsets (n_lines + 1,); labels
    (n_lines,) ids, for a model that has some.
    """
    if len(offsets) - 1 > BLOCK:
        parts = []
        for start in range(0, len(offsets) - 1, BLOCK):
            own = offsets[start : start + BLOCK + 1]
            block = None if labels is None else labels[start : start + BLOCK]
            parts.append(surprisals(model, ids[own[0] : own[-1]], own - own[0], block))
        return np.concatenate(parts)
    device = model.device if isinstance(model, NeuralModel) else "cpu"
    lines = LineTensors(ids, offsets, model.input_kind, model.block_size, device, labels)
    out = np.zeros(len(ids) + len(lines))
    with eval_mode(model):
        if model.input_kind == "window":
            _by_window(model, lines, out)
        elif not _by_prefix(model, ids, offsets, labels, out):
            _by_sequence(model, lines, out)
    return out


def _by_prefix(
    model: Any,
    ids: NDArray[np.int64],
    offsets: NDArray[np.int64],
    labels: NDArray[np.int64] | None,
    out: NDArray[Any],
) -> bool:
    """Each prefix that lines share once; whether that paid."""
    if np.diff(offsets).max(initial=0) > SHORT:
        return False
    trie = SortedPrefixes.of(ids, offsets, labels)
    if trie.prefixes >= PAYS * len(out):
        return False
    starts = offsets[:-1] + np.arange(len(offsets) - 1)
    for rows, place, nats in trie.surprisals(model, SHARED):
        out[starts[rows] + place] = nats
    return True


def log_probabilities(
    model: Ensemble, member: Model, text: Encoded, labels: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.bool_]]:
    """What a member of an ensemble says before each symbol of lines (N, V), and the symbols (N,).

    And whether no training line begins like that (N,). Lines by length, all known to the model; of
    a line longer than the model's block_size the first symbols. The order is that of every member.
    """
    lines = LineTensors(text.ids, text.offsets, "sequence", model.block_size, model.device, labels)
    counts = np.minimum(lines.lengths + 1, model.block_size)
    logs = [np.zeros((0, model.vocab_size), dtype=np.float32)]
    came, new = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=bool)]
    with eval_mode(member):
        for rows in _chunks(np.argsort(counts, kind="stable"), counts):
            inputs, targets = lines.sequences(rows, model.block_size)
            inside = targets != IGNORED
            logs.append(model.answers(member, inputs)[inside].float().cpu().numpy())
            came.append(targets[inside].cpu().numpy())
            new.append(model.is_new(inputs)[inside.cpu().numpy()])
    return np.concatenate(logs), np.concatenate(came), np.concatenate(new)


def _by_window(model: Any, lines: LineTensors, out: NDArray[Any]) -> None:
    ends = lines.ends()
    for start in range(0, len(ends), WINDOWS):
        part = torch.from_numpy(ends[start : start + WINDOWS]).to(lines.device)
        inputs, targets = lines.windows(part)
        for windows, rows, number in _unique_windows(inputs, model.vocab_size + model.n_labels):
            if isinstance(model, CountModel):
                logits = torch.from_numpy(model.forward(inputs[windows].numpy()))
            else:
                logits = model(inputs[windows])
            loss = -logits.log_softmax(-1)[number, targets[rows]]
            out[start + rows.numpy(force=True)] = loss.double().numpy(force=True)


def _unique_windows(inputs: Tensor, base: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Windows (N, block) of ids below `base`, so that equal ones are computed once.

    Gives, for at most CHUNK that differ at a time: where each stands first (K,); the rows of all
    that are like one of them (R,); and which of the K each of those is (R,).
    """
    N, block = inputs.shape
    if base**block < 2**63:
        codes = (inputs * base ** torch.arange(block, device=inputs.device)).sum(1)
    else:
        codes = torch.arange(N, device=inputs.device)  # too wide for a number: each by itself
    codes, order = codes.sort()
    starts = torch.cat([codes.new_ones(1), codes.diff()]).nonzero().squeeze(1)  # (distinct,)
    sizes = torch.cat([starts, starts.new_tensor([N])]).diff()
    for these, alike in zip(torch.split(starts, CHUNK), torch.split(sizes, CHUNK), strict=True):
        first = int(these[0])
        number = torch.arange(len(these), device=inputs.device).repeat_interleave(alike)
        yield order[these], order[first : first + len(number)], number


def _by_sequence(model: Any, lines: LineTensors, out: NDArray[Any]) -> None:
    counts = lines.lengths + 1
    starts = np.cumsum(counts) - counts
    limit = model.block_size if model.limited else max(FAR, model.block_size)
    order = np.argsort(counts, kind="stable")
    fits = order[counts[order] <= limit]
    for rows in _chunks(fits, counts):
        inputs, targets = lines.sequences(rows, limit)
        logits = model(inputs)
        loss = F.cross_entropy(
            logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="none"
        )
        inside = (targets != IGNORED).cpu().numpy()
        place = starts[rows][:, None] + np.arange(inside.shape[1])
        out[place[inside]] = loss.view_as(targets).double().cpu().numpy()[inside]
    flat = lines.flat.cpu().numpy()
    for row in map(int, order[counts[order] > limit]):  # step knows how to go on past block_size
        state, first = model.initial_state(1), int(lines.first[row])
        for number in range(int(counts[row])):
            at = first + number
            before = flat[at - 1 : at].astype(np.int64)
            if number == 0 and lines.labels is not None:
                before = lines.labels[row : row + 1].cpu().numpy()
            logits, state = model.step(before, state)
            out[starts[row] + number] = -log_softmax(logits)[0, flat[at]]


def _chunks(rows: NDArray[np.int64], counts: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Rows in the given order (by length), at most CHUNK symbols with padding at a time."""
    start = 0
    while start < len(rows):
        size = max(1, CHUNK // int(counts[rows[start]]))
        size = max(1, CHUNK // int(counts[rows[min(start + size, len(rows)) - 1]]))
        yield rows[start : start + size]
        start += size


@dataclass(frozen=True)
class Scores:
    """What a model makes of the lines of a corpus.

    nll: (n_lines,) nats of each whole line, end included; inf where a symbol is unknown
    symbols: (n_lines,) symbols of each line, its end included
    posterior: (n_lines, n_labels) p(label | line), of a model with labels where none were given
    """

    nll: NDArray[np.float64]
    symbols: NDArray[np.int64]
    posterior: NDArray[np.float64] | None = None

    @property
    def known(self) -> NDArray[np.bool_]:
        return np.isfinite(self.nll)

    def mean(self, rows: NDArray[np.bool_] | None = None) -> float | None:
        """Nats a symbol over these lines (all), lines with unknown symbols left out."""
        chosen = self.known if rows is None else self.known & rows
        symbols = int(self.symbols[chosen].sum())
        return float(self.nll[chosen].sum() / symbols) if symbols else None


def score(
    model: Model, vocabulary: Vocabulary, corpus: Corpus, shares: NDArray[np.float64] | None = None
) -> Scores:
    """The nll of every line of a corpus, exact.

    Of a model with labels: that of each line given its label. Of lines without labels it is
    -log sum_l share_l p(line | l), nats, and the posterior is share_l p(line | l) over that sum
    (Bayes' rule); shares (n_labels,) of the labels, alike if not given. A line with an unknown
    symbol, of which nothing is known, has the shares.
    """
    encoded = vocabulary.encode(corpus)
    if not model.n_labels:
        return Scores(_of_lines(model, encoded, None), encoded.lengths + 1)
    labels = vocabulary.encode_labels(corpus)
    if labels is not None:
        return Scores(_of_lines(model, encoded, labels), encoded.lengths + 1)
    shares = np.full(model.n_labels, 1 / model.n_labels) if shares is None else shares
    joint = _given_each_label(model, encoded)
    with np.errstate(divide="ignore"):  # a label that no training line has: log 0
        joint = np.log(shares) - joint
    highest = joint.max(axis=1, keepdims=True)
    known = np.isfinite(highest[:, 0])
    highest[~known] = 0.0
    each = np.exp(joint - highest)
    total = each.sum(axis=1, keepdims=True)
    posterior = np.where(known[:, None], each / np.where(total > 0, total, 1.0), shares)
    marginal = np.full(len(corpus), np.inf)
    marginal[known] = -(highest + np.log(total, where=total > 0, out=np.zeros_like(total)))[
        known, 0
    ]
    return Scores(marginal, encoded.lengths + 1, posterior)


def _given_each_label(model: Model, encoded: Encoded) -> NDArray[np.float64]:
    """(n_lines, n_labels) nats of each line given each label."""
    rows = len(encoded.lengths)
    each = [
        _of_lines(model, encoded, np.full(rows, model.vocab_size + number, dtype=np.int64))
        for number in range(model.n_labels)
    ]
    return np.stack(each, axis=1)


def _of_lines(
    model: Model, encoded: Encoded, labels: NDArray[np.int64] | None
) -> NDArray[np.float64]:
    """(n_lines,) nats of each line; inf with an unknown symbol or label."""
    lengths = encoded.lengths
    rows = np.repeat(np.arange(len(lengths)), lengths)
    known = np.ones(len(lengths), dtype=bool) if labels is None else labels != UNKNOWN
    known[rows[encoded.ids == UNKNOWN]] = False
    offsets = np.concatenate([[0], np.cumsum(lengths[known])]).astype(np.int64)
    own = None if labels is None else labels[known]
    each = surprisals(model, encoded.ids[known[rows]], offsets, own)
    result = np.full(len(lengths), np.inf)
    starts = offsets[:-1] + np.arange(len(offsets) - 1)
    result[known] = np.add.reduceat(each, starts) if len(starts) else 0.0
    return result
