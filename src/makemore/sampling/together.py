"""Together: draws for several samplers of the same conditions at once, each with its own seed.

A model's step of 500 rows takes little longer than one of 30. The draws of many seeds that begin
with the same symbols share a prefix, too, so it is computed once for all of them. Every sampler
gets the lines that it would have drawn alone: random numbers depend on a draw's own seed, round and
row, and the bits of a model's answer on its own prefix.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from makemore.errors import Unsatisfiable
from makemore.sampling.categorical import DrawBatch
from makemore.sampling.policy import MAX_BATCH_CELLS
from makemore.sampling.results import Completions, SampleBatch
from makemore.sampling.sampler import Sampler

MOST_TOGETHER = 8192  # draws, so that the first samplers are complete soon


def draw_together(
    conditions: Sampler, samplers: Sequence[Sampler]
) -> Iterator[tuple[int, SampleBatch | Unsatisfiable]]:
    """Draw for several samplers: yields the index of one, and lines or why there are no more.

    conditions: a sampler that has drawn nothing and makes what is drawn together
    samplers: made by its `with_seed`; `begin` has told each how many lines it is to draw
    """
    going = list(range(len(samplers)))
    while going := [index for index in going if not samplers[index].complete]:
        ended = set[int]()
        for index, lines in _next(conditions, samplers, going):
            yield index, lines
            if isinstance(lines, Unsatisfiable):
                ended.add(index)
        going = [index for index in going if index not in ended]


def _next(
    conditions: Sampler, samplers: Sequence[Sampler], going: Sequence[int]
) -> Iterator[tuple[int, SampleBatch | Unsatisfiable]]:
    """Make the next draws of these samplers, together where they are drawn in the same way."""
    together, draws = dict[int, DrawBatch](), 0
    most = min(MOST_TOGETHER, MAX_BATCH_CELLS // len(conditions.vocabulary))
    for index in going:
        batch = samplers[index].next_batch()
        if batch is None:
            continue
        if not samplers[index].draws_as_at_first:  # it has learned from its own draws
            yield from _accepted(index, samplers[index], batch, samplers[index].completions(batch))
            continue
        together[index] = batch
        draws += int(batch.bounds[-1])
        if draws >= most:
            yield from _at_once(conditions, samplers, together)
            together, draws = {}, 0
    if together:
        yield from _at_once(conditions, samplers, together)


def _at_once(
    conditions: Sampler, samplers: Sequence[Sampler], together: dict[int, DrawBatch]
) -> Iterator[tuple[int, SampleBatch | Unsatisfiable]]:
    """Make the draws of several batches as one batch, and give each sampler those of its own."""
    finished = conditions.completions(
        DrawBatch(tuple(part for batch in together.values() for part in batch.parts))
    )
    first = 0  # the draw of the whole batch that a sampler's own begin with
    for index, batch in together.items():
        yield from _accepted(index, samplers[index], batch, finished, first)
        first += int(batch.bounds[-1])


def _accepted(
    index: int, sampler: Sampler, batch: DrawBatch, finished: list[Completions], first: int = 0
) -> Iterator[tuple[int, SampleBatch | Unsatisfiable]]:
    """Yield what a sampler accepts of a batch with its index, and the error that ends it."""
    try:
        for lines in sampler.accept(batch, finished, first):
            yield index, lines
    except Unsatisfiable as error:
        yield index, error
