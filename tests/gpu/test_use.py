"""Drawing and scoring on a card: what the CPU gives up to rounding, and equal on the same card."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import torch

from gpu import card
from gpu.card import CardTest, like_names, maker_of, needs, networks, on_card, on_cpu, shaken
from makemore import MakeMore
from makemore.scoring import surprisals

LINES = like_names(400)
DRAWN = 4000  # lines: more than Decoder's first batches, which are small
OTHERS = [*like_names(300, seed=8), "", "b", "banana" * 4]


class TestScoring(CardTest):
    def test_surprisals_are_those_of_the_cpu(self) -> None:
        """Also of an empty line, and of lines that are longer than block_size."""
        lengths = np.array([3, 0, 8, 7, 20, 1, 5, 5, 2, 9])
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        ids = np.random.default_rng(3).integers(1, card.V, offsets[-1])
        for name in networks():
            for labels in (False, True):
                with self.subTest(model=name, labels=labels):
                    model = shaken(name, labels)
                    starts = card.V + np.arange(len(lengths)) % card.LABELS if labels else None
                    found = [
                        surprisals(each, ids, offsets, starts) for each in (model, on_card(model))
                    ]
                    self.assert_close(*found)

    def test_scores_of_a_trained_model_are_those_of_the_cpu(self) -> None:
        for name in networks(ensembles=True):
            with self.subTest(model=name):
                maker = maker_of(name).fit(LINES)
                self.assert_close(maker.score_samples(OTHERS), on_cpu(maker).score_samples(OTHERS))

    def test_many_lines_are_scored_as_few_are(self) -> None:
        """A million symbols: several passes, in the order in which the lines were given."""
        maker = maker_of("transformer").fit(LINES)
        once = maker.score_samples(OTHERS)
        many = maker.score_samples(OTHERS * 500)
        self.assert_close(many.reshape(500, -1), np.tile(once, (500, 1)))

    def test_a_pass_that_does_not_fit_is_halved(self) -> None:
        card.only_on_a_card()
        maker = maker_of("transformer", n_embd=64).fit(LINES)
        lines, once = OTHERS * 200, maker.score_samples(OTHERS)
        torch.cuda.empty_cache()
        with card.little_memory(torch.cuda.memory_reserved() + 200 * 2**20):
            self.assert_close(maker.score_samples(lines), np.tile(once, 200))


class TestDrawing(CardTest):
    def names(self, maker: MakeMore, **conditions: Any) -> list[str]:
        return maker.sample(200, random_state=11, **conditions)

    def test_a_seed_gives_the_same_names_again(self) -> None:
        for name in networks(ensembles=True):
            with self.subTest(model=name):
                maker = maker_of(name).fit(LINES)
                names = self.names(maker)
                self.assertEqual(len(set(names) - set(LINES)), 200)
                self.assertEqual(self.names(maker), names)
                self.assertEqual(maker.sample(20, random_state=11), names[:20])
                self.assertNotEqual(maker.sample(20, random_state=12), names[:20])

    def test_names_are_those_of_the_cpu(self) -> None:
        """But for a draw that rounding moves to the next symbol: one in a hundred at most."""
        for name in networks(ensembles=True):
            maker = maker_of(name).fit(LINES)
            for conditions in ({}, {"prefix": "ma"}, {"temperature": 0.8, "top_k": 5}):
                with self.subTest(model=name, conditions=conditions):
                    both = (self.names(each, **conditions) for each in (maker, on_cpu(maker)))
                    self.assertGreaterEqual(len(set.intersection(*map(set, both))), 198)

    def test_names_that_are_drawn_whole_on_the_card_are_those_of_the_cpu(self) -> None:
        """In batches of 1,024 draws and more; rounding may move one in a hundred."""
        for name in networks():
            maker = maker_of(name).fit(LINES)
            for conditions in ({}, {"prefix": "ma", "top_k": 5, "all": True}):
                with self.subTest(model=name, conditions=conditions):
                    self.check_drawn(maker, **conditions)

    def test_names_of_a_label_are_drawn_whole_too(self) -> None:
        labels = ["long" if len(line) > 7 else "short" for line in LINES]
        for name in ("transformer", "gru", "mlp"):
            with self.subTest(model=name):
                self.check_drawn(maker_of(name).fit(LINES, labels), label="long")

    def check_drawn(self, maker: MakeMore, **conditions: Any) -> None:
        sampler = maker.sampler(4, **conditions)
        lines = Counter(each.text for each in maker.drawn(sampler, DRAWN))
        self.assertEqual(lines.total(), DRAWN)
        if card.DEVICE.startswith("cuda"):
            self.assertIsNotNone(sampler.quick.device)
        others = Counter(on_cpu(maker).sample(DRAWN, random_state=4, **conditions))
        self.assertGreaterEqual((lines & others).total(), 0.99 * DRAWN)

    def test_many_names_begin_with_those_of_few(self) -> None:
        maker = maker_of("transformer").fit(LINES)
        self.assertEqual(
            maker.sample(20_000, random_state=3)[:50], maker.sample(50, random_state=3)
        )

    @needs("interegular")
    def test_constraints_hold(self) -> None:
        maker = maker_of("gru").fit(LINES)
        for pattern, suffix in (("[bdm].*", None), (None, "a")):
            conditions = {"pattern": pattern} if pattern else {"suffix": suffix}
            names = self.names(maker, **conditions)
            start, end = ("bdm", "") if pattern else ("", "a")
            self.assertTrue(all(n[0] in (start or n[0]) and n.endswith(end) for n in names))
