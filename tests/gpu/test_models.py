"""Every network on a card: its numbers are those of the CPU, by forward, by step, by gradient."""

from __future__ import annotations

from typing import Any

import torch

from gpu.card import CardTest, inputs_of, networks, on_card, shaken
from makemore.analysis.diagnostics import activations
from makemore.models.core.state import select
from makemore.scoring.loss import nll


class TestModels(CardTest):
    def test_forward_is_that_of_the_cpu(self) -> None:
        for name in networks():
            for labels in (False, True):
                with self.subTest(model=name, labels=labels):
                    model = shaken(name, labels)
                    inputs = inputs_of(model, 33)
                    expected = model(inputs)
                    self.assertGreater(float(expected.detach().std()), 0.05)
                    other = on_card(model)
                    self.assert_close(other(inputs.to(other.device)), expected)

    def test_step_is_forward(self) -> None:
        """At every position; rows are taken in another order, and twice, on the way."""
        for name in networks():
            with self.subTest(model=name):
                model = on_card(shaken(name))
                inputs = inputs_of(model, 6)
                state, history = model.initial_state(6), inputs
                for place in range(inputs.shape[1]):
                    logits, state = model.step(history[:, place].cpu().numpy(), state)
                    if model.input_kind == "window" and place == inputs.shape[1] - 1:
                        self.assert_close(logits, model(history))
                    elif model.input_kind == "sequence":
                        self.assert_close(logits, model(history)[:, place])
                    if place == 2 and model.input_kind == "sequence":
                        rows = torch.tensor([2, 2, 0, 5, 1, 4])
                        state = select(state, rows.numpy())
                        history = history[rows.to(history.device)]

    def test_steps_go_on_past_block_size(self) -> None:
        for name in networks():
            with self.subTest(model=name):
                model = shaken(name)
                inputs = torch.cat([inputs_of(model, 4), inputs_of(model, 4)[:, 1:]], dim=1).numpy()
                found = []
                for each in (model, on_card(model)):
                    state = each.initial_state(4)
                    for place in range(inputs.shape[1]):
                        logits, state = each.step(inputs[:, place], state)
                    found.append(logits)
                self.assert_close(*found)

    def test_gradients_are_finite_and_those_of_the_cpu(self) -> None:
        self.train_exactly()
        for name in networks():
            with self.subTest(model=name):
                model = shaken(name)
                other, inputs = on_card(model), inputs_of(model, 33)
                expected = dict(zip(*gradients(model, inputs), strict=True))
                for parameter, grad in zip(*gradients(other, inputs), strict=True):
                    self.assertTrue(bool(grad.isfinite().all()), parameter)
                    self.assert_close(grad, expected[parameter])

    def test_activations_are_those_of_the_cpu(self) -> None:
        """As `train --watch` measures them, with gradients and without dropout."""
        self.train_exactly()
        for name in networks():
            with self.subTest(model=name):
                model = shaken(name)
                inputs = inputs_of(model, 33)
                targets = model(inputs).argmax(-1)
                found = [
                    activations(each, [(inputs.to(each.device), targets.to(each.device))])
                    for each in (model, on_card(model))
                ]
                self.assertEqual(*([call.name for call in each] for each in found))
                for one, other in zip(*found, strict=True):
                    self.assert_close([one.mean, one.std], [other.mean, other.std])
                    self.assert_close(one.gradient, other.gradient)


def gradients(model: Any, inputs: torch.Tensor) -> tuple[list[str], list[torch.Tensor]]:
    """Compute the gradient of each parameter; returns names and gradients."""
    model.train()  # cuDNN's recurrent layers have no gradients in evaluation mode
    for module in model.modules():  # but no random numbers, and the statistics of evaluation
        if not isinstance(module, torch.nn.RNNBase):
            module.training = False
    logits = model(inputs.to(model.device))
    targets = torch.arange(logits.shape[:-1].numel()) * 5 % model.vocab_size
    loss = nll(logits, targets.view(logits.shape[:-1]).to(logits.device))
    names, parameters = zip(*model.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, parameters)
    return list(names), list(found)
