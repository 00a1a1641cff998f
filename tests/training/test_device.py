"""device.py: generators and threads that are given back, and devices that are there or not."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import pytest
import torch

from makemore import MakeMore
from makemore.api import Plan
from makemore.errors import UsageError
from makemore.parallel import MOST_THREADS, default_threads, parallel_map, pool_size
from makemore.text import Corpus, train_val_test_split
from makemore.training.device import choose_device, generator, one_thread_each, seeded, threads
from makemore.training.events import Event

LINES = ["".join(parts) for parts in product("kmnr", "aeio", ("la", "ri", "no", "sa"))]


def draw(*numbers: int) -> list[float]:
    with seeded(*numbers):
        return torch.rand(4).tolist()


# -- seeds ----------------------------------------------------------------------------------------


def test_seeded_is_a_function_of_its_numbers() -> None:
    once = draw(3407, 5)
    torch.rand(7)
    torch.manual_seed(1)
    assert draw(3407, 5) == once
    others = [(3407, 6), (3408, 5), (5, 3407), (3407,), (0, 5), (2**63 - 1,), (2**63 - 2,)]
    drawn = [once, *(draw(*numbers) for numbers in [*others, (2**63 - 1, 10**9)])]
    assert len(set(map(tuple, drawn))) == 9 and draw(2**63 - 1, 10**9) == drawn[-1]
    # Pinned: another mapping of numbers to draws would change every training there was.
    assert once == pytest.approx([0.135844, 0.105181, 0.052898, 0.262801], abs=1e-6)


def test_seeded_gives_the_generator_back() -> None:
    torch.manual_seed(9)
    expected = torch.rand(3)
    torch.manual_seed(9)
    with seeded(1):
        first, second = torch.rand(2), torch.rand(2)
    with seeded(1):
        before = torch.rand(2)
        draw(2)
        after = torch.rand(2)
    with pytest.raises(KeyError), seeded(2):
        raise KeyError
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(before, first) and torch.equal(after, second)


def test_seeded_sets_and_gives_back_the_generators_of_all_cards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The model may be on any of them; no stack trace is made for a device that is not there."""
    seeds, state = list[int](), {0: "first", 1: "second"}
    fakes = {
        "is_initialized": lambda: True, "device_count": lambda: 2, "manual_seed_all": seeds.append,
        "get_rng_state": state.__getitem__,
        "set_rng_state": lambda value, number: seeds.append((number, value)),
    }  # fmt: skip
    for name, fake in fakes.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    monkeypatch.setattr(torch, "manual_seed", lambda seed: pytest.fail("slow"))
    expected = torch.rand(4, generator=generator(3407, 5)).tolist()
    assert draw(3407, 5) == expected
    assert seeds == [generator(3407, 5).initial_seed(), (0, "first"), (1, "second")]


def test_a_generator_of_its_own_draws_what_seeded_would() -> None:
    torch.manual_seed(9)
    expected = torch.rand(3)
    torch.manual_seed(9)
    assert torch.rand(4, generator=generator(3407, 5)).tolist() == draw(3407, 5)
    assert torch.equal(torch.rand(3), expected)


# -- threads --------------------------------------------------------------------------------------


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    with threads(before + 1):
        assert torch.get_num_threads() == before + 1
        with threads(1):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == before + 1
    with pytest.raises(KeyError), threads(before + 2):
        raise KeyError
    assert torch.get_num_threads() == before


def test_threads_that_are_right_already_are_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", calls.append)
    with threads(torch.get_num_threads()):
        pass
    assert not calls


def in_a_thread(function: Callable[[], Any]) -> Any:
    """What a function returns in a thread that begins now; torch gives that the default count."""
    with ThreadPoolExecutor(1) as one:
        return one.submit(function).result()


@pytest.fixture
def three_threads() -> Iterator[None]:
    """The caller has set 3: for this thread, and for those that begin later."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def work() -> int:
    """As a training does: a count of its own, and steps in parts in the threads of the pool."""
    before = torch.get_num_threads()
    with threads(2):
        for _ in range(2):
            with one_thread_each(3):
                parallel_map(lambda _: torch.zeros(9).sum(), range(3))
                assert torch.get_num_threads() == 1
            assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == before
    return before


@pytest.mark.usefixtures("three_threads")
def test_a_thread_that_begins_later_has_the_caller_s_count() -> None:
    assert in_a_thread(torch.get_num_threads) == 3
    assert work() == in_a_thread(work) == in_a_thread(work) == 3
    with pytest.raises(KeyError), one_thread_each(4):
        raise KeyError
    assert torch.get_num_threads() == in_a_thread(torch.get_num_threads) == 3


@pytest.mark.usefixtures("three_threads")
def test_callers_in_several_threads_do_not_mix_their_counts() -> None:
    inside, left, found = threading.Event(), threading.Event(), list[int]()

    def another() -> int:
        with threads(2), one_thread_each(2):
            parallel_map(str, range(3))
        return torch.get_num_threads()

    def first() -> None:
        with one_thread_each(2):
            inside.set()
            assert left.wait(30) and pool_size() == 2 and torch.get_num_threads() == 1
        found.append(torch.get_num_threads())

    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(30) and pool_size() == 1 and torch.get_num_threads() == 3
    found.append(in_a_thread(another))  # it has asked torch for nothing before
    found.append(work())
    left.set()
    thread.join()
    assert found == [3, 3, 3] and in_a_thread(torch.get_num_threads) == 3
    assert pool_size() == 1


@pytest.mark.usefixtures("three_threads")
def test_a_count_that_a_caller_sets_meanwhile_stays() -> None:
    with threads(2):
        in_a_thread(lambda: torch.set_num_threads(4))
    # This thread had 3, and has it again; those that begin now begin with the last one set.
    assert torch.get_num_threads() == 3 == in_a_thread(torch.get_num_threads)
    with threads(3):
        in_a_thread(lambda: torch.set_num_threads(4))
    assert torch.get_num_threads() == 3 and in_a_thread(torch.get_num_threads) == 4


@pytest.mark.usefixtures("three_threads")
def test_a_training_that_is_closed_or_fails_gives_all_back() -> None:
    def begun() -> Generator[Event, None, None]:
        maker = MakeMore("mlp", random_state=1, threads=2, max_steps=50, n_hidden=4)
        split = train_val_test_split(Corpus.from_lines(LINES))
        maker.begin(Plan.make("mlp", maker.asked, split, "lines"))
        return maker.training()  # type: ignore[return-value]

    def closed() -> int:
        events = begun()
        next(events), next(events)
        events.close()
        return torch.get_num_threads()

    assert closed() == in_a_thread(closed) == 3
    events = begun()
    in_a_thread(lambda: next(events))  # begun in a thread that has ended, closed here
    events.close()
    with pytest.raises(KeyError):
        for _ in begun():
            raise KeyError
    gc.collect()
    maker = MakeMore("mlp", random_state=1, threads=2, max_steps=2, n_hidden=4)
    in_a_thread(lambda: maker.fit(LINES).sample(3, 1, all=True))
    assert len(maker.sample(3, 1, all=True)) == 3 and len(maker.score_samples(LINES)) == len(LINES)
    assert torch.get_num_threads() == in_a_thread(torch.get_num_threads) == 3


def test_a_crew_works_at_the_same_time_and_keeps_the_order() -> None:
    meeting = threading.Barrier(3, timeout=30)  # nobody passes alone

    def work(number: int) -> tuple[int, int, str]:
        if number < 3:
            meeting.wait()
        return number * number, torch.get_num_threads(), threading.current_thread().name

    with threads(4), one_thread_each(3):
        assert (pool_size(), torch.get_num_threads()) == (3, 1)
        made = parallel_map(work, range(7))
    assert [square for square, _, _ in made] == [number**2 for number in range(7)]
    assert {number for _, number, _ in made} == {1}
    assert len({name for _, _, name in made[:3]}) == 3
    assert pool_size() == 1


def test_without_a_crew_calls_come_one_after_the_other() -> None:
    seen: list[str] = []
    made = parallel_map(lambda n: seen.append(threading.current_thread().name) or n, (5, 6))
    assert made == [5, 6]
    assert seen == [threading.current_thread().name] * 2
    with one_thread_each(3):
        assert parallel_map(str, ()) == [] and parallel_map(str, (1,)) == ["1"]


@pytest.mark.parametrize("wrong", [0, 1])
def test_what_goes_wrong_in_a_crew_is_raised_once_all_have_ended(wrong: int) -> None:
    ended: list[int] = []

    def work(number: int) -> None:
        if number == wrong:
            raise KeyError("here")
        time.sleep(0.05)
        ended.append(number)

    with pytest.raises(KeyError, match="here"), one_thread_each(2):
        parallel_map(work, (0, 1))
    assert ended == [1 - wrong] and pool_size() == 1


def test_a_forked_process_has_a_crew_of_its_own() -> None:
    code = """
import os
from makemore.parallel import parallel_map, thread_pool
with thread_pool(2):
    assert parallel_map(str, range(4)) == list("0123")
    child = os.fork()
    assert parallel_map(str, range(4)) == list("0123")
    if child:
        assert os.waitpid(child, 0)[1] == 0
    else:
        os._exit(0)
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=60)


def test_default_threads_are_the_cores_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 1 <= default_threads() <= MOST_THREADS
    for cores, expected in ((3, 3), (96, 8)):
        usable = set(range(cores))
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, usable=usable: usable, raising=False)
        assert default_threads() == expected
    monkeypatch.delattr(os, "sched_getaffinity")  # as on macOS
    for cores, expected in ((6, 6), (None, 1)):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        assert default_threads() == expected


SPINNING = """
import atexit, os, sys
from makemore.cli.main import main
assert "torch" not in sys.modules  # which reads the variable once, when it is loaded
atexit.register(lambda: print(os.environ.get("GOMP_SPINCOUNT")))
sys.argv = ["makemore", "--version"]
main()
"""


@pytest.mark.parametrize(
    "given, expected",
    [({}, "10000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "None")],
)
def test_a_command_s_threads_do_not_spin_for_long(given: dict[str, str], expected: str) -> None:
    """Unless whoever calls it says how they wait."""
    ours = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    environment = {k: v for k, v in os.environ.items() if k not in ours} | given
    done = subprocess.run(
        [sys.executable, "-c", SPINNING], env=environment, capture_output=True, text=True
    )
    assert done.stdout.split("\n")[-2] == expected, done.stderr


# -- devices --------------------------------------------------------------------------------------


def test_auto_is_cuda_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert choose_device("auto").type == expected
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize(
    "name",
    [
        "", "gpu", "CPU ", "cuda:99", "mps:7", "xpu", "meta", "cpu:x", "opencl", "hpu", "vulkan",
        pytest.param("cuda", marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there")),
    ],
)  # fmt: skip
def test_a_device_that_is_not_there(name: str) -> None:
    with pytest.raises(UsageError, match="no device .* here") as caught:
        choose_device(name)
    assert caught.value.exit_code == 2 and "use --device cpu" in str(caught.value)
