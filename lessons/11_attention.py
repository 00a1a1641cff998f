# %% [markdown]
# # 11. Attention and the transformer
#
# **You will be able to** grow a transformer from a bigram, one part at a time, say what each part
# is worth, prove that no place sees the future, and read what a head looks at.
#
# **You need** lessons 2 to 4 and 10; variance and BatchNorm are those of lessons 5 and 6.
#
# **It takes** two to four hours; the code runs for about 20 minutes, `--short` for 20 seconds.
#
# A transformer keeps all that came before, and learns where to look. You follow the lecture *Let's
# build GPT* on names, at one budget (1,500 steps of 128 names for each). Losses: nats a symbol.

# %%
from collections.abc import Callable

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn

import rows
from course import BLUE, ORANGE, Lesson
from mlp import LETTERS, SEED, split
from rows import BLOCK_SIZE, N_EMBD, VOCAB_SIZE, encode, evaluate, train

lesson = Lesson("11_attention")
check = lesson.try_answer
max_steps = lesson.budget(1500, 40)
parts = split(lesson.words())
train_set, dev_set = encode(parts["train"]), encode(parts["dev"])

# %% [markdown]
# ## One part at a time
#
# Letters become vectors of 32 numbers (N_EMBD), to which you can add one of their place. A *body*
# mixes them, and a linear layer makes 27 logits. From here on only the body changes.
#
# `nn.Linear(a, b)` is lesson 3's `x @ W + b`, from a to b numbers, `nn.Embedding` its table C, and
# `nn.Sequential` does one after the other. An `nn.Module` keeps weights; a call runs its `forward`.
#
# The start is no body: each letter alone predicts the next, lesson 2's bigram. Counting gave 2.45.


# %%
class LanguageModel(nn.Module):
    def __init__(self, body: nn.Module, places: bool = True) -> None:
        super().__init__()
        self.letter = nn.Embedding(VOCAB_SIZE, N_EMBD)
        self.place = nn.Embedding(BLOCK_SIZE, N_EMBD) if places else None
        self.body, self.head = body, nn.Linear(N_EMBD, VOCAB_SIZE)

    def forward(self, ids: Tensor) -> Tensor:  # (B, T)
        x = self.letter(ids)  # (B, T, n_embd)
        if self.place is not None:
            x = x + self.place(torch.arange(ids.shape[1]))  # (T, n_embd) to each of B rows
        return self.head(self.body(x))  # (B, T, vocab_size)


table: list[tuple[str, float, float]] = []


def rung(name: str, make_model: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(SEED)
    model = make_model()
    train(model, train_set, max_steps)
    size = sum(parameter.numel() for parameter in model.parameters())
    table.append((name, evaluate(model, train_set), evaluate(model, dev_set)))
    print(f"{name}: {size:,} parameters, train {table[-1][1]:.4f}, dev {table[-1][2]:.4f}")
    lesson.check(f"dev loss, {name}", table[-1][2])
    return model


bigram = rung("bigram", lambda: LanguageModel(nn.Identity(), places=False))

# %% [markdown]
# ## The mean of the past
#
# The simplest use of all that came before is its average, here in three ways, which look different
# and are the same. The third is the door to attention: the weights are a softmax of *scores*.
#
# Equal scores get equal weights, minus infinity gets 0. `tril` keeps the lower half of a table,
# `masked_fill` puts minus infinity where the future is. (In shapes, C is the numbers a place.)

# %%
x = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(SEED))  # (B, T, C)
by_loop = torch.stack([x[:, : t + 1].mean(1) for t in range(5)], dim=1)
lower = torch.ones(5, 5).tril()  # row t: ones up to t, zeros after it
by_matrix = (lower / lower.sum(1, keepdim=True)) @ x  # (T, T) @ (B, T, C)
by_softmax = torch.zeros(5, 5).masked_fill(lower == 0, -torch.inf).softmax(dim=1) @ x
differences = (by_loop - by_matrix).abs().max(), (by_loop - by_softmax).abs().max()
lesson.check("three ways to one mean, largest difference", float(max(differences)))


class Mean(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        lower = torch.ones(x.shape[1], x.shape[1]).tril()
        return (lower / lower.sum(1, keepdim=True)) @ x


rung("mean of the past", lambda: LanguageModel(Mean(), places=False))
rung("+ places", lambda: LanguageModel(Mean()))

# %% [markdown]
# Hardly better than the bigram. A mean knows which letters there were, but not in which order: it
# is a *bag of words*. And the last letter, which matters most, drowns among the others.
#
# ## One head of attention
#
# Now the letters make the scores (Vaswani et al. 2017). Each place gives out three vectors: a
# *query* (what it looks for), a *key* (what it has), a *value* (what it tells if it is asked).
# Multiply query and key number by number and add up: large if they agree, negative if not.
#
# `k.mT` turns rows into columns, so `q @ k.mT` is a table of T x T scores: row t says how much
# place t wants of each place. The rest is as before: hide the future, softmax, average.


# %%
def weights_of(q: Tensor, k: Tensor, causal: bool = True) -> Tensor:
    """Queries and keys (..., T, head_size) -> how much each place asks each (..., T, T)."""
    scores = q @ k.mT / q.shape[-1] ** 0.5
    if causal:
        future = torch.ones_like(scores[0], dtype=torch.bool).triu(1)
        scores = scores.masked_fill(future, -torch.inf)
    return scores.softmax(-1)


class Head(nn.Module):
    def __init__(self, head_size: int, causal: bool = True) -> None:
        super().__init__()
        self.causal = causal
        linears = (nn.Linear(N_EMBD, head_size, bias=False) for _ in range(3))
        self.query, self.key, self.value = linears

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.query(x), self.key(x), self.value(x)  # (B, T, head_size) each
        return weights_of(q, k, self.causal) @ v  # (B, T, head_size)


# %% [markdown]
# Why divide by the square root of the head's size? The *variance* is the mean squared distance from
# the mean, and 32 products added up have 32 times that of one. Of raw scores softmax almost chooses
# one, and p(1 - p), how fast a weight p moves with its score, is near 0: little to learn from.

# %%
generator = torch.Generator().manual_seed(SEED)
q, k = torch.randn(5000, 1, 32, generator=generator), torch.randn(5000, 8, 32, generator=generator)
both = [(q @ k.mT).squeeze(1) / scale for scale in (1, 32**0.5)]  # (5000, 8): 8 scores for each q
soft = [scores.softmax(1) for scores in both]
lesson.check("variance of a score, raw and scaled", [float(scores.var()) for scores in both])
lesson.check("largest of 8 weights, raw and scaled", [float(p.amax(1).mean()) for p in soft])
lesson.check("slope of softmax p(1 - p), raw and scaled", [float((p - p**2).mean()) for p in soft])
one_head = rung("one head", lambda: LanguageModel(Head(N_EMBD)))

# %% [markdown]
# A large step, 2.38 to 2.25: the head can choose whom it listens to, the last letter above all.
#
# ## No look into the future
#
# What each place is to predict stands one place on: the mask must hide it. To test it, change the
# letters after a place: nothing before them may change. Then take the mask away, and train.

# %%
before, after = encode(["charlotte"])[0], encode(["charwhich"])[0]  # another end from the 5th on
change = (one_head(before) - one_head(after)).abs().amax(2)[0].tolist()  # 16, by place
lesson.check("largest change before the changed letter", max(change[:5]))
print(f"largest change after it: {max(change[5:]):.2f}")
rung("one head that sees the future", lambda: LanguageModel(Head(N_EMBD, causal=False)))
table.pop()  # it does not count

# %% [markdown]
# Far below all others, and worth nothing: when it writes a name, the next letter is not there yet.
# (It also reads a name's end off the padding behind it. `evaluate` sorts names by length, so it has
# less padding than a batch of the training: 0.50 and 0.16 where a batch has 0.0002.)
#
# ## Several heads
#
# One head makes one weighted mean. A letter may want several: what came last, how the name began.
# So four heads of 8 numbers each look in four places, and a linear layer mixes what they bring.
#
# ### Exercise: all heads at once
#
# Four heads have twelve small matrices. One below the other they are one, `attend`, from 32 numbers
# to 96: the queries of the four heads, then their keys, then their values, 8 rows each (torch keeps
# a Linear's weights as rows of outputs). Cut what it gives into q, k and v, (B, n_head, T,
# head_size) each: `view` splits the last dimension in three, `permute` reorders dimensions.

# %%
attend, x = nn.Linear(N_EMBD, 3 * N_EMBD, bias=False), torch.randn(2, 7, N_EMBD)  # (B, T, n_embd)
small_heads = [Head(8) for _ in range(4)]
for number, head in enumerate(small_heads):  # each gets its rows of the one matrix
    for part, layer in enumerate((head.query, head.key, head.value)):
        layer.weight.data = attend.weight.data[part * N_EMBD + number * 8 :][:8]


def apart_from_small_heads(heads: tuple[Tensor, Tensor, Tensor]) -> float | list[tuple[int, ...]]:
    shapes = [tuple(part.shape) for part in heads]
    if shapes != [(2, 4, 7, 8)] * 3:
        return shapes
    wanted = torch.stack([head(x) for head in small_heads], 1)
    return (weights_of(*heads[:2]) @ heads[2] - wanted).abs().max().item()


# %% tags=["exercise"]
def heads_of(x: Tensor, attend: nn.Linear, n_head: int) -> tuple[Tensor, Tensor, Tensor]:
    return ...  # your lines: q, k and v, (B, n_head, T, head_size) each


check("one matrix or four heads, difference", apart_from_small_heads, heads_of(x, attend, 4))

# %% [markdown] tags=["solution"]
# The last dimension is (3, n_head, head_size), in this order. Bring the 3 to the front, to unpack
# it, and the heads before the places: then one product of matrices serves all heads of all rows.


# %% tags=["solution"]
class MultiHead(nn.Module):
    def __init__(self, n_head: int = 4) -> None:
        super().__init__()
        self.n_head = n_head
        self.attend = nn.Linear(N_EMBD, 3 * N_EMBD, bias=False)  # queries, keys and values
        self.project = nn.Linear(N_EMBD, N_EMBD)

    def heads(self, x: Tensor) -> tuple[Tensor, ...]:
        cut = self.attend(x).view(*x.shape[:2], 3, self.n_head, -1)  # (B, T, 3, n_head, head_size)
        return cut.permute(2, 0, 3, 1, 4).unbind()  # q, k and v, (B, n_head, T, head_size) each

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.heads(x)
        self.weights = weights_of(q, k)  # (B, n_head, T, T), kept to be drawn
        y = self.weights @ v  # (B, n_head, T, head_size)
        return self.project(y.transpose(1, 2).flatten(2))  # (B, T, n_embd)


many = MultiHead()
many.attend = attend
lesson.check("one matrix or four heads, difference", apart_from_small_heads(many.heads(x)))
rung("four heads", lambda: LanguageModel(MultiHead()))

# %% [markdown]
# ## A feed-forward layer
#
# Attention only averages. What it brings together goes through a small MLP, at each place alone,
# with ReLU: what is below 0 becomes 0. Both together are one *layer* (also called a *block*).


# %%
def feed_forward() -> nn.Module:
    return nn.Sequential(nn.Linear(N_EMBD, 4 * N_EMBD), nn.ReLU(), nn.Linear(4 * N_EMBD, N_EMBD))


def bare(n_layer: int) -> nn.Module:
    return nn.Sequential(*(part for _ in range(n_layer) for part in (MultiHead(), feed_forward())))


rung("+ feed-forward", lambda: LanguageModel(bare(1)))

# %% [markdown]
# ## Residual connections and layer norm
#
# So far each part replaces what was there. With a *residual connection* it adds to it, x + part(x).
# The letter itself stays known all the way up, and the gradient has a straight way down.
#
# *Layer norm* brings the numbers that a part reads to mean 0 and variance 1: BatchNorm over the 32
# numbers of one place instead of over the batch. So it does the same in training and afterwards.

# %%
x = torch.randn(2, 7, N_EMBD) * 3 + 1  # (B, T, n_embd)
mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
by_hand = (x - mean) / (variance + 1e-5).sqrt()  # then times gamma, plus beta: 1 and 0 at first
difference = (by_hand - nn.LayerNorm(N_EMBD)(x)).abs().max().item()
lesson.check("layer norm by hand, difference", difference)


class Residual(nn.Module):
    def __init__(self, part: nn.Module, norm: bool, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(N_EMBD) if norm else nn.Identity()
        self.part, self.dropout = part, nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.dropout(self.part(self.norm(x)))


def gpt(n_layer: int, norm: bool = True, dropout: float = 0.0) -> nn.Module:
    last = nn.LayerNorm(N_EMBD) if norm else nn.Identity()
    return nn.Sequential(*(Residual(part, norm, dropout) for part in bare(n_layer)), last)


rung("+ residual", lambda: LanguageModel(gpt(1, norm=False)))
one_layer = rung("+ layer norm", lambda: LanguageModel(gpt(1)))

# %% [markdown]
# ## More layers
#
# A second layer asks about what the first one found out. This, letters and places, layers and a
# linear layer at the end, is a *transformer*; GPT is one that predicts the next symbol. Here are
# four layers: bare, with residual connections only, with both, and with *dropout*, which in
# training sets a share of what each part adds to zero: a brake on learning by heart.

# %%
rung("four layers, no residual, no norm", lambda: LanguageModel(bare(4)))
rung("four layers, residual only", lambda: LanguageModel(gpt(4, norm=False)))
four_layers = rung("four layers", lambda: LanguageModel(gpt(4)))
rung("+ dropout", lambda: LanguageModel(gpt(4, dropout=0.1)))

# %% [markdown]
# ## What each part is worth
#
# A row is a model from above; left is better. In one layer attention brings 0.22 (two steps),
# feed-forward 0.06, residual connections 0.03, the norm nothing. With four layers the residual
# connections decide: 2.42 without, 2.01 with. Dropout costs a little: so few steps hardly overfit.

# %%
names, train_losses, dev_losses = zip(*table, strict=True)
figure = Figure(figsize=(8, 4.4), layout="constrained")
axis = figure.subplots()
axis.plot(train_losses, names, "o", color=BLUE, label="train")
axis.plot(dev_losses, names, "s", color=ORANGE, label="dev")
axis.invert_yaxis()
axis.set(xlabel="loss (nats a symbol)", title="Attention brings most, residual connections next")
axis.legend()
lesson.show(figure, "ladder")

# %% [markdown]
# ## Where the heads look
#
# In `one_layer`, for one name: rows ask, columns are asked. The future, above the diagonal, is 0.

# %%
one_layer(encode(["charlotte"])[0][:, :10])
weights, labels = one_layer.body[0].part.weights[0].detach(), list(".charlotte")  # (4, 10, 10)
figure = Figure(figsize=(10, 3.1), layout="constrained")
for number, axis in enumerate(figure.subplots(1, 4)):
    picture = axis.imshow(weights[number].numpy(), cmap="cividis", vmin=0, vmax=1)
    axis.set(title=f"head {number + 1}", xlabel="is asked", ylabel="asks" if number == 0 else "")
    axis.set_xticks(range(len(labels)), labels)
    axis.set_yticks(range(len(labels)), labels)
figure.colorbar(picture, ax=figure.axes, label="weight (share)", shrink=0.7)
lesson.show(figure, "attention")
lesson.check("weights of a row add up to", float(weights.sum(-1).min()))

# %% [markdown]
# Head 4 looks at the letter just before; the others look further back, at the beginning if near.
#
# ### Exercise: what attention answers
#
# What are the limits of the MLP of lesson 3 that attention answers? First both get the same budget
# on names. The MLP's window is 3 letters, as in the lecture, then 8, 15, and 8 with more neurons.


# %%
class MLP(nn.Module):
    def __init__(self, window: int, n_hidden: int = 200) -> None:
        super().__init__()
        self.window = window
        self.letter = nn.Embedding(VOCAB_SIZE, 10)
        self.hidden, self.head = nn.Linear(window * 10, n_hidden), nn.Linear(n_hidden, VOCAB_SIZE)

    def forward(self, ids: Tensor) -> Tensor:  # (B, T)
        windows = F.pad(ids, (self.window - 1, 0)).unfold(1, self.window, 1)  # (B, T, window)
        x = self.hidden(self.letter(windows).flatten(2))  # (B, T, window * 10) -> (B, T, n_hidden)
        return self.head(torch.tanh(x))  # (B, T, vocab_size)


mlps = {window: rung(f"MLP, window {window}", lambda w=window: MLP(w)) for window in (3, 8, 15)}
sizes = [sum(p.numel() for p in mlp.parameters()) for mlp in mlps.values()]
lesson.check("parameters of the MLPs", sizes)
rung("MLP, window 8, 485 neurons", lambda: MLP(8, 485))  # as many parameters as four blocks

# %% [markdown]
# A window of 3 is too narrow: 2.13, where one layer of attention, little larger, has 2.08. Wider
# windows come close: 2.05, and 2.04 with as many parameters as the four layers, which have 2.02.
#
# Two limits remain: each letter more costs an MLP 2,000 weights, and what left its window is lost;
# and it learns each distance apart. Attention has the same matrices however far it looks.
#
# Lesson 10's task shows it: lines such as `emma.e`, and the loss of the repeated letter (0.145 for
# the GRU). Which of three models knows it best? The check names the winner: say why before you open
# the solution. (After `--short` no model has learned it yet: read the solution instead.)

# %%
lines, asked, places = rows.repeated_letter(parts["train"] + parts["dev"] + parts["test"])
by_name = {}
for name, make_model in (("MLP, window 3", lambda: MLP(3)), ("MLP, window 15", lambda: MLP(15)),
                         ("one block of attention", lambda: LanguageModel(gpt(1)))):  # fmt: skip
    torch.manual_seed(SEED)
    model = make_model()
    train(model, lines, max_steps // 3)
    by_name[name] = rows.loss_of_letter(model, asked, places)

# %% tags=["exercise"]
guess = ...  # "MLP, window 3", "MLP, window 15" or "one block of attention"

check("loss of the repeated letter, one block of attention", lambda n: by_name.get(n, n), guess)

# %% [markdown] tags=["solution"]
# The narrow MLP guesses. The wide one can see the letter, but has to learn anew, for each length of
# a name, where it stands. A head asks for the first place, wherever it asks from.

# %% tags=["solution"]
for name, loss in by_name.items():
    lesson.check(f"loss of the repeated letter, {name}", loss)

# %% [markdown]
# ## What the places cost
#
# Does the block size limit what a model can write? A window slides, so the MLP goes on as long as
# you like. This transformer has an end: it learned one vector for each of 16 places.

# %%
endless = torch.zeros(1, 40, dtype=torch.long)
print("MLP, 40 letters:", tuple(mlps[3](endless).shape))
refused = False
try:
    four_layers(endless)
except IndexError:
    refused = True
lesson.check("the transformer refuses a 17th place", refused)

# %% [markdown]
# ## Samples, side by side
#
# All models draw with the same random numbers: a row is what they make of the same luck.


# %%
@torch.no_grad()
def sample(model: nn.Module, count: int) -> list[str]:
    generator = torch.Generator().manual_seed(SEED + 10)
    ids = torch.zeros(count, 1, dtype=torch.long)
    for _ in range(BLOCK_SIZE - 1):
        probs = model(ids)[:, -1].softmax(-1)  # (count, vocab_size)
        ids = torch.cat([ids, torch.multinomial(probs, 1, generator=generator)], dim=1)
    return ["".join(LETTERS[i] for i in row[1:]).partition(".")[0] for row in ids.tolist()]


shown = {"bigram": bigram, "MLP, window 3": mlps[3], "one layer": one_layer, "four": four_layers}
columns = [*(sample(model, 10) for model in shown.values()), parts["test"][-10:]]
for row in ((*shown, "real names"), *zip(*columns, strict=True)):
    print("".join(f"{text:16}" for text in row))

# %% [markdown]
# ## What you have now
#
# - Attention: a mean of the past, whose weights come from queries and keys, with the future hidden.
# - GPT: letters and places, blocks of heads and feed-forward, residual connections, norms, dropout.
# - What it answers: one matrix for any distance, and a question for what is wanted, wherever it is.
#
# Lesson 12 asks what such a loss says about names never seen; lesson 13 puts all of it on one page.
