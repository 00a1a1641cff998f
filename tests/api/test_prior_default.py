"""The built-in prior: which lists start from it where nobody says so, and what it has not read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from api.conftest import KINDS
from line_kinds import REPORT, TUNE, lines_of
from makemore.api import Plan
from makemore.api.lineup import COUNTS, SHORT_LIST, choose_model, prior_of
from makemore.api.members import Members, members_of
from makemore.api.prior import BUILTIN_FOLDER, Prior, load_prior
from makemore.api.prior_start import start_from_prior
from makemore.text import Corpus, Split, train_val_test_split

ENGLISH = """amber stone, apple pie, autumn leaf, bakery, barn owl, blue harbour, bramble, brick
lane, candle, cedar grove, chalk hill, cherry tree, cliff walk, cloud nine, copper kettle, corner
shop, cricket field, crown inn, daisy chain, dust road, early bird, eastern gate, elm street, ember,
far meadow, fern valley, field mouse, fisher's rest, flint mill, forge, fox run, garden wall, glass
house, golden hind, green man, half moon, harvest, hazel wood, heather, high tide, honey bee, iron
bridge, ivy cottage, jolly miller, kestrel, lamp light, larch, lighthouse""".replace("\n", " ")
PLACES = ENGLISH.split(", ")
# Words of the Cherokee and the Ethiopic syllabary that mean nothing.
CHEROKEE = [a + b + c for a in "ᏣᎳᎩᎦ" for b in "ᏬᏂᎯ" for c in "ᏍᏗᎭᏩ"]
ETHIOPIC = [a + b + c for a in "ሀሁሂሃ" for b in "ለሉሊ" for c in "መሙሚማ"]


def parts_of(lines: Sequence[str]) -> Split:
    return train_val_test_split(Corpus.exactly(lines))


def builtin() -> Prior:
    prior = load_prior("builtin")
    assert prior is not None
    return prior


def members(lines: Sequence[str], **requested: Any) -> Members:
    model, options, _ = choose_model(parts_of(lines), requested)
    assert model == "ensemble"
    return members_of(options["members"])


def priors(lines: Sequence[str], **requested: Any) -> list[str]:
    """What the members that start from a prior start from."""
    return [values["prior"] for _, values in members(lines, **requested) if "prior" in values]


def test_a_short_list_has_one_member_that_starts_from_it() -> None:
    assert len(PLACES) > 40 and priors(PLACES) == ["builtin"]
    lineup = members(PLACES)
    names = [name for name, values in lineup if "prior" in values]
    assert names == [builtin().model] and len(lineup) > len(COUNTS) + 1  # and one that does not
    why = choose_model(parts_of(PLACES), {})[2]
    assert f"a network that has read {len(builtin().vocabulary.labels)} other lists" in why


def test_the_plan_records_it_by_its_digest_and_knows_its_lines() -> None:
    _, options, _ = choose_model(parts_of(PLACES), {})
    plan = Plan.make("ensemble", options, parts_of(PLACES), "")
    recorded = [values.get("prior") for _, values in members_of(plan.options.members)]
    digest = json.loads((BUILTIN_FOLDER / "prior.json").read_text())["weights"]["sha256"]
    assert [name for name in recorded if name] == [f"builtin@{digest[:12]}"]
    assert plan.prior_lines is not None and len(plan.prior_lines) == len(builtin().lines)


@pytest.mark.parametrize(
    ("lines", "requested"),
    [
        (PLACES, {"prior": "none"}),
        (PLACES, {"symbols": "grapheme"}),
        (CHEROKEE, {}),
        (ETHIOPIC, {}),
        ([*CHEROKEE, *PLACES[:9]], {}),
    ],
    ids=["none", "graphemes", "Cherokee", "Ethiopic", "mostly Cherokee"],
)
def test_these_start_from_no_prior(lines: list[str], requested: dict[str, Any]) -> None:
    assert priors(lines, **requested) == []
    assert len(members(lines, **requested)) > len(COUNTS)
    assert choose_model(parts_of(lines), requested)[2].endswith("are mixed")


def test_a_few_unknown_symbols_are_no_matter() -> None:
    assert priors([*PLACES, CHEROKEE[0]]) == ["builtin"]


@pytest.mark.parametrize(("n", "expected"), [(SHORT_LIST - 1, ["builtin"]), (SHORT_LIST, [])])
def test_a_long_list_never_starts_from_it(n: int, expected: list[str]) -> None:
    lines = [f"{PLACES[i % 40]} {PLACES[i // 40 % 40]}{'s' * (i // 1600)}" for i in range(n)]
    assert len(set(lines)) == n
    if expected:
        assert priors(lines) == expected
        return
    model, options, _ = choose_model(parts_of(lines), {})
    assert (model, options) == ("transformer", {}) and prior_of(parts_of(lines), {}) == "none"
    assert Plan.make(model, options, parts_of(lines), "").recipe.prior == "auto"


def test_a_transformer_that_is_asked_for_starts_from_random_weights() -> None:
    for requested in ({"n_layer": 2}, {"dropout": 0.3}):
        assert choose_model(parts_of(PLACES), requested)[:2] == ("transformer", {})


@pytest.mark.parametrize("model", KINDS)
def test_no_named_model_has_a_prior(model: str) -> None:
    """So that every published figure of a model is of that model alone."""
    plan = Plan.make(model, {}, parts_of(PLACES), "")
    each = [plan, *(plan.member_plans() if plan.kind.is_ensemble else [])]
    assert [one.recipe.prior for one in each] == ["auto"] * len(each)
    assert [one.prior_lines for one in each] == [None] * len(each)


def test_it_starts_a_training_that_is_asked_to() -> None:
    few = PLACES[:3]
    plan = Plan.make("transformer", {"prior": "builtin", "threads": 1}, parts_of(few), "")
    model: Any = plan.build_seeded()
    start_from_prior(plan, model)
    prior, found = builtin(), model.tensors()
    by_symbol = ("embedding.weight", "head.weight", "position.weight")
    for name in prior.tensors.keys() - {*by_symbol}:
        np.testing.assert_array_equal(found[name], prior.tensors[name])
    rows = prior.tensors["embedding.weight"][len(prior.vocabulary) :]
    assert (rows == found["embedding.weight"][0]).all(axis=1).sum() == 1  # the nearest list's


# -- what it has read -----------------------------------------------------------------------------


def test_it_is_small_and_says_what_it_has_read() -> None:
    size = sum(path.stat().st_size for path in BUILTIN_FOLDER.iterdir())
    assert size <= 3_500_000
    prior = builtin()
    lists = prior.about["lists"]
    assert [each["name"] for each in lists] == list(prior.vocabulary.labels)
    assert sum(each["lines"] for each in lists) >= len(prior.lines.read) > 10_000


@pytest.mark.parametrize("kind", [*REPORT, *TUNE])
def test_it_has_read_no_line_of_the_benchmark(kind: str) -> None:
    """Of those kinds that the bench of short lists learns from and judges by."""
    lines = Corpus.exactly(lines_of({**REPORT, **TUNE}[kind]))
    known = builtin().lines
    assert len(lines) > 100 and list(lines.take(known.is_read(lines.hashes()))) == []
    assert known.is_known(lines.hashes()).all()  # and none is drawn as new


def test_common_names_that_it_has_not_read_are_not_new() -> None:
    lines = Corpus.exactly(["Anthony", "Maria", "Michael", "Emma", "Zorvana"])
    assert builtin().lines.is_known(lines.hashes()).tolist() == [True] * 4 + [False]
