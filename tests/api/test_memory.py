"""memory.py: what a training takes is said beforehand, and refused where it does not fit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from makemore import MakeMore
from makemore.api import Plan, memory, train_directory
from makemore.api.memory import check_memory, count_parameters, needed_memory, way_out
from makemore.api.session import Message
from makemore.errors import SystemFault
from makemore.text import Corpus, train_val_test_split
from makemore.training import device

LINES = ["emma", "olivia", "ava", "mia"]
# 20,000 symbols, four a line.
MANY = ["".join(chr(0x4E00 + n + k) for k in range(4)) for n in range(0, 20_000, 4)]


def planned(model: str, lines: list[str] = LINES, **options: Any) -> Plan:
    return Plan.make(model, options, train_val_test_split(Corpus.from_lines(lines)), "lines")


@pytest.mark.parametrize(
    "model", ["bigram", "mlp", "deep_mlp", "wavenet", "bow", "rnn", "gru", "lstm", "transformer"]
)
def test_parameters_are_counted_without_making_them(model: str) -> None:
    plan = planned(model)
    assert count_parameters(plan) == plan.build().n_parameters
    assert needed_memory(plan).total < memory.WORTH_SAYING
    check_memory(plan)


def test_many_symbols_take_what_was_measured() -> None:
    # Measured: 22.2 GB of a bigram network, whose weights are the square of the symbols.
    bigram = needed_memory(planned("bigram", MANY))
    assert 20e9 < bigram.total < 26e9 and bigram.weights > 0.9 * bigram.total
    assert 0.8e9 < needed_memory(planned("transformer", MANY)).total < 2.5e9
    assert needed_memory(planned("ngram", MANY)).total < 0.5e9


def test_what_does_not_fit_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(plan: Plan, gigabytes: float) -> str:
        monkeypatch.setattr(memory, "available_bytes", lambda: int(gigabytes * 1e9))
        with pytest.raises(SystemFault) as caught:
            check_memory(plan)
        assert caught.value.exit_code == 5
        return str(caught.value)

    message = refused(planned("bigram", MANY), 8)
    assert message.startswith("bigram takes about 23.") and "with 20,001 symbols" in message
    assert "8.0 GB are free: give --model ngram" in message
    assert refused(planned("gru", n_hidden=4096, n_layer=32), 16).endswith(
        "give a smaller --n-embd or --n-hidden or --n-layer, or --model ngram"
    )
    wide = planned("transformer", MANY, batch_size=3900)
    to_do = refused(wide, 8).rpartition(": ")[2]
    assert to_do.startswith("give --batch-size ")
    smaller = planned("transformer", MANY, batch_size=int(to_do.rpartition(" ")[2]))
    check_memory(smaller)  # the command works as it is printed
    monkeypatch.setattr(memory, "available_bytes", lambda: None)
    check_memory(wide)  # nothing is known of this machine


def test_a_batch_on_a_card_takes_no_memory_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own error names a batch that fits. Weights are made and saved by the host."""
    wide = planned("transformer", batch_size=4, n_embd=512, n_layer=8)
    wide = replace(wide, recipe=replace(wide.recipe, batch_size=8192))
    needed = needed_memory(wide)
    monkeypatch.setattr(memory, "available_bytes", lambda: int(2 * (needed.weights + 10**9)))
    with pytest.raises(SystemFault, match="give --batch-size"):
        check_memory(wide)
    monkeypatch.setattr(device, "choose_device", lambda name: torch.device("cuda"))
    check_memory(wide)
    monkeypatch.setattr(memory, "available_bytes", lambda: 10**9)
    with pytest.raises(SystemFault, match="give a smaller --n-embd"):
        check_memory(wide)


def test_an_ensemble_takes_what_its_largest_member_does() -> None:
    both = planned("ensemble", MANY, members="bigram max_steps=1, ngram")
    assert needed_memory(both).total == pytest.approx(
        needed_memory(planned("bigram", MANY)).total, rel=0.01
    )
    assert way_out(both, needed_memory(both), 10**9) == "give --model ngram"


def test_every_way_to_train_is_refused_before_a_file_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 2 * 10**9)
    with pytest.raises(SystemFault, match="of memory"):
        MakeMore("bigram").fit(MANY)
    said = []
    with pytest.raises(SystemFault, match="of memory"):
        for event in train_directory(tmp_path / "run", MANY, model="bigram"):
            said.append(event)
    assert [event.text for event in said if isinstance(event, Message)] == [
        "this takes about 23.9 GB of memory"
    ]
    assert not (tmp_path / "run").exists()
