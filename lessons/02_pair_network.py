# %% [markdown]
# # 2. A network for pairs
#
# **You will be able to** write a neural network of one layer with its loss and its gradient steps,
# say what softmax does and where it breaks, and show that learning ends where counting ended.
#
# **You need** lesson 1: the table of pairs, and the mean negative log-likelihood. Of calculus you
# need to know only that a derivative says which way is up.
#
# **It takes** 1.5 to 2.5 hours; the code runs for half a minute, with `--short` for ten seconds.
#
# Lesson 1 counted a table of probabilities. Here a network starts with random numbers, and finds
# the same table by small steps. You follow part 1 of the lectures, from 1:03 to 1:57.

# %%
import math
import random

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from course import BLUE, GREY, ORANGE, Lesson

lesson = Lesson("02_pair_network")
check = lesson.try_answer  # says whether what you filled in is right
SEED = 2147483647  # the lecture's, for every generator
LETTERS = ".abcdefghijklmnopqrstuvwxyz"  # the place of a symbol is its id

# %% [markdown]
# ## The table of lesson 1
#
# You take along the pairs `xs` and `ys`, their counts N, the table P of counts plus one, the dart,
# the loss of a table, and the five pairs of *emma*. The loss of the counts is the number to reach.


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
            name += LETTERS[symbol]
            if symbol == 0:
                break
        found.append(name)
    return found


def loss_of(table: Tensor, first: Tensor, second: Tensor) -> float:
    """Mean negative log-likelihood, nats a symbol, of a table of weights."""
    return -(table / table.sum(1, keepdim=True))[first, second].double().log().mean().item()


words = lesson.words()
ids = torch.tensor([LETTERS.index(symbol) for symbol in "." + ".".join(words) + "."])
xs, ys = ids[:-1], ids[1:]  # (228146,) each: a symbol, and the one after it
N = torch.bincount(xs * 27 + ys, minlength=27 * 27).view(27, 27)
raw = N.float()
P = (raw + 1) / (raw + 1).sum(1, keepdim=True)
emma = torch.tensor([0, 5, 13, 13, 1]), torch.tensor([5, 13, 13, 1, 0])
print(f"loss of the counts: {loss_of(raw, xs, ys):.4f}")

# %% [markdown]
# ## The same as a neural network
#
# A *neural network* is a function with many numbers in it, its *weights* or *parameters*, which are
# found by learning. This one is the smallest: one *layer*, which is one table W of 27 x 27 weights.
#
# A network multiplies what it reads, so an id, whose size means nothing, becomes a *one-hot*
# vector: all zeros but a one at its place. It is made by
# [`F.one_hot(tensor, num_classes=-1)`](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.one_hot.html).
# The default -1 means one more than the largest id: a trap, as without a *z* you get 26 columns.
#
# You run the examples of its page: five ids below 3 give 5 x 3 numbers, with `num_classes=5` the
# rows are wider, a table of ids has one dimension more. All are integers; a network needs floats.

# %%
examples = [
    F.one_hot(torch.arange(0, 5) % 3),
    F.one_hot(torch.arange(0, 5) % 3, num_classes=5),
    F.one_hot(torch.arange(0, 6).view(3, 2) % 3),
]
print(*examples, sep="\n")
lesson.check("shapes of the three one-hot examples", [list(one.shape) for one in examples])
print("emma without num_classes:", list(F.one_hot(emma[0]).shape))
lesson.check("emma, one-hot of 27", list(F.one_hot(emma[0], num_classes=27).shape))

# %% [markdown]
# [`torch.randn(*size, generator=None, ...)`](https://docs.pytorch.org/docs/stable/generated/torch.randn.html)
# fills W with normal random numbers (mostly between -2 and 2, around 0). `requires_grad=True` lets
# torch remember what is computed from W, for learning.
#
# `a @ b` multiplies every row of a with every column of b, number by number, and adds up: `(1, 2) @
# ((3, 4), (5, 6))` is `(1*3 + 2*5, 1*4 + 2*6)`, or (13, 16). A row with a single 1 picks one row of
# b. So `xenc @ W` *is* a look-up, and `W[ids]` gives the same without a multiplication.

# %%
generator = torch.Generator().manual_seed(SEED)
W = torch.randn((27, 27), generator=generator, requires_grad=True)
xenc = F.one_hot(emma[0], num_classes=27).float()  # (5, 27)
print("row 5 of W, and e's one-hot @ W:", W[5, :3].tolist(), (xenc @ W)[1, :3].tolist())
lesson.check("one-hot times W is a row of W", torch.equal(xenc @ W, W[emma[0]]))

# %% [markdown]
# For each example 27 numbers of any sign come out, the *logits*. You read them as logarithms of
# counts: `exp` makes them positive, and dividing by their sum makes them probabilities. Both steps
# together are *softmax*. All of it can be differentiated, and learning needs no more.

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
# `F.cross_entropy(logits, answers)` is this loss in one call: quicker, and safer, as you will see.
#
# The *gradient* says for each number of W how fast the loss grows if that number grows. To find it,
# `torch.autograd.grad` goes back from the loss to W, step by step. From `cross_entropy` this way
# back is simpler (lesson 8 shows how simple), and ends at the same gradient.

# %%
(by_hand,) = torch.autograd.grad(loss, W)
fused = F.cross_entropy(W[emma[0]], emma[1])
(by_call,) = torch.autograd.grad(fused, W)
lesson.check("cross_entropy minus the hand-made loss", (fused - loss).item())
lesson.check("largest difference of the gradients", (by_hand - by_call).abs().max().item())

# %% [markdown]
# Softmax is a competition: there is one unit of probability to share. Raise one logit, and all the
# others lose. Only differences count: add 100 to all logits, and nothing changes. And it amplifies:
# a logit that is larger by 1 has 2.7 times the share, by 5, 148 times.

# %%
logits = torch.tensor([1.0, 2.0, 3.0])
print("softmax of 1, 2, 3:    ", logits.softmax(0).tolist())
raised = logits + torch.tensor([1.0, 0.0, 0.0])
print("the first raised by 1: ", raised.softmax(0).tolist())
print("all raised by 100:     ", (logits + 100).softmax(0).tolist())
others_fall = (raised.softmax(0) < logits.softmax(0))[1:]
lesson.check("one up, the others down", bool(others_fall.all()))
shift = ((logits + 100).softmax(0) - logits.softmax(0)).abs().max()
lesson.check("change when all logits rise by 100", shift.item())
lesson.check("share for a logit larger by 5", round(math.exp(5)))

# %% [markdown]
# ### Exercise: softmax of [1000, 1001, 1002]
#
# `exp(1000)` is more than a float can hold: it becomes infinity, and infinity divided by infinity
# is nan, "not a number". Yet the answer should be that of [0, 1, 2]. Write a softmax of a row that
# is right for any logits, with `exp` and a sum, and without torch's own softmax.

# %%
large = torch.tensor([1000.0, 1001.0, 1002.0])
naive = large.exp() / large.exp().sum()
print("naive:", large.exp().tolist(), "->", naive.tolist())
lesson.check("the naive softmax is nan", bool(naive.isnan().all()))


# %% tags=["exercise"]
def softmax(logits: Tensor) -> Tensor:
    return ...  # your lines: (n,) -> (n,)


check("softmax of 1000, 1001, 1002", softmax, large, within=0.005)

# %% [markdown] tags=["solution"]
# Only differences count, so take off the largest logit first: its exp is 1 then, and nothing can
# overflow. `cross_entropy` does so inside, for its logarithm of a sum of exps (*log-sum-exp*).


# %% tags=["solution"]
def softmax(logits: Tensor) -> Tensor:
    counts = (logits - logits.max()).exp()
    return counts / counts.sum()


lesson.check("softmax of 1000, 1001, 1002", [round(p, 2) for p in softmax(large).tolist()])
assert torch.allclose(softmax(large), large.softmax(0))

# %% [markdown]
# Very small logits *underflow*: exp(-200) is exactly 0 in 32 bits. One zero is harmless for
# sampling, but its logarithm is minus infinity, and a row of zeros cannot be divided by its sum. A
# tiny epsilon guards both; with the largest logit taken off such a row cannot come about.

# %%
tiny = torch.full((27,), -200.0)
row = tiny.exp()
print("sum of the row:", row.sum().item(), "-> divided:", (row / row.sum())[0].item())
guarded = (row + 1e-10) / (row + 1e-10).sum()
print(f"with epsilon: {guarded[0].item():.4f}, largest off: {tiny.softmax(0)[0].item():.4f}")
lesson.check("exp(-200) in 32 bits", row[0].item())
lesson.check("the guarded row adds up to", round(guarded.sum().item(), 6))
assert 0 <= draw(guarded, generator) < 27

# %% [markdown]
# ### Exercise: drop the one-hot vectors, and use cross_entropy
#
# Here is the loss of all pairs, the long way (`no_grad`: compute, but do not remember it for
# learning). Write the same loss in one line, without one-hot vectors and without a softmax of your
# own. You are told how far it is from the long way's: it should be nothing but rounding.

# %%
with torch.no_grad():
    probs = (F.one_hot(xs, num_classes=27).float() @ W).exp()  # (228146, 27)
    probs = probs / probs.sum(1, keepdim=True)
    hand_made = -probs[torch.arange(len(xs)), ys].log().mean()


# %% tags=["exercise"]
def loss_by_index(W: Tensor, xs: Tensor, ys: Tensor) -> Tensor:
    return ...  # your line: (27, 27), (N,), (N,) -> one number


check("indexed minus one-hot", lambda loss: (loss - hand_made).item(), loss_by_index(W, xs, ys))

# %% [markdown] tags=["solution"]
# The one-hot vector only picks a row of W, so `W[xs]` are the logits. The training below does this.

# %% tags=["solution"]
indexed = F.cross_entropy(W[xs], ys)
print(f"one-hot {hand_made.item():.6f}, indexed {indexed.item():.6f}")
lesson.check("indexed minus one-hot", (indexed - hand_made).item())

# %% [markdown]
# ## Learning
#
# Now all pairs at once. `loss.backward()` goes back from the loss and puts the gradient into
# `W.grad`. Where it is positive, a smaller weight lowers the loss, so `W.data -= 50 * W.grad` goes
# the other way. The 50 is the *learning rate*, how far a step goes: large, but fine for so simple a
# loss. `W.grad = None` empties it first, or torch would add the new gradient to the old one.
#
# `.data` and `detach()` say what `no_grad` said. As in the lecture 0.01 times the mean square of W
# is added to the loss; the next section says why. `budget(300, 40)` is 300 steps, or 40 with
# `--short`. makemore's `--model bigram` is this network, `--model ngram` the counts of lesson 1.

# %%
losses = []
for step in range(lesson.budget(300, 40)):
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
axes.axhline(math.log(27), color=GREY, ls=":", label="uniform: ln 27")
axes.set_title("Gradient steps reach what counting knows at once")
axes.set_xlabel("step")
axes.set_ylabel("loss (nats a symbol)")
axes.legend()
lesson.show(figure, "learning")

# %% [markdown]
# Two ways, one destination. The tables agree closely, most of all in rows that were seen often.
# With the same seed sixteen of the twenty names are the same; the fifth is *anchthizarie*, not
# *anchshizarie*. Counting is quicker, but ends with short contexts; gradient steps do not.

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
# ## Smoothing is regularisation
#
# *Regularisation* is whatever keeps a model from being too sure of its examples. Smoothing does:
# add k to every count. A k of 1 changes little; a huge k makes all rows equal, with the loss ln 27.
#
# So does a penalty: add lambda times the mean of W squared to the loss. Lambda is a number that you
# choose: how much the penalty counts. It pulls all logits towards 0, where all probabilities are
# equal, so a huge lambda ends at ln 27, too.
#
# A pair's loss depends only on which pair it is: 729 log-probabilities, weighted with N, give the
# loss of all, in milliseconds. *Adam* does the same steps, but finds a size for each number itself;
# `optimizer.zero_grad()` and `optimizer.step()` stand for the two lines with `W.grad` above.


# %%
def weighted_loss(W: Tensor, N: Tensor) -> Tensor:
    return -(N * W.log_softmax(1)).sum() / N.sum()


def train_table(N: Tensor, strength: float, steps: int, rate: float = 0.1) -> Tensor:
    """Logits that minimise the loss of these counts plus strength times the mean square."""
    W = torch.zeros(N.shape, requires_grad=True)
    optimizer = torch.optim.Adam([W], lr=rate)  # gradient steps, each number with its own size
    for _ in range(steps):
        loss = weighted_loss(W, N) + strength * (W**2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return W.detach()


apart = weighted_loss(W, raw) - F.cross_entropy(W[xs], ys)
lesson.check("weighted by counts minus indexed", apart.item())
ks, strengths = [0.01, 1, 100, 10_000, 1_000_000], [0.0001, 0.01, 1, 100, 10_000]
smoothed = [loss_of(raw + k, xs, ys) for k in ks]
tables = [train_table(raw, strength, lesson.budget(500, 150)) for strength in strengths]
decayed = [weighted_loss(table, raw).item() for table in tables]
for k, loss_k, s, loss_s in zip(ks, smoothed, strengths, decayed, strict=True):
    print(f"+{k:<9g} {loss_k:.4f}    lambda {s:<7g} {loss_s:.4f}")
lesson.check("loss with a million added to each count", smoothed[-1])
lesson.check("loss with lambda 10,000", decayed[-1])
lesson.check("loss of the network with lambda 0.0001", decayed[0])

# %%
figure = Figure(figsize=(9, 3.8), layout="constrained")
left, right = figure.subplots(1, 2, sharey=True)
left.semilogx(ks, smoothed, "o-", color=BLUE)
left.set(title="Adding k to the counts ...", xlabel="k (counts)", ylabel="loss (nats a symbol)")
right.semilogx(strengths, decayed, "o-", color=ORANGE)
right.set(title="... and a penalty on W: both end at ln 27", xlabel="lambda (times the mean of W²)")
for axes in (left, right):
    axes.axhline(math.log(27), color=GREY, ls=":")
    axes.text(ks[0] if axes is left else strengths[0], math.log(27) - 0.05, "ln 27")
lesson.show(figure, "smoothing")

# %% [markdown]
# ## Exercise: how should a network start?
#
# The random W began with 3.77 on *emma*: worse than a model that knows nothing, as it was sure of
# things that it did not know. By which number should W be multiplied, so that the first loss over
# all names is that of knowing nothing, within 0.001 nats? And may it be zero?

# %% tags=["exercise"]
start = torch.randn((27, 27), generator=torch.Generator().manual_seed(SEED))  # W as it began
scale = ...  # your number

check("first loss with a small W", lambda scale: weighted_loss(start * scale, raw).item(), scale)

# %% [markdown] tags=["solution"]
# Knowing nothing means 27 equal probabilities: ln 27 = 3.2958. Logits near 0 start there: W times
# 0.01, or even W = 0, as in `train_table`. With one layer zero is fine, because each row gets a
# gradient from its own pairs. With a hidden layer it is not; lesson 5 asks why.

# %% tags=["solution"]
firsts = [weighted_loss(start * scale, raw).item() for scale in (1, 0.01, 0)]
print("first loss with W times 1, 0.01, 0:", [round(first, 4) for first in firsts])
lesson.check("first loss with a small W", firsts[1])
lesson.check("first loss with W = 0", firsts[2])

# %% [markdown]
# ## Exercise: the trigram
#
# A *trigram* has two symbols of context, 27 x 27 = 729 rows; the context *ab* is number 27 * 1 + 2.
# As in lesson 1 you learn from train, choose by dev (here the smoothing), and look at test once, at
# the end. Fill the table of counts; `best_on_dev` tries seven amounts of smoothing on it.


# %%
def pairs_of(part: list[str], n: int) -> tuple[Tensor, Tensor]:
    """Contexts of n - 1 symbols, each as one number, and what came after them."""
    dots = "." * (n - 1)
    row = torch.tensor([LETTERS.index(c) for c in "".join(dots + word for word in part) + dots])
    windows = row.unfold(0, n, 1)  # (len(row) - n + 1, n), every stretch of n symbols
    windows = windows[(windows[:, -1] > 0) | (windows[:, -2] > 0)]
    return (windows[:, :-1] * 27 ** torch.arange(n - 2, -1, -1)).sum(1), windows[:, -1]


shuffled = list(words)
random.Random(42).shuffle(shuffled)
n1, n2 = int(0.8 * len(words)), int(0.9 * len(words))
parts = {"train": shuffled[:n1], "dev": shuffled[n1:n2], "test": shuffled[n2:]}
amounts = (0.01, 0.03, 0.1, 0.3, 1, 3, 10)  # added to each count


def best_on_dev(seen: Tensor) -> float:
    return min(loss_of(seen + k, *pairs_of(parts["dev"], 3)) for k in amounts)


# %% tags=["exercise"]
def table_of(first: Tensor, second: Tensor) -> Tensor:
    return ...  # your line: numbers of contexts (N,), what came (N,) -> counts (729, 27)


check("trigram by counts, dev", best_on_dev, table_of(*pairs_of(parts["train"], 3)))

# %% [markdown] tags=["solution"]
# A context and a symbol have the number 27 * context + symbol, and `bincount` counts it. Then both
# ways for both models: k added to counts, or a penalty on logits, each as it is best on dev.


# %% tags=["solution"]
def table_of(first: Tensor, second: Tensor, contexts: int = 729) -> Tensor:
    return torch.bincount(first * 27 + second, minlength=27 * contexts).view(-1, 27).float()


chosen = {}
strong = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)  # times the mean square
for n, kind in [(2, "bigram"), (3, "trigram")]:
    data = {part: pairs_of(members, n) for part, members in parts.items()}
    seen = table_of(*data["train"], contexts=27 ** (n - 1))
    by_counts = {k: seen + k for k in amounts}
    by_steps = {s: train_table(seen, s, lesson.budget(600, 100)).exp() for s in strong}
    for way, tables in [("counts", by_counts), ("learned", by_steps)]:
        dev = {s: loss_of(table, *data["dev"]) for s, table in tables.items()}
        print(kind, way, {s: round(value, 4) for s, value in dev.items()}, flush=True)
        best = min(dev, key=dev.__getitem__)
        chosen[kind, way] = best, [loss_of(tables[best], *data[part]) for part in parts]
for (kind, way), (best, (train, dev, test)) in chosen.items():
    print(f"{kind:8}{way:8} best {best:<6g} train {train:.4f}  dev {dev:.4f}  test {test:.4f}")
lesson.check("bigram by counts, dev", chosen["bigram", "counts"][1][1])
lesson.check("trigram by counts, dev", chosen["trigram", "counts"][1][1])
lesson.check("trigram learned, dev", chosen["trigram", "learned"][1][1])

# %% [markdown]
# A second symbol of context is worth about 0.2 nats, by either way, and the two ways agree again.
# The bigram hardly needs smoothing: its 27 rows have seen nearly everything. The trigram has 729
# rows, some of them seen a few times or never; without smoothing its dev loss would be infinite.
#
# ## What you have now
#
# - A network of one layer: one-hot vectors or a look-up, logits, softmax, cross entropy.
# - Gradient steps that end at the loss of the counts, 2.454 nats a symbol, and a start at ln 27.
# - Smoothing and a penalty on weights: two forms of "do not be too sure".
# - The trigram, 2.22 nats on dev: the number for the next network to beat.
#
# Lesson 3 keeps the loss and the steps, and puts a network where the table was.
