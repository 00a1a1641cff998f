"""members.py: members of an ensemble as they are typed, and the plan of each."""

from __future__ import annotations

import pytest

from makemore.api.members import members_of, text_of
from makemore.api.plan import Plan
from makemore.errors import UsageError
from makemore.models.ensemble import Ensemble
from makemore.text.builtin_lists import builtin_names
from makemore.text.corpus import Corpus
from makemore.text.dataset import Split, train_val_test_split

PARTS = train_val_test_split(Corpus.from_lines(builtin_names()[::90]))


def planned(model: str, parts: Split = PARTS, **asked: object) -> Plan:
    return Plan.make(model, asked, parts, "x")


def test_members_are_written_as_they_are_read() -> None:
    mlp, gru = "mlp batch_norm=true block_size=3", "gru n_hidden=9 learning_rate=0.2 grad_clip=none"
    text = f"ngram, {mlp}, {gru}"
    found = members_of(text)
    assert found == [
        ("ngram", {}), ("mlp", {"batch_norm": True, "block_size": 3}),
        ("gru", {"n_hidden": 9, "learning_rate": 0.2, "grad_clip": None}),
    ]  # fmt: skip
    assert text_of(found) == text and members_of(text_of(found)) == found
    assert members_of(Ensemble.Options().members)[2] == ("ngram", {})


@pytest.mark.parametrize(
    "text, message",
    [
        ("ngrm", "unknown model 'ngrm'"),
        ("ngram, , gru", "unknown model ''"),
        ("", "unknown model ''"),
        ("ngram, ensemble", "ensemble is no member"),
        ("gru n_hiden=3", "unknown option of gru 'n_hiden': did you mean 'n_hidden'"),
        ("gru threads=3", "unknown option of gru 'threads'"),
        ("gru n_hidden", "n_hidden cannot be ''"),
        ("gru n_hidden=x", "n_hidden cannot be 'x'"),
        ("gru n_hidden=0", "n_hidden cannot be 0"),
        ("mlp batch_norm=maybe", "batch_norm cannot be 'maybe'"),
        (", ".join(["ngram"] * 65), "65 members"),
    ],
)
def test_members_that_cannot_be_are_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        planned("ensemble", members=text)


def test_what_is_typed_for_the_whole_holds_for_each_that_does_not_say_otherwise() -> None:
    asked: dict[str, object] = {
        "members": "ngram, gru n_hidden=8, mlp max_steps=7 seed=1 learning_rate=0.5",
        "max_steps": 3, "learning_rate": 0.25, "seed": 10, "threads": 1, "save_interval": 2.0,
    }  # fmt: skip
    plan = planned("ensemble", **asked)
    counts, gru, mlp = plan.member_plans()
    assert [each.recipe.max_steps for each in (counts, gru, mlp)] == [1, 3, 7]
    assert plan.recipe.max_steps == 11
    assert [each.recipe.seed for each in (counts, gru, mlp)] == [10, 11, 1]
    assert (gru.recipe.learning_rate, mlp.recipe.learning_rate) == (0.25, 0.5)
    assert {each.recipe.save_interval for each in (counts, gru, mlp)} == {2.0}
    assert {each.config.threads for each in (counts, gru, mlp)} == {1}
    # All values stand in the config, steps included, so that they are the same again.
    assert "gru n_hidden=8 max_steps=3, mlp max_steps=7" in plan.config.resolved["members"]
    again = planned("ensemble", **{**asked, "members": plan.config.resolved["members"]})
    assert again.config.resolved == plan.config.resolved


def test_beside_counts_members_are_taught_less_of_what_counts_say() -> None:
    small, alone = "gru n_hidden=8, rnn n_hidden=8", planned("gru").recipe.soft_targets
    assert alone >= 0.5

    def soft(members: str, **asked: float) -> list[float]:
        plans = planned("ensemble", members=members, **asked).member_plans()
        assert all(p.recipe.soft_targets == p.config.resolved["soft_targets"] for p in plans)
        return [p.recipe.soft_targets for p in plans if p.config.model != "ngram"]

    assert soft(small) == [alone, alone]
    assert soft(f"ngram, {small}") == [round(0.25 * alone, 3)] * 2
    assert soft(f"ngram, {small} soft_targets=0.3") == [round(0.25 * alone, 3), 0.3]
    assert soft(f"ngram, {small}", soft_targets=0.4) == [0.4, 0.4]


def test_an_ensemble_of_counts_has_a_step_for_each() -> None:
    without_test = Split(PARTS.train, PARTS.val, PARTS.val.take(slice(0)))
    assert planned("ensemble", without_test, members="ngram, ngram").recipe.max_steps == 2
