"""session.py: a training in a run directory from Python, as the command line has it."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from makemore import MakeMore
from makemore.analysis.diagnostics import Watch
from makemore.api import train_directory
from makemore.api.checked_run import run_under
from makemore.api.resume import default_model, model_in
from makemore.api.session import Message, Preview, SessionEvent, Started
from makemore.errors import RunError, SystemFault, Unsatisfiable, UsageError
from makemore.runs import Run
from makemore.training import Evaluated, Saved, Step

NAMES = [
    a + b + c for a in "BCDLMN" for b in ("a", "e", "io", "u") for c in ("n", "ra", "lle", "sk")
]
SMALL = {
    "model": "gru", "n_hidden": 8, "n_embd": 4, "max_steps": 6, "eval_interval": 3, "threads": 1
}  # fmt: skip


def train(folder: Path, lines: list[str] | None = NAMES, **options: object) -> list[SessionEvent]:
    return list(train_directory(folder, lines, **{**SMALL, **options}))  # type: ignore[arg-type]


def test_events_come_in_order_and_the_directory_holds_what_they_say(tmp_path: Path) -> None:
    events = train(tmp_path / "run")
    assert isinstance(events[0], Started) and events[0].step == 0 and not events[0].finished
    kinds = [type(event) for event in events[1:]]
    assert kinds[:3] == [Evaluated, Preview, Saved] and kinds[-1] == Saved
    assert [event.step for event in events if isinstance(event, Step)] == [1, 2, 3, 4, 5, 6]
    evaluated = [event for event in events if isinstance(event, Evaluated)]
    assert [event.step for event in evaluated] == [0, 3, 6]
    entries = [
        json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    ]
    val = [entry["nll"] for entry in entries if entry["kind"] == "val"]
    assert val == [event.val for event in evaluated]
    previews = {event.step: event.lines for event in events if isinstance(event, Preview)}
    samples = (tmp_path / "run" / "samples.txt").read_text().splitlines()
    assert samples == [f"{step}\t{line}" for step, lines in previews.items() for line in lines]
    # What Python trained, the maker of the first event and the directory are one model.
    maker, loaded = events[0].maker, MakeMore.load(tmp_path / "run")
    np.testing.assert_array_equal(maker.score_samples(NAMES), loaded.score_samples(NAMES))
    alone = MakeMore(**SMALL).fit(NAMES)  # type: ignore[arg-type]
    np.testing.assert_array_equal(alone.score_samples(NAMES), loaded.score_samples(NAMES))


def test_stopped_and_gone_on_with_it_ends_as_it_would_have(tmp_path: Path) -> None:
    train(tmp_path / "whole")
    stop = threading.Event()
    events = train_directory(tmp_path / "cut", NAMES, stop=stop, **SMALL)  # type: ignore[arg-type]
    with closing(events):
        for event in events:
            if isinstance(event, Step) and event.step == 4:
                stop.set()
    assert Run.load(tmp_path / "cut").progress["step"] == 4
    again = train(tmp_path / "cut", None)  # without lines: the run's own
    assert isinstance(again[0], Message) and again[0].text.startswith("going on from step 4")
    assert isinstance(again[1], Started) and again[1].step == 4
    cut, whole = (MakeMore.load(tmp_path / name) for name in ("cut", "whole"))
    np.testing.assert_array_equal(cut.score_samples(NAMES), whole.score_samples(NAMES))


def test_a_finished_run_is_given_back_and_nothing_follows(tmp_path: Path) -> None:
    train(tmp_path)
    events = train(tmp_path)
    assert len(events) == 1 and isinstance(events[0], Started) and events[0].finished
    assert events[0].maker.sample(3, 1) == MakeMore.load(tmp_path).sample(3, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lines", "options", "told"),
    [
        (NAMES, {"max_steps": 7}, "max_steps"),
        (NAMES, {"seed": 1}, "seed"),
        (NAMES, {"model": "rnn"}, "model is 'gru', not 'rnn'"),
        (NAMES[:-1], {}, "learned other data"),
        (NAMES, {"time": 20}, "without time"),
    ],
)
def test_another_command_is_refused_and_says_in_what(
    tmp_path: Path, lines: list[str], options: dict[str, object], told: str
) -> None:
    train(tmp_path)
    before = (tmp_path / "checkpoint.json").read_bytes()
    with pytest.raises(UsageError, match=told):
        train(tmp_path, lines, **options)
    assert (tmp_path / "checkpoint.json").read_bytes() == before
    assert isinstance(train(tmp_path, lines, fresh=True, **{**options, "time": None})[0], Started)


def test_what_may_change_from_call_to_call_is_a_warning(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    train(tmp_path, stop=stop)
    events = train(tmp_path, threads=2, log_interval=1, save_interval=0.0)
    messages = [event.text for event in events if isinstance(event, Message)]
    assert any("had 1 threads" in text for text in messages)
    entries = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [e["step"] for e in entries if e["kind"] == "batch"] == [2, 3, 4, 5, 6]


def test_nothing_to_learn_from_and_no_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to learn from"):
        train(tmp_path / "none", None)
    assert not (tmp_path / "none").exists()
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(RunError):
        train(tmp_path)


def test_two_trainings_of_one_directory_take_turns(tmp_path: Path) -> None:
    first = train_directory(tmp_path, NAMES, **SMALL)  # type: ignore[arg-type]
    with closing(first):
        assert isinstance(next(first), Started)
        with pytest.raises(SystemFault, match="another"):
            train(tmp_path)
    assert isinstance(train(tmp_path, fresh=True)[-1], Saved)


def test_an_observer_fills_the_diagnostics(tmp_path: Path) -> None:
    train(tmp_path / "seen", model="mlp", n_hidden=8, observe=Watch.of, n_embd=4)
    assert (tmp_path / "seen" / "diagnostics.jsonl").stat().st_size > 0
    events = list(train_directory(tmp_path / "counts", NAMES, model="ngram", observe=Watch.of))
    told = [event.text for event in events if isinstance(event, Message)]
    assert told == ["ngram has nothing to watch: it does not learn by steps"]


def test_a_time_says_what_it_chose_and_the_run_keeps_it(tmp_path: Path) -> None:
    events = list(train_directory(tmp_path, NAMES, time="2s"))
    assert isinstance(events[0], Message) and "counts" in events[0].text
    assert Run.load(tmp_path).config.asked == {"time": 2.0}
    again = list(train_directory(tmp_path, NAMES, time=2.0))
    assert isinstance(again[0], Started) and again[0].finished
    assert MakeMore.load(tmp_path).get_params()["time"] == 2.0


def test_time_from_python_chooses_as_the_command_line_does() -> None:
    maker = MakeMore(time="2s", random_state=1).fit(NAMES)
    assert maker.plan_ is not None and maker.plan_.config.model == "ngram"
    assert maker.plan_.config.asked == {"time": 2.0, "seed": 1}
    with pytest.raises(UsageError, match="is no time"):
        MakeMore(time="soon").fit(NAMES)
    with pytest.raises(UsageError, match="time and steps both"):
        MakeMore(time=30, max_steps=5).fit(NAMES)


def test_members_that_are_given_with_a_time_are_those_of_the_ensemble() -> None:
    maker = MakeMore(time="6s", members="ngram, ngram order=3", random_state=1).fit(NAMES)
    assert maker.plan_ is not None and maker.plan_.config.model == "ensemble"
    assert maker.plan_.config.asked["members"] == "ngram, ngram order=3"
    assert len(maker.sample(5, 1)) == 5


def test_which_model_it_is_where_none_is_named(tmp_path: Path) -> None:
    assert default_model(None, None) == "transformer" and default_model(None, 60.0) == "ensemble"
    train(tmp_path)
    assert model_in(tmp_path) == "gru" and model_in(tmp_path / "none") is None
    assert default_model(tmp_path, None) == "gru" == default_model(tmp_path, 60.0)
    assert default_model(tmp_path, None, fresh=True) == "transformer"
    (tmp_path / "config.json").write_text("{}")
    assert model_in(tmp_path) is None  # damaged: the training says so


def test_constraints_are_checked_before_a_model_is_made(tmp_path: Path) -> None:
    train(tmp_path)
    assert run_under(tmp_path, {"prefix": "B"}).config.model == "gru"
    with pytest.raises(UsageError, match="does not know 'Q'"):
        run_under(tmp_path, {"prefix": "Q"})
    with pytest.raises(Unsatisfiable):
        run_under(tmp_path, {"suffix": "a", "exclude": "a"})


# -- what the command line has, from Python -------------------------------------------------------


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> MakeMore:
    folder = tmp_path_factory.mktemp("counts")
    list(train_directory(folder, NAMES, model="ngram", order=3))
    return MakeMore.load(folder)


def test_lines_to_avoid_are_given_as_strings(loaded: MakeMore) -> None:
    first = loaded.sample(10, 3)
    others = loaded.sample(10, 3, avoid=[f" {first[0]} ", first[4], "x" * 5000])
    assert not {first[0], first[4]} & {*others} and {*first} - {*others} == {first[0], first[4]}
    assert first[0] not in [line.text for line in loaded.top(30, avoid=[first[0]])]


def test_rank_gives_the_likeliest_first(loaded: MakeMore) -> None:
    lines = list(loaded.samples(20, 3, rank=True))
    each = [line.nll / (len(line.text) + 1) for line in lines]
    assert each == sorted(each)
    assert {line.text for line in lines} == {*loaded.sample(20, 3)}
    assert loaded.sample(20, 3, rank=True) == [line.text for line in lines]


def test_what_is_remembered_is_not_given_again(loaded: MakeMore) -> None:
    first, second = (loaded.sample(10, 5, remember=True) for _ in range(2))
    assert len({*first, *second}) == 20
    assert loaded.folder_ is not None
    assert (loaded.folder_ / "given.txt").read_text().splitlines() == [*first, *second]
    with pytest.raises(UsageError, match="no run directory"):
        MakeMore(model="ngram").fit(NAMES).sample(1, remember=True)
