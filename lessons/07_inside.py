# %% [markdown]
# # 7. Looking inside
#
# **You will be able to** read four signs of health in a deep network (its activations, their
# gradients, those of the weights, and the size of each update) and to say what BatchNorm is for.
#
# **You need** lesson 5 (gain, saturated tanh) and lesson 6 (BatchNorm, the network as layers).
#
# **It takes** an hour with the exercise; the code runs for a minute or two, with `--short` for a
# quarter of a minute.
#
# With one hidden layer BatchNorm was no better than a right start. Now there are six layers, and
# each start has five more chances to go wrong. What does a healthy network look like from inside?
# What happens to it without BatchNorm? This is the lecture's part 3, 1:18 to the end.

# %%
import math

import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Generator, Tensor

from course import BLUE, GREEN, ORANGE, PINK, Lesson
from layers import BatchNorm1d, Layer, Linear, Sequential, Tanh
from mlp import SEED, build_dataset, part_loss, sgd, split

lesson = Lesson("07_inside")
check = lesson.try_answer
BLOCK_SIZE, N_EMBD, BATCH = 3, 10, 32
FAN_IN = BLOCK_SIZE * N_EMBD  # 30 numbers go into each neuron of the first layer
COLOURS = (BLUE, "#56b4e9", GREEN, "#e69f00", ORANGE, PINK, "#000000")  # in the order of layers

parts = split(lesson.words())
train_data, val_data = build_dataset(parts["train"]), build_dataset(parts["dev"])
Xtr, Ytr = train_data  # (N, 3), (N,)

# One batch to look at, that of lesson 5: there these five tensors were drawn before it.
g = torch.Generator().manual_seed(SEED)
for shape in ((27, 10), (30, 200), (200,), (200, 27), (27,)):
    torch.randn(shape, generator=g)
rows = torch.randint(0, len(Xtr), (BATCH,), generator=g)
xb, yb = Xtr[rows], Ytr[rows]  # (32, 3), (32,)

# %% [markdown]
# ## Six layers
#
# Six linear layers, of 100 neurons each but for the last, which has 27. Every one is followed by
# BatchNorm, the last as well; so none needs a bias.
#
# The calm logits come from a small last `gamma`, because scaling weights before a BatchNorm has no
# effect. Without BatchNorm the same net has biases, a gain on its weights, and a small last layer.

# %%
Built = tuple[Tensor, Sequential, list[Tensor], Generator]


def build(norm: bool = True, gain: float = 1.0, bias: bool | None = None, depth: int = 5) -> Built:
    """Embedding, layers, all parameters of a network, and the generator that goes on."""
    g = torch.Generator().manual_seed(SEED)
    C = torch.randn((27, N_EMBD), generator=g)
    sizes = [FAN_IN] + [100] * depth + [27]
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
# 1,000 steps and one more, at a rate of 0.1. At each step you write down, for every weight matrix,
# how large its update was beside the weights themselves. This is the *update:data ratio*: the
# standard deviation of the update, rate times gradient, over that of the weights, as a power of
# ten.
#
# After the last step you look at every tanh and its gradient, as they were in that last pass.


# %%
def logits_deep(C: Tensor, model: Sequential):
    return lambda x: model(C[x].view(len(x), -1))


def train_deep(
    C: Tensor, model: Sequential, parameters: list[Tensor], g: Generator, count: int, rate: float
) -> tuple[list[float], Tensor]:
    """Losses, and the update:data ratios (log10) of the weight matrices, by step."""
    losses, ratios = [], []
    matrices = [p for p in parameters if p.ndim == 2]
    for _, loss in sgd(logits_deep(C, model), parameters, g, train_data, count, count, rate):
        losses.append(loss)
        with torch.no_grad():
            sizes = [rate * p.grad.std() / (p.std() + 1e-12) for p in matrices]
            ratios.append(torch.stack(sizes).log10())
    return losses, torch.stack(ratios)  # (count,), (count, 7)


DEEP = lesson.budget(1_001, 101)
print(f"training the six layers for {DEEP:,} steps", flush=True)
losses, ratios = train_deep(C, model, parameters, g, DEEP, rate=0.1)
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
recent = ratios[-100:].mean(0).tolist()  # of the embedding, then of linear 1 to 6
lesson.check("update:data by weight, log10, last 100 steps", recent)

# %% [markdown]
# That is what a healthy network looks like: every tanh is about 0.65 wide and 2 to 3 per cent
# saturated (beyond 0.97, from here on), and the inner matrices get gradients of a similar size
# beside their own.
#
# The first and the last stand out: the embedding, whose numbers are of size 1 and not 0.1, and the
# last layer, whose 27 outputs pass on about half of the gradient that 100 would (the root of 27 /
# 100).
#
# As a rule of thumb a step should change a matrix by about 1/1000 of its size, -3 as a power of
# ten. Far below, the rate is too low; far above, too high. Here it is about -2.2 in most, so 0.1 is
# a high rate for this network.
#
# ### Exercise: a rate for -3
#
# Which rate would bring the inner matrices, linear 1 to 5, to -3 on average? Suppose that their
# gradients stay as they were in the last 100 steps. `recent[1:6]` has their five ratios, as powers
# of ten, at the rate of 0.1. Look back at what the ratio is made of.

# %% tags=["exercise"]
rate = ...  # a number, or a formula with recent[1:6]

check("a rate that brings the inner matrices to -3", rate)

# %% [markdown] tags=["solution"]
# The ratio is the rate times something that does not depend on it. So it is proportional to the
# rate, and as a power of ten it moves one to one: from the mean of the five to -3 is -0.77, and
# 0.1 * 10^-0.77 is 0.017.
#
# A fresh network at that rate is at -3.3 after 200 steps, a little below: the ratio rises in the
# first hundreds of steps (see the picture of the updates below), and slower at a lower rate.

# %% tags=["solution"]
mean_ratio = sum(recent[1:6]) / 5
rate = 0.1 * 10 ** (-3 - mean_ratio)
lesson.check("a rate that brings the inner matrices to -3", rate)

_, slower = train_deep(*build(), count=lesson.budget(200, 100), rate=rate)
print(f"rate {rate:.4f}: linear 1 to 5, last 50 steps: {slower[-50:, 1:6].mean():.2f}")

# %% [markdown]
# Does that make 0.017 the better rate? Not by itself: the rule is a first guess for a long
# training, and 1,000 steps are short. Now the loss, and the pictures of the same numbers.

# %%
model.train(False)
deep = logits_deep(C, model)
lesson.check("train loss, six layers", part_loss(deep, train_data))
lesson.check("val loss, six layers", part_loss(deep, val_data))
model.train()


# %%
def gradients_of(C: Tensor, model: Sequential) -> tuple[list[Tensor], list[Tensor]]:
    """Outputs of every tanh for the batch xb, and their gradients."""
    logits = logits_deep(C, model)(xb)
    outs = [layer.out for layer in model.layers if isinstance(layer, Tanh)]
    for out in outs:
        out.retain_grad()
    F.cross_entropy(logits, yb).backward()
    return [out.detach() for out in outs], [out.grad for out in outs]


def lines(axis: Axes, tensors: list[Tensor], labels: list[str], title: str, unit: str) -> None:
    """One line per tensor: the histogram of its values as a density."""
    for tensor, label, colour in zip(tensors, labels, COLOURS, strict=False):
        height, edges = torch.histogram(tensor.flatten(), bins=40, density=True)
        axis.plot(edges[:-1].numpy(), height.numpy(), color=colour, label=label)
    axis.set(title=title, xlabel=unit, ylabel="density")
    axis.locator_params(axis="x", nbins=5)
    axis.legend(fontsize=9)


# %%
def inside_plot() -> Figure:
    figure = Figure(figsize=(12, 4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for p in parameters:
        p.grad = None
    outs, gradients = gradients_of(C, model)
    names = [f"tanh {depth}" for depth in range(1, 6)]
    lines(left, outs, names, "All tanh outputs are alike", "value")
    lines(middle, gradients, names, "So are the gradients there", "gradient")
    names = [f"linear {depth}" for depth in range(1, 7)]
    weights = [p.grad for p in matrices[1:]]  # all but the embedding's
    lines(right, weights, names, "Of the weights: the last stands out", "gradient")
    return figure


def updates_plot() -> Figure:
    figure = Figure(figsize=(8, 4), layout="constrained")
    axis = figure.subplots()
    names = ["embedding"] + [f"linear {depth}" for depth in range(1, 7)]
    for column, (name, colour) in enumerate(zip(names, COLOURS, strict=True)):
        axis.plot(ratios[:, column].numpy(), color=colour, label=name, linewidth=0.8)
    axis.axhline(-3, color="black", linestyle="--", label="rule of thumb")
    axis.set(title="A rate of 0.1 is high: all but the embedding are above -3", xlabel="step")
    axis.set(ylabel="update : data (log10)", ylim=(-4.5, -1))
    axis.legend(fontsize=9, ncol=3)
    return figure


lesson.show(inside_plot(), "inside")
lesson.show(updates_plot(), "updates")

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
    titles = {False: "no BatchNorm: the gain decides", True: "with BatchNorm: all alike"}
    units = {"width": "standard deviation", "saturated": "share beyond 0.97"}
    units["gradient"] = "standard deviation of gradient"
    for (norm, name), seen in scan.items():
        for column, (what, unit) in enumerate(units.items()):
            axis, colour = axes[int(norm), column], COLOURS[list(GAINS).index(name)]
            axis.plot(range(1, 6), seen[what], "o-", color=colour, label=f"gain {name}")
            axis.set(title=titles[norm], ylabel=unit, xlabel="tanh layer")
            axis.set_ylim(*((1e-6, 1e-1) if what == "gradient" else (-0.03, 1.03)))
            axis.set_yscale("log" if what == "gradient" else "linear")
    axes[0, 2].legend(fontsize=9, ncol=2)
    return figure


lesson.show(gains_plot(), "gains")

# %% [markdown]
# Without BatchNorm a gain of 0.5 lets the signal vanish on its way through, 5/3 holds it, with 3
# tanh is 40 per cent saturated in every layer, and with 10 the first neurons are dead. With
# BatchNorm all gains give the very same activations, since it divides any scale away.
#
# One more look at the same thing, without tanh and at one layer of 1,000 x 1,000 standard normal
# weights. Its output is 31 times as large as its input, the root of 1,000, and so is the gradient
# that it sends back.
#
# With BatchNorm behind it the output has size 1, and BatchNorm's own gradient divides by the same
# 31, so what arrives at the input is of size 1 again.


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
GRID = lesson.budget(1_000, 40)


def trained(norm: bool, rate: float, gain: float, depth: int = 5) -> tuple[float, float]:
    """Val loss after GRID steps, and the share of saturated values in all tanh layers."""
    C, model, parameters, g = build(norm, gain, depth=depth)
    train_deep(C, model, parameters, g, GRID, rate)
    model.train(False)
    loss = part_loss(logits_deep(C, model), val_data)
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
# mean.
#
# Nearly: larger weights get smaller gradients (their scale is divided away), so a gain of 3 learns
# more slowly at 0.1 and no worse than the others at 1. (The usual explanation is a smoother loss
# surface. This lesson does not test it.)
#
# Do deep tanh networks die without BatchNorm even if started perfectly? Six layers did not, in the
# first row. Try 21.

# %%
far = [trained(norm, 0.1, gain, depth=20)[0] for norm, gain in ((False, 5 / 3), (True, 1.0))]
print(f"21 layers, val: {far[0]:.3f} without BatchNorm at gain 5/3, {far[1]:.3f} with it")
lesson.check("21 layers, val: no BatchNorm at 5/3, BatchNorm", far)

# %% [markdown]
# They are about level. So a right start is enough for tanh, even here; what BatchNorm gives is that
# you need not find it, and that you may learn faster.
#
# Its price: examples of a batch are no longer independent of each other, training and evaluation
# differ, and the running statistics are one more thing to get wrong. Lesson 9 gets them wrong, and
# repairs it.
#
# ## What you have now
#
# - Four signs to look at: the width and saturation of each layer, the gradients there, those of the
#   weights, and the update:data ratio with its rule of thumb, -3.
# - What a wrong gain does to a stack: the signal vanishes or saturates, layer by layer.
# - What BatchNorm is for: nearly any gain and a rate ten times as high train. A right start does as
#   well for tanh, once it is found.
#
# All gradients so far came from `backward()`. In lesson 8 you write that function yourself.
