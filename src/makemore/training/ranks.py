"""Ranks: the processes of one training, numbered from 0, and the connection between them.

torchrun starts the same command N times, and tells each by environment variables which one it is.
Rank 0 is the command; the others do what it sends them (distributed.py). They talk by gloo, on
cards also by nccl. No object is pickled: numbers, JSON and arrays are all that is sent.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from makemore.errors import SystemFault, UsageError
from makemore.escaping import visible
from makemore.models.core.base import Arrays

MEET = timedelta(minutes=5)  # until all processes have started
# Of a message: rank 0 may evaluate for hours meanwhile. A process that ends closes its connection,
# which the others notice at once.
PATIENCE = timedelta(days=365)
# Between two looks whether the other process is there. Now and then gloo loses a message whose
# receiver is killed as it is sent, and then waits for ever.
LOOK_EVERY = timedelta(seconds=1)
NUMBERS = "biuf"  # kinds of arrays that are sent: an array of objects would be one of pointers
LOOPBACK = "127.0.0.1"
VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # torchrun sets them, and others


class RankLost(SystemFault):
    """Reports that another process of the training has ended."""


@dataclass(frozen=True)
class Place:
    """Says which of the processes this is: by its number, and by its number on this machine."""

    rank: int
    size: int
    local_rank: int
    local_size: int

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Place | None:
        """Read what torchrun has set; None where it has not. Raises UsageError for no number."""
        if not all(environment.get(name) for name in VARIABLES):
            return None
        values = dict(environment)
        # Set by hand, without torchrun: all of them on one machine.
        for own, other in (("LOCAL_RANK", "RANK"), ("LOCAL_WORLD_SIZE", "WORLD_SIZE")):
            values.setdefault(own, values[other])
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
        for name in names:
            if not values[name].isdecimal():
                what = f"{name} is {visible(values[name], 40)!r}"
                raise UsageError(what, "environment", "start it by torchrun, or unset WORLD_SIZE")
        place = cls(*(int(values[name]) for name in names))
        if not (place.rank < place.size and place.local_rank < place.local_size <= place.size):
            what = f"RANK is {place.rank} and WORLD_SIZE {place.size}"
            raise UsageError(what, "environment", "start it by torchrun, or unset WORLD_SIZE")
        return place if place.size > 1 else None

    @property
    def one_machine(self) -> bool:
        return self.local_size == self.size


class Ranks:
    """Sends messages from rank 0 to the others, and adds up what all of them have computed.

    broken: the others wait for something else than the next message: none can be sent
    """

    def __init__(self, place: Place) -> None:
        self.rank, self.size = place.rank, place.size
        self.local_rank, self.local_size = place.local_rank, place.local_size
        self.broken = False
        self._control: Any = dist.new_group(timeout=PATIENCE)
        self._cards: Any = None
        self._lost = threading.Event()
        watched = dist.new_group(timeout=PATIENCE)
        # Rank 0 notices each of the others, and they notice rank 0.
        for other in (0,) if self.rank else range(1, self.size):
            threading.Thread(target=self._watch, args=(other, watched), daemon=True).start()

    def _watch(self, other: int, group: Any) -> None:
        """Wait for a message that never comes, until the connection is closed."""
        with suppress(RuntimeError):
            dist.recv(torch.empty(1), other, group=group)
        self._lost.set()

    def use_cards(self) -> None:
        """Send tensors of cards from card to card from now on; all processes call this."""
        if self._cards is None:
            self._cards = dist.new_group(backend="nccl")

    def broadcast(self, tensor: Tensor) -> None:
        """Copy a tensor of rank 0 into that of each other process, in place. Raises RankLost."""
        if tensor.numel():
            self._together(dist.broadcast, tensor)

    def reduce(self, tensor: Tensor) -> None:
        """Add up the tensors of all processes in that of rank 0. Raises RankLost."""
        self._together(dist.reduce, tensor)

    def _together(self, collective: Callable[..., Any], tensor: Tensor) -> None:
        """Take part in one that has rank 0 at its root, and see that the others are there."""
        with self._all_there():
            if tensor.device.type == "cuda":  # its wait would be one for the card
                collective(tensor, 0, group=self._cards)
                return
            work = collective(tensor, 0, group=self._control, async_op=True)
            while not self._done(work):
                if self._lost.is_set() and not self._done(work):
                    raise RuntimeError("a process has gone")

    def _done(self, work: Any) -> bool:
        """Wait for a second at most. Raises RuntimeError if it has failed."""
        try:
            work.wait(LOOK_EVERY)
        except RuntimeError:
            if work.is_completed():  # by an error of its own, and not for want of time
                raise
            return False
        return True

    @contextmanager
    def _all_there(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            self.broken = True
            raise RankLost(
                f"one of the {self.size} processes has ended", "torchrun",
                "give the same command again: it goes on from its last checkpoint",
            ) from error  # fmt: skip

    def send(self, code: int, number: int = 0) -> None:
        """Send a message from rank 0 to all others: a code, and a number that belongs to it."""
        self.broadcast(torch.tensor([code, number]))

    def receive(self) -> tuple[int, int]:
        """Wait for the next message of rank 0."""
        numbers = torch.empty(2, dtype=torch.long)
        self.broadcast(numbers)
        code, number = numbers.tolist()
        return code, number

    def send_record(self, code: int, record: Mapping[str, Any], arrays: Arrays) -> None:
        """Send values that JSON has, and arrays by name, with the message `code`."""
        shapes = [(name, array.dtype.str, array.shape) for name, array in arrays.items()]
        text = json.dumps({**record, "arrays": shapes}).encode()
        self.send(code, len(text))
        for body in (np.frombuffer(text, np.uint8), *arrays.values()):
            self.broadcast(torch.from_numpy(body.ravel().view(np.uint8).copy()))

    def receive_record(self, size: int) -> tuple[dict[str, Any], Arrays]:
        """Receive what `send_record` sends after its message, whose number is `size`."""
        record, arrays = json.loads(self._bytes(size).tobytes()), Arrays()
        for name, kind, shape in record.pop("arrays"):
            dtype = np.dtype(kind)
            if dtype.kind not in NUMBERS:
                raise ValueError(f"an array of {kind}")
            body = self._bytes(int(np.prod(shape)) * dtype.itemsize)
            arrays[name] = body.view(dtype).reshape(shape)
        return record, arrays

    def _bytes(self, size: int) -> np.ndarray[Any, Any]:
        body = torch.empty(size, dtype=torch.uint8)
        self.broadcast(body)
        return body.numpy()


def connect(place: Place, environment: MutableMapping[str, str]) -> Ranks:
    """Meet the other processes, at the address that torchrun has told each of them.

    environment: of this process. Raises SystemFault if they do not all come within 5 minutes.
    """
    if place.one_machine:
        # No name has to be resolved, and nobody outside can reach the connections.
        environment["MASTER_ADDR"] = LOOPBACK
        environment.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
    try:
        dist.init_process_group(
            "gloo", store=_store(place, environment), rank=place.rank, world_size=place.size,
            timeout=MEET,
        )  # fmt: skip
        return Ranks(place)
    except (RuntimeError, OSError, ValueError) as error:
        where = ":".join(environment[name] for name in VARIABLES[2:])
        to_do = "start all of them by torchrun, or unset WORLD_SIZE for one"
        what = f"the {place.size} processes do not meet"
        raise SystemFault(what, visible(where, 80), to_do) from error


def _store(place: Place, environment: Mapping[str, str]) -> Any:
    """Open the store by which processes find each other: torchrun's, or one of rank 0."""
    if environment.get("TORCHELASTIC_USE_AGENT_STORE") == "True" or not place.one_machine:
        # mypy knows neither this name nor TCPStore, though torch documents both.
        meeting: Any = vars(dist)["rendezvous"]
        return next(meeting("env://", place.rank, place.size, timeout=MEET))[0]
    port, listens = int(environment["MASTER_PORT"]), place.rank == 0
    # By itself the store would listen to every interface.
    handle = socket.create_server((LOOPBACK, port)).detach() if listens else None
    store: Any = vars(dist)["TCPStore"]
    return store(LOOPBACK, port, place.size, listens, MEET, master_listen_fd=handle)


def leave(environment: MutableMapping[str, str]) -> None:
    """Take back what torchrun has set: processes that this one starts are none of the training."""
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        environment.pop(name, None)


def quietly(ranks: Ranks, code: int) -> None:
    """Send a message if the others can take one; that they have gone is no error."""
    if not ranks.broken:
        with suppress(RankLost):
            ranks.send(code)
