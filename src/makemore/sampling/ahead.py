"""Ahead: draws the next batch on a GPU while the CPU chooses among the lines of the last one.

A draw depends on its number alone, so a batch may be drawn before the one before it is judged.
Where the policy then chooses another way to draw, it is dropped. It is drawn only where the batch
before will most likely not give all lines that are still wanted.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Protocol

from makemore.errors import Unsatisfiable
from makemore.sampling.categorical import DrawBatch
from makemore.sampling.decoder import Decoder
from makemore.sampling.device_decoder import DEVICE_FROM, DeviceDecoder
from makemore.sampling.policy import SamplingPolicy
from makemore.sampling.quick_decoders import QuickDecoders
from makemore.sampling.results import Completions, SampleBatch


class Drawing(Protocol):
    """Draws batch by batch and chooses among the lines: a Sampler, which imports this module."""

    wanted: int | None
    at: tuple[int, int]
    policy: SamplingPolicy
    decoder: Decoder
    quick: QuickDecoders

    @property
    def complete(self) -> bool: ...

    def next_batch(self) -> DrawBatch | None: ...

    def draws_from(self, at: tuple[int, int], draws: int) -> DrawBatch: ...

    def completions(self, batch: DrawBatch) -> list[Completions]: ...

    def accept(self, batch: DrawBatch, finished: list[Completions]) -> Iterator[SampleBatch]: ...


def rounds_ahead(sampler: Drawing) -> Iterator[SampleBatch]:
    """Yield the samples of a sampler that has begun, batch by batch; drawn ahead on a GPU alone."""
    batch, drawn = sampler.next_batch(), None
    with ThreadPoolExecutor(1, "makemore") as thread:  # which starts with the first batch ahead
        while batch is not None:
            finished = drawn.result() if drawn else sampler.completions(batch)
            device, then = sampler.quick.device, batch_after(sampler, batch)
            drawn = thread.submit(device.draw, then) if device and then else None
            samples = sampler.accept(batch, finished)
            yield from (samples if drawn is None else _meanwhile(samples, drawn))
            if then and _goes_on(sampler, then, device):
                batch = then
            else:
                batch, drawn = sampler.next_batch(), None


def _goes_on(sampler: Drawing, then: DrawBatch, device: DeviceDecoder | None) -> bool:
    """Return True if a batch that was drawn ahead is the next one, drawn as it has to be."""
    return (
        not sampler.complete
        and sampler.at == (then.parts[0].round_no, then.parts[0].first)
        and sampler.decoder.strategy.by_model_alone
        and sampler.quick.device is device  # another one draws by other filters
    )


def batch_after(sampler: Drawing, batch: DrawBatch) -> DrawBatch | None:
    """Name the draws to make after a batch, before its lines are known; None: none surely.

    A model whose large batches are not drawn on a device draws none ahead.
    """
    draws, device, policy = int(batch.bounds[-1]), sampler.quick.device, sampler.policy
    if device is None or draws < DEVICE_FROM or not sampler.decoder.strategy.by_model_alone:
        return None
    needed = policy.draws_needed_after(sampler.wanted, draws, device.most)
    if needed < DEVICE_FROM:
        return None
    last = batch.parts[-1]
    whole = last.first + last.rows == policy.draws_of(last.round_no)
    at = (last.round_no + 1, 0) if whole else (last.round_no, last.first + last.rows)
    return sampler.draws_from(at, needed)


def _meanwhile(samples: Iterator[SampleBatch], drawn: Future[Any]) -> Iterator[SampleBatch]:
    """Collect samples while a batch is drawn, and yield them once it is.

    Whoever gets them may train the model, so no thread draws from it then.
    """
    lines, error = list[SampleBatch](), None
    try:
        for each in samples:
            lines.append(each)  # one by one: an error leaves those before it
    except Unsatisfiable as raised:
        error = raised
    finally:
        wait([drawn])
    yield from lines
    if error is not None:
        raise error
