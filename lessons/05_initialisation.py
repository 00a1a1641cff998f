# %% [markdown]
# # 5. How a network should start
#
# **You will be able to** tell from the first loss and from the hidden values whether a network
# starts well, and to choose the scale of its first weights by a formula instead of by trial.
#
# **You need** the network of lesson 3 and its training in lesson 4. The one rule
# about gradients that you need for the exercise is told with it.
#
# **It takes** an hour with the exercise; the code runs for six minutes, with `--short` for about
# ten seconds.
#
# The large network of lesson 4 learned, although it was started badly. What does a bad start look
# like, what does it cost, and how much is the right scale? The repairs are worth 0.06 nats a symbol
# on held-back names, without one more parameter. This is the lecture's part 3, 0:04 to 0:40.

# %%
import math
import time
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Generator, Tensor

from course import BLUE, GREEN, GREY, ORANGE, PINK, Lesson
from mlp import SEED, Data, build_dataset, split

lesson = Lesson("05_initialisation")
check = lesson.try_answer
BLOCK_SIZE, N_EMBD, N_HIDDEN, BATCH = 3, 10, 200, 32
STEPS = lesson.budget(200_000, 1_000)

parts = split(lesson.words())
train_data, val_data, test_data = (build_dataset(part) for part in parts.values())
Xtr, Ytr = train_data  # (N, 3), (N,)
Xval, Yval = val_data
lesson.check("examples: train, val, test", [len(Xtr), len(Xval), len(test_data[0])])

# %% [markdown]
# The part that you choose by was called *dev* so far. The lecture calls it *val* from here on, for
# *validation*, and so do lessons 5 to 9: it is the same 10 per cent of the names.
#
# ## The network as it was started
#
# Ten numbers a letter, 200 tanh neurons, 27 logits, and everything drawn from a normal distribution
# of standard deviation 1. Each tensor gets a scale here, so that every repair below is one number.

# %%
FAN_IN = BLOCK_SIZE * N_EMBD  # 30 numbers go into each hidden neuron
Net = dict[str, Tensor]


def start(w1: float = 1, b1: float = 1, w2: float = 1, b2: float = 1) -> tuple[Net, Generator]:
    """The five tensors of the network, each times its scale, and the generator that goes on."""
    g = torch.Generator().manual_seed(SEED)
    net = {
        "C": torch.randn((27, N_EMBD), generator=g),
        "W1": torch.randn((FAN_IN, N_HIDDEN), generator=g) * w1,
        "b1": torch.randn(N_HIDDEN, generator=g) * b1,
        "W2": torch.randn((N_HIDDEN, 27), generator=g) * w2,
        "b2": torch.randn(27, generator=g) * b2,
    }
    for tensor in net.values():
        tensor.requires_grad = True
    return net, g


def hidden(net: Net, x: Tensor) -> tuple[Tensor, Tensor]:
    before = net["C"][x].view(len(x), -1) @ net["W1"] + net["b1"]  # (B, 30) -> (B, 200)
    return before, torch.tanh(before)  # into the tanh, out of it


def logits_of(net: Net, x: Tensor) -> Tensor:
    return hidden(net, x)[1] @ net["W2"] + net["b2"]  # (B, 27)


# %% [markdown]
# One training serves all networks of this lesson and of the next two. It is a Python *generator*:
# after each step it hands out the step and the loss, and whoever runs it may look at weights and
# gradients before it goes on. The rate is 0.1, and a tenth of that from the step `drop` on.
#
# `part_loss` is the exact mean over all examples of a part, in pieces. It runs under `no_grad`, so
# that no *graph* is kept: the record of the operations that a backward pass would need.


# %%
def sgd(
    logits: Callable[[Tensor], Tensor],
    parameters: list[Tensor],
    g: Generator,
    data: Data,
    count: int,
    drop: int,
    rate: float = 0.1,
    extra: Callable[[], Tensor] | None = None,
) -> Iterator[tuple[int, float]]:
    """Plain SGD on random batches of 32; yields (step, loss) after each step's update."""
    x, y = data
    for step in range(count):
        rows = torch.randint(0, len(x), (32,), generator=g)
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
def part_loss(logits: Callable[[Tensor], Tensor], data: Data) -> float:
    total = 0.0
    for x, y in zip(data[0].split(16_384), data[1].split(16_384), strict=True):
        total += F.cross_entropy(logits(x), y, reduction="sum").item()
    return total / len(data[1])


# %% [markdown]
# What does the graph cost? The loss is the same with and without one. Most of the cost is memory:
# of every example the input of `W1` and the output of tanh are kept.

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
kept_numbers = len(Xval) * (FAN_IN + N_HIDDEN)
print(f"kept by a graph over all of val: about {4 * kept_numbers / 1e6:.0f} MB")

# %% [markdown]
# ## Where the numbers live
#
# Four trainings of 200,000 steps are to come. Would a graphics card be faster? The same code runs
# on one, if everything is in one place: data, parameters, and the generator that draws the batches.
# Then `X[rows]` happens on the card, and nothing waits for the processor.
#
# For networks this small it is hardly faster, as each operation is over before the next one has
# been sent. And a generator there draws other numbers for the same seed. So the lessons stay on the
# processor, where their numbers hold; this cell shows what the move would be.

# %%
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
for_batches = torch.Generator(device=device).manual_seed(SEED)
X_there, Y_there = (tensor.to(device) for tensor in train_data)
rows = torch.randint(0, len(Y_there), (BATCH,), device=device, generator=for_batches)
there = {name: tensor.detach().to(device) for name, tensor in net.items()}
logits = logits_of(there, X_there[rows])
batch_loss = F.cross_entropy(logits, Y_there[rows])
print(f"on {device.type}: batch {tuple(X_there[rows].shape)}, loss {batch_loss.item():.4f}")
places = {X_there[rows].device.type, logits.device.type, for_batches.device.type}
lesson.check("batch, logits and generator are in one place", places == {device.type})

# %% [markdown]
# ## Confidently wrong: the first loss
#
# Before the first step the network knows nothing, so 27 equal probabilities would be right: a loss
# of log 27. What is it?

# %%
net, g = start()
lesson.check("parameters of the prototype", sum(p.nelement() for p in net.values()))

rows = torch.randint(0, len(Xtr), (BATCH,), generator=g)
xb, yb = Xtr[rows], Ytr[rows]  # (32, 3), (32,): the batch to look at in this lesson
with torch.no_grad():
    wild = logits_of(net, xb)  # (32, 27)
lesson.check("loss of equal probabilities", math.log(27))
lesson.check("first loss, unfixed", F.cross_entropy(wild, yb).item())
print("logits of the first example:", [round(v, 1) for v in wild[0].tolist()[:9]], "...")
print(f"standard deviation of all logits: {wild.std():.1f}")

# %% [markdown]
# Some logits are as large as 30, so the network is all but certain, of something arbitrary. Each
# logit is a sum of 200 terms of size 1, hence about the root of 200 in size. The first thousands of
# steps would only shrink them again. Better start with small ones: `W2` times 0.01, and `b2` at 0.

# %%
net, g = start(w2=0.01, b2=0)
with torch.no_grad():
    calm = logits_of(net, xb)
lesson.check("first loss, softmax fixed", F.cross_entropy(calm, yb).item())
print("logits of the first example:", [round(v, 2) for v in calm[0].tolist()[:9]], "...")

# %% [markdown]
# ### Exercise: start at exactly log 27
#
# If small is good, is zero better? Equal logits give exactly log 27. There are two ways to have
# them: all five tensors of zeros, or only `W2` and `b2`. Which tensors get a gradient that is not
# zero everywhere in the first step? Give two lists of names, in the order C, W1, b1, W2, b2.
#
# All that you need is how a gradient passes through `out = inp @ W + b`. That of `b` is what comes
# back. That of `W` is what went in, times what comes back. And what goes further back, to `inp`, is
# what came back times `W`. What comes back to the logits is never zero here.

# %% tags=["exercise"]
all_zero = ...  # a list of names: C, W1, b1, W2 and b2 are all zero
last_zero = ...  # a list of names: only W2 and b2 are zero

check("what learns, all zero", all_zero)
check("what learns, W2 and b2 zero", last_zero)

# %% [markdown] tags=["solution"]
# With all at zero the hidden layer gives tanh(0), which is 0: nothing goes into `W2`, so it gets no
# gradient. And nothing comes back through a `W2` of zeros, so `W1`, `b1` and `C` get none either.
# Only `b2` learns, and so it stays: a network that never looks at its context. The best that it can
# do is to learn the share of each letter.


# %% tags=["solution"]
def with_gradient(net: Net) -> list[str]:
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

count = lesson.budget(3_000, 900)
of_zero = lambda x: logits_of(zero, x)  # noqa: E731
for _ in sgd(of_zero, list(zero.values()), g, train_data, count, count * 2 // 3):
    pass
shares = torch.bincount(Ytr, minlength=27) / len(Ytr)
entropy = -(shares * (shares + 1e-12).log()).sum().item()  # what one constant answer can reach
measured = part_loss(of_zero, train_data)
print(f"after {count:,} steps {measured:.4f}; the entropy of single letters is {entropy:.4f}")
lesson.check("all zero learns the letters' shares", measured - entropy)

# %% [markdown] tags=["solution"]
# With zeros in the last layer alone something does go into `W2`, so `W2` and `b2` learn in the
# first step. From the second on `W2` is no longer zero, gradients come back through it, and all
# five learn: a good start, and exactly log 27.
#
# A third way is no good. With the same small number in all of `W1`, `b1`, `W2` and `b2`, all 200
# neurons get the same gradient and stay copies of one another: 200 neurons, worth one. Random
# numbers are there to make neurons differ, and they need not be large.

# %% tags=["solution"]
last, g = start(w2=0, b2=0)
lesson.check("what learns, W2 and b2 zero", with_gradient(last))
for _ in sgd(lambda x: logits_of(last, x), list(last.values()), g, train_data, 1, 1):
    pass
lesson.check("what learns after one step", with_gradient(last))

alike, g = start()
for name, tensor in alike.items():
    if name != "C":
        tensor.data.fill_(0.01)
for _ in sgd(lambda x: logits_of(alike, x), list(alike.values()), g, train_data, 300, 300):
    pass
lesson.check("neurons that differ, all weights 0.01", alike["W1"].std(1).max().item())

# %% [markdown]
# ## Too far out: saturated tanh
#
# The loss looks right now, but the hidden layer is not. Backwards, tanh multiplies the gradient by
# 1 - t², where t is what it gave. At t = 0.99 that is 0.02; at 1 it is nothing. A neuron that far
# out is called *saturated*.
#
# So ask two things of one batch. What share of the 32 x 200 values is beyond 0.99? And is there a
# *dead* neuron, one that is beyond it for all 32 examples?


# %%
@torch.no_grad()
def look(net: Net) -> dict:
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
    figure = Figure(figsize=(11, 5.5), layout="constrained")
    axes = figure.subplots(2, 3, width_ratios=(1, 1, 1.5))
    rows = (("unfixed", unfixed, ORANGE), ("repaired", fixed, BLUE))
    for row, (title, seen, colour) in enumerate(rows):
        for column, name in enumerate(("before", "after")):
            axis = axes[row, column]
            axis.hist(seen[name].flatten().numpy(), 50, color=colour)
            axis.set(title=f"{name} tanh, {title}", xlabel="value", ylabel="count of 6,400")
        axis = axes[row, 2]
        axis.imshow(seen["beyond"].numpy(), cmap="gray", aspect="auto", interpolation="nearest")
        share = seen["beyond"].float().mean()
        axis.set(title=f"{share:.0%} are beyond 0.99 (white)", xlabel="neuron", ylabel="example")
    return figure


lesson.show(saturation_plot(), "saturation")

# %% [markdown]
# Unfixed, most values lie at -1 or 1, and the right-hand picture is mostly white: most neurons
# learn little from most examples. An all-white column would be a dead neuron, which no example can
# move; there is none here.
#
# What goes into the tanh is a sum of 30 terms of size 1, so about 5.5 in size, and tanh is flat
# beyond 2. `W1` times 0.2 and `b1` times 0.01 bring nearly all values back to where it is steep.
#
# ## How much is the right scale?
#
# The 0.2 was found by trial, which does not work for fifty layers. Think of sizes instead. A sum of
# n independent terms of variance 1 has the variance n, so dividing the weights by the root of n
# keeps the size. Then tanh squashes: what came in with a standard deviation of 1 leaves with 0.63.

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
# A *gain*, one more factor on the weights, makes up for the squashing. PyTorch has 5/3 for tanh,
# and the root of 2 for ReLU, which cuts off half. Does 0.63 explain the 5/3? Not quite: 1 / 0.63 is
# 1.59; 5/3 is PyTorch's convention, and both will do.
#
# So `W1` is scaled by (5/3) over the root of n_embd * block_size. Mind the square root: (5/3) over
# n_embd * block_size alone starts the layer five times too small (the last two lines below).
#
# One layer is hard to get wrong, many are not. The cell sends numbers through 50 layers, with tanh
# and without it, and prints their standard deviation at the end, by gain. (Plain `randn` weights
# have a gain of 14, the root of their 200 inputs.)


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
    print(f"gain {name:8}: {with_tanh:.3f} with tanh, {without:.1e} without", flush=True)
found = [after_layers(gain) for gain in (0.5, 1.0, 5 / 3, 3.0)]
lesson.check("width after 50 tanh layers, gains 0.5, 1, 5/3, 3", found)
for title, w1 in (("over 30", 5 / 3 / FAN_IN), ("over the root of 30", 5 / 3 / FAN_IN**0.5)):
    print(f"5/3 {title}: into tanh {look(start(w1=w1, b1=0.01)[0])['before'].std():.2f}")

# %% [markdown]
# Without tanh only a gain of 1 holds the size: below it the signal vanishes, above it explodes, by
# a factor that grows with every layer (`nan` is beyond what 32 bits can hold).
#
# Tanh cannot explode. With it 0.5 still vanishes and 1 fades; above 1 the width settles at a level
# of its own, 0.66 for 5/3. The price of a larger gain is saturation.
#
# ## What the repairs are worth
#
# Four trainings of 200,000 steps: as it was; calm logits; calm logits and tanh off its ends; the
# same by the formula, which carries the name of Kaiming He (He et al. 2015). (A little noise stays
# in `W2`, as in the lecture.)

# %%
variants = {
    "unfixed": {},
    "softmax fixed": {"w2": 0.01, "b2": 0},
    "tanh fixed": {"w2": 0.01, "b2": 0, "w1": 0.2, "b1": 0.01},
    "Kaiming": {"w2": 0.01, "b2": 0, "w1": 5 / 3 / FAN_IN**0.5, "b1": 0.01},
}
histories, results = {}, {}
for name, scales in variants.items():
    print(f"training: {name}", flush=True)
    net, g = start(**scales)
    logits = lambda x, net=net: logits_of(net, x)  # noqa: E731
    training = sgd(logits, list(net.values()), g, train_data, STEPS, STEPS // 2)
    histories[name] = [loss for _, loss in training]
    results[name] = part_loss(logits, train_data), part_loss(logits, val_data)
    lesson.check(f"train loss, {name}", results[name][0])
    lesson.check(f"val loss, {name}", results[name][1])
for name, (train, val) in results.items():
    print(f"{name:14} first {histories[name][0]:7.4f}   train {train:.4f}   val {val:.4f}")


# %%
def losses_plot() -> Figure:
    figure = Figure(figsize=(10, 4), layout="constrained")
    begin, whole = figure.subplots(1, 2)
    width = STEPS // 50
    for (name, history), colour in zip(histories.items(), (ORANGE, PINK, GREEN, BLUE), strict=True):
        early = torch.tensor(history[:1000]).view(-1, 10).mean(1)
        begin.plot(range(0, 1000, 10), early.numpy(), color=colour, label=name)
        late = torch.tensor(history).view(-1, width).mean(1)
        thousands = [at / 1000 for at in range(width // 2, STEPS, width)]
        whole.plot(thousands, late.numpy(), color=colour, label=name)
    begin.axhline(math.log(27), color=GREY, linestyle="--", label="log 27")
    begin.set(title="Only the unfixed one falls from far above log 27", xlabel="step")
    begin.set(ylabel="loss (nats a symbol)", yscale="log")
    begin.set_yticks([2, 3, 5, 10, 20], labels=["2", "3", "5", "10", "20"])
    begin.minorticks_off()
    begin.legend()
    whole.set(title=f"The unfixed one stays behind (means of {width:,} steps)")
    whole.set(xlabel="thousand steps", ylabel="loss (nats a symbol)")
    whole.set_ylim(1.95, 4.5 if lesson.short else 2.45)
    return figure


lesson.show(losses_plot(), "losses")

# %% [markdown]
# The unfixed loss falls from 27 in a curve like a hockey stick (the scale here is logarithmic):
# steps that only shrink logits. It ends at 2.17 on val, with calm logits at 2.13, and with tanh off
# its ends at 2.10. The formula is as good as the scale found by hand, and works for any width.
#
# ## What you have now
#
# - A test of the last layer: a first loss far above log 27 means that its weights are too large.
# - A test of the hidden layer: few values at the ends of tanh, no neuron there for all examples.
# - A scale for any layer: the gain, 5/3 for tanh, over the root of its number of inputs.
# - Zeros in the last layer are fine. Zeros, or one and the same number, in all layers are not.
#
# All this has to be right by calculation, before the first step. Lesson 6 makes it right by force,
# in every step: BatchNorm.
