"""Training on a card: losses fall, and a seed gives the same bytes."""

from __future__ import annotations

import math
from typing import Any

from gpu.card import CardTest, like_names, maker_of, networks, only_on_a_card, weights_of
from makemore import MakeMore
from makemore.api.plan import Plan
from makemore.errors import Diverged
from makemore.models import NeuralModel, get_model
from makemore.options import options_of
from makemore.text import Corpus, train_val_test_split
from makemore.training import Evaluated, Step, step
from makemore.training.cuda_graphs import CudaRecorder
from makemore.training.optimizers import make_optimizers
from makemore.training.trainer import train_steps

LINES = like_names(400)


def begun(name: str, lines: list[str] = LINES, **options: Any) -> MakeMore:
    """Plan a training of a small model, and make the model with its initial weights."""
    maker = maker_of(name, **options)
    parts = train_val_test_split(Corpus.from_lines(lines))
    maker.begin(Plan.make(name, maker.asked, parts, "lines"))
    return maker


def losses_of(maker: MakeMore, step_of: Any = None) -> list[float]:
    """Take the steps of a training that was begun; returns the loss of each, nats a symbol.

    step_of: makes what takes a step, of the arguments of training/step.py; None for the default
    """
    model, plan = maker.model_, maker.plan_
    assert isinstance(model, NeuralModel) and plan is not None
    optimizers, soft, how = make_optimizers(model, plan.recipe), maker.soft_targets(), {}
    if step_of is not None:
        how["take_step"] = step_of(model, optimizers, plan.recipe, soft)
    events = train_steps(model, optimizers, maker.batches(), plan.recipe, soft_targets=soft, **how)
    losses = [event.loss for event in events]  # read afterwards: nothing waits in between
    return [float(loss) for loss in losses]


class TestTraining(CardTest):
    def test_the_loss_falls_and_gradients_are_finite(self) -> None:
        for name in networks():
            with self.subTest(model=name):
                maker = begun(name, max_steps=60)
                losses = losses_of(maker)
                assert isinstance(maker.model_, NeuralModel)
                self.assertEqual(len(losses), 60)
                self.assertLess(sum(losses[-5:]), sum(losses[:5]) - 0.3)
                for parameter, weight in maker.model_.named_parameters():
                    self.assertIsNotNone(weight.grad, parameter)
                    self.assertTrue(bool(weight.grad.isfinite().all()), parameter)

    def test_the_first_losses_are_those_of_the_cpu(self) -> None:
        """Without dropout, whose masks differ between devices."""
        self.train_exactly()
        for name in networks():
            with self.subTest(model=name):
                known = options_of(get_model(name).Options)
                off = {"dropout": 0.0} if "dropout" in known else {}
                found = [
                    losses_of(begun(name, max_steps=8, device=on, **off))
                    for on in ("cpu", maker_of(name).options["device"])
                ]
                self.assert_close(*found, atol=0.01)

    def test_a_seed_gives_the_same_bytes_and_another_seed_others(self) -> None:
        for name in networks():
            with self.subTest(model=name):
                one, two, other = (
                    weights_of(maker_of(name, random_state=seed).fit(LINES)) for seed in (5, 5, 6)
                )
                self.assertTrue(one == two, "two trainings of one seed differ")
                self.assertFalse(one == other)

    def test_wide_models_learn_too(self) -> None:
        """Products of wide matrices may have the precision of bfloat16 on a card."""
        wide = {"transformer": {"n_embd": 256, "n_head": 4}, "gru": {"n_hidden": 256}}
        for name, options in wide.items():
            with self.subTest(model=name):
                losses = losses_of(begun(name, batch_size=32, **options))
                self.assertTrue(all(map(math.isfinite, losses)))
                self.assertLess(sum(losses[-5:]), sum(losses[:5]) - 0.3)

    def test_labels_are_learned(self) -> None:
        labels = ["long" if len(line) > 7 else "short" for line in LINES]
        for name in ("transformer", "gru", "mlp"):
            with self.subTest(model=name):
                maker = maker_of(name, max_steps=80).fit(LINES, labels)
                drawn = [
                    sum(map(len, maker.sample(40, random_state=1, label=label, all=True)))
                    for label in ("long", "short")
                ]
                if name != "mlp":  # which sees three symbols back
                    self.assertGreater(drawn[0], drawn[1])

    def test_a_training_that_diverges_is_found(self) -> None:
        maker = begun("transformer", max_steps=200, learning_rate=1e30, muon_learning_rate=1e30)
        with self.assertRaises(Diverged):
            for _ in maker.training():
                pass

    def test_events_come_as_they_do_on_the_cpu(self) -> None:
        kinds: dict[str, list[Any]] = {}
        for device in ("cpu", maker_of("gru").options["device"]):
            events = begun("gru", max_steps=20, eval_interval=5, device=device).training()
            kinds[device] = [(type(e), e.step) for e in events if isinstance(e, (Step, Evaluated))]
        self.assertEqual(len({tuple(each) for each in kinds.values()}), 1)


class TestSteps(CardTest):
    """A step that was captured as a graph, against the same one operation by operation."""

    def test_a_captured_step_is_the_same_step(self) -> None:
        """With dropout: a replay draws the masks that the operations would have drawn."""
        only_on_a_card()
        # A capture that fails is the last of the process, so models with cells come last: they use
        # cuDNN, where it is likeliest.
        for name in sorted(networks(), key=lambda name: name in ("rnn", "gru", "lstm")):
            with self.subTest(model=name):
                self.assertFalse(CudaRecorder.failed, "a capture before this one has failed")
                made, makers = [], (begun(name, max_steps=24), begun(name, max_steps=24))

                def captured(*of: Any, made: list[Any] = made) -> Any:
                    made.append(step.make_step(*of))
                    return made[0]

                def plain(*of: Any) -> Any:
                    each = step.make_step(*of)
                    each.works = False  # as if a capture had failed
                    return each

                self.assert_close(losses_of(makers[0], captured), losses_of(makers[1], plain), 1e-3)
                self.assertTrue(made[0].works and made[0].recordings, "nothing was captured")
                of_both = [maker.model_.tensors() for maker in makers]  # type: ignore[union-attr]
                for key, value in of_both[0].items():
                    self.assert_close(value, of_both[1][key], 1e-2)

    def test_a_step_of_any_device_is_the_eager_one(self) -> None:
        """Without dropout, whose masks may come from elsewhere."""
        for name in networks():
            with self.subTest(model=name):
                known = options_of(get_model(name).Options)
                off = {"dropout": 0.0} if "dropout" in known else {}
                found = [
                    losses_of(begun(name, max_steps=24, **off), each)
                    for each in (step.EagerStep, step.make_step)
                ]
                self.assert_close(*found, atol=0.01)
                self.assertEqual(len(set(found[1])), 24)  # no loss is written over by a later one
