"""bow.py: a bag of words by hand."""

from __future__ import annotations

import torch

import battery
from makemore.models.bow import BagOfWords


def test_bow_reads_the_mean_of_what_came() -> None:
    model = battery.shaken(BagOfWords)
    inputs = torch.from_numpy(battery.some_inputs(model))
    x = model.embedding(inputs) + model.position.weight[: inputs.shape[1]]
    for place in range(inputs.shape[1]):
        now = x[:, place] + x[:, : place + 1].mean(1)
        now = now + model.project(torch.tanh(model.hidden(now)))
        torch.testing.assert_close(model(inputs)[:, place], model.head(now))
    # Which of two earlier symbols came first is seen by their positions alone.
    with torch.no_grad():
        model.position.weight.zero_()
    swapped = inputs[:, [0, 2, 1, 3, 4, 5]]
    torch.testing.assert_close(model(swapped)[:, 3:], model(inputs)[:, 3:])
