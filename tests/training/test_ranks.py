"""ranks.py: which process this is, how all meet, and what they send one another."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
import torch

from makemore.errors import SystemFault, UsageError
from makemore.training import ranks as ranks_module
from makemore.training.distributed import _device, serve
from makemore.training.ranks import Place, RankLost, Ranks, connect, leave, quietly

TORCHRUN = {
    "RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "node1", "MASTER_PORT": "29500",
}  # fmt: skip


def test_a_place_is_what_torchrun_says() -> None:
    place = Place.of(TORCHRUN)
    assert place == Place(3, 4, 1, 2) and not place.one_machine
    by_hand = {key: value for key, value in TORCHRUN.items() if "LOCAL" not in key}
    place = Place.of(by_hand)
    assert place == Place(3, 4, 3, 4) and place.one_machine


@pytest.mark.parametrize("lacks", ["RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"])
def test_without_one_of_the_variables_it_is_one_process(lacks: str) -> None:
    assert Place.of({**TORCHRUN, lacks: ""}) is None
    alone = {**TORCHRUN, "RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}
    assert Place.of(alone) is None


@pytest.mark.parametrize(
    "wrong", [{"RANK": "4"}, {"RANK": "-1"}, {"WORLD_SIZE": "many"}, {"LOCAL_RANK": "2"}]
)
def test_variables_that_cannot_be_are_an_error_that_says_what_to_do(wrong: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="start it by torchrun, or unset WORLD_SIZE"):
        Place.of({**TORCHRUN, **wrong})


@pytest.mark.slow
def test_processes_that_do_not_come_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks_module, "MEET", timedelta(seconds=1))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        around = {"MASTER_ADDR": "elsewhere", "MASTER_PORT": port}
        with pytest.raises(SystemFault, match="the 2 processes do not meet"):
            connect(Place(0, 2, 0, 2), around)
    for rank in (0, 1):  # nobody comes, and nobody is there
        with pytest.raises(SystemFault, match="do not meet.*unset WORLD_SIZE") as caught:
            connect(Place(rank, 2, rank, 2), around)
        assert caught.value.exit_code == 5
    # One machine needs no name of it, and is not reached from outside.
    assert around["MASTER_ADDR"] == "127.0.0.1" and around["GLOO_SOCKET_IFNAME"] in ("lo", "lo0")


def test_what_a_process_starts_is_no_process_of_the_training() -> None:
    around = dict(TORCHRUN)
    leave(around)
    assert Place.of(around) is None and "WORLD_SIZE" not in around


class Tape(Ranks):
    """A connection that keeps what rank 0 sends, for one that receives it."""

    def __init__(self, rank: int, sent: list[torch.Tensor]) -> None:
        self.rank, self.size, self.broken, self.sent = rank, 2, False, sent
        self.local_rank, self.local_size = rank, 2

    def broadcast(self, tensor: torch.Tensor) -> None:
        if not tensor.numel():
            return
        if self.rank:
            tensor.copy_(self.sent.pop(0))
        else:
            self.sent.append(tensor.clone())


def test_values_and_arrays_arrive_as_they_were_sent() -> None:
    sent: list[torch.Tensor] = []
    arrays = {
        "ids": np.arange(300, dtype=np.uint16), "none": np.zeros((0, 3)),
        "table": np.arange(6, dtype=np.float32).reshape(2, 3)[:, ::2], "one": np.array(2.5),
    }  # fmt: skip
    arrays["ids"].flags.writeable = False
    Tape(0, sent).send_record(7, {"model": "gru", "ends": 0.25}, arrays)
    other = Tape(1, sent)
    code, size = other.receive()
    record, came = other.receive_record(size)
    assert code == 7 and record == {"model": "gru", "ends": 0.25} and not sent
    for name, array in arrays.items():
        assert (came[name].dtype, came[name].shape) == (array.dtype, array.shape)
        assert (came[name] == array).all()


def test_an_array_of_objects_is_refused() -> None:
    """It would be one of pointers."""
    text = json.dumps({"arrays": [["a", "|O", [2]]]}).encode()
    other = Tape(1, [torch.frombuffer(bytearray(text), dtype=torch.uint8), torch.zeros(16)])
    with pytest.raises(ValueError, match=r"an array of \|O"):
        other.receive_record(len(text))


def test_a_message_that_nobody_waits_for_is_none() -> None:
    with pytest.raises(SystemFault, match="message 2"):
        serve(Tape(1, [torch.tensor([2, 5])]))
    serve(Tape(1, [torch.tensor([4, 0])]))  # QUIT


def lost(*_: Any, **__: Any) -> None:
    raise RuntimeError("Connection closed by peer")


@pytest.mark.parametrize(
    "call", [lambda ranks: ranks.send(1), lambda ranks: ranks.reduce(torch.zeros(2))]
)
def test_a_process_that_has_ended_is_one_line_and_nothing_more_is_sent(
    call: Callable[[Ranks], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    never = threading.Event()
    monkeypatch.setattr(torch.distributed, "new_group", lambda **_: None)
    monkeypatch.setattr(torch.distributed, "recv", lambda *_, **__: never.wait(60))
    monkeypatch.setattr(torch.distributed, "broadcast", lost)
    monkeypatch.setattr(torch.distributed, "reduce", lost)
    ranks = Ranks(Place(0, 2, 0, 2))
    with pytest.raises(RankLost, match="one of the 2 processes has ended.*same command") as caught:
        call(ranks)
    assert caught.value.exit_code == 5 and ranks.broken
    monkeypatch.setattr(torch.distributed, "broadcast", lambda *_, **__: calls.append(1) or Sent())
    quietly(ranks, 4)
    assert not calls
    ranks.broken = False
    quietly(ranks, 4)
    assert calls
    never.set()


class Sent:
    """A message that has arrived."""

    def wait(self, _: Any) -> None:
        pass


class Stuck:
    """A message that gloo has lost: waiting for it ends when the time is over, again and again."""

    def wait(self, _: Any) -> None:
        raise RuntimeError("Operation timed out!")

    def is_completed(self) -> bool:
        return False


def test_a_message_that_gloo_has_lost_is_not_waited_for_once_the_other_has_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone = threading.Event()

    def closed(*_: Any, **__: Any) -> None:
        gone.wait(60)
        lost()

    looks: list[int] = []

    def broadcast(*_: Any, **__: Any) -> Stuck:
        looks.append(1)
        gone.set()
        return Stuck()

    monkeypatch.setattr(torch.distributed, "new_group", lambda **_: None)
    monkeypatch.setattr(torch.distributed, "recv", closed)
    monkeypatch.setattr(torch.distributed, "broadcast", broadcast)
    ranks = Ranks(Place(0, 2, 0, 2))
    with pytest.raises(RankLost, match="one of the 2 processes has ended"):
        ranks.send(1)
    assert ranks.broken and looks == [1]


def test_each_process_has_a_card_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", made.append)
    monkeypatch.setattr(Ranks, "use_cards", lambda self: made.append("nccl"))
    other = Tape(1, [])
    assert _device(other, "cuda") == torch.device("cuda", 1) and made == [1, "nccl"]
    assert _device(other, "cpu") == torch.device("cpu")
    other.local_rank = 2
    with pytest.raises(SystemFault, match="give --nproc-per-node 2, or --device cpu"):
        _device(other, "cuda")
