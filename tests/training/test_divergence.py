"""divergence.py: what ended far above blind guessing, and what only began there."""

from __future__ import annotations

import math

import pytest

from makemore import MakeMore
from makemore.errors import Diverged
from makemore.experiments.trial import failure
from makemore.training.divergence import LossWatch

V = 27  # guessing: 3.296 nats; far above it: from 4.944 on


def watched(*losses: float, vocab_size: int = V) -> bool:
    watch = LossWatch(vocab_size)
    for loss in losses:
        watch.see(loss)
    return watch.diverged


@pytest.mark.parametrize(
    ("losses", "diverged"),
    [
        ((3.3, 1e28), True),
        ((3.3, 2.1, 2.0, 9.0), True),
        ((3.3, 5.0), True),
        ((3.3, 4.9), False),  # a step too far, not far above
        ((3.3, 3.3), False),
        ((27.0, 26.5), False),  # weights drawn too large: the loss falls
        ((27.0, 28.0), False),
        ((27.0, 30.0), True),
        ((27.0, 3.0, 2.9), False),
        ((27.0,), False),
        ((), False),
    ],
)
def test_a_training_has_diverged_if_it_ends_far_above_guessing_and_above_its_lowest(
    losses: tuple[float, ...], diverged: bool
) -> None:
    assert watched(*losses) is diverged


def test_far_is_half_of_guessing_and_at_least_one_nat() -> None:
    assert LossWatch(V).margin == pytest.approx(math.log(27) / 2)
    assert LossWatch(3).margin == 1.0
    assert not watched(1.1, 2.0, vocab_size=3) and watched(1.1, 2.2, vocab_size=3)


def test_a_training_that_goes_on_is_compared_with_its_best_before() -> None:
    for best_val, loss, diverged in ((3.3, 1e28, True), (2.0, 6.0, True), (26.0, 25.0, False),
                                     (None, 30.0, False), (None, 1e28, True)):  # fmt: skip
        watch = LossWatch(V)
        watch.resume(best_val)
        assert not watch.diverged
        watch.see(loss)
        assert watch.diverged is diverged


LINES = [a + b + c for a in "kmnr" for b in "aeio" for c in ("la", "ri", "no", "sa")]


def test_python_raises_what_the_command_line_exits_with_and_a_sweep_records_it() -> None:
    maker = MakeMore("bigram", optimizer="sgd", schedule="constant", learning_rate=1e6, max_steps=5)
    with pytest.raises(Diverged, match="and blind guessing has 2.40") as caught:
        maker.fit(LINES)
    assert caught.value.exit_code == 6
    assert failure(caught.value)["kind"] == "diverged"


@pytest.mark.parametrize("model", ["bigram", "mlp", "rnn", "transformer"])
@pytest.mark.parametrize("steps", [1, 5])
def test_a_short_training_has_not_diverged(model: str, steps: int) -> None:
    assert MakeMore(model, max_steps=steps, threads=1).fit(LINES).model_ is not None
