# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # 1. The bigram: counts and learning meet
#
# The smallest language model looks at one symbol and says which one may follow. We build it twice:
# by counting, and as a neural network of one layer that starts at random and learns. Both end at
# the same table. On the way stand all parts of larger models: a vocabulary, a probability for each
# next symbol, sampling, a loss, gradient steps, and a way to say "do not be too sure".
#
# It follows part 1 of Andrej Karpathy's lectures. Every number that the lecture gives stands
# beside the one measured here, and the lesson stops if they differ.

# %%
import math
import random

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from course import Lesson

lesson = Lesson("01_bigram")
SEED = 2147483647  # the lecture's, for every generator
BLUE, ORANGE, GREEN, PINK = "#0072b2", "#d55e00", "#009e73", "#cc79a7"

# %% [markdown]
# ## The words
#
# One name a line, the most frequent first. Notes on these lectures often say "the 32,000 most
# common names". In truth the file has 32,033 lines and only 29,494 different names: many names
# stand in it twice, as a girl's and as a boy's.

# %%
words = lesson.words()
lengths = [len(word) for word in words]
print(words[:8])
lesson.check("the first eight names", words[:8])
lesson.check("lines", len(words))
lesson.check("distinct names", len(set(words)))
lesson.check("shortest and longest name, letters", [min(lengths), max(lengths)])

# %% [markdown]
# A name says more than its letters: also which letter it began with, and that it ended after the
# last one. So we put one special symbol, a dot, before and after each name, and read pairs of
# neighbours. `zip(symbols, symbols[1:])` pairs every symbol with the next one: five pairs for the
# four letters of *emma*, of which the first says "names may begin with e".

# %%
symbols = [".", *"emma", "."]
pairs = [first + second for first, second in zip(symbols, symbols[1:], strict=False)]
print(pairs)
lesson.check("pairs of emma", pairs)

# %% [markdown]
# ## The vocabulary
#
# A network computes with numbers, so each symbol gets an id: the dot 0, the letters 1 to 26 in the
# order of the alphabet. Some notes put *a* in row 0 and the dot in row 26, others count rows from 1
# to 27. In truth the dot is row 0 and the ids run from 0 to 26; then the id that starts a name, the
# one that ends it, and the padding of later lessons are all 0.

# %%
characters = sorted(set("".join(words)))
stoi = {character: place + 1 for place, character in enumerate(characters)}
stoi["."] = 0
itos = {number: character for character, number in stoi.items()}
vocab_size = len(itos)
print(itos)
lesson.check("vocabulary size", vocab_size)
lesson.check("id 0 and the last id", [itos[0], itos[vocab_size - 1]])

# %% [markdown]
# ## Counting
#
# The whole file as one long row of ids, `.emma.olivia.ava. ...`, holds every pair: each dot ends
# one name and begins the next. A pair (i, j) has the number 27 i + j, and counting these numbers
# fills a table: row i says what followed symbol i, and how often.

# %%
text = "." + ".".join(words) + "."
ids = torch.tensor([stoi[character] for character in text])
xs, ys = ids[:-1], ids[1:]  # (228146,) each: a symbol, and the one after it
N = torch.bincount(xs * 27 + ys, minlength=27 * 27).view(27, 27)
lesson.check("pairs in all", len(xs))
lesson.check("names that begin with a", int(N[0, 1]))
lesson.check("names that end with n", int(N[stoi["n"], 0]))

# %% [markdown]
# As a picture: each field is a pair, darker where it is more frequent. The first row says how names
# begin, the first column how they end. The field of two dots is empty, since no name is empty.

# %%
figure = Figure(figsize=(9.5, 9.5), layout="constrained")
axes = figure.subplots()
shade = N.float().sqrt()  # the root, or a few large counts would outshine all others
axes.imshow(shade.numpy(), cmap="Blues")
for i in range(27):
    for j in range(27):
        ink = "white" if shade[i, j] > shade.max() / 2 else "#303030"
        axes.text(j, i - 0.22, itos[i] + itos[j], ha="center", va="center", color=ink, fontsize=7)
        count = str(int(N[i, j]))
        axes.text(j, i + 0.22, count, ha="center", va="center", color=ink, fontsize=6)
axes.set_xticks(range(27), [itos[j] for j in range(27)])
axes.set_yticks(range(27), [itos[i] for i in range(27)])
axes.set_title("How often each pair of symbols stands in the names")
axes.set_xlabel("second symbol")
axes.set_ylabel("first symbol")
lesson.show(figure, "counts")

# %% [markdown]
# Everybody knows that *q* is followed by *u*. In names it mostly is, but not nearly always.

# %%
q, u = stoi["q"], stoi["u"]
print({itos[j]: int(N[q, j]) for j in N[q].argsort(descending=True)[:4].tolist()})
lesson.check("u after q, and all after q", [int(N[q, u]), int(N[q].sum())])

# %% [markdown]
# ## From counts to probabilities
#
# Each row becomes a distribution: its counts divided by their sum. `keepdim=True` keeps the sums
# as a column `(27, 1)`, so that each row is divided by its own sum.
#
# Without it the sums have the shape `(27,)`. Broadcasting lines up shapes from the right and takes
# them for a *row*: now column j is divided by the sum of row j. No error, a plausible table, and
# every row wrong. Check sums after a division: here the rows must add up to 1.

# %%
raw = N.float()
P = raw / raw.sum(1, keepdim=True)  # (27, 27) / (27, 1)
wrong = raw / raw.sum(1)  # (27, 27) / (27,), which is read as (1, 27)
print("with keepdim, sums of the first rows:   ", P.sum(1)[:4].tolist())
print("without it, sums of the first rows:     ", wrong.sum(1)[:4].tolist())
print("without it, sums of the first columns:  ", wrong.sum(0)[:4].tolist())
lesson.check("rows that add up to 1", int(((P.sum(1) - 1).abs() < 1e-5).sum()))
lesson.check("rows that do so without keepdim", int(((wrong.sum(1) - 1).abs() < 1e-5).sum()))

# %% [markdown]
# ## Sampling
#
# To draw a symbol by its probability, lay the 27 probabilities end to end on a line, throw a dart
# at random, and see whose stretch it hits. A name starts at the dot; each drawn symbol says which
# row is next; a dot ends it. A bigram has no idea how long it has been going on, so a cap on the
# number of steps keeps an unlucky name from going on for ever. All chance comes from a generator
# with a seed: the same seed, the same names. At the end ids become letters again, by `itos`.


# %%
def draw(weights: Tensor, generator: torch.Generator) -> int:
    """An id, as likely as its share of the weights (27,)."""
    edges = weights.double().cumsum(0)
    dart = torch.rand((), dtype=torch.float64, generator=generator) * edges[-1]
    return int(torch.searchsorted(edges, dart, right=True))


def names_from(table: Tensor, count: int, cap: int = 50) -> list[str]:
    generator = torch.Generator().manual_seed(SEED)
    found = []
    for _ in range(count):
        symbol, name = 0, ""
        while len(name) < cap:
            symbol = draw(table[symbol], generator)
            name += itos[symbol]
            if symbol == 0:
                break
        found.append(name)
    return found


# %% [markdown]
# Twenty names from the counts, and for comparison twenty from a table in which all symbols are
# equally likely. A bigram's names are bad, and yet far better than chance.

# %%
table = (N + 1).float()
P = table / table.sum(1, keepdim=True)  # one more of each count: the reason comes below
from_counts = names_from(P, 20)
print("counts: ", " ".join(from_counts))
print("chance: ", " ".join(names_from(torch.ones(27, 27) / 27, 6)))
lesson.check("the first five names from the counts", from_counts[:5])
assert from_counts == names_from(P, 20), "the same seed, the same names"

# %% [markdown]
# These are the lecture's five names, letter for letter. The lecture drew them with
# `torch.multinomial(p, 1, replacement=True, generator=g)`, which then threw a dart as `draw` does.
# Newer versions of torch draw a single symbol in another way: each gets an exponential random
# number, and the largest p/number wins. The probabilities are the same, the names for a seed are
# not. A seed promises the same names only together with the same code.

# %%
generator = torch.Generator().manual_seed(SEED)
symbol, name = 0, ""
while len(name) < 50:
    symbol = int(torch.multinomial(P[symbol], 1, replacement=True, generator=generator))
    name += itos[symbol]
    if symbol == 0:
        break
print("the first name with multinomial of torch", torch.__version__, "is", name)
many = torch.multinomial(P[0], 100_000, replacement=True, generator=generator)
print(f"it begins with a in {(many == 1).float().mean():.1%} of draws, P says {P[0, 1]:.1%}")

# %% [markdown]
# ## One number for how good it is
#
# The model gives each pair of a name a probability. Their product is the *likelihood*: how probable
# the model finds all that really came. A product of many small numbers soon is too small for a
# float, so one takes logarithms: the product becomes a sum. A logarithm of a probability is 0 for
# something certain and falls without end for the impossible. Turned positive and averaged it is
# the loss, the *mean negative log-likelihood* (NLL): lower is better, 0 would be perfect.
#
# A logarithm grows with its argument, so these four have the same winner: the largest likelihood,
# the largest log-likelihood, the smallest NLL, the smallest mean NLL.

# %%
for first, second in zip(".emma", "emma.", strict=True):
    p = P[stoi[first], stoi[second]]
    print(f"{first}{second}: p = {p:.4f}, log p = {p.log():.4f}")
emma = torch.tensor([0, 5, 13, 13, 1]), torch.tensor([5, 13, 13, 1, 0])
of_emma = P[emma]  # (5,)
print(f"product {of_emma.prod():.3g}, exp of the sum of logs {of_emma.log().sum().exp():.3g}")
print(f"product over all names, in floats: {P[xs, ys].prod():.3g}")
guesses = {"counts": P, "wrong keepdim": (wrong + 1e-9), "chance": torch.ones(27, 27) / 27}
likelihood = {who: guess[emma].prod().item() for who, guess in guesses.items()}
nll = {who: -guess[emma].log().mean().item() for who, guess in guesses.items()}
assert max(likelihood, key=likelihood.__getitem__) == min(nll, key=nll.__getitem__)

# %% [markdown]
# `P[xs, ys]` picks one entry for each pair. In general `probs[torch.arange(n), Y]` plucks from row
# k the probability of what really came, Y[k]. A small example to see it: three rows, answers 0, 1
# and 2.

# %%
probs = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.1, 0.1, 0.8]])
plucked = probs[torch.arange(3), torch.tensor([0, 1, 2])]
print(plucked, f"mean NLL {-plucked.log().mean():.4f}")
lesson.check("plucked probabilities", [round(p, 4) for p in plucked.tolist()])

# %% [markdown]
# Now all 228,146 pairs. Pure counts get 2.4540 nats a symbol. No other table of pairs can do better
# on these names: counting finds the optimum in one go. A model that knows nothing has ln 27.
#
# But pure counts are brittle. No name of the file has *jq*, so the model calls *andrejq*
# impossible: one probability of 0, and the loss is infinite. The repair is to pretend that each
# pair had been seen once more than it was. It costs next to nothing (2.4546), and nothing is
# impossible any more.


# %%
def loss_of(table: Tensor, first: Tensor, second: Tensor) -> float:
    """Mean negative log-likelihood, nats a symbol, of a table of weights."""
    return -(table / table.sum(1, keepdim=True))[first, second].double().log().mean().item()


andrejq = torch.tensor([stoi[c] for c in ".andrejq."])
lesson.check("loss of the counts", loss_of(raw, xs, ys))
lesson.check("loss of the counts, each plus one", loss_of(raw + 1, xs, ys))
lesson.check("uniform: ln 27", math.log(27))
print("andrejq by raw counts:", loss_of(raw, andrejq[:-1], andrejq[1:]))
print("andrejq, plus one:    ", round(loss_of(raw + 1, andrejq[:-1], andrejq[1:]), 4))
lesson.check("andrejq is impossible", math.isinf(loss_of(raw, andrejq[:-1], andrejq[1:])))

# %% [markdown]
# ## The same as a neural network
#
# Now the other way to the table. A network wants numbers that mean nothing by their size, so an id
# becomes a *one-hot* vector: all zeros but a one at its place. torch's
# [`F.one_hot(tensor, num_classes=-1)`](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.one_hot.html)
# makes them. The default -1 means "one more than the largest id that I see", and that is a trap:
# a batch without a *z* would get 26 columns. Its examples, run: five ids below 3 give five rows of
# three columns (notes that call this one 3x3 miscount), with `num_classes=5` the same rows are
# wider, and a table of ids gets one dimension more. The result holds integers; a network needs
# floats.

# %%
print(F.one_hot(torch.arange(0, 5) % 3))
print(F.one_hot(torch.arange(0, 5) % 3, num_classes=5))
print(F.one_hot(torch.arange(0, 6).view(3, 2) % 3))
shapes = [
    list(F.one_hot(torch.arange(0, 5) % 3).shape),
    list(F.one_hot(torch.arange(0, 5) % 3, num_classes=5).shape),
    list(F.one_hot(torch.arange(0, 6).view(3, 2) % 3).shape),
]
lesson.check("shapes of the three one-hot examples", shapes)
print("emma without num_classes:", list(F.one_hot(emma[0]).shape))
lesson.check("emma, one-hot of 27", list(F.one_hot(emma[0], num_classes=27).shape))

# %% [markdown]
# The layer is one matrix W, 27 x 27, filled by
# [`torch.randn(*size, generator=None, ...)`](https://docs.pytorch.org/docs/stable/generated/torch.randn.html)
# with normal random numbers. A one-hot vector times W is a row of W: all other rows are multiplied
# by zero. So `xenc @ W` *is* a look-up, and `W[ids]` gives the same without a multiplication.

# %%
generator = torch.Generator().manual_seed(SEED)
W = torch.randn((27, 27), generator=generator, requires_grad=True)
xenc = F.one_hot(emma[0], num_classes=27).float()  # (5, 27)
print("row 5 of W begins with  ", W[5, :3].tolist())
print("e's one-hot @ W begins with", (xenc @ W)[1, :3].tolist())
lesson.check("one-hot times W is a row of W", torch.equal(xenc @ W, W[emma[0]]))

# %% [markdown]
# What comes out are 27 numbers of any sign for each example: the *logits*. We read them as
# logarithms of counts: `exp` makes them positive, like counts, and dividing by the sum makes them
# probabilities. Both steps together are *softmax*. Every step can be differentiated, and that is
# all that learning needs. For the batch of the five pairs of *emma*, with its shapes:

# %%
logits = xenc @ W  # (5, 27) @ (27, 27) -> (5, 27), read as log-counts
counts = logits.exp()  # (5, 27), the counterpart of N
probs = counts / counts.sum(1, keepdim=True)  # (5, 27) / (5, 1) -> (5, 27)
correct = probs[torch.arange(5), emma[1]]  # (5,)
loss = -correct.log().mean()  # one number
for label, value in [("logits", logits), ("probs", probs), ("correct", correct), ("loss", loss)]:
    print(f"{label:8}{tuple(value.shape)}")
lesson.check("first loss of the network on emma", loss.item())

# %% [markdown]
# `F.cross_entropy(logits, answers)` is the same loss in one call. It is quicker, its way back is
# simpler (lesson 4 shows how simple), and it is safe where the hand-made one is not, as we shall
# see. The gradients agree as well.

# %%
(by_hand,) = torch.autograd.grad(loss, W)
fused = F.cross_entropy(W[emma[0]], emma[1])
(by_call,) = torch.autograd.grad(fused, W)
print(f"loss {loss.item():.6f} and {fused.item():.6f}")
lesson.check("cross_entropy minus the hand-made loss", (fused - loss).item())
lesson.check("largest difference of the gradients", (by_hand - by_call).abs().max().item())

# %% [markdown]
# Softmax is a competition, or a thermostat for one warm room: there is one unit of probability to
# share. Raise one logit and all the others lose. Only differences count: add 100 to all logits and
# nothing changes. And it amplifies: a logit that is larger by 1 has 2.7 times the share, by 5, 148
# times.

# %%
logits = torch.tensor([1.0, 2.0, 3.0])
print("softmax of 1, 2, 3:    ", logits.softmax(0).tolist())
raised = logits + torch.tensor([1.0, 0.0, 0.0])
print("the first raised by 1: ", raised.softmax(0).tolist())
print("all raised by 100:     ", (logits + 100).softmax(0).tolist())
others = raised.softmax(0)[1:] < logits.softmax(0)[1:]
lesson.check("one up, the others down", bool(others.all()))
shift = ((logits + 100).softmax(0) - logits.softmax(0)).abs().max()
lesson.check("change when all logits rise by 100", shift.item())
lesson.check("share for a logit larger by 5", round(math.exp(5)))

# %% [markdown]
# ## Exercise: softmax of [1000, 1001, 1002]
#
# *What does the hand-made softmax give here, and how is it repaired?*
#
# `exp(1000)` is more than a float can hold: infinity divided by infinity is nan, "not a number".
# Since only differences count, we may take off the largest logit first. Then the largest is 0, its
# exp is 1, and nothing can overflow. `cross_entropy` and `log_softmax` do this inside (the field
# calls it log-sum-exp).

# %%
large = torch.tensor([1000.0, 1001.0, 1002.0])
naive = large.exp() / large.exp().sum()
shifted = large - large.max()
print("naive:", large.exp().tolist(), "->", naive.tolist())
print("shifted:", shifted.tolist(), "->", [round(e, 3) for e in shifted.exp().tolist()])
lesson.check("the naive softmax is nan", bool(naive.isnan().all()))
safe = shifted.exp() / shifted.exp().sum()
lesson.check("softmax of 1000, 1001, 1002", [round(p, 2) for p in safe.tolist()])
log_sum_exp = large.max() + shifted.exp().sum().log()
assert torch.allclose(log_sum_exp, large.logsumexp(0))

# %% [markdown]
# The other end exists, too. Very small logits *underflow*: exp(-200) is exactly 0 in 32 bits. One
# zero is harmless for sampling, that symbol just never comes, but its logarithm is minus infinity,
# and a whole row of zeros cannot be normalised. Adding a tiny epsilon guards both; taking off the
# largest logit first avoids the row of zeros without changing any probability.

# %%
tiny = torch.full((27,), -200.0)
row = tiny.exp()
print("sum of the row:", row.sum().item(), "-> divided:", (row / row.sum())[0].item())
guarded = row + 1e-10
guarded = guarded / guarded.sum()
print(f"with epsilon: {guarded[0].item():.4f}, shifted first: {tiny.softmax(0)[0].item():.4f}")
lesson.check("exp(-200) in 32 bits", row[0].item())
lesson.check("the guarded row adds up to", round(guarded.sum().item(), 6))
assert 0 <= draw(guarded, torch.Generator().manual_seed(SEED)) < 27

# %% [markdown]
# ## Learning
#
# All pairs at once: logits, loss, gradient, and a step of 50 times the gradient against it (50 is
# much, but for this simple loss it is fine). As in the lecture 0.01 times the mean square of W is
# added to the loss; what that does comes next. Watch the loss come down to that of the counts.
#
# This learned table is the "bigram" of the original makemore, too. Notes that list its bigram as "a
# table of counts" are wrong about the code: it holds 27 x 27 logits and learns them by gradients.

# %%
steps = 40 if lesson.short else 300
losses = []
for step in range(steps):
    data_loss = F.cross_entropy(W[xs], ys)
    loss = data_loss + 0.01 * (W**2).mean()
    W.grad = None
    loss.backward()
    W.data -= 50 * W.grad
    losses.append(data_loss.item())
    if step % 50 == 0:
        print(f"step {step:3}: {data_loss.item():.4f}", flush=True)
lesson.check("loss of the network with its penalty", loss.item())
lesson.check("loss of the network without it", losses[-1])

# %%
figure = Figure(figsize=(7, 4), layout="constrained")
axes = figure.subplots()
axes.plot(losses, color=BLUE, label="the network")
axes.axhline(loss_of(raw, xs, ys), color=ORANGE, ls="--", label="the counts: the optimum")
axes.axhline(math.log(27), color="#808080", ls=":", label="uniform: ln 27")
axes.set_title("Gradient steps reach what counting knows at once")
axes.set_xlabel("step")
axes.set_ylabel("loss (nats a symbol)")
axes.legend()
lesson.show(figure, "learning")

# %% [markdown]
# Two ways, one destination. The tables agree closely, most of all in the rows that were seen often;
# and with the same seed the network draws the same names, but for one letter of the fifth
# (*anchthizarie* for *anchshizarie*). Counting was exact and quick, so why learn at all? Because
# counting ends with pairs, as the last section shows, and gradient steps do not.

# %%
learned = W.detach().softmax(1)
far = (learned - P).abs()
print(f"tables differ by {far.mean():.4f} on average, by {far.max():.4f} at most")
common = N.sum(1) > N.sum(1).median()
print(f"rows of frequent symbols {far[common].mean():.4f}, of rare ones {far[~common].mean():.4f}")
from_network = names_from(learned, 20)
print("network:", " ".join(from_network))
lesson.check("the first five names from the network", from_network[:5])
lesson.check("mean difference of the two tables", far.mean().item())

# %% [markdown]
# ## Exercise: drop the one-hot vectors, and use cross_entropy
#
# *Show that indexing and the fused loss give what one-hot vectors and the hand-made loss gave.*
#
# Equal to the last bits. We can go further: the loss of a pair depends only on which pair it is, so
# the table of counts says all that the training needs. Weighted with N, 729 log-probabilities give
# the loss of 228,146 pairs. The experiments below use that, and take milliseconds a step.


# %%
def weighted_loss(W: Tensor, N: Tensor) -> Tensor:
    return -(N * W.log_softmax(1)).sum() / N.sum()


with torch.no_grad():
    probs = (F.one_hot(xs, num_classes=27).float() @ W).exp()
    probs = probs / probs.sum(1, keepdim=True)
    hand_made = -probs[torch.arange(len(xs)), ys].log().mean()
    indexed = F.cross_entropy(W[xs], ys)
    weighted = weighted_loss(W, raw)
print(f"one-hot {hand_made:.6f}, indexed {indexed:.6f}, weighted by counts {weighted:.6f}")
lesson.check("indexed minus one-hot", (indexed - hand_made).item())
lesson.check("weighted by counts minus indexed", (weighted - indexed).item())

# %% [markdown]
# ## Smoothing is regularisation
#
# Add k to every count. With k = 1 little changes; with a huge k all rows become equal, and the loss
# goes to ln 27. Now the network: add lambda times the mean of W squared to its loss. The penalty
# pulls all logits towards 0, and where all logits are 0, all probabilities are equal. A huge lambda
# ends at ln 27, too. Both say "do not be too sure", and both have the loss rise the same way.


# %%
def train_table(N: Tensor, strength: float, steps: int, rate: float = 0.1) -> Tensor:
    """Logits that minimise the loss of these counts plus strength times the mean square."""
    W = torch.zeros(N.shape, requires_grad=True)
    optimizer = torch.optim.Adam([W], lr=rate)
    for _ in range(steps):
        loss = weighted_loss(W, N) + strength * (W**2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return W.detach()


ks = [0.01, 1, 100, 10_000, 1_000_000]
strengths = [0.0001, 0.01, 1, 100, 10_000]
steps = 150 if lesson.short else 500
smoothed = [loss_of(raw + k, xs, ys) for k in ks]
decayed = [weighted_loss(train_table(raw, s, steps), raw).item() for s in strengths]
for k, loss_k, s, loss_s in zip(ks, smoothed, strengths, decayed, strict=True):
    print(f"+{k:<9g} {loss_k:.4f}    lambda {s:<7g} {loss_s:.4f}")
lesson.check("loss with a million added to each count", smoothed[-1])
lesson.check("loss with lambda 10,000", decayed[-1])
lesson.check("loss of the network with lambda 0.0001", decayed[0])

# %%
figure = Figure(figsize=(9, 3.8), layout="constrained")
left, right = figure.subplots(1, 2, sharey=True)
left.semilogx(ks, smoothed, "o-", color=BLUE)
left.set_title("Counts: k added to each")
left.set_xlabel("k (counts)")
left.set_ylabel("loss (nats a symbol)")
right.semilogx(strengths, decayed, "o-", color=ORANGE)
right.set_title("Network: lambda times mean of W squared")
right.set_xlabel("lambda")
for axes in (left, right):
    axes.axhline(math.log(27), color="#808080", ls=":")
    axes.text(ks[0] if axes is left else strengths[0], math.log(27) - 0.05, "ln 27")
lesson.show(figure, "smoothing")

# %% [markdown]
# ## Exercise: how should a network start?
#
# *What is the loss if nothing is known, how do we start there, and may all weights be zero?*
#
# Knowing nothing means 27 equal probabilities: ln 27 = 3.2958. Random logits do worse (3.77 on
# *emma*), as they are sure of things that they do not know. Logits near 0 start at ln 27: W times
# 0.01, or even W = 0. With one layer zero is fine, because each row gets a gradient from its own
# pairs. With a hidden layer it is not: if the weights behind it are zero, no gradient comes back
# through it, and if those before it are zero, it gives only zeros. Then just the last bias learns,
# and the model knows how frequent each symbol is and nothing else. One of the two layers at zero
# would be fine.

# %%
start = torch.randn((27, 27), generator=torch.Generator().manual_seed(SEED))
firsts = [weighted_loss(start * scale, raw).item() for scale in (1, 0.01, 0)]
print("first loss with W times 1, 0.01, 0:", [round(first, 4) for first in firsts])
lesson.check("first loss with W times 0.01", firsts[1])
lesson.check("first loss with W = 0", firsts[2])


def hidden_net(first: float, last: float, steps: int = 60) -> tuple[float, list[bool]]:
    """A hidden layer of 20, its two matrices random times a scale: the loss, and what learned."""
    g = torch.Generator().manual_seed(SEED)
    W1 = torch.randn((27, 20), generator=g) * first
    W2 = torch.randn((20, 27), generator=g) * last
    start = [W1, W2, torch.zeros(27)]
    net = [p.clone().requires_grad_() for p in start]
    optimizer = torch.optim.Adam(net, lr=0.1)
    for _ in range(steps):
        loss = weighted_loss(torch.tanh(net[0]) @ net[1] + net[2], raw)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item(), [not torch.equal(p, old) for p, old in zip(net, start, strict=True)]


# %%
for label, first, last in [("all zero", 0, 0), ("last zero", 1, 0), ("none zero", 1, 0.1)]:
    end, moved = hidden_net(first, last)
    what = [part for part, did in zip(["W1", "W2", "bias"], moved, strict=True) if did]
    print(f"{label:10} loss {end:.4f}, moved: {', '.join(what)}")
end, moved = hidden_net(0, 0)
frequency = raw.sum(0) / raw.sum()
unigram = -(frequency * frequency.log()).sum().item()
lesson.check("all zero: W1, W2 and bias moved", moved)
lesson.check("all zero ends at the frequencies of single symbols", end - unigram)
lesson.check("last layer zero: W1, W2 and bias moved", hidden_net(1, 0)[1])

# %% [markdown]
# ## Exercise: the trigram
#
# *Two symbols of context instead of one, by counts and by learning; 80 / 10 / 10 per cent of the
# names to learn from, to choose by (dev), and for one look at the end (test); smoothing chosen on
# dev.*
#
# We read windows of n symbols from the names with n - 1 dots before each. Windows that have two
# dots at their end belong to no name and are dropped.


# %%
def windows_of(part: list[str], n: int) -> Tensor:
    dots = "." * (n - 1)
    row = torch.tensor([stoi[c] for c in "".join(dots + word for word in part) + dots])
    windows = row.unfold(0, n, 1)  # (len(row) - n + 1, n), every stretch of n symbols
    return windows[(windows[:, -1] > 0) | (windows[:, -2] > 0)]


def pairs_of(part: list[str], n: int) -> tuple[Tensor, Tensor]:
    """Contexts of n - 1 symbols, each as one number, and what came after them."""
    windows = windows_of(part, n)
    return (windows[:, :-1] * 27 ** torch.arange(n - 2, -1, -1)).sum(1), windows[:, -1]


shuffled = list(words)
random.Random(42).shuffle(shuffled)
n1, n2 = int(0.8 * len(words)), int(0.9 * len(words))
parts = {"train": shuffled[:n1], "dev": shuffled[n1:n2], "test": shuffled[n2:]}
lesson.check("names to learn from, dev and test", [len(part) for part in parts.values()])

# %%
chosen = {}
for n, kind in [(2, "bigram"), (3, "trigram")]:
    data = {part: pairs_of(members, n) for part, members in parts.items()}
    first, second = data["train"]
    seen = torch.bincount(first * 27 + second, minlength=27**n).view(-1, 27).float()
    by_counts = {k: seen + k for k in (0.01, 0.03, 0.1, 0.3, 1, 3, 10)}
    steps = 100 if lesson.short else 600
    strong = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)  # times the mean square
    by_steps = {s: train_table(seen, s, steps).exp() for s in strong}
    for way, tables in [("counts", by_counts), ("learned", by_steps)]:
        dev = {s: loss_of(table, *data["dev"]) for s, table in tables.items()}
        print(kind, way, {s: round(value, 4) for s, value in dev.items()}, flush=True)
        best = min(dev, key=dev.__getitem__)
        losses = [loss_of(tables[best], *data[part]) for part in parts]
        chosen[kind, way] = best, losses
for (kind, way), (best, (train, dev, test)) in chosen.items():
    print(f"{kind:8}{way:8} best {best:<6g} train {train:.4f}  dev {dev:.4f}  test {test:.4f}")
lesson.check("bigram by counts, dev", chosen["bigram", "counts"][1][1])
lesson.check("trigram by counts, dev", chosen["trigram", "counts"][1][1])
lesson.check("trigram learned, dev", chosen["trigram", "learned"][1][1])

# %% [markdown]
# A second symbol of context is worth about 0.2 nats, by either way, and the two ways agree again.
# The bigram hardly needs smoothing: its 27 rows have seen nearly everything. The trigram has 729
# rows, some of them seen a few times or never; without any smoothing its dev loss would be
# infinite.
#
# ## Exercise: why not count ten symbols?
#
# *How many contexts are there, how many does the file ever show, and how often would a new name
# bring one that it has never shown?*
#
# Notes speak of "27^k parameters" for k symbols of context. In truth there are 27^k contexts, and
# each has 27 parameters, which makes 27^(k+1). (And "ten choices, five steps back: 100,000 entries"
# is an illustration, nothing that belongs to names.)

# %%
lesson.check("contexts of 1, 2, 3 and 4 symbols", [27**k for k in range(1, 5)])
lesson.check("contexts of 9 symbols", 27**9)
unseen = []
print(f"{'k':>2}{'contexts':>22}{'parameters':>22}{'in train':>10}{'new in dev':>12}")
for k in range(1, 11):
    (known, _), (asked, _) = pairs_of(parts["train"], k + 1), pairs_of(parts["dev"], k + 1)
    distinct = len(known.unique())
    unseen.append(1 - torch.isin(asked, known).float().mean().item())
    print(f"{k:2}{27**k:22,}{27 ** (k + 1):22,}{distinct:10,}{unseen[-1]:12.1%}")
lesson.check("share of new contexts, 1 to 5 symbols", unseen[:5])

# %% [markdown]
# With four symbols of context one question in 22 is about a context that was never seen, with five
# one in nine, with nine nearly one in five; and it is that good only because some names stand in
# the file twice, so that a part of dev was seen whole. The tables are all but empty: 27^9 is 7.6
# trillion rows, and the file has 228,146 examples. Counts of long contexts do not fail because they
# are slow, they fail because there is nothing to count. A way out is to let contexts that are
# *alike* help each other. The next lesson builds a model that does.

# %%
figure = Figure(figsize=(7, 4), layout="constrained")
axes = figure.subplots()
axes.bar(range(1, 11), [100 * share for share in unseen], color=GREEN)
axes.set_title("How often a new name brings a context that was never seen")
axes.set_xlabel("symbols of context")
axes.set_ylabel("new contexts in dev (%)")
axes.set_xticks(range(1, 11))
lesson.show(figure, "contexts")
