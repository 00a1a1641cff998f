"""drawing/: the child gives what the commands give, to many at once, and can always be ended."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from conftest import Call
from kinds import each_kind
from makemore import MakeMore
from makemore.cli.output import as_json
from makemore.errors import MakemoreError, RunError, SystemFault, Unsatisfiable, UsageError
from makemore.text.builtin_lists import builtin_names
from makemore.web.server.drawing import Busy, Drawing, drawing, waiting
from makemore.web.server.drawing.open_runs import OpenRuns
from makemore.web.server.requests import explain_request, sample_request, score_request
from web.loops import run_apart

LINES = list(builtin_names()[::23])  # 300
MODELS: dict[str, dict[str, Any]] = {
    "ngram": {"order": 3},
    "gru": {"n_hidden": 16, "max_steps": 20},
    "mlp": {"n_embd": 4, "n_hidden": 8, "max_steps": 20},
    "transformer": {"n_layer": 1, "n_head": 2, "n_embd": 8, "max_steps": 20},
    "ensemble": {"members": "ngram order=3, gru n_hidden=8 max_steps=20"},
}
# Takes long: `exact` never guides, no draw of these long lines satisfies it, and 50,000 are made.
HARD = {
    "n": 1000, "seed": 1, "exact": True, "contains": "qzxqzx", "temperature": 9.0,
    "min_length": 50, "max_length": 70,
}  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("runs")

    def run(model: str, labels: bool = False) -> Path:
        path = folder / (model + "-labelled" * labels)
        if not path.exists():
            y = [("x", "y", "z")[len(line) % 3] for line in LINES] if labels else None
            MakeMore(model, random_state=1, threads=1, **MODELS[model]).fit(LINES, y).save(path)
        return path

    return run


def using(work: Callable[[Drawing], Awaitable[Any]], **settings: Any) -> Any:
    """What a coroutine gives that uses a Drawing, which is closed behind it."""

    async def run() -> Any:
        made = Drawing(**settings)
        try:
            return await work(made)
        finally:
            await made.close()

    return run_apart(run())


def objects(records: Iterable[Any]) -> str:
    """JSON as the commands print it, one object a line."""
    return "".join(as_json(record) + "\n" for record in records)


# -- the same as the commands ---------------------------------------------------------------------

ASKED: list[dict[str, Any]] = [
    {"n": 10}, {"n": 30, "temperature": 1.3, "top_k": 9}, {"n": 5, "prefix": "Ma", "max_length": 7},
    {"n": 6, "contains": "ri", "all": True}, {"n": 4, "pattern": "[A-D].*a", "style": "plain"},
    {"n": 0}, {"n": 3, "min_distance": 2, "exclude": "xyz"},
]  # fmt: skip


def typed(asked: dict[str, Any]) -> list[str]:
    words: list[str] = []
    for key, value in asked.items():
        flag = "-n" if key == "n" else "--" + key.replace("_", "-")
        words += [flag] if value is True else [flag, str(value)]
    return words


@pytest.mark.parametrize("model", each_kind(MODELS, ["ngram"]))
def test_lines_are_those_of_the_command_byte_by_byte(
    model: str, runs: Callable[..., Path], call: Call
) -> None:
    folder, seeds = runs(model), (0, 2**63 - 1)

    async def all_at_once(made: Drawing) -> list[dict[str, Any]]:
        return await asyncio.gather(
            *(made.sample(folder, sample_request({**asked, "seed": seed}))
              for asked in ASKED for seed in seeds)
        )  # fmt: skip

    answers = iter(using(all_at_once))
    for asked in ASKED:
        for seed in seeds:
            done = call("sample", folder, "--json", "--seed", str(seed), *typed(asked))
            answer = next(answers)
            assert done.returncode == 0 and len(answer["samples"]) == asked["n"]
            assert answer["seed"] == seed and objects(answer["samples"]) == done.stdout
            assert "".join(f"makemore: {note}\n" for note in answer["notes"]) == done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("model", each_kind(MODELS, ["gru"]))
@pytest.mark.parametrize("labels", [pytest.param(False, marks=pytest.mark.slow), True])
def test_scores_and_explanations_are_those_of_the_commands(
    model: str, labels: bool, runs: Callable[..., Path], call: Call
) -> None:
    folder, lines = runs(model, labels), ["Emma", " Maria ", "", "Zo\u00eb 9", "Anna\tx", LINES[3]]

    async def ask(made: Drawing) -> Any:
        scored = await made.score(folder, score_request({"lines": lines}))
        texts = [{"text": "Maria"}, {"text": "Ma9", "top": 2}, {"text": "Li", "temperature": 0.5}]
        texts += [{"text": "Eva", "label": "y"}] * labels
        return scored, [await made.explain(folder, explain_request(each)) for each in texts]

    scored, (whole, unknown, cooler, *labelled) = using(ask)
    done = call("score", folder, "--json", input="\n".join(lines).encode() + b"\n")
    assert objects(scored["scores"]) == done.stdout
    explain = ("explain", folder, "--json")
    assert objects(whole["symbols"]) == call(*explain, "Maria").stdout
    assert objects(unknown["symbols"]) == call(*explain, "Ma9", "--top", "2").stdout
    assert unknown["unknown"] == ["9"]
    assert objects(cooler["symbols"]) == call(*explain, "Li", "--temperature", "0.5").stdout
    for each in labelled:
        assert objects(each["symbols"]) == call(*explain, "Eva", "--label", "y").stdout


def test_errors_are_those_of_the_command_and_name_the_key(
    runs: Callable[..., Path], call: Call, tmp_path: Path
) -> None:
    folder = runs("ngram")

    async def errors(made: Drawing) -> list[BaseException]:
        asked = [
            made.sample(folder, sample_request({"prefix": "@"})),
            made.sample(folder, sample_request({"pattern": "(("})),
            made.sample(folder, sample_request({"min_length": 9, "max_length": 3})),
            made.sample(folder, sample_request({"label": "x"})),
            made.explain(folder, explain_request({"text": "Emma", "label": "x"})),
            made.sample(tmp_path, sample_request({})),
            made.score(tmp_path / "none", score_request({"lines": ["a"]})),
        ]
        return await asyncio.gather(*asked, return_exceptions=True)

    found = using(errors)
    kinds = [UsageError, UsageError, Unsatisfiable, UsageError, UsageError, RunError, RunError]
    assert [type(error) for error in found] == kinds
    assert isinstance(found[0], MakemoreError) and found[0].where == "--prefix"
    done = call("sample", folder, "--prefix", "@")
    assert done.returncode == found[0].exit_code and found[0].what in done.stderr


def test_lines_that_were_found_come_with_why_there_are_no_more(tmp_path: Path) -> None:
    MakeMore("ngram", order=2).fit(["ab", "ba", "aab"]).save(tmp_path / "few")

    async def ask(made: Drawing) -> Any:
        asked = {"n": 500, "max_length": 3, "seed": 1}
        return await made.sample(tmp_path / "few", sample_request(asked))

    answer = using(ask)
    assert 0 < len(answer["samples"]) < 12 and "there is no other" in answer["notes"][-1]


def test_without_a_seed_lines_are_fresh_and_the_seed_is_told(runs: Callable[..., Path]) -> None:
    async def ask(made: Drawing) -> Any:
        first = await made.sample(runs("ngram"), sample_request({"n": 5}))
        other = await made.sample(runs("ngram"), sample_request({"n": 5}))
        body = {"n": 5, "seed": first["seed"]}
        return first, other, await made.sample(runs("ngram"), sample_request(body))

    first, other, again = using(ask)
    assert first["seed"] != other["seed"] and first["samples"] != other["samples"]
    assert again == first


# -- what the run does under the server -----------------------------------------------------------


def test_a_new_generation_is_served_and_a_run_that_is_gone_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    maker = MakeMore("ngram", order=2).fit(LINES[:60])
    maker.save(folder)
    other = MakeMore("ngram", order=4).fit(LINES[60:])

    async def ask(made: Drawing) -> list[Any]:
        async def lines() -> Any:
            answer = await made.sample(folder, sample_request({"n": 5, "seed": 1}))
            return [sample["text"] for sample in answer["samples"]], answer["notes"]

        found = [await lines()]
        other.save(folder, replace=True)
        found.append(await lines())
        (folder / "checkpoint.json").write_text("{}")
        found.append(await lines())
        shutil.rmtree(folder)
        found.append(await lines())
        maker.save(folder)
        return [*found, await lines()]

    first, second, damaged, gone, back = using(ask)
    assert first == back == (maker.sample(5, 1), [])
    assert second == (other.sample(5, 1), [])
    assert damaged[0] == gone[0] == second[0]
    assert "cannot be read" in damaged[1][0] and "is gone" in gone[1][0]


def test_only_the_runs_used_last_stay_in_memory(runs: Callable[..., Path], tmp_path: Path) -> None:
    folders = [str(shutil.copytree(runs("ngram"), tmp_path / name)) for name in "abc"]
    held = OpenRuns(most=2)
    a, b = held(folders[0]), held(folders[1])
    assert held(folders[0]) is a
    held(folders[2])  # in place of b
    assert held(folders[0]) is a and held(folders[1]) is not b


# -- many at once ---------------------------------------------------------------------------------


def test_equal_conditions_are_one_batch_in_the_order_of_their_coming(
    runs: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    batches, written = [], drawing.message_of
    monkeypatch.setattr(
        drawing, "message_of", lambda batch, s: batches.append(len(batch)) or written(batch, s)
    )

    async def ask(made: Drawing) -> Any:
        bodies = [{"n": 3, "seed": seed, "prefix": "AB"[seed % 2]} for seed in range(40)]
        return await asyncio.gather(
            *(made.sample(runs("ngram"), sample_request(body)) for body in bodies)
        )

    answers = using(ask)
    assert batches == [20, 20]
    for seed, answer in enumerate(answers):
        texts = [sample["text"] for sample in answer["samples"]]
        maker = MakeMore.load(runs("ngram"))
        assert texts == maker.sample(3, seed, prefix="AB"[seed % 2])


def test_batches_grow_while_they_are_quick_and_shrink_once_they_are_slow() -> None:
    async def jobs() -> list[waiting.Job]:
        loop = asyncio.get_running_loop()
        return [
            waiting.Job("sample", "run", (), {}, loop.create_future(), lines=10) for _ in range(600)
        ]

    queue = deque(run_apart(jobs()))
    sizes, most = [], 512
    for took in (0.1, 0.1, 3.0, 1.0):
        batch = waiting.take_batch(queue, most)
        sizes.append(len(batch))
        most = waiting.lines_to_try(most, batch, took)
    assert sizes == [51, 102, 204, 102] and most == 1024
    batch = waiting.take_batch(queue, 5)
    assert len(batch) == 1  # one that asks for more alone is drawn alone
    assert waiting.lines_to_try(512, batch, 0.1) == 512
    assert waiting.lines_to_try(64, batch, 9.0) == waiting.FEWEST_LINES


def test_more_than_may_wait_are_refused_at_once(runs: Callable[..., Path]) -> None:
    async def ask(made: Drawing) -> list[Any]:
        asked = (made.sample(runs("ngram"), sample_request({"n": 1})) for _ in range(30))
        return await asyncio.gather(*asked, return_exceptions=True)

    found = using(ask, most_waiting=20)
    refused = [error for error in found if isinstance(error, Busy)]
    assert len(refused) == 10 and refused[0].retry_after > 0 and "try again" in str(refused[0])
    assert sum(isinstance(answer, dict) for answer in found) == 20


def test_who_has_left_is_not_computed_for(
    runs: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, written = list[Any](), drawing.message_of

    def seen(batch: Any, seconds: float) -> Any:
        message = written(batch, seconds)
        asked.extend(each["seed"] for each in message["requests"])
        return message

    monkeypatch.setattr(drawing, "message_of", seen)

    async def ask(made: Drawing) -> Any:
        tasks = [
            asyncio.create_task(
                made.sample(
                    runs("ngram"), sample_request({"n": 2, "seed": seed, "top_k": seed + 1})
                )
            )
            for seed in range(30)
        ]
        await asyncio.sleep(0)  # all wait, and the first is on its way
        for task in tasks[5:25]:
            task.cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    found = using(ask)
    assert sorted(asked) == [*range(5), *range(25, 30)]
    assert [isinstance(each, dict) for each in found] == [True] * 5 + [False] * 20 + [True] * 5


def alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


async def until(holds: Callable[[], bool], seconds: float = 20.0) -> float:
    """Wait until something holds; how long that took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds
        await asyncio.sleep(0.01)
    return time.monotonic() - began


@pytest.mark.slow
def test_computing_stops_within_a_second_once_the_client_has_left(
    runs: Callable[..., Path],
) -> None:
    async def ask(made: Drawing) -> Any:
        await made.sample(runs("gru"), sample_request({"n": 1}))
        child = made._child
        assert child is not None
        task = asyncio.create_task(made.sample(runs("gru"), sample_request(HARD)))
        await asyncio.sleep(0.3)
        assert not task.done()
        task.cancel()
        took = await until(lambda: not alive(child.pid))
        return took, await made.sample(runs("gru"), sample_request({"n": 2, "seed": 1}))

    took, answer = using(ask)
    assert took < 1
    assert [each["text"] for each in answer["samples"]] == MakeMore.load(runs("gru")).sample(2, 1)


@pytest.mark.slow
def test_what_takes_too_long_is_ended_and_the_next_is_answered(
    runs: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "SOFT", 100.0)  # the child itself does not end it

    async def ask(made: Drawing) -> Any:
        with pytest.raises(Unsatisfiable) as caught:
            await made.sample(runs("gru"), sample_request(HARD))
        ended = made._child is None
        return (
            str(caught.value),
            ended,
            await made.sample(runs("gru"), sample_request({"n": 2, "seed": 1})),
        )

    said, ended, answer = using(ask, seconds=2.0)
    assert said.startswith("this takes more than 2 s: ask for fewer") and ended
    assert [each["text"] for each in answer["samples"]] == MakeMore.load(runs("gru")).sample(2, 1)


def test_the_child_itself_ends_between_two_rounds_what_would_take_too_long(
    runs: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "SOFT", 0.0)

    async def ask(made: Drawing) -> Any:
        answer = await made.sample(runs("ngram"), sample_request({"n": 900, "seed": 1}))
        return answer, made._child is not None

    answer, goes_on = using(ask)
    texts = [each["text"] for each in answer["samples"]]
    assert 0 < len(texts) < 128 and goes_on
    assert texts == MakeMore.load(runs("ngram")).sample(900, 1)[: len(texts)]
    assert answer["notes"][-1].startswith(f"found {len(texts)} of 900 lines in 0 s")


def test_a_child_that_is_killed_is_replaced_and_nobody_notices(runs: Callable[..., Path]) -> None:
    async def ask(made: Drawing) -> Any:
        await made.sample(runs("ngram"), sample_request({"n": 1}))
        child = made._child
        assert child is not None
        os.kill(child.pid, signal.SIGKILL)
        asked = (made.sample(runs("ngram"), sample_request({"n": 2, "seed": s})) for s in range(5))
        return await asyncio.gather(*asked)

    answers = using(ask)
    maker = MakeMore.load(runs("ngram"))
    for seed, answer in enumerate(answers):
        assert [each["text"] for each in answer["samples"]] == maker.sample(2, seed)


def test_a_request_that_ends_its_child_each_time_fails_alone(
    runs: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = drawing.message_of

    def poisoned(batch: Any, seconds: float) -> Any:
        message = written(batch, seconds)
        for each in message["requests"]:
            if each["seed"] == 3:
                del each["n"]  # a KeyError, as a bug would raise one
        return message

    monkeypatch.setattr(drawing, "message_of", poisoned)

    async def ask(made: Drawing) -> Any:
        asked = (made.sample(runs("ngram"), sample_request({"n": 2, "seed": s})) for s in range(5))
        return await asyncio.gather(*asked, return_exceptions=True)

    found = using(ask)
    assert [type(each) for each in found] == [dict, dict, dict, SystemFault, dict]


@pytest.mark.slow
def test_closed_while_somebody_waits(runs: Callable[..., Path]) -> None:
    async def ask() -> Any:
        made = Drawing()
        await made.sample(runs("gru"), sample_request({"n": 1}))
        child = made._child
        assert child is not None
        tasks = [
            asyncio.create_task(made.sample(runs("gru"), sample_request({**HARD, "top_k": k})))
            for k in (8, 9)
        ]
        await asyncio.sleep(0.2)
        await made.close()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        with pytest.raises(SystemFault):
            await made.sample(runs("gru"), sample_request({}))
        return [type(each) for each in found], alive(child.pid)

    assert run_apart(ask()) == ([SystemFault, SystemFault], False)


def cpu_seconds(pid: int) -> float:
    """CPU time of a process, all of its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.slow
def test_five_hundred_clients_have_ten_names_each_within_ten_seconds(tmp_path: Path) -> None:
    """Counted in CPU time of the server and of the child, whatever else the machine does."""
    names, folder = builtin_names(), tmp_path / "gru"
    MakeMore("gru", max_steps=100, random_state=1, threads=1).fit(names).save(folder)

    async def ask(made: Drawing) -> Any:
        await made.sample(folder, sample_request({"n": 1}))
        child = made._child
        assert child is not None

        def used() -> float:
            return cpu_seconds(child.pid) + cpu_seconds(os.getpid())

        began = used()
        found = await asyncio.gather(
            *(made.sample(folder, sample_request({"n": 10, "seed": s})) for s in range(500))
        )
        return found, used() - began

    found, took = using(ask)
    assert took < 10
    maker = MakeMore.load(folder)
    for seed in range(0, 500, 25):
        texts = [each["text"] for each in found[seed]["samples"]]
        assert texts == maker.sample(10, seed)


@pytest.mark.slow
def test_a_thousand_clients_that_leave_cost_nothing(runs: Callable[..., Path]) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    async def ask(made: Drawing) -> Any:
        await made.sample(runs("gru"), sample_request({"n": 1}))
        before = descriptors()
        for number in range(1000):
            body = {"n": 50, "seed": number, "top_k": 1 + number % 20}
            task = asyncio.create_task(made.sample(runs("gru"), sample_request(body)))
            await asyncio.sleep(0.001 * (number % 4))
            task.cancel()
        await until(lambda: not made._waiting)
        answer = await made.sample(runs("gru"), sample_request({"n": 3, "seed": 1}))
        return answer, descriptors() - before

    answer, more = using(ask)
    assert more == 0
    assert [each["text"] for each in answer["samples"]] == MakeMore.load(runs("gru")).sample(3, 1)
