"""What a model's file declares, read without torch, is what its class has."""

from __future__ import annotations

import subprocess
import sys

import pytest

from makemore.errors import UsageError
from makemore.models import get_model
from makemore.models.core.declared import declared, declared_models
from makemore.models.core.registry import about, here
from makemore.options import make, options_of


@pytest.mark.parametrize("name", sorted(here()))
def test_a_declaration_is_that_of_the_class(name: str) -> None:
    read, model = declared(name), get_model(name)
    assert options_of(read.kind.Options) == options_of(model.Options)
    assert read.idea == about(model)[0] and read.kind.name == name
    facts = (read.kind.input_kind, read.kind.is_ensemble)
    assert facts == (model.input_kind, model.is_ensemble)
    assert read.counts == (name == "ngram")
    options = make(read.kind.Options, {})
    assert read.kind.context_for(options, 9) == model.context_for(make(model.Options, {}), 9)


def test_all_are_described_without_torch() -> None:
    code = (
        "import sys\nfrom makemore.models.core.declared import declared_models\n"
        "print(len(declared_models()), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(len(declared_models())), "False"]


@pytest.mark.parametrize("name", ["grue", "core", "../gru", "", None])
def test_another_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="unknown model"):
        declared(name)


def test_limits_hold_as_in_the_class() -> None:
    with pytest.raises(UsageError, match="n_hidden cannot be 0"):
        make(declared("gru").kind.Options, {"n_hidden": 0})
