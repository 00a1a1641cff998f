"""ensemble.py: the mixture by hand, members without weight or memory, and damaged tensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import battery
import label_battery
from makemore.errors import RunError
from makemore.models.ensemble import Ensemble
from makemore.models.ngram import NGram

MEMBERS = "ngram order=4, mlp n_embd=4 n_hidden=8, transformer n_layer=1 n_head=2 n_embd=8"


def mixture(members: str = MEMBERS, V: int = 9, labels: int = 0) -> Ensemble:
    """An ensemble of members that have learned something; sequences of 8 inputs."""
    model = Ensemble(V, 8, Ensemble.Options(members))
    if labels:
        model.add_labels(labels)
    mixed: Ensemble = battery.mixed(model)
    return mixed


def test_each_log_probability_is_the_weighted_sum_of_the_members() -> None:
    model, inputs = mixture(), battery.some_inputs(mixture())
    model.know(inputs[0, 1:], np.array([0, 7]))
    new = (inputs != inputs[0]).cumsum(axis=1) > 0  # other than the only line that is known
    assert new.any() and not new[0].any() and not new[:, 0].any()
    for both in ([[1 / 6, 2 / 6, 3 / 6], [0.5, 0.1, 0.2]], [[-0.5, 1.2, 0.4], [0.3, 0.3, 0.0]]):
        model.weights = np.array(both)
        weights = np.moveaxis(model.weights[new.astype(int)], -1, 0)[..., None]  # (K, B, T, 1)
        counts, mlp, transformer = model.members
        assert isinstance(counts, NGram) and isinstance(mlp, torch.nn.Module)
        assert isinstance(transformer, torch.nn.Module)
        expected = np.zeros((*inputs.shape, 9))
        with torch.no_grad():
            logits = transformer(torch.from_numpy(inputs))
            expected += weights[2] * logits.log_softmax(-1).numpy()
            for place in range(inputs.shape[1]):
                before = np.concatenate([np.zeros((len(inputs), 3), np.int64), inputs], axis=1)
                window = before[:, place + 1 : place + 4]  # the three inputs up to this one
                expected[:, place] += weights[0, :, place] * counts.forward(window)
                said = mlp(torch.from_numpy(window)).log_softmax(-1).numpy()
                expected[:, place] += weights[1, :, place] * said
        expected = np.exp(expected)
        expected /= expected.sum(-1, keepdims=True)
        found = np.exp(battery.answers(model, inputs))
        np.testing.assert_allclose(found, expected, atol=1e-6)
        np.testing.assert_allclose(found.sum(-1), 1, atol=1e-5)


def test_what_one_member_holds_for_impossible_another_may_allow() -> None:
    model = Ensemble(3, 8, Ensemble.Options("ngram order=1, ngram order=2"))
    model.weights = np.array([[0.5, 0.5], [-0.5, 1.5]])
    never, known = torch.tensor([[0.5, 0.5, 0.0]]).log(), np.array([False])
    found = model.mix([never, torch.tensor([[0.2, 0.2, 0.6]]).log()], known).exp()
    assert torch.isfinite(found).all() and 0 < found[0, 2] < 1e-5
    assert torch.isfinite(model.mix([never, never], ~known)).all()


@pytest.mark.parametrize("members", [MEMBERS, "ngram, bigram", "rnn n_hidden=8, wavenet n_embd=4"])
def test_step_is_forward_whatever_the_members(members: str) -> None:
    battery.step_is_forward(Ensemble, members=members)


def test_what_has_no_weight_is_asked_nothing() -> None:
    model = mixture()
    inputs = battery.some_inputs(model)
    model.weights = np.array([[0.0, 1.0, 0.0]] * 2)
    alone = model.members[1]
    assert model.learned == [1] and alone is not None and model.n_parameters == alone.n_parameters
    assert {name.partition(".")[0] for name in model.tensors()} == {"weights", "known", "1"}
    model.members[0] = model.members[2] = None
    windows = model.windows(torch.from_numpy(inputs), 3)
    with torch.no_grad():
        expected = alone(windows.flatten(0, 1)).log_softmax(-1).view(*inputs.shape, -1)  # type: ignore[operator]
    np.testing.assert_allclose(battery.answers(model, inputs), expected, atol=1e-6)


def test_before_any_has_learned_all_symbols_are_alike() -> None:
    model = Ensemble(9, 8, Ensemble.Options(MEMBERS))
    assert battery.answers(model, battery.some_inputs(model)).std() == 0
    logits, state = model.step(np.zeros(3, np.int64), model.initial_state(3))
    assert logits.shape == (3, 9) and logits.std() == 0 and len(state) == 1
    assert model.n_parameters == 0 and list(model.tensors()) == ["weights", "known"]


def test_members_that_read_windows_see_the_label_too() -> None:
    model = mixture(labels=2)
    inputs = label_battery.labelled_inputs(model)
    found = model.windows(torch.from_numpy(inputs), 4).numpy()
    assert (found[:, :, 0] == inputs[:, :1]).all()
    line = inputs.copy()
    line[:, 0] = 0
    np.testing.assert_array_equal(found[:, 0, 1:], np.pad(line[:, :1], ((0, 0), (2, 0))))
    np.testing.assert_array_equal(found[:, 5, 1:], line[:, 3:6])


def test_it_has_a_limit_if_one_of_its_members_has() -> None:
    assert mixture().limited and not mixture("ngram, gru n_hidden=4, mlp").limited
    with pytest.raises(ValueError, match="block_size"):
        mixture()(torch.zeros(1, 9, dtype=torch.long))
    assert mixture("ngram, gru n_hidden=4")(torch.zeros(1, 9, dtype=torch.long)).shape == (1, 9, 9)


def test_weights_that_are_none_are_refused() -> None:
    model = mixture()
    inputs, whole = battery.some_inputs(model), model.tensors()
    expected = battery.answers(model, inputs)
    for row in ([np.nan, 0.5, 0.5], [np.inf, 0.0, 0.0], [0.5, 0.5], [[0.2, 0.3, 0.5]]):
        with pytest.raises(RunError, match="'weights'"):
            model.load_tensors({**whole, "weights": np.array([row, row])})
    with pytest.raises(RunError, match="'weights'"):
        model.load_tensors({**whole, "weights": whole["weights"][0]})
    with pytest.raises(RunError, match="expected float64"):
        model.load_tensors({**whole, "weights": whole["weights"].astype(np.float32)})
    for name in ("9.head.weight", "x", "-1.x", "00.counts", ".", "1", "weights.x", "²"):
        with pytest.raises(RunError, match="unknown tensor"):
            model.load_tensors({**whole, name: np.zeros(1)})
    with pytest.raises(RunError, match=r"lacks tensor '2\."):
        model.load_tensors({k: v for k, v in whole.items() if not k.startswith("2.")})
    with pytest.raises(RunError, match=r"unknown tensor '0\."):  # a member without a weight
        model.load_tensors({**whole, "weights": np.array([[0.0, 0.5, 0.5]] * 2)})
    np.testing.assert_array_equal(battery.answers(model, inputs), expected)


def test_a_member_that_has_not_learned_takes_no_memory() -> None:
    huge = "ngram order=3, transformer n_layer=64 n_embd=4096 n_head=1"
    model = Ensemble(9, 8, Ensemble.Options(huge))
    counts = mixture("ngram order=3").tensors()
    model.load_tensors({**counts, "weights": np.array([[1.0, 0.0]] * 2)})
    assert model.members[1] is None
    with pytest.raises(RunError, match=r"lacks tensor '1\."):  # nor does one that lacks its weights
        model.load_tensors({**counts, "weights": np.array([[0.5, 0.5]] * 2)})


def test_what_training_lines_begin_with_is_checked() -> None:
    model = mixture()
    inputs, whole = battery.some_inputs(model), model.tensors()
    expected = battery.answers(model, inputs)
    with pytest.raises(RunError, match="lacks tensor 'known'"):
        model.load_tensors({name: value for name, value in whole.items() if name != "known"})
    for codes in (np.array([[0]]), np.array([0.0]), np.array([0], dtype=np.int32)):
        with pytest.raises(RunError, match=r"'known' is .*, expected int64\[n\]"):
            model.load_tensors({**whole, "known": codes})
    for wrong in ([0, 0], [3, 2], [-1, 2], [9], [0, 27]):  # 9 inputs: 27 is of the fourth prefix
        with pytest.raises(RunError, match="'known' holds"):
            model.load_tensors({**whole, "known": np.array(wrong)})
    np.testing.assert_array_equal(battery.answers(model, inputs), expected)
    model.load_tensors({**whole, "known": np.array([0, 11], dtype=np.int64)})  # "", then 2
    assert model.is_new(torch.tensor([[0, 2, 1], [0, 1, 2]])).tolist() == [
        [False, False, True], [False, True, True],
    ]  # fmt: skip
