"""pace.py: a schedule whose end is moved goes on without a jump, and ends at 0."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from makemore.errors import UsageError
from makemore.training.config import TrainingConfig
from makemore.training.optimizers import lr_factor
from makemore.training.pace import Clock, end_of, position, read_ends, write_ends


def moves(most: int = 200) -> st.SearchStrategy[list[list[int]]]:
    steps = st.lists(st.integers(1, most), max_size=4, unique=True).map(sorted)
    return steps.flatmap(
        lambda each: st.tuples(*(st.integers(step + 1, 2 * most + 1) for step in each)).map(
            lambda ends: [[step, end] for step, end in zip(each, ends, strict=True)]
        )
    )


def test_without_moves_the_position_is_the_step() -> None:
    assert [position([], step, 10) for step in range(11)] == list(range(11))


def test_what_is_left_is_squeezed_into_the_steps_that_are_left() -> None:
    assert position([[10, 20]], 10, 100) == 10
    assert position([[10, 20]], 15, 100) == 55
    assert position([[10, 20]], 20, 100) == 100


@given(moves())
def test_a_moved_schedule_rises_without_jumps_and_ends_at_its_end(ends: list[list[int]]) -> None:
    end = end_of(ends, 100)
    before = 100
    for step, end in ends:
        if step > before:  # a move after the end of the one before is never made
            return
        before = end
    at = [position(ends, step, 100) for step in range(end + 1)]
    assert at[0] == 0 and at == sorted(at) and at[-1] == pytest.approx(100)
    factors = [lr_factor(TrainingConfig(), each, 100) for each in at]
    assert factors[0] == 1 and factors[-1] == pytest.approx(0)


@given(moves())
def test_moves_are_written_and_read_again(ends: list[list[int]]) -> None:
    assert read_ends(write_ends(ends)) == ends


@pytest.mark.parametrize("text", ["5", "5:4", "7:9/6:9", "5:9/", "a:b", "5:9 6:9", "-1:3"])
def test_what_is_no_list_of_moves_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no moves|in order"):
        read_ends(text)


class Machine:
    """A clock of which every step takes as long as its list says."""

    def __init__(self, seconds: list[float]) -> None:
        self.seconds, self.time = seconds, 0.0

    def trained(self, clock: Clock, planned: int) -> int:
        """Take steps until the schedule ends -> how many."""
        step, end = 0, planned
        while step < end:
            self.time += self.seconds[min(step, len(self.seconds) - 1)]
            step += 1
            moved = clock.moved_end(step, end)
            end = end if moved is None else moved
        return step


@pytest.mark.parametrize(
    "seconds", [[0.1], [0.5], [0.02], [0.1] * 40 + [0.4], [0.4] * 20 + [0.1]], ids=str
)
def test_the_time_is_kept_whatever_the_machine_does(seconds: list[float]) -> None:
    machine = Machine(seconds)
    clock = Clock(20.0, 10**6, 0.0, lambda: machine.time)
    machine.trained(clock, 200)
    assert 18 <= machine.time <= 20.0 + max(seconds)


def test_more_steps_than_help_are_not_taken() -> None:
    machine = Machine([0.001])
    clock = Clock(20.0, 300, 0.0, lambda: machine.time)
    assert machine.trained(clock, 200) == 300


@pytest.mark.parametrize("load", [1.0, 4.0])
def test_what_comes_after_the_last_step_is_kept_back(load: float) -> None:
    """Evaluations as long as the latest one, and what else comes, as busy as the machine is."""
    machine = Machine([0.1 * load])
    clock = Clock(
        100.0, 10**6, 0.0, lambda: machine.time, after=2.5, evaluation=3.0 * load,
        at_end=lambda: 2.0 * load,
    )  # fmt: skip
    machine.trained(clock, 50)
    assert machine.time == pytest.approx(100 - (2.5 * 3 + 2) * load, abs=load)
