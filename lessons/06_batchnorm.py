# %% [markdown]
# # 6. BatchNorm
#
# **You will be able to** write BatchNorm in six lines, train with it, score single examples
# without a batch, and fold it away when the training is over.
#
# **You need** lesson 5: saturated tanh, and the scale that keeps the size of what flows forward.
#
# **It takes** an hour and a quarter with the exercise; the code runs for four minutes, with
# `--short` for twelve seconds.
#
# Lesson 5 computed the scale of the first weights so that the values before a tanh are about 1 in
# size. Why not simply make them so, in every step? That is BatchNorm (Ioffe and Szegedy, 2015).
# What does it do to a batch, to a training, and to a single example? This is the lecture's part 3,
# 0:40 to 1:18.

# %%
import math

import torch
from matplotlib.figure import Figure
from torch import Generator, Tensor

from course import BLUE, GREEN, GREY, ORANGE, Lesson
from layers import BatchNorm1d, Embedding, Flatten, Linear, Sequential, Tanh
from mlp import LETTERS, SEED, build_dataset, part_loss, sgd, split

lesson = Lesson("06_batchnorm")
check = lesson.try_answer
BLOCK_SIZE, N_EMBD, N_HIDDEN, BATCH = 3, 10, 200, 32
FAN_IN = BLOCK_SIZE * N_EMBD  # 30 numbers go into each hidden neuron
STEPS = lesson.budget(200_000, 1_000)
MOMENTUM = 0.01 if lesson.short else 0.001  # of the running statistics: fewer steps, faster
Net = dict[str, Tensor]

parts = split(lesson.words())
train_data, val_data = build_dataset(parts["train"]), build_dataset(parts["dev"])
Xtr, Ytr = train_data  # (N, 3), (N,)
Xval, Yval = val_data
rows = torch.randint(0, len(Xtr), (BATCH,), generator=torch.Generator().manual_seed(SEED))
xb = Xtr[rows]  # (32, 3): the batch to look at in this lesson

# %% [markdown]
# The network of lesson 5 comes first, as it stands there. `KAIMING` is the start by the formula.


# %%
def start(
    w1: float = 1, b1: float = 1, w2: float = 1, b2: float = 1, n_hidden: int = N_HIDDEN
) -> tuple[Net, Generator]:
    g = torch.Generator().manual_seed(SEED)
    net = {
        "C": torch.randn((27, N_EMBD), generator=g),
        "W1": torch.randn((FAN_IN, n_hidden), generator=g) * w1,
        "b1": torch.randn(n_hidden, generator=g) * b1,
        "W2": torch.randn((n_hidden, 27), generator=g) * w2,
        "b2": torch.randn(27, generator=g) * b2,
    }
    for tensor in net.values():
        tensor.requires_grad = True
    return net, g


def hidden(net: Net, x: Tensor) -> Tensor:
    before = net["C"][x].view(len(x), -1) @ net["W1"] + net["b1"]  # (B, 30) -> (B, n_hidden)
    return torch.tanh(before)


def logits_of(net: Net, x: Tensor) -> Tensor:
    return hidden(net, x) @ net["W2"] + net["b2"]  # (B, 27)


KAIMING = {"w2": 0.01, "b2": 0, "w1": 5 / 3 / FAN_IN**0.5, "b1": 0.01}

# %% [markdown]
# ## BatchNorm
#
# If the values before the tanh should have mean 0 and standard deviation 1, then make them so: take
# the mean and the standard deviation of each neuron over the batch, subtract, divide. That is a
# formula with a gradient like any other.
#
# So that the network is not held to 0 and 1 for ever, each neuron gets a gain and a bias of its own
# which learn. `b1` goes: the subtraction would take it away again.
#
# Afterwards a single example must be scored too, and one example has no batch. So a *running
# average* of both statistics is kept during training, without gradients, and used when training is
# over. In each step it moves a small part, the *momentum*, towards the batch's own.


# %%
def start_norm(n_hidden: int = N_HIDDEN) -> tuple[Net, Net, Generator]:
    """What learns, what is only kept (the running statistics), and the generator that goes on."""
    g = torch.Generator().manual_seed(SEED)
    net = {
        "C": torch.randn((27, N_EMBD), generator=g),
        "W1": torch.randn((FAN_IN, n_hidden), generator=g) * (5 / 3 / FAN_IN**0.5),
        "W2": torch.randn((n_hidden, 27), generator=g) * 0.01,
        "b2": torch.randn(27, generator=g) * 0,  # drawn, so that the batches are the lecture's
        "gain": torch.ones(1, n_hidden),
        "bias": torch.zeros(1, n_hidden),
    }
    for tensor in net.values():
        tensor.requires_grad = True
    return net, {"mean": torch.zeros(1, n_hidden), "std": torch.ones(1, n_hidden)}, g


def logits_norm(net: Net, kept: Net, x: Tensor, training: bool = True) -> Tensor:
    before = net["C"][x].view(len(x), -1) @ net["W1"]  # (B, n_hidden)
    mean, std = kept["mean"], kept["std"]
    if training:
        mean, std = before.mean(0, keepdim=True), before.std(0, keepdim=True)  # (1, n_hidden)
        with torch.no_grad():
            kept["mean"] = (1 - MOMENTUM) * kept["mean"] + MOMENTUM * mean
            kept["std"] = (1 - MOMENTUM) * kept["std"] + MOMENTUM * std
    after = torch.tanh(net["gain"] * (before - mean) / std + net["bias"])
    return after @ net["W2"] + net["b2"]  # (B, 27)


# %%
norm, kept, g = start_norm()
lesson.check("parameters with BatchNorm", sum(p.nelement() for p in norm.values()))
print("training: BatchNorm", flush=True)
in_training = lambda x: logits_norm(norm, kept, x)  # noqa: E731
training = sgd(in_training, list(norm.values()), g, train_data, STEPS, STEPS // 2)
histories = {"BatchNorm": [loss for _, loss in training]}
lesson.check("first loss, BatchNorm", histories["BatchNorm"][0])


def scoring(x: Tensor) -> Tensor:
    return logits_norm(norm, kept, x, training=False)


val_running = part_loss(scoring, val_data)
lesson.check("train loss, BatchNorm", part_loss(scoring, train_data))
lesson.check("val loss, BatchNorm", val_running)

# %% [markdown]
# In this small network BatchNorm is no better than the formula, which had 2.107 on val in lesson 5:
# there is one hidden layer, and its start was right already. It shows its worth in lesson 7.
#
# Beside the two starts of lesson 5 you see what it does to the first thousand steps.

# %%
for name, scales in (("unfixed", {}), ("Kaiming", KAIMING)):
    net, g = start(**scales)
    logits = lambda x, net=net: logits_of(net, x)  # noqa: E731
    first = sgd(logits, list(net.values()), g, train_data, 1_000, STEPS // 2)
    histories[name] = [loss for _, loss in first]


def first_steps_plot() -> Figure:
    figure = Figure(figsize=(8, 4), layout="constrained")
    axis = figure.subplots()
    for name, colour in (("unfixed", ORANGE), ("Kaiming", BLUE), ("BatchNorm", GREEN)):
        means = torch.tensor(histories[name][:1000]).view(-1, 10).mean(1)
        axis.plot(range(0, 1000, 10), means.numpy(), color=colour, label=name)
    axis.axhline(math.log(27), color=GREY, linestyle="--", label="log 27")
    axis.set(title="BatchNorm learns as the right start does, not faster", yscale="log")
    axis.set(xlabel="step", ylabel="loss of the batch (nats a symbol)")
    axis.set_yticks([2, 3, 5, 10, 20], labels=["2", "3", "5", "10", "20"])
    axis.minorticks_off()
    axis.legend()
    return figure


lesson.show(first_steps_plot(), "first-steps")

# %% [markdown]
# Now each piece of it, on one batch. `keepdim` gives the means the shape (1, 200), which can only
# line up with the columns. For the means over dimension 0 leaving it out happens to work, since
# shapes are lined up from the right; for dimension 1 it fails, or is wrong without an error if the
# matrix is square.
#
# Mean and standard deviation come out at 0 and 1 for any scale of the weights (at 0.01 the epsilon
# begins to show, see below). A bias before BatchNorm changes nothing and gets no gradient.
# `BatchNorm1d` is the same six lines as an object, from `layers.py` beside this lesson; the last
# section comes back to it.

# %%
bn = BatchNorm1d(N_HIDDEN)
before = (norm["C"][xb].view(BATCH, -1) @ norm["W1"]).detach()  # (32, 200)
print("mean(0, keepdim=True):", before.mean(0, keepdim=True).shape)
print("mean(0):              ", before.mean(0).shape)
for scale in (0.01, 1, 100):
    out = bn(before * scale)
    print(f"scale {scale:6}: mean {out.mean(0).abs().max():.1e} at most, "
          f"standard deviation {out.std(0).min():.4f} to {out.std(0).max():.4f}")  # fmt: skip

offset = torch.randn(N_HIDDEN, generator=g).requires_grad_()
weights = torch.randn(BATCH, N_HIDDEN, generator=g)  # a loss that counts no two outputs alike
out = bn(before + offset)
(out * weights).sum().backward()
lesson.check("change by a bias before BatchNorm", (out - bn(before)).abs().max().item())
lesson.check("gradient of a bias before BatchNorm", offset.grad.abs().max().item())

# %% [markdown]
# The gain and the bias (`gamma` and `beta` in the paper) act after the normalisation, so they alone
# decide how eagerly a neuron fires: gamma how often it is at its ends, beta to which side.

# %%
for gamma, beta in ((0.5, 0.0), (1.0, 0.0), (2.0, 0.0), (4.0, 0.0), (1.0, 1.0)):
    bn.gamma, bn.beta = torch.full((N_HIDDEN,), gamma), torch.full((N_HIDDEN,), beta)
    fired = torch.tanh(bn(before))
    print(f"gamma {gamma}, beta {beta}: beyond 0.97 {(fired.abs() > 0.97).float().mean():5.1%}, "
          f"above zero {(fired > 0).float().mean():5.1%}")  # fmt: skip

# %% [markdown]
# ### The epsilon, and a batch of one
#
# A neuron that gives the same number for the whole batch has a standard deviation of 0. Hence the
# *epsilon*, a small number that keeps the division possible. The layer is `(x - mean) / sqrt(var +
# 1e-5)`: the epsilon stands under the root, and not beside it as in `(x - mean) / (std + 1e-5)`.
# For a neuron that varies by about 1 that is the same; for one that hardly varies it is not.
#
# The variance itself comes in two forms. It is a sum divided by n - 1 in the lecture (*Bessel's
# correction*), and by n in the paper and in PyTorch while it trains.
#
# What does a batch of one give? It depends on the correction: with n - 1 the variance of one row is
# 0/0, which is NaN; with n it is exactly 0, and the epsilon turns 0/0 into 0, so the neuron gives
# its beta for any input. Neither is of use, and PyTorch refuses such a batch in training. So the
# cure is the running statistics. Taking the mean over dimension -1 instead would be another layer,
# LayerNorm (lesson 11), which compares the values of one example with each other.

# %%
widths = (1.0, 0.1, 1e-2, 1e-3)
under = [std / math.sqrt(std**2 + 1e-5) for std in widths]
for std, inside in zip(widths, under, strict=True):
    print(f"x of deviation {std:5}: {std / (std + 1e-5):.4f} with the epsilon beside the root, "
          f"{inside:.4f} under it")  # fmt: skip
lesson.check("deviation after BatchNorm of x with deviation 1, .1, .01, .001", under)

one = before[:1]  # (1, 200)
distance = ((one - one.mean(0)) ** 2).sum(0)  # (200,), all zero: one row is its own mean
bessel, biased = distance / torch.tensor(0), distance / torch.tensor(1)  # n - 1 and n
lesson.check("NaN with Bessel's correction, batch of 1", bool(bessel.isnan().all()))
lesson.check("variance without it, batch of 1", biased.max().item())
print("normalised without it:", ((one - one.mean(0)) / (biased + 1e-5).sqrt()).unique().tolist())
layer = BatchNorm1d(N_HIDDEN)
layer.training = False
lesson.check("finite in evaluation, batch of 1", bool(layer(one).isfinite().all()))

# %% [markdown]
# So names can be drawn, one symbol after another in batches of one, with the running statistics.


# %%
@torch.no_grad()
def draw(count: int) -> list[str]:
    g = torch.Generator().manual_seed(SEED + 10)
    names = []
    for _ in range(count):
        context, name = [0] * BLOCK_SIZE, ""
        while True:
            probs = scoring(torch.tensor([context])).softmax(1)  # (1, 27)
            symbol = torch.multinomial(probs, 1, generator=g).item()
            if symbol == 0 or len(name) == 50:
                break
            name, context = name + LETTERS[symbol], context[1:] + [symbol]
        names.append(name)
    return names


names = draw(20)
print(" ".join(names))
lesson.check("names drawn in batches of one", len(names))

# %% [markdown]
# ### Calibration: the statistics over the whole training set
#
# The running average is one way to have a mean and a standard deviation for later. The other is to
# take them once, at the end, over the whole training set. The weights then stand still, so this is
# exact, and the running average is an estimate of it. How far apart are they?

# %%
with torch.no_grad():
    whole = norm["C"][Xtr].view(len(Xtr), -1) @ norm["W1"]  # (182625, 200)
    exact = {"mean": whole.mean(0, keepdim=True), "std": whole.std(0, keepdim=True)}
    for name in exact:
        apart = (exact[name] - kept[name]).abs() / exact["std"]
        print(f"{name}: {apart.mean():.4f} standard deviations apart, at most {apart.max():.4f}")


def calibrated(x: Tensor) -> Tensor:
    return logits_norm(norm, exact, x, training=False)


val = part_loss(calibrated, val_data)
lesson.check("val loss, calibrated", val)
lesson.check("val loss, calibrated - running", val - val_running)

# %% [markdown]
# The means agree to 0.4 per cent of a standard deviation and the standard deviations to 1 per cent
# (that of 32 numbers is on average 0.8 per cent below that of all). The losses agree to less than
# 0.001. So you need not calibrate: the average comes for free.
#
# A momentum of 0.001 averages over the last thousand batches or so. With batches as small as 32,
# one of 0.1 would jump about with the last ten.
#
# ### Exercise: BatchNorm folded away
#
# After training the mean, the standard deviation, the gain and the bias are constants. So the
# network can do without BatchNorm: there are a `W1` and a `b1` of a plain network, with `tanh(x @
# W1 + b1)` as in lesson 5, that give the same logits.
#
# Write `fold`, which finds them. It gets the trained `W1` (30, 200) and the four constants, each of
# shape (1, 200); before the tanh stands gain * (x @ W1 - mean) / std + bias. You get told how far
# the logits are apart on val, at most.


# %%
def plain_net(W1: Tensor, b1: Tensor) -> Net:
    return {"C": norm["C"], "W1": W1, "b1": b1.view(-1), "W2": norm["W2"], "b2": norm["b2"]}


@torch.no_grad()
def furthest(folded: tuple[Tensor, Tensor]) -> float:
    return (logits_of(plain_net(*folded), Xval) - calibrated(Xval)).abs().max().item()


# %% tags=["exercise"]
def fold(
    W1: Tensor, gain: Tensor, bias: Tensor, mean: Tensor, std: Tensor
) -> tuple[Tensor, Tensor]:
    return ..., ...  # your lines: W1 (30, 200) and b1 (200,) of the plain network


trained = norm["W1"], norm["gain"], norm["bias"], exact["mean"], exact["std"]
check("logits, folded - BatchNorm", furthest, fold(*trained))

# %% [markdown] tags=["solution"]
# Multiply out: gain * (x @ W1 - mean) / std + bias is x @ (W1 * gain / std) + (bias - mean * gain /
# std). A linear layer after a linear layer is one linear layer.


# %% tags=["solution"]
def fold(
    W1: Tensor, gain: Tensor, bias: Tensor, mean: Tensor, std: Tensor
) -> tuple[Tensor, Tensor]:
    factor = gain / std  # (1, 200)
    return W1 * factor, (bias - mean * factor)[0]


trained = norm["W1"], norm["gain"], norm["bias"], exact["mean"], exact["std"]
lesson.check("logits, folded - BatchNorm", furthest(fold(*trained)))
plain = plain_net(*fold(*trained))
lesson.check("val loss, folded", part_loss(lambda x: logits_of(plain, x), val_data))
lesson.check("parameters once folded", sum(p.nelement() for p in plain.values()))

# %% [markdown]
# ### A little regularisation comes with it
#
# In training, what BatchNorm makes of an example depends on which others happen to be in its batch.
# That is noise on every value, and noise hinders learning by heart.
#
# Here it stands beside the two usual means: *dropout* (each hidden value is dropped with a
# probability, the rest scaled up) and *weight decay* (the squares of the weights are added to the
# loss). The training set is made small so that there is something to learn by heart.

# %%
small = build_dataset(parts["train"][: lesson.budget(2_000, 200)])


def regularised(dropout: float = 0, decay: float = 0, norm: bool = False) -> list[float]:
    """[train, val] loss of a network of 300 hidden neurons trained on few words."""
    net, g = start(**KAIMING, n_hidden=300)
    if norm:
        net, kept, g = start_norm(300)

    def logits(x: Tensor, training: bool = False) -> Tensor:
        if norm:
            return logits_norm(net, kept, x, training)
        after = hidden(net, x)
        if training and dropout:
            after = after * (torch.rand(after.shape, generator=g) > dropout) / (1 - dropout)
        return after @ net["W2"] + net["b2"]

    penalty = (lambda: decay * ((net["W1"] ** 2).sum() + (net["W2"] ** 2).sum())) if decay else None
    count = lesson.budget(20_000, 1_000)
    noisy = lambda x: logits(x, training=True)  # noqa: E731
    for _ in sgd(noisy, list(net.values()), g, small, count, count // 2, extra=penalty):
        pass
    return [part_loss(logits, small), part_loss(logits, val_data)]


# %%
settings = {
    "nothing": {},
    "dropout 0.3": {"dropout": 0.3},
    "weight decay 0.001": {"decay": 0.001},
    "BatchNorm": {"norm": True},
}
gaps = []
for name, setting in settings.items():
    train, val = regularised(**setting)
    gaps.append(val - train)
    print(f"{name:18} train {train:.3f}   val {val:.3f}   gap {val - train:.3f}", flush=True)
lesson.check("each of the three narrows the gap", max(gaps[1:]) < gaps[0])

# %% [markdown]
# With nothing the gap between new and known words is 0.57. BatchNorm narrows it to 0.33 although
# that is not its purpose; dropout and weight decay narrow it to 0.17 and 0.15. All three predict
# the held-back words better.
#
# ## The same as layers
#
# So far all tensors had names of their own. For many layers it is easier to have objects that are
# called one after another. `layers.py` has them: `Linear`, `BatchNorm1d`, `Tanh` and so on, with
# the names and (almost) the behaviour of `torch.nn`. There `affine` means gain and bias,
# `track_running_stats` the running averages. A ResNet repeats the same pattern: a convolution
# without bias, BatchNorm, ReLU.
#
# First a check that nothing else has changed: the trained network, put together from layers. In
# training mode it must give the batch's logits, in evaluation mode those by the running statistics.

# %%
embedding = Embedding(27, N_EMBD)
linear = Linear(FAN_IN, N_HIDDEN, bias=False)
batchnorm = BatchNorm1d(N_HIDDEN, momentum=MOMENTUM)
output = Linear(N_HIDDEN, 27)
with torch.no_grad():
    embedding.weight, linear.weight = norm["C"], norm["W1"]
    output.weight, output.bias = norm["W2"], norm["b2"]
    batchnorm.gamma, batchnorm.beta = norm["gain"][0], norm["bias"][0]
    model = Sequential([embedding, Flatten(), linear, batchnorm, Tanh(), output])
    apart = model(xb) - logits_norm(norm, dict(kept), xb)  # a copy: it must not move
    lesson.check("logits, layers - tensors, in training", apart.abs().max().item())

    batchnorm.running_mean, batchnorm.running_var = kept["mean"][0], kept["std"][0] ** 2
    model.train(False)
    apart = model(xb) - scoring(xb)
    lesson.check("logits, layers - tensors, in evaluation", apart.abs().max().item())

# %% [markdown]
# ## What you have now
#
# - BatchNorm: subtract the batch's mean, divide by its standard deviation, then a gain and a bias
#   that learn. The epsilon stands under the root, and a bias before it is of no use.
# - Two modes. In training the batch's own statistics, which tie its examples together; afterwards
#   the running ones, with which a batch of one is no problem.
# - Once trained, it is one more linear map, and folds into the layer before it.
# - The same network as a list of layers.
#
# Lesson 7 stacks six of these layers, looks at every one of them in training, and asks what happens
# to such a stack without BatchNorm.
