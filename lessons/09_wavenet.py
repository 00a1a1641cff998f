# %% [markdown]
# # 9. A tree, as in WaveNet
#
# **You will be able to** build a network that merges a long context two neighbours at a time, find
# a mistake that only a shape gives away, and say in what way the tree is a convolution.
#
# **You need** lesson 6: BatchNorm, and the layers of `layers.py`. The shapes of lesson 3 help.
#
# **It takes** an hour with the exercises; the code runs for 40 minutes on one core, with `--short`
# for 18 seconds.
#
# Lesson 3's network lays its symbols side by side and presses them through one hidden layer. With a
# longer context that layer grows, and it still has to understand everything in one go. Is it better
# to read slowly: two neighbours into a pair, two pairs into four, two fours into eight? That is the
# tree of WaveNet (van den Oord et al. 2016). The lesson follows part 5 of Andrej Karpathy's
# lectures from 0:17 on; numbers in the text are those of the full run.

# %%
import shutil
import subprocess
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Generator, Tensor

from course import BLUE, GREEN, GREY, ORANGE, PINK, Lesson
from layers import BatchNorm1d, Embedding, Flatten, FlattenConsecutive, Linear, Sequential, Tanh
from mlp import LETTERS, SEED, build_dataset, part_loss, split

lesson = Lesson("09_wavenet")
check = lesson.try_answer
V, BLOCK_SIZE, BATCH = len(LETTERS), 8, 32
steps = lesson.budget(200_000, 1_000)

# %% [markdown]
# ## Eight symbols of context
#
# The split is that of the other lessons, and so is the number of examples: a longer context makes
# the examples wider, not more. Before a name starts, the context is filled with dots.

# %%
words = lesson.words()
parts = split(words)
X_train, Y_train = build_dataset(parts["train"], BLOCK_SIZE)
X_val, Y_val = build_dataset(parts["dev"], BLOCK_SIZE)
for x, y in zip(X_train[: len(parts["train"][0]) + 1].tolist(), Y_train.tolist(), strict=False):
    print("".join(LETTERS[i] for i in x), "->", LETTERS[y])
lesson.check("shape of the training contexts", list(X_train.shape))

# %% [markdown]
# ## Flat first
#
# Flat means: eight embeddings of 10 numbers become one row of 80, and each of the 200 hidden
# neurons has 80 weights. One generator draws the parameters and then the batches, as in the
# lecture, where everything follows from one seed.


# %%
def flat(g: Generator, n_embd: int = 10, n_hidden: int = 200) -> Sequential:
    layers = [
        Embedding(V, n_embd, generator=g),
        Flatten(),
        Linear(n_embd * BLOCK_SIZE, n_hidden, bias=False, generator=g),
        BatchNorm1d(n_hidden, eps=1e-5, momentum=0.1, correction=1),
        Tanh(),
        Linear(n_hidden, V, generator=g),
    ]
    layers[-1].weight *= 0.1  # start unsure: first loss near log 27
    return Sequential(layers)


def print_shapes(model: Sequential, x: Tensor) -> None:
    model(x)
    print(f"{'input':>20} {tuple(x.shape)}")
    for layer in model.layers:
        print(f"{type(layer).__name__:>20} {tuple(layer.out.shape)}")


def size(model: Sequential) -> int:
    return sum(p.nelement() for p in model.parameters())


model = flat(torch.Generator().manual_seed(42))
print_shapes(model, X_train[:4])
lesson.check("parameters, flat", size(model))

# %% [markdown]
# Training is the loop of the lessons before: batches of 32, plain gradient descent with a rate of
# 0.1, and 0.01 for the last quarter. It prints the mean loss of each fortieth of its steps. To
# measure, BatchNorm is switched to its running statistics, and `part_loss` of lesson 5 goes through
# a part in pieces, without a graph.


# %%
curves: dict[str, Tensor] = {}  # the losses by step of every network, for the picture below
rows: list[str] = []


def train(model: Sequential, g: Generator) -> Tensor:
    """Plain gradient descent; returns the loss of each batch."""
    losses = torch.empty(steps)
    parameters = model.parameters()
    for p in parameters:
        p.requires_grad = True
    model.train()
    for step in range(steps):
        batch = torch.randint(0, len(X_train), (BATCH,), generator=g)
        loss = F.cross_entropy(model(X_train[batch]), Y_train[batch])
        for p in parameters:
            p.grad = None
        loss.backward()
        learning_rate = 0.1 if step < steps * 3 // 4 else 0.01
        for p in parameters:
            p.data.add_(p.grad, alpha=-learning_rate)
        losses[step] = loss.detach()
        if (step + 1) % (steps // 40) == 0:
            recent = losses[step + 1 - steps // 40 : step + 1].mean()
            end = "\n" if (step + 1) % (steps // 4) == 0 else " "
            print(f"{recent:.3f}", end=end, flush=True)
    return losses


def run(name: str, model: Sequential, g: Generator) -> None:
    """Train, evaluate, and check both losses."""
    began = time.perf_counter()
    curves[name] = train(model, g)
    seconds = time.perf_counter() - began
    model.train(False)
    losses = [part_loss(model, data) for data in ((X_train, Y_train), (X_val, Y_val))]
    for part, loss in zip(("train", "val"), losses, strict=True):
        lesson.check(f"{part} loss, {name}", loss)
    rows.append(f"{name:>20} {size(model):10,} {losses[0]:8.4f} {losses[1]:8.4f} {seconds:8.0f}")


g = torch.Generator().manual_seed(42)
model = flat(g)
run("flat", model, g)

# %% [markdown]
# Five more symbols of context, and the loss on held-back names falls from 2.10 (lessons 5 and 6) to
# 2.03. That was the easy part. Now the same number of parameters, arranged as a tree.
#
# ## Two at a time
#
# To merge neighbours you lay pairs side by side: from 8 positions of 10 numbers to 4 positions of
# 20. Taking the even and the odd positions and concatenating them would copy. But the numbers
# already lie in that order in memory, so `view` only has to count them differently.

# %%
e = torch.randn((4, 8, 10), generator=torch.Generator().manual_seed(42))  # (B, T, C)
copied = torch.cat([e[:, ::2], e[:, 1::2]], dim=2)  # (4, 4, 20): even beside odd positions
viewed = FlattenConsecutive(2)(e)  # (4, 4, 20)
lesson.check("pairs by view equal pairs by cat", torch.equal(copied, viewed))
print("view shares the memory of e:", viewed.data_ptr() == e.data_ptr())

# %% [markdown]
# The rest needs no new layer: `x @ weight` works on the last dimension and takes all those before
# it along. A linear layer so runs on each of the four pairs *with the same weights*, and the four
# are computed side by side, like so many more examples.
#
# ### Exercise: the shapes of a tree
#
# Eight symbols go in, and three times two neighbours are laid side by side. How many positions are
# left after each `FlattenConsecutive(2)`?

# %% tags=["exercise"]
positions = ...  # a list of three numbers

check("positions after each FlattenConsecutive(2)", positions)

# %% [markdown] tags=["solution"]
# Each layer halves them, and 8 is 2 to the power of 3: three layers are just enough to see all.

# %% tags=["solution"]
positions = [BLOCK_SIZE // 2**layer for layer in (1, 2, 3)]
lesson.check("positions after each FlattenConsecutive(2)", positions)

# %% [markdown]
# With 68 hidden neurons in each of three layers the tree has about as many parameters as the flat
# network. Look at the shapes: fewer and fewer positions, and the same width all the way. Where one
# position is left, `FlattenConsecutive` drops that dimension.


# %%
def tree(g: Generator, n_embd: int, n_hidden: int, per_position: bool = False) -> Sequential:
    layers = [Embedding(V, n_embd, generator=g)]
    fan_in = 2 * n_embd
    for _ in range(3):  # 8 symbols = 2 ** 3
        layers += [
            FlattenConsecutive(2),
            Linear(fan_in, n_hidden, bias=False, generator=g),
            BatchNorm1d(n_hidden, 1e-5, 0.1, correction=1, per_position=per_position),
            Tanh(),
        ]
        fan_in = 2 * n_hidden
    layers.append(Linear(n_hidden, V, generator=g))
    layers[-1].weight *= 0.1
    return Sequential(layers)


trapped_g = torch.Generator().manual_seed(42)
trapped = tree(trapped_g, n_embd=10, n_hidden=68, per_position=True)
print_shapes(trapped, X_train[:4])
lesson.check("parameters, tree", size(trapped))

# %% [markdown]
# In the flat network each of 200 neurons sees all eight symbols. In the tree a neuron of the first
# layer sees two, one of the second four, and only the last layer sees eight. What it learns about a
# pair serves at four places.

# %%
figure = Figure(figsize=(9, 3.6), layout="constrained")
for axes, merges in zip(figure.subplots(1, 2), ([8], [2, 2, 2]), strict=True):
    places = [float(i) for i in range(8)]
    axes.scatter(places, [0] * 8, s=90, color=BLUE, zorder=2)
    for layer, n in enumerate(merges, start=1):
        above = [sum(places[i : i + n]) / n for i in range(0, len(places), n)]
        for i, place in enumerate(places):
            axes.plot([place, above[i // n]], [layer - 1, layer], color=GREY, zorder=1)
        axes.scatter(above, [layer] * len(above), s=90, color=ORANGE, zorder=2)
        places = above
    axes.set_xticks(range(8), list("...charl"))
    heights = range(len(merges) + 1)
    axes.set_yticks(heights, ["symbols", "layer 1", "layer 2", "layer 3"][: len(heights)])
    axes.set_xlabel("position in the context (symbol)")
    axes.set_ylim(-0.4, len(merges) + 0.4)
    axes.set_title("flat: all at once" if len(merges) == 1 else "tree: two at a time")
lesson.show(figure, "flat-and-tree")

# %% [markdown]
# ## The trap
#
# The tree above was built with a mistake, `per_position=True`. BatchNorm as you would first write
# it takes the mean over dimension 0, the batch. For (32, 200) this is right: one mean for each of
# the 200 channels. For (32, 4, 68) the same code gives a mean for each *position* of each channel.
# Nothing stops: all later lines broadcast, and the network learns. Only the shapes tell. (The
# layer drops the dimensions of length 1 that the check keeps.)

# %%
mended = tree(torch.Generator().manual_seed(42), n_embd=10, n_hidden=68)
for model in (mended, trapped):
    model(X_train[:BATCH])  # one batch, so that the running means have their shapes
x = trapped.layers[2].out  # the first Linear's output
print("input of the first BatchNorm:", tuple(x.shape))
print("its running mean:", tuple(trapped.layers[3].running_mean.shape))
lesson.check("mean over dimension 0", list(x.mean(0, keepdim=True).shape))

# %% [markdown]
# ### Exercise: which mean?
#
# `x` is the output of the first linear layer, 32 examples of 4 positions of 68 channels. The four
# positions share their weights, and they should share their statistics: one mean for each channel.
# Over which dimensions do you take it?

# %% tags=["exercise"]
over = ...  # what x.mean takes as its first argument

check("mean over dimensions 0 and 1", lambda over: list(x.mean(over, keepdim=True).shape), over)

# %% [markdown] tags=["solution"]
# Over the examples and the positions, all dimensions but the last. The mended tree does so.

# %% tags=["solution"]
lesson.check("mean over dimensions 0 and 1", list(x.mean((0, 1), keepdim=True).shape))
print("running mean, mended:", tuple(mended.layers[3].running_mean.shape))

# %% [markdown]
# What does the mistake cost? Each of the 4 * 68 means is estimated from 32 numbers, where 128 are
# at hand for each of 68. And a pair is normalised differently in the first place than in the last
# one, so that the same pair gives different outputs at different places. How noisy are the two
# estimates? You measure it over 500 batches.

# %%
x_of = Sequential(mended.layers[:3])  # up to the first Linear
with torch.no_grad():
    g = torch.Generator().manual_seed(42)
    batches = torch.randint(0, len(X_train), (500, BATCH), generator=g)
    outputs = torch.stack([x_of(X_train[batch]) for batch in batches])  # (500, 32, 4, 68)
few = outputs.mean(1).std(0).mean().item()
many = outputs.mean((1, 2)).std(0).mean().item()
print(f"a batch's mean varies by {few:.4f} (from 32 numbers) and {many:.4f} (from 128)")
lesson.check("noise of a batch's mean: per position, as a multiple of over all", few / many)

# %% [markdown]
# Were the four positions independent, four times as many numbers would halve the noise. They are
# neighbours in the same names, so the factor is 1.6 and not 2. Now train both, from the same seed,
# with the same batches.

# %%
run("tree, trapped", trapped, trapped_g)

# %%
g = torch.Generator().manual_seed(42)
mended = tree(g, n_embd=10, n_hidden=68)
run("tree, mended", mended, g)

# %% [markdown]
# In the lecture the repair is worth 0.007 nats on held-back names, here about 0.01. A difference
# this small looks like chance, and one seed cannot tell the two apart. You find the cause by the
# shapes, not by the loss.
#
# ## Larger
#
# Now the tree with embeddings of 24 numbers and 128 channels: 76,579 parameters.

# %%
g = torch.Generator().manual_seed(42)
scaled = tree(g, n_embd=24, n_hidden=128)
lesson.check("parameters, tree scaled up", size(scaled))
run("tree, scaled up", scaled, g)

# %%
print(f"{'network':>20} {'parameters':>10} {'train':>8} {'val':>8} {'seconds':>8}", *rows, sep="\n")

# %% [markdown]
# This is the best network of the lectures. (The seconds depend on what else the machine did.) Read
# the table from above: the longer context bought most. The tree by itself bought next to nothing at
# equal size, its mended statistics a little. What the tree did buy is room to grow: the last row.
# But the distance between train and val has grown to 0.2 nats, too, so that size alone will not
# help much longer.
#
# The loss of one batch of 32 is far too noisy to plot. So the picture averages a hundredth of the
# training at a time (`view` to 100 rows, then the mean of each) and draws the logarithm, which
# spreads out the small differences at the end. The drop at three quarters is the learning rate.

# %%
figure = Figure(figsize=(8, 4.5), layout="constrained")
axes = figure.subplots()
for (name, losses), color in zip(curves.items(), (BLUE, PINK, GREEN, ORANGE), strict=True):
    averages = losses.view(100, -1).mean(1).log10()  # (100,)
    ends = (torch.arange(100) + 1) * (steps / 100)
    axes.plot(ends.tolist(), averages.tolist(), color=color, label=name)
axes.set(xlabel="step", ylabel="log10 of the training loss (nats a symbol)")
axes.set_title("Of equal size, the tree gains little; larger, it gains more")
axes.legend()
lesson.show(figure, "losses")

# %% [markdown]
# Ten names from the last network. BatchNorm must use its running statistics: a single context has
# no batch to take statistics from, its variance would not even be defined.

# %%
known = set(words)
g = torch.Generator().manual_seed(SEED + 10)
scaled.train(False)
with torch.no_grad():
    for _ in range(10):
        context, name = [0] * BLOCK_SIZE, ""
        while not name.endswith("."):
            probs = F.softmax(scaled(torch.tensor([context])), 1)  # (1, 27)
            drawn = int(torch.multinomial(probs, 1, generator=g))
            context, name = context[1:] + [drawn], name + LETTERS[drawn]
        print(f"{name[:-1]:15} {'in the list' if name[:-1] in known else 'new'}")

# %% [markdown]
# ## Why WaveNet calls it a convolution
#
# Take a whole name, such as "charlotte". To score it you need ten predictions, one for each symbol
# and one for the end: ten windows of eight symbols, ten times through the tree. But the windows
# overlap. The pair (h, a) is merged in four of them, each time with the same result.
#
# A *convolution* computes each pair once. Layer 1 slides over the name and merges neighbours. Layer
# 2 merges pairs that stand two apart (*dilation* 2), layer 3 fours that stand four apart. It is
# *causal* since each output looks only back. No weight changes: the (2 * C, out) matrix of a
# `Linear` is only seen as two (C, out) matrices, one for the earlier place, one for the later.


# %%
def convolve(model: Sequential, symbols: Tensor) -> Tensor:
    """(T,) symbols -> logits (T - 7, 27): all windows of eight in one pass."""
    x = model.layers[0].weight[symbols][None]  # (1, T, C)
    dilation = 1
    for layer in model.layers[1:]:
        if isinstance(layer, Linear):
            channels = x.shape[2]
            width = len(layer.weight) // channels  # 2; in the output layer 1
            kernel = layer.weight.view(width, channels, -1).permute(2, 1, 0)  # (out, C, width)
            x = F.conv1d(x.transpose(1, 2), kernel, layer.bias, dilation=dilation).transpose(1, 2)
            dilation *= width
        elif not isinstance(layer, FlattenConsecutive):  # BatchNorm1d and Tanh, at each place
            x = layer(x)
    return x[0]


ids = [LETTERS.index(symbol) for symbol in "charlotte"]
padded = torch.tensor([0] * BLOCK_SIZE + ids)  # (17,)
with torch.no_grad():
    loop = torch.cat([scaled(padded[i : i + BLOCK_SIZE][None]) for i in range(len(ids) + 1)])
    at_once = convolve(scaled, padded)  # (10, 27)
lesson.check("logits of charlotte", list(at_once.shape))
lesson.check("looping over windows against one convolution", (loop - at_once).abs().max().item())

# %% [markdown]
# The same numbers up to rounding. What is saved can be counted in merges, the nodes of the tree.
# And the trapped network? It cannot be a convolution at all: its statistics belong to four
# positions, and here there are sixteen.

# %%
T = len(padded)
looped = (len(ids) + 1) * (4 + 2 + 1)
convolved = (T - 1) + (T - 1 - 2) + (T - 1 - 2 - 4)
lesson.check("merges for charlotte, loop and convolution", [looped, convolved])

trapped.train(False)
try:
    convolve(trapped, padded)
    stopped = False
except RuntimeError as error:
    stopped = True
    print("RuntimeError:", error)
lesson.check("the trapped network cannot be a convolution", stopped)

# %% [markdown]
# ## What to try beyond
#
# WaveNet itself has more than the tree: gates (a tanh times a sigmoid), residual connections around
# each layer, and skip connections from each layer to the output. makemore's `wavenet` has them. The
# lecture ends with more ideas, and every one of them is an option of makemore. Ask the program
# which. (Bengio's own extension, direct connections from the embeddings to the output, is tried in
# lesson 4.)

# %%
IDEAS = {
    "--block-size": "a longer context", "--n-embd": "larger embeddings",
    "--n-hidden": "more neurons", "--optimizer": "AdamW or Muon instead of plain gradient descent",
    "--schedule": "a learning rate that falls smoothly", "--dropout": "dropout",
    "--weight-decay": "weight decay", "--patience": "stopping when val rises",
}  # fmt: skip
program = shutil.which("makemore", path=Path(sys.executable).parent) or "makemore"
command = [program, "train", "--model", "mlp", "--help"]
offered = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()  # noqa: S603
found = [option for option in IDEAS if option in offered]
for option in found:
    print(f"{option:16} {IDEAS[option]}")
lesson.check("ideas to try that makemore has an option for", len(found))

# %% [markdown]
# ## What you have now
#
# - `view` merges neighbours without a copy, and a linear layer serves all positions at once.
# - BatchNorm on (B, T, C) averages over B and T. A wrong mean raises no error: print the shapes.
# - At equal size the tree is little better than the flat network; it can grow further.
# - Slid over a whole name, the tree is a stack of dilated causal convolutions.
#
# Lesson 10 reads symbol by symbol, with no window, and carries what it has read along in a state.
