# %% [markdown]
# # 1. Counting pairs
#
# **You will be able to** turn a list of names into a table of probabilities, draw new names from
# it, say in one number how good it is, and say why a table of longer contexts fails.
#
# **You need** Python and a little numpy. A torch *tensor* is numpy's array under another name, and
# its *shape* is the list of its side lengths: `(27, 27)` is a table. Nothing is assumed about
# language models or neural networks; words that you miss are in the
# [glossary](../docs/glossary.md).
#
# **It takes** an hour to an hour and a half with the exercises; the code runs for about fifteen
# seconds, in full and with `--short`.
#
# `--short` learns from 6,800 other names, so its numbers differ from those on this page: do the
# exercises without it.
#
# What is the least that a model of names must know? Here it knows one thing: which symbol may
# follow which. You count that, and on the way you meet the parts that every larger model has, too:
# a vocabulary, a probability for each next symbol, sampling, and a loss.
#
# The lesson follows part 1 of Andrej Karpathy's lectures, from 0:03 to 1:03. Every number that the
# lecture gives stands beside the one that you measure. `lesson.check` compares the two, and stops
# the lesson if they differ (*within* says how far off they may be); `check` looks at your answer to
# an exercise, and never stops.

# %%
import math
import random
from collections.abc import Callable

import torch
from matplotlib.figure import Figure
from torch import Tensor

from course import GREEN, Lesson

lesson = Lesson("01_counting")
check = lesson.try_answer  # says whether what you filled in is right
SEED = 2147483647  # the lecture's, for every generator

# %% [markdown]
# ## The words
#
# The file has one name a line: first names of girls, then those of boys, each the most frequent
# first. It has 32,033 lines and 29,494 different names: 2,539 stand there twice, once for girls and
# once for boys.

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
# last one. So you put one special symbol, a dot, before and after each name, and read pairs of
# neighbours. A pair of neighbours is called a *bigram*, and so is a model that knows only pairs.
#
# `zip(symbols, symbols[1:])` pairs every symbol with the next one. The four letters of *emma* give
# five pairs, and the first of them says "a name may begin with e".

# %%
symbols = [".", *"emma", "."]
pairs = [first + second for first, second in zip(symbols, symbols[1:], strict=False)]
print(pairs)
lesson.check("pairs of emma", pairs)

# %% [markdown]
# ## The vocabulary
#
# All symbols together are the *vocabulary*. A program computes with numbers, so each symbol gets
# one, its *id*: the dot 0, the letters 1 to 26 in the order of the alphabet. `stoi` leads from a
# symbol to its id, `itos` back.
#
# The dot is row 0, here and in all lessons, and the ids run from 0 to 26.

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
# one name and begins the next. A pair (i, j) has the number 27 i + j. `bincount` counts how often
# each number occurs, and `view` lays the 729 counts out as a table of 27 rows: row i says what
# followed symbol i, and how often.

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
figure = Figure(figsize=(12.5, 12.5), layout="constrained")
axes = figure.subplots()
shade = N.float().sqrt()  # the root, or a few large counts would outshine all others
axes.imshow(shade.numpy(), cmap="Blues")
for i in range(27):
    for j in range(27):
        ink = "white" if shade[i, j] > shade.max() / 2 else "#303030"
        axes.text(j, i - 0.22, itos[i] + itos[j], ha="center", va="center", color=ink, fontsize=9)
        count = str(int(N[i, j]))
        axes.text(j, i + 0.22, count, ha="center", va="center", color=ink, fontsize=9)
axes.set_xticks(range(27), [itos[j] for j in range(27)])
axes.set_yticks(range(27), [itos[i] for i in range(27)])
axes.set_title("How often each pair stands in the names: a few are frequent, most are rare")
axes.set_xlabel("second symbol")
axes.set_ylabel("first symbol")
lesson.show(figure, "counts")

# %% [markdown]
# ### Exercise: who follows q?
#
# In nearly all English words *q* is followed by *u*. Is it so in names? Read two numbers from the
# table N: how often *u* came after *q*, and how often anything did, the end of the name included.
# Replace the dots by expressions in `N`. Letters go through `stoi` first: `N[stoi["q"], ...]`. The
# last line says whether both are right.

# %% tags=["exercise"]
pair, all_of_q = ..., ...  # your expressions: two counts

check("u after q, and all after q", [pair, all_of_q])

# %% [markdown] tags=["solution"]
# Row q holds all that followed *q*, so its sum is the second number. Mostly it is *u*, in 206 cases
# of 272, but not nearly always: 28 names end with *q*.

# %% tags=["solution"]
q, u = stoi["q"], stoi["u"]
print({itos[j]: int(N[q, j]) for j in N[q].argsort(descending=True)[:4].tolist()})
lesson.check("u after q, and all after q", [int(N[q, u]), int(N[q].sum())])

# %% [markdown]
# ## From counts to probabilities
#
# Each row becomes a *distribution*, probabilities that add up to 1: its counts divided by their
# sum. `keepdim=True` keeps the sums as a column `(27, 1)`, so that each row is divided by its own.
#
# Without it the sums have the shape `(27,)`. Broadcasting lines up shapes from the right and takes
# them for a *row*: now column j is divided by the sum of row j. You get no error, a plausible
# table, and every row is wrong. Check sums after a division: here the rows must add up to 1.

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
# To *sample* is to draw a symbol by its probability. Lay the 27 probabilities end to end on a line
# (`cumsum` says where each stretch ends), throw a dart at random, and see whose stretch it hits
# (`searchsorted`). A name starts at the dot; each drawn symbol says which row is next; a dot ends
# it.
#
# A bigram has no idea how long it has been going on, so a cap on the number of steps keeps an
# unlucky name from going on for ever. All chance comes from a generator with a seed: the same seed,
# the same names. At the end ids become letters again, by `itos`.


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
# You draw twenty names from the counts, and for comparison six from a table in which all symbols
# are equally likely. A bigram's names are bad, and yet far better than chance.
#
# One is added to each count here; the end of the next section says why. From now on P is this
# table.

# %%
table = (N + 1).float()
P = table / table.sum(1, keepdim=True)  # one more of each count: the reason comes below
from_counts = names_from(P, 20)
print("counts: ", " ".join(from_counts))
print("chance: ", " ".join(names_from(torch.ones(27, 27) / 27, 6)))
lesson.check("the first five names from the counts", from_counts[:5])
assert from_counts == names_from(P, 20), "the same seed, the same names"

# %% [markdown]
# The first five are the lecture's, letter for letter. The lecture drew them with
# `torch.multinomial(p, 1, replacement=True, generator=g)`, which then threw a dart as `draw` does.
#
# (You may skip the rest of this section.) Newer versions of torch draw a single symbol in another
# way: each gets an exponential random number, and the largest p/number wins. The probabilities are
# the same, the names for a seed are not. A seed promises the same names only together with the same
# code.

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
# float, so you take logarithms: the product becomes a sum.
#
# The logarithm of a probability is 0 for something certain and falls without end towards the
# impossible. Turned positive and averaged it is the loss, the *mean negative log-likelihood* (NLL).
# Lower is better, and 0 would be perfect. Its unit is the *nat*, as the logarithm is the natural
# one.
#
# A logarithm grows with its argument, so these four have the same winner: the largest likelihood,
# the largest log-likelihood, the smallest NLL, the smallest mean NLL. The last line below checks
# it for *emma* and three tables.
#
# `P[firsts, seconds]` picks one entry for each pair. `emma` holds both rows of ids, so `P[emma]`
# are five probabilities, and `P[xs, ys]` are those of all pairs.

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
# In general `probs[torch.arange(n), Y]` plucks from row k the probability of what really came,
# Y[k]. A small example to see it: three rows, answers 0, 1 and 2.

# %%
probs = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.1, 0.1, 0.8]])
plucked = probs[torch.arange(3), torch.tensor([0, 1, 2])]
print(plucked, f"mean NLL {-plucked.log().mean():.4f}")
lesson.check("plucked probabilities", [round(p, 4) for p in plucked.tolist()])

# %% [markdown]
# Now all 228,146 pairs. Pure counts get 2.4540 nats a symbol. No other table of pairs can do better
# on these names: counting finds the optimum in one go. A model that knows nothing, and gives each
# of the 27 symbols the same probability, has ln 27 = 3.2958.
#
# But pure counts are brittle. No name of the file has *jq*, so the model calls *andrejq*
# impossible: one probability of 0, and the loss is infinite.
#
# The repair is *smoothing*: pretend that each pair had been seen once more than it was. It costs
# next to nothing (2.4546), and nothing is impossible any more. That is why the table that you drew
# names from had one more of each count.


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
# ## Exercise: why not count ten symbols?
#
# One symbol of context is little. Why not look at the last ten symbols, and count what followed
# them? Two questions answer it, and the first is arithmetic: how many contexts are there?
#
# Write a function of k that says how many sequences of k symbols exist, if each place may hold any
# of the 27. Count those that no name has, such as `a.b`, as well: a table has a row for each.


# %% tags=["exercise"]
def contexts(k: int) -> int:
    return ...  # your line


check("contexts of 1, 2, 3 and 4 symbols", [contexts(k) for k in range(1, 5)])

# %% [markdown] tags=["solution"]
# Each symbol more makes 27 contexts out of one, so k symbols make 27^k. (Ten choices at each of
# five places would be 10^5 = 100,000 in the same way.) Each context needs a row of 27 numbers: the
# table has 27^(k + 1) *parameters*, which is the word for the numbers that a model has to learn.
# With nine symbols that is a table of 7.6 trillion rows.


# %% tags=["solution"]
def contexts(k: int) -> int:
    return 27**k


lesson.check("contexts of 1, 2, 3 and 4 symbols", [contexts(k) for k in range(1, 5)])
lesson.check("contexts of 9 symbols", contexts(9))

# %% [markdown]
# The second question is about the names: how often would a new name bring a context that was never
# counted? To ask it you need names that the table has not seen, so you learn from 80 per cent of
# the file (*train*) and ask about the next 10 per cent (*dev*). The last 10 (*test*) wait for a
# single look at the end of a piece of work.
#
# You only use `pairs_of`, so you need not follow each of its lines. It reads windows of n symbols,
# from names with n - 1 dots before each; windows that have two dots at their end belong to no name
# and are dropped. The context of each becomes one number, as 27 i + j did for a pair.


# %%
def pairs_of(part: list[str], n: int) -> tuple[Tensor, Tensor]:
    """Contexts of n - 1 symbols, each as one number, and what came after them."""
    dots = "." * (n - 1)
    row = torch.tensor([stoi[c] for c in "".join(dots + word for word in part) + dots])
    windows = row.unfold(0, n, 1)  # (len(row) - n + 1, n), every stretch of n symbols
    windows = windows[(windows[:, -1] > 0) | (windows[:, -2] > 0)]
    return (windows[:, :-1] * 27 ** torch.arange(n - 2, -1, -1)).sum(1), windows[:, -1]


shuffled = list(words)
random.Random(42).shuffle(shuffled)
n1, n2 = int(0.8 * len(words)), int(0.9 * len(words))
parts = {"train": shuffled[:n1], "dev": shuffled[n1:n2], "test": shuffled[n2:]}
lesson.check("names to learn from, dev and test", [len(part) for part in parts.values()])


def shares(share: Callable[[Tensor, Tensor], float], longest: int) -> list[float]:
    """What `share` says of the contexts of train and of dev, for 1 to `longest` symbols."""
    found = []
    for k in range(1, longest + 1):
        known, asked = (pairs_of(parts[part], k + 1)[0] for part in ("train", "dev"))
        found.append(share(known, asked))
    return found


# %% [markdown]
# You get two tensors of numbers: `known`, the contexts of train, and `asked`, those of dev, both
# with repetitions. Return the share of `asked` that does not stand in `known`, from 0 to 1.
# `torch.isin` may help. Your function is asked for contexts of 1 to 5 symbols.


# %% tags=["exercise"]
def share_of_new(known: Tensor, asked: Tensor) -> float:
    return ...  # your line: two tensors of context numbers -> one share


check("share of new contexts, 1 to 5 symbols", shares, share_of_new, 5)

# %% [markdown] tags=["solution"]
# `torch.isin(asked, known)` says for each context of dev whether train has it; its mean is the
# share of those that were seen, and 1 minus that is the share you want. The table goes up to ten
# symbols, with the number of different contexts that train really has beside all that there could
# be.


# %% tags=["solution"]
def share_of_new(known: Tensor, asked: Tensor) -> float:
    return 1 - torch.isin(asked, known).float().mean().item()


unseen = shares(share_of_new, 10)
print(f"{'k':>2}{'contexts':>22}{'parameters':>22}{'in train':>10}{'new in dev':>12}")
for k, share in enumerate(unseen, 1):
    distinct = len(pairs_of(parts["train"], k + 1)[0].unique())
    print(f"{k:2}{contexts(k):22,}{contexts(k + 1):22,}{distinct:10,}{share:12.1%}")
lesson.check("share of new contexts, 1 to 5 symbols", unseen[:5])

# %% tags=["solution"]
figure = Figure(figsize=(7, 4), layout="constrained")
axes = figure.subplots()
axes.bar(range(1, 11), [100 * share for share in unseen], color=GREEN)
axes.set_title("The longer the context, the more often it was never seen")
axes.set_xlabel("symbols of context")
axes.set_ylabel("new contexts in dev (%)")
axes.set_xticks(range(1, 11))
lesson.show(figure, "contexts")

# %% [markdown]
# With four symbols of context one question in 22 is about a context that was never seen, with five
# one in nine, with nine nearly one in five. And it is that good only because some names stand in
# the file twice, so that a part of dev was seen whole.
#
# The tables are all but empty: trillions of rows, and 228,146 examples to fill them. Counts of long
# contexts do not fail because they are slow, they fail because there is nothing to count. A way out
# is to let contexts that are *alike* help each other; lesson 3 builds a model that does.
#
# ## What you have now
#
# - A vocabulary of 27 symbols with the dot as number 0, and a table of counts of their pairs.
# - Probabilities, a draw by a seeded dart, and names that are bad but better than chance.
# - The loss, mean negative log-likelihood: 2.4540 nats a symbol for the counts, 3.2958 for a model
#   that knows nothing. You will compare every later model with these two.
# - Smoothing, so that nothing is impossible, and the reason why longer tables run empty.
#
# Lesson 2 finds this very table a second time, by learning.
