"""Optimizers by hand and beside torch's own, what decays, and the schedules."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import battery
from makemore.models.core import registry
from makemore.models.core.neural import NeuralModel
from makemore.options import make
from makemore.scoring.loss import nll
from makemore.training.config import TrainingConfig
from makemore.training.muon import Muon, newton_schulz
from makemore.training.optimizer import SGD, AdamW, Optimizer, adamw_
from makemore.training.optimizers import lr_factor, make_optimizers


def recipe(**asked: Any) -> TrainingConfig:
    return make(TrainingConfig, asked)


def optimizers_of(model: NeuralModel, **asked: Any) -> list[Optimizer]:
    return make_optimizers(model, recipe(**asked))


def small(name: str) -> NeuralModel:
    model: NeuralModel = battery.build(registry.get_model(name))
    return model


def matrices(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# -- Muon -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows, columns", [(8, 8), (8, 32), (32, 8), (64, 64), (1, 7), (7, 1)])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_orthogonal_has_singular_values_near_1(rows: int, columns: int, scale: float) -> None:
    x = matrices(3, rows, columns)
    u, singular, vh = torch.linalg.svd(x, full_matrices=False)
    x = u @ torch.diag_embed(singular.clamp(min=0.2)) @ vh  # none that is next to nothing
    found = newton_schulz(x * scale)
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.6 and values.max() < 1.3
    # The same directions, each only made as long as the others.
    turned = u.mT @ found @ vh.mT
    rest = turned - torch.diag_embed(turned.diagonal(dim1=1, dim2=2))
    assert rest.abs().max() < 1e-4


def test_orthogonal_of_many_is_that_of_each() -> None:
    x = matrices(5, 12, 20)
    each = torch.cat([newton_schulz(one[None]) for one in x])
    torch.testing.assert_close(newton_schulz(x), each, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(newton_schulz(x.mT), each.mT, atol=1e-5, rtol=1e-5)
    assert not newton_schulz(torch.zeros(2, 3, 4)).any()


def five_steps(x: np.ndarray) -> np.ndarray:
    """Five steps of the quintic of Jordan et al. 2024, the smaller side first."""
    x = x / np.linalg.norm(x)
    for _ in range(5):
        gram = x @ x.T if x.shape[0] <= x.shape[1] else x.T @ x
        poly = -4.7750 * gram + 2.0315 * gram @ gram
        x = 3.4445 * x + (poly @ x if x.shape[0] <= x.shape[1] else x @ poly)
    return x


@pytest.mark.parametrize("rows, columns", [(6, 6), (4, 12), (12, 4)])
def test_muon_by_hand(rows: int, columns: int) -> None:
    start, grads = matrices(rows, columns), matrices(3, rows, columns, seed=1)
    parameter = torch.nn.Parameter(start.clone())
    optimizer = Muon([parameter], lr=0.1, momentum=0.9, weight_decay=0.2)
    expected, velocity = start.double().numpy(), np.zeros((rows, columns))
    for grad in grads:
        parameter.grad = grad.clone()
        optimizer.step()
        velocity = 0.9 * velocity + 0.1 * grad.double().numpy()
        ahead = 0.1 * grad.double().numpy() + 0.9 * velocity  # Nesterov
        longer = max(1.0, rows / columns) ** 0.5
        expected = expected * (1 - 0.1 * 0.2) - 0.1 * longer * five_steps(ahead)
        np.testing.assert_allclose(parameter.detach().numpy(), expected, atol=1e-4)


def test_rows_that_moved_far_move_less() -> None:
    """NorMuon (Li et al. 2025) by hand: its paper's second moment, then the norm of before."""
    start, grads = matrices(6, 4), matrices(3, 6, 4, seed=1)
    grads[:, 0] *= 1e-3  # a row that hardly ever learns
    parameter, plain = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    optimizer = Muon([parameter], lr=0.1, momentum=0.9, row_momentum=0.8)
    other = Muon([plain], lr=0.1, momentum=0.9)
    square = np.zeros((6, 1))
    for grad in grads:
        before = parameter.detach().clone(), plain.detach().clone()
        parameter.grad, plain.grad = grad.clone(), grad.clone()
        optimizer.step()
        other.step()
        update = (before[1] - plain.detach()).double().numpy() / 0.1
        square = 0.8 * square + 0.2 * (update**2).mean(1, keepdims=True)
        expected = update / np.sqrt(square)
        expected *= np.linalg.norm(update) / np.linalg.norm(expected)
        moved = (before[0] - parameter.detach()).double().numpy() / 0.1
        np.testing.assert_allclose(moved, expected, atol=2e-3)
    assert optimizer.state[parameter]["row_square"].shape == (6, 1)
    rows = np.linalg.norm(moved, axis=1), np.linalg.norm(update, axis=1)
    assert rows[0].std() < rows[1].std()


@pytest.mark.slow
def test_muon_goes_torch_s_way() -> None:
    """torch's own works in bfloat16, so it is near and not equal."""
    shapes = [(16, 16), (8, 24), (24, 8), (16, 16)]
    ours = [torch.nn.Parameter(matrices(*shape, seed=n)) for n, shape in enumerate(shapes)]
    theirs = [torch.nn.Parameter(part.detach().clone()) for part in ours]
    asked = {"lr": 0.02, "momentum": 0.95, "weight_decay": 0.1}
    pair = Muon(ours, **asked), torch.optim.Muon(theirs, **asked)
    for step in range(5):
        before = [part.detach().clone() for part in ours]
        for n, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
            mine.grad = other.grad = matrices(*mine.shape, seed=10 * step + n)
        for optimizer in pair:
            optimizer.step()
        for mine, other, old in zip(ours, theirs, before, strict=True):
            moved, expected = (mine - old).detach(), (other - old).detach()
            likeness = (moved * expected).sum() / moved.norm() / expected.norm()
            assert likeness > 0.999
            assert (moved.norm() / expected.norm()).item() == pytest.approx(1, abs=0.02)
        with torch.no_grad():
            for mine, other in zip(ours, theirs, strict=True):
                other.copy_(mine)


def test_muon_learns_the_parts_of_a_parameter_apart() -> None:
    """As if each of the matrices that stand one above the other were a parameter of its own."""
    whole = torch.nn.Parameter(matrices(12, 4))
    apart = [torch.nn.Parameter(part.clone()) for part in matrices(12, 4).chunk(3)]
    together = torch.nn.Parameter(matrices(12, 4))
    optimizers = (
        Muon([whole], lr=0.1, weight_decay=0.2, row_momentum=0.9, parts={whole: 3}),
        Muon(apart, lr=0.1, weight_decay=0.2, row_momentum=0.9),
        Muon([together], lr=0.1, weight_decay=0.2, row_momentum=0.9),
    )
    for step in range(3):
        whole.grad = matrices(12, 4, seed=step)
        together.grad = whole.grad.clone()
        for part, grad in zip(apart, whole.grad.chunk(3), strict=True):
            part.grad = grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    torch.testing.assert_close(whole.detach(), torch.cat(apart).detach())
    assert (whole - together).abs().max() > 0.01


def test_the_transformer_s_queries_keys_and_values_are_parts() -> None:
    model = small("transformer")

    def muon_of(**asked: float) -> Muon:
        [found] = [part for part in optimizers_of(model, **asked) if isinstance(part, Muon)]
        return found

    named = {part: key for key, part in model.named_parameters()}
    muon = muon_of()
    parts = {named[part]: number for part, number in muon.parts.items()}
    assert {name for name, number in parts.items() if number == 3} == {
        "blocks.0.attend.weight", "blocks.1.attend.weight",
    }  # fmt: skip
    assert set(parts.values()) == {1, 3}
    groups = muon_of(muon_momentum=0.7, muon_row_momentum=0.6).param_groups
    assert {(group["momentum"], group["row_momentum"]) for group in groups} == {(0.7, 0.6)}


def test_muon_learns_a_matrix_of_the_model_itself() -> None:
    """As a plugin may have one: its name has no layer."""
    model = small("transformer")
    matrix = torch.nn.Parameter(torch.eye(3))
    model.register_parameter("mixing", matrix)
    model.matrices = lambda: {"mixing"}  # type: ignore[method-assign]
    muon = optimizers_of(model, optimizer="muon")[-1]
    assert isinstance(muon, Muon) and muon.parts == {matrix: 1}
    matrix.grad = torch.ones(3, 3)
    muon.step()
    assert not torch.equal(matrix, torch.eye(3))


def test_muon_leaves_a_matrix_without_a_gradient() -> None:
    with_it, without = (torch.nn.Parameter(matrices(3, 4)) for _ in range(2))
    with_it.grad = matrices(3, 4, seed=1)
    Muon([with_it, without], lr=0.1, weight_decay=0.5).step()
    assert torch.equal(without, matrices(3, 4)) and not torch.equal(with_it, matrices(3, 4))


# -- a model's optimizers -------------------------------------------------------------------------


def test_sgd_by_hand() -> None:
    model = small("mlp")
    [optimizer] = optimizers_of(model, optimizer="sgd", learning_rate=0.1, weight_decay=0)
    inputs = torch.from_numpy(battery.some_inputs(model, 32))
    targets = torch.arange(32) % 9
    nll(model(inputs), targets).backward()
    expected = [part.detach() - 0.1 * part.grad for part in model.parameters()]
    optimizer.step()
    for part, value in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(part.detach(), value)


def test_adamw_by_hand() -> None:
    model = small("mlp")
    [optimizer] = optimizers_of(model, optimizer="adamw", learning_rate=0.01, weight_decay=0.1)
    start = {name: part.detach().clone() for name, part in model.named_parameters()}
    for part in model.parameters():
        part.grad = matrices(*part.shape)
    optimizer.step()
    for name, part in model.named_parameters():
        # In the first step both moments, corrected for their start, are those of this gradient.
        kept = 1 - 0.01 * 0.1 if name in ("hidden.weight", "head.weight") else 1
        expected = start[name] * kept - 0.01 * part.grad / (part.grad.abs() + 1e-8)
        torch.testing.assert_close(part.detach(), expected)


def beside_torch(ours: Optimizer, theirs: torch.optim.Optimizer, steps: int = 4) -> None:
    """Take some steps with the same gradients; parameters and state have the same bits."""
    pairs = [
        (part, other)
        for group, others in zip(ours.param_groups, theirs.param_groups, strict=True)
        for part, other in zip(group["params"], others["params"], strict=True)
    ]
    for step in range(steps):
        for number, (part, other) in enumerate(pairs):
            part.grad = other.grad = matrices(*part.shape, seed=10 * step + number)
        if step == 2:  # one that this batch did not use
            pairs[0][0].grad = pairs[0][1].grad = None
        ours.step()
        theirs.step()
    for part, other in pairs:
        assert torch.equal(part, other)
        kept = {key: value for key, value in theirs.state[other].items() if value is not None}
        assert ours.state[part].keys() == kept.keys()
        assert all(torch.equal(ours.state[part][key], kept[key]) for key in kept)


def two_groups() -> list[dict[str, Any]]:
    parts = [torch.nn.Parameter(matrices(*shape, seed=7)) for shape in ((3, 4), (5,), (4, 2))]
    return [
        {"params": parts[:2], "weight_decay": 0.3},
        {"params": parts[2:], "weight_decay": 0.0, "lr": 0.02},
    ]


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_is_torchs_own(momentum: float) -> None:
    beside_torch(
        SGD(two_groups(), lr=0.1, momentum=momentum),
        torch.optim.SGD(two_groups(), lr=0.1, momentum=momentum),
    )


def test_adamw_is_torchs_own() -> None:
    beside_torch(
        AdamW(two_groups(), lr=0.1),
        torch.optim.AdamW(two_groups(), lr=0.1, betas=AdamW.BETAS, fused=True),
    )


def test_adamw_written_out_is_torchs_own() -> None:
    """For devices without the fused call."""
    [ours, _], [theirs, _] = two_groups(), two_groups()
    optimizer = torch.optim.AdamW([theirs], lr=0.1, betas=AdamW.BETAS, fused=False, foreach=False)
    means, squares = ([torch.zeros_like(part) for part in ours["params"]] for _ in range(2))
    for step in range(1, 5):
        grads = [matrices(*part.shape, seed=step) for part in ours["params"]]
        with torch.no_grad():
            adamw_(ours["params"], grads, means, squares, step, {**ours, "lr": 0.1})
        for part, grad in zip(theirs["params"], grads, strict=True):
            part.grad = grad
        optimizer.step()
    for part, other in zip(ours["params"], theirs["params"], strict=True):
        torch.testing.assert_close(part.detach(), other.detach())


CELLS = {f"cells.weight_{of}_l{layer}" for of in ("ih", "hh") for layer in (0, 1)}
BLOCKS = {
    f"blocks.{layer}.{part}.weight"
    for layer in (0, 1) for part in ("attend", "project", "widen", "narrow")
}  # fmt: skip
HIDDEN = {
    "bigram": set(),
    "mlp": {"hidden.weight"},
    "deep_mlp": {"layers.0.weight", "layers.1.weight"},
    "bow": {"hidden.weight", "project.weight"},
    "rnn": CELLS, "gru": CELLS, "lstm": CELLS,
    "transformer": BLOCKS,
}  # fmt: skip


def parameters_of(model: NeuralModel, optimizer: Any) -> dict[str, dict[str, Any]]:
    """Name -> the group of each parameter that an optimizer learns."""
    named = {part: key for key, part in model.named_parameters()}
    return {named[p]: group for group in optimizer.param_groups for p in group["params"]}


@pytest.mark.parametrize("kind", ["sgd", "adamw", "muon"])
@pytest.mark.parametrize("name", HIDDEN)
def test_matrices_decay_and_nothing_else(name: str, kind: str) -> None:
    """Biases, norms, embeddings, positions and start states keep what they have.

    The bigram's table is no embedding but its logits: it decays, which is the lecture's smoothing.
    """
    logits = {"table.weight"} if name == "bigram" else {"head.weight"}
    model, decaying = small(name), HIDDEN[name] | logits
    asked = {"learning_rate": 0.1, "muon_learning_rate": 0.1, "weight_decay": 0.5}
    optimizers = optimizers_of(model, optimizer=kind, **asked)
    groups = [parameters_of(model, optimizer) for optimizer in optimizers]
    decay = {key: group["weight_decay"] for each in groups for key, group in each.items()}
    parameters = dict(model.named_parameters())
    assert sum(map(len, groups)) == len(parameters) == len(decay)
    assert {key for key, rate in decay.items() if rate} == decaying
    with torch.no_grad():
        for part in parameters.values():
            part.fill_(1.0)
            part.grad = torch.zeros_like(part)
    for optimizer in optimizers:
        optimizer.step()
    for key, part in parameters.items():
        expected = 1 - 0.1 * 0.5 if key in decaying else 1.0
        torch.testing.assert_close(part.detach(), torch.full_like(part, expected))


@pytest.mark.parametrize("name", HIDDEN)
def test_muon_learns_the_hidden_matrices_and_adamw_the_rest(name: str) -> None:
    model = small(name)
    asked = {"learning_rate": 0.003, "muon_learning_rate": 0.02}
    optimizers = optimizers_of(model, optimizer="muon", **asked)
    learned = {type(optimizer): {*parameters_of(model, optimizer)} for optimizer in optimizers}
    assert learned.get(Muon, set()) == HIDDEN[name]
    assert learned[AdamW] == {*dict(model.named_parameters())} - HIDDEN[name]
    for optimizer in optimizers:
        peak = 0.02 if isinstance(optimizer, Muon) else 0.003
        assert all(group["peak"] == group["lr"] == peak for group in optimizer.param_groups)


# -- schedules ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "asked, expected",
    [
        ({"schedule": "constant"}, {0: 1, 50: 1, 99: 1}),
        ({"schedule": "linear"}, {0: 1, 25: 0.75, 50: 0.5, 99: 0.01}),
        ({"schedule": "cosine"}, {0: 1, 25: 0.853553, 50: 0.5, 75: 0.146447, 99: 0.000247}),
        ({"schedule": "step"}, {0: 1, 49: 1, 50: 0.1, 99: 0.1}),
        ({"schedule": "step", "decay_at": 0.75}, {74: 1, 75: 0.1}),
        ({"schedule": "step", "decay_at": 0.0}, {0: 0.1}),
        ({"schedule": "step", "decay_at": 1.0}, {99: 1}),
        ({"schedule": "constant", "warmup_steps": 10}, {0: 0.1, 4: 0.5, 9: 1, 10: 1, 99: 1}),
        ({"schedule": "linear", "warmup_steps": 20}, {0: 0.05, 19: 1, 20: 1, 60: 0.5, 99: 0.0125}),
        ({"schedule": "cosine", "warmup_steps": 20}, {19: 1, 20: 1, 60: 0.5}),
        ({"schedule": "linear", "warmup_steps": 100}, {0: 0.01, 99: 1}),
        ({"schedule": "linear", "warmup_steps": 500}, {0: 0.002, 99: 0.2}),
    ],
)
def test_schedules(asked: dict[str, Any], expected: dict[int, float]) -> None:
    found = {step: lr_factor(recipe(**asked), step, 100) for step in expected}
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("schedule", ["constant", "step", "linear", "cosine"])
@pytest.mark.parametrize("max_steps", [1, 2, 7, 100])
def test_a_rate_is_never_nothing_and_never_above_its_peak(schedule: str, max_steps: int) -> None:
    for warmup in (0, 1, 3):
        asked = recipe(schedule=schedule, warmup_steps=warmup)
        shares = [lr_factor(asked, step, max_steps) for step in range(max_steps)]
        assert all(0 < share <= 1 for share in shares)
        assert shares[warmup:] == sorted(shares[warmup:], reverse=True)
        assert shares[:warmup] == sorted(shares[:warmup])


def test_a_training_does_not_import_torchs_compiler() -> None:
    """It would start 2 seconds later; torch.optim, and cat() on the meta device, import it."""
    program = (
        "import sys; from makemore import MakeMore\n"
        "members = 'ngram, transformer prior=builtin max_steps=1, lstm max_steps=1'\n"
        "lines = [f'{a}{b}{c}' for a in 'abcde' for b in 'aeiou' for c in 'nmrls']\n"
        "MakeMore('ensemble', members=members, threads=1).fit(lines).sample(2)\n"
        "MakeMore('mlp', optimizer='sgd', max_steps=1, threads=1).fit(lines).sample(2)\n"
        "print(sorted({'torch._dynamo', 'sympy', 'torch.fx.experimental.symbolic_shapes',"
        " 'makemore.training.ranks', 'makemore.training.distributed'}"
        " & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=120
    )
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr


@pytest.mark.parametrize(
    "make",
    [
        lambda groups: SGD(groups, lr=0.1, momentum=0.0),
        lambda groups: SGD(groups, lr=0.1, momentum=0.9),
        lambda groups: AdamW(groups, lr=0.1),
        lambda groups: Muon([matrix for group in groups for matrix in group["params"]
                             if matrix.ndim == 2], lr=0.1, weight_decay=0.1),
    ],
)  # fmt: skip
def test_a_rate_may_be_a_tensor(make: Any) -> None:
    """As in a captured step, which reads it anew in each replay; up to the rounding of a rate."""
    by_number, by_tensor = make(two_groups()), make(two_groups())
    for step in range(1, 5):
        for optimizer, kind in ((by_number, float), (by_tensor, torch.tensor)):
            for group in optimizer.param_groups:
                group["lr"] = kind(0.1 / step)
                for part in group["params"]:
                    part.grad = matrices(*part.shape, seed=step)
            optimizer.step()
    for one, two in zip(by_number.param_groups, by_tensor.param_groups, strict=True):
        for part, other in zip(one["params"], two["params"], strict=True):
            torch.testing.assert_close(part, other, rtol=1e-5, atol=1e-6)


def test_orthogonal_in_bfloat16_is_near_orthogonal() -> None:
    """As wide matrices are made orthogonal on a card."""
    update = matrices(48, 96).bfloat16()[None]
    found = newton_schulz(update)
    assert found.dtype == torch.bfloat16
    values = torch.linalg.svdvals(found.float())
    assert 0.5 < values.min() and values.max() < 1.3
    exact = newton_schulz(update.float())
    assert (found.float() - exact).norm() < 0.05 * exact.norm()
