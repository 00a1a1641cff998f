# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # 3. Activations, initialisation, BatchNorm
#
# The network of lesson 2 learned, although it was started badly. This lesson looks inside: at the
# numbers that flow forward, at the gradients that flow back, and at how much each step changes
# each weight. Every bad sign has a cause and a repair, and the repairs are worth 0.06 nats on
# held-back names without one more parameter. Then comes BatchNorm, which makes the careful start
# nearly unnecessary, and a network of six layers to watch from the inside.
#
# It follows part 3 of Andrej Karpathy's lectures. The text speaks of the full form; the short form
# (`--short`) has fewer words and steps, and other numbers. First the data, split as in the
# lectures.

# %%
import math
import random
import time

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from course import Lesson
from layers import BatchNorm1d, Embedding, Flatten, Layer, Linear, Sequential, Tanh

lesson = Lesson("03_batchnorm")
BLOCK, N_EMBD, N_HIDDEN, BATCH, SEED = 3, 10, 200, 32, 2147483647
LETTERS = ".abcdefghijklmnopqrstuvwxyz"
STEPS = 1_000 if lesson.short else 200_000
MOMENTUM = 0.01 if lesson.short else 0.001  # of the running statistics: fewer steps, faster

# %%
words = lesson.words()


def examples(part: list[str]) -> tuple[Tensor, Tensor]:
    """Every symbol of every word as an answer, the three symbols before it as the question."""
    contexts, answers = [], []
    for word in part:
        context = [0] * BLOCK
        for symbol in word + ".":
            answer = LETTERS.index(symbol)
            contexts.append(context)
            answers.append(answer)
            context = context[1:] + [answer]
    return torch.tensor(contexts), torch.tensor(answers)  # (N, 3), (N,)


random.seed(42)
random.shuffle(words)
first, second = int(0.8 * len(words)), int(0.9 * len(words))
Xtr, Ytr = examples(words[:first])
Xval, Yval = examples(words[first:second])
Xtest, Ytest = examples(words[second:])
lesson.check("examples: train, val, test", [len(Xtr), len(Xval), len(Xtest)])

# %% [markdown]
# ## The network of lesson 2, as it was started
#
# Ten numbers a letter, 200 tanh neurons, 27 logits, and everything drawn from a normal
# distribution. Each part has a scale, so that the repairs below are one number each.

# %%
LAYER_ONE = BLOCK * N_EMBD  # 30 numbers go into each hidden neuron


def start(w1: float = 1, b1: float = 1, w2: float = 1, b2: float = 1, n_hidden: int = N_HIDDEN):
    """The five tensors of the network, each times its scale, and the generator that goes on."""
    g = torch.Generator().manual_seed(SEED)
    net = {
        "C": torch.randn((27, N_EMBD), generator=g),
        "W1": torch.randn((LAYER_ONE, n_hidden), generator=g) * w1,
        "b1": torch.randn(n_hidden, generator=g) * b1,
        "W2": torch.randn((n_hidden, 27), generator=g) * w2,
        "b2": torch.randn(27, generator=g) * b2,
    }
    for tensor in net.values():
        tensor.requires_grad = True
    return net, g


def hidden(net: dict[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """What goes into the tanh and what comes out."""
    before = net["C"][x].view(len(x), -1) @ net["W1"] + net["b1"]  # (B, 30) -> (B, 200)
    return before, torch.tanh(before)


def logits_of(net: dict[str, Tensor], x: Tensor) -> Tensor:
    return hidden(net, x)[1] @ net["W2"] + net["b2"]  # (B, 27)


# %% [markdown]
# One training for all networks of this lesson. It is a generator: after each step it hands out the
# step and the loss, and whoever runs it may look at weights and gradients in between. The rate is
# 0.1, and 0.01 from `drop` on.
#
# The loss of a part is exact, over all its examples. It runs under `no_grad`: no graph is kept for
# a backward pass that never comes. What that saves is measured below.


# %%
def steps(logits, parameters, g, count, drop, rate=0.1, data=(Xtr, Ytr), extra=None):
    """Plain SGD on random batches; yields (step, loss) after each step's update."""
    x, y = data
    for step in range(count):
        rows = torch.randint(0, len(x), (BATCH,), generator=g)
        loss = F.cross_entropy(logits(x[rows]), y[rows])
        for p in parameters:
            p.grad = None
        (loss if extra is None else loss + extra()).backward()
        for p in parameters:
            p.data -= (rate if step < drop else rate / 10) * p.grad
        if count >= 100_000 and step % 50_000 == 0:
            print(f"  step {step:7,} of {count:,}: loss of the batch {loss.item():.4f}", flush=True)
        yield step, loss.item()


@torch.no_grad()
def part_loss(logits, x: Tensor, y: Tensor) -> float:
    total = 0.0
    for at in range(0, len(x), 16_384):
        here = slice(at, at + 16_384)
        total += F.cross_entropy(logits(x[here]), y[here], reduction="sum").item()
    return total / len(x)


# %%
net, _ = start()
with_graph = F.cross_entropy(logits_of(net, Xval), Yval)
with torch.no_grad():
    without = F.cross_entropy(logits_of(net, Xval), Yval)
lesson.check("same loss with and without a graph", (with_graph - without).item())
lesson.check("a graph is kept: with, without", [with_graph.requires_grad, without.requires_grad])

for graph in (True, False):
    began = time.perf_counter()
    with torch.set_grad_enabled(graph):
        for _ in range(10):
            logits_of(net, Xval)
    print(f"{'with' if graph else 'without'} graph: {(time.perf_counter() - began) / 10:.4f} s")
# What it holds for each example until the backward pass: the input of W1 and the output of tanh.
kept_numbers = len(Xval) * (LAYER_ONE + N_HIDDEN)
print(f"kept by a graph over all of val: about {4 * kept_numbers / 1e6:.0f} MB")

# %% [markdown]
# ## Confidently wrong: the first loss
#
# Before the first step the network knows nothing, so 27 equal probabilities would be right: a loss
# of log 27. What is it?

# %%
net, g = start()
lesson.check("parameters of the prototype", sum(p.nelement() for p in net.values()))

rows = torch.randint(0, len(Xtr), (BATCH,), generator=g)
xb, yb = Xtr[rows], Ytr[rows]  # (32, 3), (32,)
with torch.no_grad():
    wild = logits_of(net, xb)
lesson.check("loss of equal probabilities", math.log(27))
lesson.check("first loss, unfixed", F.cross_entropy(wild, yb).item())
print("logits of the first example:", [round(v, 1) for v in wild[0].tolist()[:9]], "...")
print(f"standard deviation of all logits: {wild.std():.1f}")

# %% [markdown]
# Some logits are as large as 30, so the network is all but certain, of something arbitrary. Each
# logit is a sum of 200 terms of size 1, hence about the root of 200 in size. The first thousands
# of steps would only shrink them again. Better start with small ones: `W2` times 0.01, `b2` at 0.

# %%
net, g = start(w2=0.01, b2=0)
with torch.no_grad():
    calm = logits_of(net, xb)
lesson.check("first loss, softmax fixed", F.cross_entropy(calm, yb).item())
print("logits of the first example:", [round(v, 2) for v in calm[0].tolist()[:9]], "...")

# %% [markdown]
# ### Exercise: start at exactly log 27
#
# If small is good, is zero better? Which weights learn if all of them start at zero? Which if only
# `W2` and `b2` do? And what goes wrong if every weight starts at the same small number?
#
# **Solution.** A weight's gradient is the number that goes into it times the gradient that comes
# back. With all at zero, the hidden layer gives 0, so `W2` gets none; and nothing comes back
# through a `W2` of zeros, so `W1`, `b1` and `C` get none either. Only `b2` learns, and the best it
# can do is the share of each letter, whatever the context.


# %%
COUNT = 900 if lesson.short else 3_000


def with_gradient(net: dict[str, Tensor]) -> list[str]:
    """One backward pass; the names of the tensors whose gradient is not all zero."""
    for tensor in net.values():
        tensor.grad = None
    F.cross_entropy(logits_of(net, xb), yb).backward()
    return [name for name, tensor in net.items() if tensor.grad.abs().max() > 0]


zero, g = start()
for tensor in zero.values():
    tensor.data.zero_()
lesson.check("first loss, all zero", F.cross_entropy(logits_of(zero, xb), yb).item())
lesson.check("what learns, all zero", with_gradient(zero))

for _ in steps(lambda x: logits_of(zero, x), list(zero.values()), g, COUNT, COUNT * 2 // 3):
    pass
shares = torch.bincount(Ytr, minlength=27) / len(Ytr)
entropy = -(shares * (shares + 1e-12).log()).sum().item()  # what one constant answer can reach
measured = part_loss(lambda x: logits_of(zero, x), Xtr, Ytr)
print(f"after {COUNT:,} steps {measured:.4f}; the entropy of single letters is {entropy:.4f}")
lesson.check("all zero learns the letters' shares", measured - entropy)

# %%
last, g = start(w2=0, b2=0)
lesson.check("what learns, W2 and b2 zero", with_gradient(last))
for _ in steps(lambda x: logits_of(last, x), list(last.values()), g, 1, 1):
    pass
lesson.check("what learns after one step", with_gradient(last))

same, g = start()
for name, tensor in same.items():
    if name != "C":
        tensor.data.fill_(0.01)
for _ in steps(lambda x: logits_of(same, x), list(same.values()), g, 300, 300):
    pass
lesson.check("neurons that differ, all weights 0.01", same["W1"].std(1).max().item())

# %% [markdown]
# With zeros in the last layer alone, that layer learns in the first step and all others from the
# second on: a good start, and exactly log 27. With the same number everywhere all 200 neurons get
# the same gradient and stay copies of one another for ever: 200 neurons, worth one. Random numbers
# are there to make neurons differ, and they need not be large. The lecture keeps a little noise
# in `W2`, and so do we.

# %% [markdown]
# ## Too far out: saturated tanh
#
# The loss looks right now, but the hidden layer is not. Backwards, tanh multiplies the gradient by
# 1 - t², where t is what it gave. At t = 0.99 that is 0.02; at 1 it is nothing. What share of the
# 32 x 200 values is beyond 0.99, and is a neuron beyond it for all examples of the batch?


# %%
@torch.no_grad()
def look(net: dict[str, Tensor]) -> dict:
    before, after = hidden(net, xb)
    beyond = after.abs() > 0.99  # (32, 200)
    dead = beyond.all(0).sum().item()  # hardly any gradient, for any example
    return {"before": before, "after": after, "beyond": beyond, "dead": dead}


unfixed, fixed = look(start()[0]), look(start(w1=0.2, b1=0.01)[0])
for title, seen in (("unfixed", unfixed), ("W1 x 0.2, b1 x 0.01", fixed)):
    share = seen["beyond"].float().mean()
    print(f"{title}: into tanh {seen['before'].std():.2f} (standard deviation), beyond 0.99: "
          f"{share:.1%}, dead neurons {seen['dead']}")  # fmt: skip
lesson.check("share beyond 0.99, unfixed", unfixed["beyond"].float().mean().item())
lesson.check("share beyond 0.99, tanh fixed", fixed["beyond"].float().mean().item())
lesson.check("dead neurons, unfixed", unfixed["dead"])


# %%
def saturation_plot() -> Figure:
    figure = Figure(figsize=(10, 5.5), layout="constrained")
    axes = figure.subplots(2, 3, width_ratios=(1, 1, 1.6))
    for row, (title, seen) in enumerate((("unfixed", unfixed), ("fixed", fixed))):
        colour = ("#d55e00", "#0072b2")[row]
        for column, name in enumerate(("before", "after")):
            axis = axes[row, column]
            axis.hist(seen[name].flatten().numpy(), 50, color=colour)
            axis.set(title=f"{name} tanh, {title}", xlabel="value", ylabel="count of 6,400")
        axes[row, 2].imshow(
            seen["beyond"].numpy(), cmap="gray", aspect="auto", interpolation="nearest"
        )
        axes[row, 2].set(title=f"white: beyond 0.99, {title}", xlabel="neuron", ylabel="example")
    return figure


lesson.show(saturation_plot(), "saturation")

# %% [markdown]
# Unfixed, most values lie at -1 or 1, and the right-hand picture is mostly white: most neurons
# learn little from most examples. An all-white column would be a dead neuron, which no example can
# move; there is none here. What goes into the tanh is a sum of 30 terms of size 1, so about 5.5 in
# size, and tanh is flat beyond 2. `W1` times 0.2 and `b1` times 0.01 bring nearly all values back
# to where tanh is steep.
#
# ## How much is the right scale?
#
# Trying 0.2 by hand does not work for fifty layers. A sum of n independent terms of variance 1 has
# variance n, so dividing the weights by the root of n keeps the size. Then tanh squashes: what came
# in with a standard deviation of 1 leaves with 0.63.

# %%
g = torch.Generator().manual_seed(SEED)
x, w = torch.randn(1000, 10, generator=g), torch.randn(10, 200, generator=g)
for title, weight in (("randn", w), ("randn / sqrt(10)", w / 10**0.5)):
    print(f"{title:16}: in {x.std():.2f}, out {(x @ weight).std():.2f}")
many = torch.randn(1_000_000, generator=g)
squashed = torch.tanh(many).std().item()
lesson.check("standard deviation after tanh", squashed)
lesson.check("torch's gain for tanh", torch.nn.init.calculate_gain("tanh"))

# %% [markdown]
# A gain makes up for the squashing, and for tanh it is 5/3. Notes on these lectures often say that
# 0.63 explains the 5/3. In truth 1 / 0.63 is 1.59; 5/3 is a convention of PyTorch. One layer is not
# the question anyway, many are: below, the standard deviation after 50 layers, by gain, with tanh
# and without it. (Plain `randn` weights have a gain of 14, the root of their 200 inputs.)
#
# Notes also give the scale as (5/3) / (n_embd * block_size). In truth it is over the **square
# root** of that number: without the root, the hidden layer starts about five times too small.


# %%
@torch.no_grad()
def after_layers(gain: float, squash: bool = True, depth: int = 50, width: int = 200) -> float:
    g = torch.Generator().manual_seed(SEED)
    x = torch.randn(1000, width, generator=g)
    for _ in range(depth):
        x = x @ (torch.randn(width, width, generator=g) * gain / width**0.5)
        x = torch.tanh(x) if squash else x
    return x.std().item()


gains = {"0.5": 0.5, "1": 1.0, "1 / 0.63": 1 / squashed, "5/3": 5 / 3, "3": 3.0, "14": 200**0.5}
for name, gain in gains.items():
    with_tanh, without = after_layers(gain), after_layers(gain, squash=False)
    print(f"gain {name:8}: {with_tanh:.3f} with tanh, {without:.1e} without")
found = [after_layers(gain) for gain in (0.5, 1.0, 5 / 3, 3.0)]
lesson.check("width after 50 tanh layers, gains 0.5, 1, 5/3, 3", found)
for title, w1 in (("over 30", 5 / 3 / 30), ("over the root of 30", 5 / 3 / 30**0.5)):
    print(f"5/3 {title}: into tanh {look(start(w1=w1, b1=0.01)[0])['before'].std():.2f}")

# %% [markdown]
# Without tanh only a gain of 1 holds the size: below it the signal vanishes, above it explodes, by
# a factor that grows with every layer (`nan` is beyond what float32 can hold). Tanh cannot explode.
# With it, 0.5 still vanishes and 1 fades; above 1 the width settles at a level of its own, 0.65 for
# 5/3. 1.59 would do as well. The price of a larger gain is saturation.
#
# ## What the repairs are worth
#
# Four trainings of 200,000 steps: as it was; calm logits; calm logits and tanh off its ends; the
# same by the formula (of Kaiming He) instead of by hand. One with BatchNorm comes after them.

# %%
variants = {
    "unfixed": {},
    "softmax fixed": {"w2": 0.01, "b2": 0},
    "tanh fixed": {"w2": 0.01, "b2": 0, "w1": 0.2, "b1": 0.01},
    "Kaiming": {"w2": 0.01, "b2": 0, "w1": 5 / 3 / LAYER_ONE**0.5, "b1": 0.01},
}
histories, results = {}, {}
for name, scales in variants.items():
    print(f"training: {name}", flush=True)
    net, g = start(**scales)
    logits = lambda x, net=net: logits_of(net, x)  # noqa: E731
    training = steps(logits, list(net.values()), g, STEPS, STEPS // 2)
    histories[name] = [loss for _, loss in training]
    results[name] = part_loss(logits, Xtr, Ytr), part_loss(logits, Xval, Yval)
    lesson.check(f"train loss, {name}", results[name][0])
    lesson.check(f"val loss, {name}", results[name][1])

# %% [markdown]
# Each repair helps, in the first steps most visibly: the unfixed loss falls from 27 in a curve like
# a hockey stick, steps spent on shrinking logits. It also helps in the end, because they are steps
# that learn nothing. The formula is as good as the scale found by hand, and it works for any width.
#
# ## BatchNorm
#
# If the values before the tanh should have mean 0 and standard deviation 1, then make them so: take
# the mean and the standard deviation over the batch, subtract, divide. That is a formula with a
# gradient like any other. So that the network is not held to it for ever, each neuron gets a gain
# and a bias of its own which learn. `b1` goes: the subtraction would take it away again.
#
# Afterwards a single example must be scored too, and one example has no batch. So a running average
# of both statistics is kept during training, without gradients, and used when training is over.


# %%
def start_norm(n_hidden: int = N_HIDDEN):
    g = torch.Generator().manual_seed(SEED)
    net = {
        "C": torch.randn((27, N_EMBD), generator=g),
        "W1": torch.randn((LAYER_ONE, n_hidden), generator=g) * (5 / 3 / LAYER_ONE**0.5),
        "W2": torch.randn((n_hidden, 27), generator=g) * 0.01,
        "b2": torch.randn(27, generator=g) * 0,  # drawn, so that the batches are the lecture's
        "gain": torch.ones(1, n_hidden),
        "bias": torch.zeros(1, n_hidden),
    }
    for tensor in net.values():
        tensor.requires_grad = True
    return net, {"mean": torch.zeros(1, n_hidden), "std": torch.ones(1, n_hidden)}, g


def logits_norm(net, kept, x: Tensor, training: bool = True) -> Tensor:
    before = net["C"][x].view(len(x), -1) @ net["W1"]  # (B, 200)
    mean, std = kept["mean"], kept["std"]
    if training:
        mean, std = before.mean(0, keepdim=True), before.std(0, keepdim=True)  # (1, 200)
        with torch.no_grad():
            kept["mean"] = (1 - MOMENTUM) * kept["mean"] + MOMENTUM * mean
            kept["std"] = (1 - MOMENTUM) * kept["std"] + MOMENTUM * std
    after = torch.tanh(net["gain"] * (before - mean) / std + net["bias"])
    return after @ net["W2"] + net["b2"]  # (B, 27)


# %%
norm, kept, g = start_norm()
lesson.check("parameters with BatchNorm", sum(p.nelement() for p in norm.values()))
print("training: BatchNorm", flush=True)
logits = lambda x: logits_norm(norm, kept, x)  # noqa: E731
training = steps(logits, list(norm.values()), g, STEPS, STEPS // 2)
histories["BatchNorm"] = [loss for _, loss in training]
lesson.check("first loss, BatchNorm", histories["BatchNorm"][0])


def scoring(x: Tensor) -> Tensor:
    return logits_norm(norm, kept, x, training=False)


results["BatchNorm"] = part_loss(scoring, Xtr, Ytr), part_loss(scoring, Xval, Yval)
lesson.check("train loss, BatchNorm", results["BatchNorm"][0])
lesson.check("val loss, BatchNorm", results["BatchNorm"][1])
for name, (train, val) in results.items():
    print(f"{name:14} first {histories[name][0]:7.4f}   train {train:.4f}   val {val:.4f}")


# %%
def losses_plot() -> Figure:
    figure = Figure(figsize=(10, 4), layout="constrained")
    begin, whole = figure.subplots(1, 2)
    colours = ("#d55e00", "#e69f00", "#009e73", "#cc79a7", "#0072b2")
    width = STEPS // 50
    for (name, history), colour in zip(histories.items(), colours, strict=True):
        early = torch.tensor(history[:1000]).view(-1, 10).mean(1)
        begin.plot(range(0, 1000, 10), early.numpy(), color=colour, label=name)
        late = torch.tensor(history).view(-1, width).mean(1)
        thousands = [at / 1000 for at in range(width // 2, STEPS, width)]
        whole.plot(thousands, late.numpy(), color=colour, label=name)
    begin.set(title="The first 1,000 steps", xlabel="step", ylabel="loss (nats a symbol)")
    whole.set(title=f"All {STEPS:,} steps, means of {width:,}", xlabel="thousand steps")
    whole.set_ylim(1.95, 2.45)
    whole.set_ylabel("loss (nats a symbol)")
    begin.set_yscale("log")
    begin.set_yticks([2, 3, 5, 10, 20], labels=["2", "3", "5", "10", "20"])
    begin.minorticks_off()
    whole.legend()
    return figure


lesson.show(losses_plot(), "losses")

# %% [markdown]
# In this small network BatchNorm is no better than the formula: there is one hidden layer, and its
# start was right already. It shows its worth further down. (Its curve lies higher than its loss in
# the table: in training every batch is normalised with its own noisy statistics.)
#
# What each piece of it does, on one batch. `keepdim` gives the means the shape (1, 200), which can
# only line up with the columns. (For the means over dimension 0 leaving it out happens to work,
# since shapes are lined up from the right; for dimension 1 it fails, or is wrong without an error
# if the matrix is square.) Mean and standard deviation come out at 0 and 1 for any scale of the
# weights, and a bias before BatchNorm changes nothing and gets no gradient.

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
# The gain and the bias (`gamma` and `beta` in the paper) are set after the normalisation, so they
# alone decide how eagerly a neuron fires: gamma how often it is at its ends, beta to which side.

# %%
for gamma, beta in ((0.5, 0.0), (1.0, 0.0), (2.0, 0.0), (4.0, 0.0), (1.0, 1.0)):
    bn.gamma, bn.beta = torch.full((N_HIDDEN,), gamma), torch.full((N_HIDDEN,), beta)
    fired = torch.tanh(bn(before))
    print(f"gamma {gamma}, beta {beta}: beyond 0.97 {(fired.abs() > 0.97).float().mean():5.1%}, "
          f"above zero {(fired > 0).float().mean():5.1%}")  # fmt: skip

# %% [markdown]
# ### The epsilon, and a batch of one
#
# Notes on these lectures often write `(x - mean) / (std + 1e-5)`. In truth the paper, PyTorch and
# the lecture's class have `(x - mean) / sqrt(var + 1e-5)`: the epsilon is added to the variance,
# under the root. For a channel that varies by about 1 that is the same; for one that hardly varies
# it is not. (The variance is a sum divided by n - 1 in the lecture, Bessel's correction, and by n
# in the paper and in PyTorch while it trains.)
#
# And notes say that a batch of one gives NaN or inf, by a standard deviation near 0. In truth it
# depends on the correction: with n - 1 the standard deviation of one row is 0/0, which is NaN; with
# n it is exactly 0, and the epsilon turns 0/0 into 0, so the neuron gives its beta for any input.
# Neither is of use (PyTorch refuses such a batch in training), which is why the running statistics
# exist. And "dimension 0 in training, -1 in generation", as notes say, is no repair: over dimension
# -1 it is another layer, LayerNorm, which compares the channels of one example with each other.

# %%
for std in (1.0, 1e-2, 1e-3):
    print(f"x - mean = {std}: {std / (std + 1e-5):.4f} as in the notes, "
          f"{std / math.sqrt(std**2 + 1e-5):.4f} under the root")  # fmt: skip

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
# So names can be drawn, one symbol after another in batches of one, with the running statistics:


# %%
@torch.no_grad()
def draw(logits, count: int) -> list[str]:
    g = torch.Generator().manual_seed(SEED + 10)
    names = []
    for _ in range(count):
        context, name = [0] * BLOCK, ""
        while True:
            probabilities = torch.softmax(logits(torch.tensor([context])), dim=1)  # (1, 27)
            symbol = torch.multinomial(probabilities, 1, generator=g).item()
            if symbol == 0 or len(name) == 50:
                break
            name, context = name + LETTERS[symbol], context[1:] + [symbol]
        names.append(name)
    return names


names = draw(scoring, 20)
print(" ".join(names))
lesson.check("names drawn in batches of one", len(names))

# %% [markdown]
# ### Calibration: the statistics over the whole training set
#
# The running average is one way to have a mean and a standard deviation for later. The other is to
# take them once, at the end, over the whole training set. The weights then stand still, so this is
# the truth of which the running average is an estimate. How far apart are they?

# %%
with torch.no_grad():
    whole = norm["C"][Xtr].view(len(Xtr), -1) @ norm["W1"]  # (182625, 200)
    exact = {"mean": whole.mean(0, keepdim=True), "std": whole.std(0, keepdim=True)}
    for name in exact:
        apart = (exact[name] - kept[name]).abs() / exact["std"]
        print(f"{name}: {apart.mean():.4f} standard deviations apart, at most {apart.max():.4f}")


def calibrated(x: Tensor) -> Tensor:
    return logits_norm(norm, exact, x, training=False)


val = part_loss(calibrated, Xval, Yval)
lesson.check("val loss, calibrated", val)
lesson.check("val loss, calibrated - running", val - results["BatchNorm"][1])

# %% [markdown]
# The means agree to 0.4 per cent of a standard deviation and the standard deviations to 1 per cent
# (that of 32 numbers is on average 0.8 per cent below that of all). The losses agree to less than
# 0.001. So nobody calibrates: the average comes for free. A momentum of 0.001 averages over the
# last thousand batches or so; with batches as small as 32, one of 0.1 would jump about with the
# last ten.
#
# ### Exercise: BatchNorm folded away
#
# After training the mean, the standard deviation, the gain and the bias are constants. Show that
# the network can do without BatchNorm: find `W1` and `b1` of a plain network with the same logits.
#
# **Solution.** gain * (x @ W1 - mean) / std + bias is x @ (W1 * gain / std) + (bias - mean * gain /
# std): a linear layer after a linear layer is one linear layer.

# %%
with torch.no_grad():
    factor = norm["gain"] / exact["std"]  # (1, 200)
    plain = {
        "C": norm["C"],
        "W1": norm["W1"] * factor,
        "b1": (norm["bias"] - exact["mean"] * factor)[0],
        "W2": norm["W2"],
        "b2": norm["b2"],
    }
    apart = (logits_of(plain, Xval) - calibrated(Xval)).abs().max().item()
lesson.check("logits, folded - BatchNorm", apart)
lesson.check("val loss, folded", part_loss(lambda x: logits_of(plain, x), Xval, Yval))
lesson.check("parameters once folded", sum(p.nelement() for p in plain.values()))

# %% [markdown]
# ### A little regularisation comes with it
#
# In training, what BatchNorm makes of an example depends on which others happen to be in its batch.
# That is noise on every value, and noise hinders learning by heart. Here it stands beside the two
# usual means: dropout (each hidden value is dropped with a probability, the rest scaled up) and
# weight decay (the squares of the weights are added to the loss). The training set is made small
# so that there is something to learn by heart.

# %%
few = 200 if lesson.short else 2_000
small = examples(words[:few])
kaiming = {"w2": 0.01, "b2": 0, "w1": 5 / 3 / LAYER_ONE**0.5, "b1": 0.01}


def regularised(dropout: float = 0, decay: float = 0, norm: bool = False) -> list[float]:
    """[train, val] loss of a network of 300 hidden neurons trained on few words."""
    net, g = start(**kaiming, n_hidden=300)
    if norm:
        net, kept, g = start_norm(300)

    def logits(x: Tensor, training: bool = False) -> Tensor:
        if norm:
            return logits_norm(net, kept, x, training)
        after = hidden(net, x)[1]
        if training and dropout:
            after = after * (torch.rand(after.shape, generator=g) > dropout) / (1 - dropout)
        return after @ net["W2"] + net["b2"]

    penalty = (lambda: decay * ((net["W1"] ** 2).sum() + (net["W2"] ** 2).sum())) if decay else None
    count = 1_000 if lesson.short else 20_000
    noisy = lambda x: logits(x, training=True)  # noqa: E731
    for _ in steps(noisy, list(net.values()), g, count, count // 2, 0.1, small, penalty):
        pass
    return [part_loss(logits, *small), part_loss(logits, Xval, Yval)]


# %%
table = {
    "nothing": regularised(),
    "dropout 0.3": regularised(dropout=0.3),
    "weight decay 0.001": regularised(decay=0.001),
    "BatchNorm": regularised(norm=True),
}
for name, (train, val) in table.items():
    print(f"{name:18} train {train:.3f}   val {val:.3f}   gap {val - train:.3f}")
gaps = [val - train for train, val in table.values()]
lesson.check("each of the three narrows the gap", max(gaps[1:]) < gaps[0])

# %% [markdown]
# With nothing the gap between new and known words is 0.57. BatchNorm narrows it to 0.33 without
# being there for it; dropout and weight decay, which are, to 0.17 and 0.15. All three predict the
# held-back words better.
#
# ## Deeper: the same as layers
#
# So far all tensors had names of their own. For many layers it is easier to have objects that are
# called one after another; `layers.py` beside this lesson has them: `Linear`, `BatchNorm1d`, `Tanh`
# and so on, each under 30 lines, with the names and (almost) the behaviour of `torch.nn`. First a
# check that nothing else has changed: the trained network with BatchNorm, put together from layers.

# %%
embedding = Embedding(27, N_EMBD)
linear = Linear(LAYER_ONE, N_HIDDEN, bias=False)
batchnorm = BatchNorm1d(N_HIDDEN, momentum=MOMENTUM)
output = Linear(N_HIDDEN, 27)
with torch.no_grad():
    embedding.weight, linear.weight = norm["C"], norm["W1"]
    output.weight, output.bias = norm["W2"], norm["b2"]
    batchnorm.gamma, batchnorm.beta = norm["gain"][0], norm["bias"][0]
    batchnorm.running_mean, batchnorm.running_var = kept["mean"][0], kept["std"][0] ** 2
model = Sequential([embedding, Flatten(), linear, batchnorm, Tanh(), output])
with torch.no_grad():
    in_training = (model(xb) - logits_norm(norm, dict(kept), xb)).abs().max().item()
    batchnorm.running_mean, batchnorm.running_var = kept["mean"][0], kept["std"][0] ** 2
    model.train(False)
    in_evaluation = (model(xb) - scoring(xb)).abs().max().item()
lesson.check("logits, layers - tensors, in training", in_training)
lesson.check("logits, layers - tensors, in evaluation", in_evaluation)

# %% [markdown]
# Now six linear layers. Every one is followed by BatchNorm, the last as well; so none needs a bias,
# and the calm logits come from a small last `gamma`, because scaling weights before a BatchNorm has
# no effect. Without BatchNorm the same net has biases, a gain on its weights, and a small last
# layer.


# %%
def build(norm: bool = True, gain: float = 1.0, bias: bool | None = None, depth: int = 5):
    """Embedding, layers, all parameters of a network, and the generator that goes on."""
    g = torch.Generator().manual_seed(SEED)
    C = torch.randn((27, N_EMBD), generator=g)
    sizes = [LAYER_ONE] + [100] * depth + [27]
    layers: list[Layer] = []
    for fan_in, fan_out in zip(sizes, sizes[1:], strict=False):
        layers.append(Linear(fan_in, fan_out, bias=not norm if bias is None else bias, generator=g))
        layers += [BatchNorm1d(fan_out)] if norm else []
        layers += [Tanh()] if fan_out != 27 else []
    for layer in layers[:-1]:
        if isinstance(layer, Linear):
            layer.weight *= gain
    (layers[-1].gamma if norm else layers[-1].weight).mul_(0.1)  # calm logits
    parameters = [C] + [p for layer in layers for p in layer.parameters()]
    for p in parameters:
        p.requires_grad = True
    return C, Sequential(layers), parameters, g


C, model, parameters, g = build()
lesson.check("parameters, six layers", sum(p.nelement() for p in parameters))
for title, other in (("biases kept", build(bias=True)), ("no BatchNorm", build(norm=False))):
    lesson.check(f"parameters, {title}", sum(p.nelement() for p in other[2]))

# %% [markdown]
# 1,000 steps and one more, at a rate of 0.1. At each step we write down, for every weight matrix,
# how large its update was beside the weights themselves: the ratio of the two standard deviations,
# as a power of ten. After the last one we look at every tanh and its gradient, as they were in that
# last pass.


# %%
def logits_deep(C: Tensor, model: Sequential):
    return lambda x: model(C[x].view(len(x), -1))


def train_deep(C, model, parameters, g, count: int, rate: float = 0.1):
    """Losses, and the update:data ratios (log10) of the weight matrices, by step."""
    losses, ratios = [], []
    matrices = [p for p in parameters if p.ndim == 2]
    for _, loss in steps(logits_deep(C, model), parameters, g, count, count, rate):
        losses.append(loss)
        with torch.no_grad():
            sizes = [rate * p.grad.std() / (p.std() + 1e-12) for p in matrices]
            ratios.append(torch.stack(sizes).log10())
    return losses, torch.stack(ratios)  # (count, 7)


DEEP = 101 if lesson.short else 1_001
print(f"training the six layers for {DEEP:,} steps", flush=True)
losses, ratios = train_deep(C, model, parameters, g, DEEP)
lesson.check("first loss, six layers", losses[0])

# %%
tanhs = [layer for layer in model.layers if isinstance(layer, Tanh)]
for depth, layer in enumerate(tanhs, 1):
    print(f"tanh {depth}: mean {layer.out.mean():+.2f}, standard deviation {layer.out.std():.2f}, "
          f"saturated {layer.saturated():.2%}")  # fmt: skip
lesson.check("saturated, per cent, by tanh", [100 * layer.saturated() for layer in tanhs])
stds = [layer.out.std().item() for layer in tanhs]
lesson.check("standard deviation of tanh, least and most", [min(stds), max(stds)])

matrices = [p for p in parameters if p.ndim == 2]
grad_data = [(p.grad.std() / p.std()).item() for p in matrices]
for p, ratio in zip(matrices, grad_data, strict=True):
    print(f"weight {tuple(p.shape)!s:10} grad:data {ratio:.1e}")
lesson.check("grad:data by weight, log10", [math.log10(ratio) for ratio in grad_data])
recent = ratios[-100:].mean(0).tolist()
lesson.check("update:data by weight, log10, last 100 steps", recent)

# %% [markdown]
# That is what a healthy network looks like: every tanh is about 0.65 wide and 2 to 3 per cent
# saturated, and the inner matrices get gradients of a similar size beside their own. The first and
# the last stand out: the embedding, whose numbers are of size 1 and not 0.1, and the last layer,
# whose 27 outputs pass on about half of the gradient that 100 would (the root of 27 / 100).
#
# As a rule of thumb a step should change a matrix by about 1/1000 of its size, -3 as a power of
# ten. Far below, the rate is too low; far above, too high. Here it is about -2.2 in most, so 0.1 is
# a high rate for this network. Now the loss, and the pictures of the same numbers.

# %%
model.train(False)
deep = logits_deep(C, model)
lesson.check("train loss, six layers", part_loss(deep, Xtr, Ytr))
lesson.check("val loss, six layers", part_loss(deep, Xval, Yval))
model.train()


# %%
def gradients_of(C, model) -> tuple[list[Tensor], list[Tensor]]:
    """Outputs of every tanh for the batch xb, and their gradients."""
    logits = logits_deep(C, model)(xb)
    outs = [layer.out for layer in model.layers if isinstance(layer, Tanh)]
    for out in outs:
        out.retain_grad()
    F.cross_entropy(logits, yb).backward()
    return [out.detach() for out in outs], [out.grad for out in outs]


COLOURS = ("#0072b2", "#56b4e9", "#009e73", "#e69f00", "#d55e00", "#cc79a7", "#000000")


def lines(axis, tensors: list[Tensor], labels: list[str], title: str, unit: str) -> None:
    """One line per tensor: the histogram of its values as a density."""
    for tensor, label, colour in zip(tensors, labels, COLOURS, strict=False):
        height, edges = torch.histogram(tensor.flatten(), bins=40, density=True)
        axis.plot(edges[:-1].numpy(), height.numpy(), color=colour, label=label)
    axis.set(title=title, xlabel=unit, ylabel="density")
    axis.locator_params(axis="x", nbins=5)
    axis.legend(fontsize=8)


# %%
def inside_plot(C, model, parameters) -> Figure:
    figure = Figure(figsize=(12, 4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    outs, gradients = gradients_of(C, model)
    names = [f"tanh {depth}" for depth in range(1, 6)]
    lines(left, outs, names, "What each tanh gives", "value")
    lines(middle, gradients, names, "The gradients there", "gradient")
    matrices = [p for p in parameters if p.ndim == 2][1:]  # all but C
    names = [f"linear {depth}" for depth in range(1, 7)]
    lines(right, [p.grad for p in matrices], names, "The gradients of the weights", "gradient")
    return figure


def updates_plot(ratios: Tensor, title: str) -> Figure:
    figure = Figure(figsize=(8, 4), layout="constrained")
    axis = figure.subplots()
    names = ["embedding"] + [f"linear {depth}" for depth in range(1, 7)]
    for column, (name, colour) in enumerate(zip(names, COLOURS, strict=True)):
        axis.plot(ratios[:, column].numpy(), color=colour, label=name, linewidth=0.8)
    axis.axhline(-3, color="black", linestyle="--")
    axis.set(title=title, xlabel="step", ylabel="update : data (log10)", ylim=(-4.5, -1))
    axis.legend(fontsize=8, ncol=2)
    return figure


lesson.show(inside_plot(C, model, parameters), "inside")
lesson.show(updates_plot(ratios, "Six layers with BatchNorm, rate 0.1"), "updates")

# %% [markdown]
# ## Without BatchNorm: vanish, saturate, die
#
# The same six layers without BatchNorm, at five gains, before any step: how wide each tanh's output
# is, how much of it is saturated, how many of all 500 neurons are dead for this batch, and how much
# gradient arrives. Beside them the same with BatchNorm. (A gain of 10 is plain `randn` here.)


# %%
GAINS = {"0.5": 0.5, "1": 1.0, "5/3": 5 / 3, "3": 3.0, "10": 10.0}


def at_start(norm: bool, gain: float) -> dict:
    C, model, _, _ = build(norm, gain)
    outs, gradients = gradients_of(C, model)
    beyond = [out.abs() > 0.97 for out in outs]  # 5 of (32, 100)
    return {
        "width": [out.std().item() for out in outs],
        "saturated": [flags.float().mean().item() for flags in beyond],
        "gradient": [gradient.std().item() for gradient in gradients],
        "dead": sum(flags.all(0).sum().item() for flags in beyond),
    }


scan = {(norm, name): at_start(norm, GAINS[name]) for norm in (False, True) for name in GAINS}
for (norm, name), seen in scan.items():
    print(f"{'with' if norm else 'no':4} BatchNorm, gain {name:3}: width "
          f"{' '.join(f'{v:.2f}' for v in seen['width'])}; saturated {seen['saturated'][-1]:5.1%} "
          f"of the last, dead {seen['dead']}; gradient, first tanh over last: "
          f"{seen['gradient'][0] / seen['gradient'][-1]:.2f}")  # fmt: skip
for norm, title in ((False, "no BatchNorm"), (True, "BatchNorm")):
    last = [scan[norm, name]["width"][-1] for name in GAINS]
    lesson.check(f"width of the last tanh by gain, {title}", last)


# %%
def gains_plot() -> Figure:
    figure = Figure(figsize=(11, 6), layout="constrained")
    axes = figure.subplots(2, 3, sharex=True)
    titles = {False: "no BatchNorm", True: "with BatchNorm (all alike)"}
    units = {"width": "standard deviation", "saturated": "share beyond 0.97"}
    units["gradient"] = "standard deviation of gradient"
    for (norm, name), seen in scan.items():
        for column, (what, unit) in enumerate(units.items()):
            axis, colour = axes[int(norm), column], COLOURS[list(GAINS).index(name)]
            axis.plot(range(1, 6), seen[what], "o-", color=colour, label=f"gain {name}")
            axis.set(title=titles[norm], ylabel=unit, xlabel="tanh layer")
            axis.set_ylim(*((1e-6, 1e-1) if what == "gradient" else (-0.03, 1.03)))
            axis.set_yscale("log" if what == "gradient" else "linear")
    axes[1, 0].legend(fontsize=8)
    return figure


lesson.show(gains_plot(), "gains")

# %% [markdown]
# Without BatchNorm a gain of 0.5 lets the signal vanish on its way through, 5/3 holds it, with 3
# tanh is 40 per cent saturated in every layer, and with 10 the first neurons are dead. With
# BatchNorm all gains give the very same activations, since it divides any scale away.
#
# One more look at the same thing, without tanh and at one layer of 1,000 x 1,000 standard normal
# weights. Its output is 31 times as large as its input, the root of 1,000, and so is the gradient
# that it sends back. With BatchNorm behind it the output has size 1, and BatchNorm's own gradient
# divides by the same 31, so what arrives at the input is of size 1 again.


# %%
def one_layer(norm: bool) -> dict[str, float]:
    """Standard deviations, forward and of the gradients, around one 1,000 x 1,000 matrix."""
    g = torch.Generator().manual_seed(SEED)
    size = 1_000 if norm else (1_000, 1)
    inp = torch.randn(size, generator=g).requires_grad_()
    w = torch.randn((1_000, 1_000), generator=g).requires_grad_()
    x = w @ inp
    x.retain_grad()
    out = (x - x.mean()) / torch.sqrt(x.var() + 1e-5) if norm else x
    loss = (torch.randn(1_000, generator=g) @ out).sum()
    loss.backward()
    found = {"out": out, "x gradient": x.grad, "w gradient": w.grad, "inp gradient": inp.grad}
    return {name: tensor.std().item() for name, tensor in found.items()}


bare, normed = one_layer(norm=False), one_layer(norm=True)
print("linear", bare, "\nlinear and BatchNorm", normed)
lesson.check("linear 1000 x 1000: out, input's gradient", [bare["out"], bare["inp gradient"]])
lesson.check("with BatchNorm: out, x, w, input's gradient", list(normed.values()))

# %% [markdown]
# ### And does it train?
#
# Last the test that counts: the loss after 1,000 steps, with and without BatchNorm, for
# four gains and two learning rates, and how saturated the network is by then.


# %%
GRID = 40 if lesson.short else 1_000


def trained(norm: bool, rate: float, gain: float, depth: int = 5) -> tuple[float, float]:
    """Val loss after GRID steps, and the share of saturated values in all tanh layers."""
    C, model, parameters, g = build(norm, gain, depth=depth)
    train_deep(C, model, parameters, g, GRID, rate)
    model.train(False)
    loss = part_loss(logits_deep(C, model), Xval, Yval)
    shares = [layer.saturated() for layer in model.layers if isinstance(layer, Tanh)]
    return loss, sum(shares) / len(shares)


spread = {}
for norm in (False, True):
    for rate in (0.1, 1.0):
        found = [trained(norm, rate, gain) for gain in (0.5, 1.0, 5 / 3, 3.0)]
        spread[norm, rate] = max(found)[0] - min(found)[0]
        print(f"{'with' if norm else 'no':4} BatchNorm, rate {rate}, gains 0.5, 1, 5/3, 3: val "
              f"{' '.join(f'{loss:.3f}' for loss, _ in found)}; saturated "
              f"{' '.join(f'{share:.0%}' for _, share in found)}", flush=True)  # fmt: skip
for rate in (0.1, 1.0):
    narrower = spread[True, rate] < spread[False, rate]
    lesson.check(f"the gain matters less with BatchNorm, rate {rate}", narrower)

# %% [markdown]
# Without BatchNorm the gain decides, and a rate of 1 drives the two larger gains into saturation
# and a loss above that of knowing nothing. With BatchNorm every one of the eight trains, the rate
# of 1 included: that is what "a higher learning rate" and "initialisation nearly stops mattering"
# mean. Nearly: larger weights get smaller gradients (their scale is divided away), so a gain of 3
# learns more slowly at 0.1 and no worse than the others at 1.
#
# (The usual explanation is a smoother loss surface. This lesson shows only what follows from it.)
#
# Notes on these lectures also say that deep tanh networks die without BatchNorm even if started
# perfectly. The first row already says otherwise for six layers at 5/3. And at 21?

# %%
far = [trained(norm, 0.1, gain, depth=20)[0] for norm, gain in ((False, 5 / 3), (True, 1.0))]
print(f"21 layers, val: {far[0]:.3f} without BatchNorm at gain 5/3, {far[1]:.3f} with it")
lesson.check("21 layers, val: no BatchNorm at 5/3, BatchNorm", far)

# %% [markdown]
# They are level. So a right start is enough for tanh, even here; what BatchNorm gives is that one
# need not find it, and that one may learn faster. Its price: examples of a batch are no longer
# independent of each other, training and evaluation differ, and the running statistics are one more
# thing to get wrong. Lesson 5 gets them wrong, and repairs it.
