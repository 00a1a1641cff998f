"""makemore models: each with its paper and its options."""

from __future__ import annotations

from cli.conftest import objects
from conftest import Call


def test_models_are_listed_with_their_papers(call: Call) -> None:
    by_name = {entry["model"]: entry for entry in objects(call("models", "--json"))}
    assert by_name.keys() >= {
        "bigram", "bow", "gru", "lstm", "mlp", "ngram", "rnn", "transformer", "wavenet",
    }  # fmt: skip
    for name, author in (
        ("mlp", "Bengio et al. 2003"), ("rnn", "Mikolov et al. 2010"), ("gru", "Cho et al. 2014"),
        ("lstm", "Graves 2013"), ("transformer", "Vaswani et al. 2017"),
        ("wavenet", "van den Oord et al. 2016"),
    ):  # fmt: skip
        assert author in by_name[name]["paper"]
    assert by_name["mlp"]["options"]["--block-size"] == 3
    shown = call("models").stdout
    assert all(name in shown for name in by_name) and "--n-head" in shown
