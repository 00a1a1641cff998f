"""Quick decoders: what draws large batches sooner than Decoder does, and gives the same lines.

A model with few states is drawn from by a table (table_decoder.py), and a model on a GPU draws
whole lines there (device_decoder.py). Each is made once it pays.
"""

from __future__ import annotations

from makemore.sampling.categorical import DrawBatch
from makemore.sampling.config import SamplingConfig
from makemore.sampling.decoder import Decoder
from makemore.sampling.device_decoder import DEVICE_FROM, DeviceDecoder
from makemore.sampling.policy import TABLE_FROM
from makemore.sampling.results import Completions
from makemore.sampling.table_decoder import TableDecoder


class QuickDecoders:
    """Draws the lines of a decoder by the quickest way that there is for a batch.

    table: made once enough lines are needed; device: for the first large batch
    """

    def __init__(self, decoder: Decoder, options: SamplingConfig) -> None:
        self.decoder, self.options = decoder, options
        self.table: TableDecoder | None = None
        self.device: DeviceDecoder | None = None

    def draw(self, batch: DrawBatch, wanted: int | None) -> list[Completions]:
        """Draw a batch by a table, on the model's device, or by the decoder: the same lines.

        wanted: lines that the caller needs in all, None without an end
        """
        if not self.decoder.strategy.by_model_alone:
            return self.decoder.draw(batch)
        draws = int(batch.bounds[-1])
        # Making a table costs as much as some draws: for a few lines it does not pay.
        if max(draws, wanted or 0) >= TABLE_FROM:
            self.make_table()
        on_device = self.on_device() if draws >= DEVICE_FROM else None
        return (self.table or on_device or self.decoder).draw(batch)

    def on_device(self) -> DeviceDecoder | None:
        """Return what draws on the model's device, made once; None for a model on the CPU."""
        if self.device is None:
            decoder = self.decoder
            self.device = DeviceDecoder.of(
                decoder.model, decoder.automaton, self.options, decoder.prefix, decoder.labels
            )
        return self.device

    def make_table(self) -> None:
        """Make the table of the model, if the model has few enough states for one."""
        if self.table is None:
            decoder, table = self.decoder, self.decoder.model.transition_table()
            if table is not None:  # None: a network, or too many states
                self.table = TableDecoder(
                    table, decoder.automaton, self.options, decoder.prefix, decoder.labels,
                    decoder.strategy.stratum,
                )  # fmt: skip
