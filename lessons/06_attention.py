# %% [markdown]
# # 6. From the mean of everything so far to GPT
#
# The models so far read a window of a few letters. A transformer reads everything that came
# before, and learns where to look. Here it grows from a bigram, one part at a time, and every
# version is trained alike: the same names, the same number of steps, the same optimizer. The table
# at the end says what each part is worth.
#
# The loss is the mean negative log-likelihood in nats a symbol, the end of a name included: one
# number for the quality of a model. Guessing blindly costs ln 27 = 3.30. The training loss says how
# well the model knows what it has seen, the dev loss how well it does on names held back.

# %%
import random
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn

from course import Lesson

lesson = Lesson("06_attention")
words = lesson.words()
random.seed(42)
random.shuffle(words)
cut_1, cut_2 = int(0.8 * len(words)), int(0.9 * len(words))
letters = ".abcdefghijklmnopqrstuvwxyz"
n_embd, vocab_size, block_size = 32, len(letters), 16
max_steps, seed = (40 if lesson.short else 1500), 2147483647
lesson.check("names in train", cut_1)

# %% [markdown]
# ## Names as rows
#
# All places of a name are trained at once: at each one the input is the letter there, and the
# target the letter after it. So a name is a row, with `.` before it, and behind its end only
# padding, whose target -1 is not counted.


# %%
def encode(names: list[str]) -> tuple[Tensor, Tensor]:
    """-> inputs (N, 16) and targets (N, 16)"""
    rows = [[0, *map(letters.index, name), 0] for name in names]
    ids = torch.tensor([row + [-1] * (block_size + 1 - len(row)) for row in rows])  # (N, 17)
    return ids[:, :-1].clamp(min=0), ids[:, 1:]


train_set, dev_set = encode(words[:cut_1]), encode(words[cut_1:cut_2])
inputs, targets = encode(["emma"])
print("input ", " ".join(letters[index] for index in inputs[0, :5]))
print("target", " ".join(letters[index] for index in targets[0, :5]), "and then", targets[0, 5:])

# %% [markdown]
# ## The frame
#
# Letters become vectors, a `body` mixes them, and one linear layer turns what comes out into 27
# logits. From here on only the body changes. The frame can also add a vector for the place, the
# first, the second and so on, to that of the letter.


# %%
class LanguageModel(nn.Module):
    def __init__(self, body: nn.Module, places: bool = True) -> None:
        super().__init__()
        self.letter = nn.Embedding(vocab_size, n_embd)
        self.place = nn.Embedding(block_size, n_embd) if places else None
        self.body = body
        self.head = nn.Linear(n_embd, vocab_size)

    def forward(self, ids: Tensor) -> Tensor:  # (B, T)
        x = self.letter(ids)  # (B, T, n_embd)
        if self.place is not None:
            x = x + self.place(torch.arange(ids.shape[1]))  # (T, n_embd) to each of B rows
        return self.head(self.body(x))  # (B, T, vocab_size)


# %% [markdown]
# The budget of every version: 1,500 steps of 128 names, AdamW, a learning rate that falls from 0.01
# to 0 in a straight line. A batch is padded to its own longest name and no further.


# %%
Rows = tuple[Tensor, Tensor]  # inputs and targets


def losses(model: nn.Module, data: Rows, rows: Tensor) -> Tensor:
    """-> (rows, T): -log p of each target in nats, 0 where there is only padding."""
    inputs, targets = (part[rows] for part in data)
    longest = int((targets >= 0).sum(1).max())
    logits = model(inputs[:, :longest]).flatten(0, 1)  # (rows * T, 27)
    each = F.cross_entropy(
        logits, targets[:, :longest].flatten(), ignore_index=-1, reduction="none"
    )
    return each.view(len(rows), longest)


@torch.no_grad()
def evaluate(model: nn.Module, data: Rows) -> float:
    """Nats a symbol, over all of the data: exact, not a mean of means."""
    model.eval()  # dropout, which comes later, only acts in training
    by_length = (data[1] >= 0).sum(1).argsort()
    total = sum(float(losses(model, data, rows).sum()) for rows in by_length.split(2000))
    model.train()
    return total / int((data[1] >= 0).sum())


# %%
def train(
    model: nn.Module,
    data: Rows = train_set,
    steps: int = max_steps,
    peak: float = 0.01,
    weight_decay: float = 0.01,
) -> None:
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, weight_decay=weight_decay)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = peak * (1 - step / steps)
        rows = torch.randint(0, len(data[0]), (128,), generator=generator)
        loss = losses(model, data, rows).sum() / (data[1][rows] >= 0).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


# %%
table: list[tuple[str, int, float, float, float]] = []


def rung(name: str, make_model: Callable[[], nn.Module]) -> nn.Module:
    """One version: made, trained, evaluated on both parts, and written into the table."""
    began = time.perf_counter()
    torch.manual_seed(seed)
    model = make_model()
    train(model)
    size = sum(parameter.numel() for parameter in model.parameters())
    both = evaluate(model, train_set), evaluate(model, dev_set)
    table.append((name, size, *both, time.perf_counter() - began))
    print(f"{name}: {size:,} parameters, train {both[0]:.4f}, dev {both[1]:.4f}")
    lesson.check(f"dev loss, {name}", both[1])
    return model


# %% [markdown]
# ## The start: a bigram
#
# No body at all: each letter alone predicts the next one. It is the bigram of lesson 1, whose table
# is now the product of an embedding and a linear layer. Counting gave 2.45.

# %%
bigram = rung("bigram", lambda: LanguageModel(nn.Identity(), places=False))

# %% [markdown]
# ## The mean of the past
#
# The simplest way to use all that came before: average it. The mean up to each place can be
# computed in three ways that look very different and are the same. The third is the door to
# attention: the weights of the mean are a softmax of scores. Zero means "alike", minus infinity
# means "not at all", and nothing says that the scores have to be zero.

# %%
T = 5
x = torch.randn(2, T, 3, generator=torch.Generator().manual_seed(seed))  # (B, T, C)

by_loop = torch.stack([x[:, : t + 1].mean(1) for t in range(T)], dim=1)

lower = torch.ones(T, T).tril()  # row t: ones up to t, zeros after it
by_matrix = (lower / lower.sum(1, keepdim=True)) @ x  # (T, T) @ (B, T, C)

scores = torch.zeros(T, T).masked_fill(lower == 0, -torch.inf)
by_softmax = scores.softmax(dim=1) @ x

print(scores.softmax(dim=1))
lesson.check(
    "three ways to one mean, largest difference",
    float(max((by_loop - by_matrix).abs().max(), (by_loop - by_softmax).abs().max())),
)


# %%
class Mean(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        lower = torch.ones(x.shape[1], x.shape[1]).tril()
        return (lower / lower.sum(1, keepdim=True)) @ x


rung("mean of the past", lambda: LanguageModel(Mean(), places=False))
rung("+ places", lambda: LanguageModel(Mean()))

# %% [markdown]
# Hardly better than the bigram, which sees a single letter. A mean knows which letters there were,
# but not in which order: it is a bag of words. And the last letter, which matters most, drowns
# among the others. The vectors of the places add how many letters there were. That is worth a
# little here, and more as soon as something can ask for a place.
#
# ## One head of attention
#
# Now the scores are made from the letters themselves. Each place gives out three vectors: a query
# (what it looks for), a key (what it has), and a value (what it tells if it is asked). The score of
# a pair is the product of query and key: `q @ k.T`. The rest is the third way from above: hide
# the future, softmax, average the values.


# %%
class Head(nn.Module):
    def __init__(self, head_size: int, causal: bool = True) -> None:
        super().__init__()
        self.causal = causal
        self.query = nn.Linear(n_embd, head_size, bias=False)
        self.key = nn.Linear(n_embd, head_size, bias=False)
        self.value = nn.Linear(n_embd, head_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.query(x), self.key(x), self.value(x)  # (B, T, head_size) each
        scores = q @ k.mT / q.shape[-1] ** 0.5  # (B, T, T)
        if self.causal:
            future = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
            scores = scores.masked_fill(future, -torch.inf)
        return scores.softmax(-1) @ v  # (B, T, head_size)


# %% [markdown]
# Why divide by the square root of the head's size? A product of two random vectors of 32 numbers
# with variance 1 has variance 32. Of scores that far apart softmax makes almost a choice: one
# weight near 1, the others near 0. There it is flat, hardly any gradient comes through, and a head
# is stuck with what it happened to look at. Divided by the root of 32, the scores start with
# variance 1, and all places have a say.

# %%
generator = torch.Generator().manual_seed(seed)
q, k = torch.randn(5000, 1, 32, generator=generator), torch.randn(5000, 8, 32, generator=generator)
raw = (q @ k.mT).squeeze(1)  # (5000, 8): 8 scores for each of 5,000 queries
scaled = raw / 32**0.5
sharpest = [float(part.softmax(1).max(1).values.mean()) for part in (raw, scaled)]
slopes = [float((p * (1 - p)).mean()) for p in (raw.softmax(1), scaled.softmax(1))]
lesson.check("variance of a score, raw and scaled", [float(raw.var()), float(scaled.var())])
lesson.check("largest of 8 weights, raw and scaled", sharpest)
lesson.check("slope of softmax p(1 - p), raw and scaled", slopes)

figure = Figure(figsize=(8, 2.8), layout="constrained")
axes = figure.subplots(1, 2, sharey=True)
for axis, part, title in ((axes[0], raw, "q·k"), (axes[1], scaled, "q·k / √32")):
    heights = part.softmax(1).sort(1, descending=True).values.mean(0).tolist()
    axis.bar(range(1, 9), heights, color="#0072b2")
    axis.set(title=f"softmax of {title}", xlabel="key, by rank")
figure.axes[0].set_ylabel("mean weight (share)")
lesson.show(figure, "sharpness")

# %%
one_head = rung("one head", lambda: LanguageModel(Head(n_embd)))

# %% [markdown]
# A large step, 2.38 to 2.25: the head can choose whom it listens to, the last letter above all.
#
# ## No look into the future
#
# Each place is trained to predict the next letter, and that letter stands right there, one place
# on. The mask must hide it. The test is simple: change the letters after a place, and nothing
# before them may change.

# %%
one_head.eval()
before = encode(["charlotte"])[0]
after = encode(["charwhich"])[0]  # from the fifth letter on: another future
with torch.no_grad():
    change = (one_head(before) - one_head(after)).abs().amax(2)[0]  # (16,) by place
    one_head.body.causal = False
    leak = (one_head(before) - one_head(after)).abs().amax(2)[0]
    one_head.body.causal = True
lesson.check("largest change before the changed letter", float(change[:5].max()))
print(f"after it: {change[5:].max():.2f}; before it, without the mask: {leak[:5].max():.2f}")
assert change[5:].max() > 0.1 and leak[:5].max() > 0.01

# %% [markdown]
# What happens without the mask? The same head, trained with its eyes open, finds the answer one
# place on. Its loss looks wonderful and means nothing: when it has to write a name, the next letter
# is not there yet. Be wary of a loss that is too good to be true.

# %%
torch.manual_seed(seed)
cheat = LanguageModel(Head(n_embd, causal=False))
train(cheat)
lesson.check("dev loss, one head that sees the future", evaluate(cheat, dev_set))

# %% [markdown]
# ## Several heads
#
# One head makes one weighted mean. A letter may want to know several things: what came last,
# whether there was a vowel, how the name began. So four heads of 8 numbers each look in four
# places, and a linear layer mixes what they bring. In code all heads are one matrix, whose result
# is cut in four.


# %%
class MultiHead(nn.Module):
    def __init__(self, n_head: int = 4) -> None:
        super().__init__()
        self.n_head = n_head
        self.attend = nn.Linear(n_embd, 3 * n_embd, bias=False)  # queries, keys and values
        self.project = nn.Linear(n_embd, n_embd)

    def forward(self, x: Tensor) -> Tensor:
        B, T, C = x.shape
        heads = self.attend(x).view(B, T, 3, self.n_head, C // self.n_head)
        q, k, v = heads.permute(2, 0, 3, 1, 4)  # (B, n_head, T, head_size) each
        future = torch.ones(T, T, dtype=torch.bool).triu(1)
        scores = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(future, -torch.inf)
        self.weights = scores.softmax(-1)  # (B, n_head, T, T), kept to be drawn
        y = self.weights @ v  # (B, n_head, T, head_size)
        return self.project(y.transpose(1, 2).reshape(B, T, C))


# %%
many, x = MultiHead(), torch.randn(2, 7, n_embd)
heads = [Head(8) for _ in range(4)]
for number, head in enumerate(heads):  # give each of four small heads its rows of the one matrix
    for part, layer in enumerate((head.query, head.key, head.value)):
        start = part * n_embd + number * 8
        layer.weight.data = many.attend.weight.data[start : start + 8]
apart = many.project(torch.cat([head(x) for head in heads], dim=-1))
lesson.check("one matrix or four heads, difference", float((many(x) - apart).detach().abs().max()))

four_heads = rung("four heads", lambda: LanguageModel(MultiHead()))


# %% [markdown]
# ## A feed-forward layer
#
# Attention only averages: what it brings together has to be thought about. A small MLP does that,
# at each place alone, four times as wide inside as outside.


# %%
def feed_forward() -> nn.Module:
    return nn.Sequential(nn.Linear(n_embd, 4 * n_embd), nn.ReLU(), nn.Linear(4 * n_embd, n_embd))


rung("+ feed-forward", lambda: LanguageModel(nn.Sequential(MultiHead(), feed_forward())))

# %% [markdown]
# ## Residual connections and layer norm
#
# So far each part replaces what was there. With a residual connection it adds to it: `x + part(x)`.
# The letter itself stays known all the way up, and the gradient has a straight way down.
#
# Layer norm brings the numbers that a part reads to mean 0 and variance 1. It is the BatchNorm of
# lesson 3 turned by a quarter: over the 32 numbers of one place instead of over the batch. So it
# needs neither other names nor running statistics, and does the same in training and afterwards.

# %%
x = torch.randn(2, 7, n_embd) * 3 + 1  # (B, T, n_embd)
mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
by_hand = (x - mean) / (variance + 1e-5).sqrt()  # then times gamma, plus beta: 1 and 0 at first
lesson.check(
    "layer norm by hand, difference",
    float((by_hand - nn.LayerNorm(n_embd)(x)).detach().abs().max()),
)


# %%
class Residual(nn.Module):
    def __init__(self, part: nn.Module, norm: bool, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(n_embd) if norm else nn.Identity()
        self.part, self.dropout = part, nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.dropout(self.part(self.norm(x)))


def block(norm: bool = True, dropout: float = 0.0) -> nn.Module:
    parts = MultiHead(), feed_forward()
    return nn.Sequential(*(Residual(part, norm, dropout) for part in parts))


# %%
def gpt(n_layer: int, dropout: float = 0.0) -> nn.Module:
    blocks = (block(dropout=dropout) for _ in range(n_layer))
    return nn.Sequential(*blocks, nn.LayerNorm(n_embd))


rung("+ residual", lambda: LanguageModel(block(norm=False)))
one_block = rung("+ layer norm", lambda: LanguageModel(gpt(1)))

# %% [markdown]
# The residual connections help at once. The norm does not, in a single block; its turn comes below.
#
# ## More layers
#
# A second block asks about what the first one found out, and so on. Four blocks, then, in three
# forms: without residual connections and norm, with residual connections only, and with both.


# %%
def stack(*, residual: bool) -> nn.Module:
    if residual:
        return nn.Sequential(*(block(norm=False) for _ in range(4)))
    return nn.Sequential(*(part for _ in range(4) for part in (MultiHead(), feed_forward())))


rung("four layers, no residual, no norm", lambda: LanguageModel(stack(residual=False)))
rung("four layers, residual only", lambda: LanguageModel(stack(residual=True)))
four_layers = rung("four layers", lambda: LanguageModel(gpt(4)))

# %% [markdown]
# Without residual connections four layers learn less than one head did: 2.44. With them they are
# the best so far, at about 2.02. And the norm? At this learning rate it changes little. It gives
# room: at six times the rate the layers without it fall apart, and those with it still learn.

# %%
apart = []
for name, make_body in (("both", lambda: gpt(4)), ("residual only", lambda: stack(residual=True))):
    torch.manual_seed(seed)
    model = LanguageModel(make_body())
    train(model, steps=max_steps // 5, peak=0.06)
    apart.append(evaluate(model, dev_set))
    print(f"learning rate 0.06, {name}: dev {apart[-1]:.4g}")
lesson.check("at rate 0.06 it learns with both, with residual only", [loss < 3 for loss in apart])

# %% [markdown]
# ## Dropout
#
# In training, dropout sets a share of what each part adds to zero, another one each time, so that
# the model cannot rely on single numbers. It is a brake on overfitting.

# %%
rung("+ dropout", lambda: LanguageModel(gpt(4, dropout=0.1)))

few = train_set[0][:1000], train_set[1][:1000]
for name, dropout, weight_decay in (("nothing", 0.0, 0.0), ("dropout 0.3", 0.3, 0.0),
                                    ("weight decay 3", 0.0, 3.0)):  # fmt: skip
    torch.manual_seed(seed)
    model = LanguageModel(gpt(4, dropout))
    train(model, few, steps=max_steps // 4, weight_decay=weight_decay)
    both = evaluate(model, few), evaluate(model, dev_set)
    print(f"1,000 names, {name}: train {both[0]:.4f}, dev {both[1]:.4f}")
    lesson.check(f"dev loss from 1,000 names, {name}", both[1])

# %% [markdown]
# On all names the brake costs a little: the gap between train and dev gets smaller, but so far the
# model gains more from each step than it loses to overfitting. From 1,000 names the same model
# learns its list by heart, and is worse on other names than the bigram. There dropout is worth 0.8
# nats, and weight decay, which pulls all weights to zero in every step, even more.
#
# ## The table
#
# What each part is worth, and what it costs.

# %%
print(f"{'':40} {'params':>7} {'train':>7} {'dev':>7} {'seconds':>7}")
for name, size, train_loss, dev_loss, seconds in table:
    print(f"{name:40} {size:7,} {train_loss:7.4f} {dev_loss:7.4f} {seconds:7.1f}")

figure = Figure(figsize=(8, 4.4), layout="constrained")
axis = figure.subplots()
names = [row[0] for row in table]
axis.plot([row[2] for row in table], names, "o", color="#0072b2", label="train")
axis.plot([row[3] for row in table], names, "s", color="#d55e00", label="dev")
axis.invert_yaxis()
axis.grid(axis="x", alpha=0.3)
axis.set(xlabel="loss (nats a symbol)", title="One part at a time, the same training for each")
axis.legend()
lesson.show(figure, "ladder")

# %% [markdown]
# ## Where the heads look
#
# The weights of the four heads in the model of one block, for one name. A row is a place that asks,
# a column a letter that is asked; the dark upper half is the future. Every row adds up to one. One
# head looks at the letter just before (the asking letter itself is known anyway, through the
# residual connection); the others look further back, at the beginning for as long as it is near.

# %%
name = "charlotte"
with torch.no_grad():
    one_block.eval()(encode([name])[0][:, : len(name) + 1])
weights = one_block.body[0][0].part.weights[0]  # (4, 10, 10)
labels = list("." + name)
figure = Figure(figsize=(10, 3.1), layout="constrained")
for number, axis in enumerate(figure.subplots(1, 4)):
    picture = axis.imshow(weights[number].numpy(), cmap="cividis", vmin=0, vmax=1)
    axis.set(title=f"head {number + 1}", xlabel="is asked", ylabel="asks" if number == 0 else "")
    axis.set_xticks(range(len(labels)), labels)
    axis.set_yticks(range(len(labels)), labels)
figure.colorbar(picture, ax=figure.axes, label="weight (share)")
lesson.show(figure, "attention")
lesson.check("weights of a row add up to", float(weights.sum(-1).min()))

# %% [markdown]
# ## Exercise: what attention answers
#
# *What are the limits of the MLP of lesson 2 that attention answers? Measure both at the same
# budget.*
#
# The MLP reads the last few letters through one matrix. It gets the same names, batches, steps and
# optimizer as the versions above. Its window is 3 letters, as in the lecture, then 8, then 15; and
# once it is as large as the four layers.


# %%
class MLP(nn.Module):
    def __init__(self, window: int, n_hidden: int = 200) -> None:
        super().__init__()
        self.window = window
        self.letter = nn.Embedding(vocab_size, 10)
        self.hidden = nn.Linear(window * 10, n_hidden)
        self.head = nn.Linear(n_hidden, vocab_size)

    def forward(self, ids: Tensor) -> Tensor:  # (B, T)
        windows = F.pad(ids, (self.window - 1, 0)).unfold(1, self.window, 1)  # (B, T, window)
        x = self.letter(windows).flatten(2)  # (B, T, window * 10)
        return self.head(torch.tanh(self.hidden(x)))  # (B, T, vocab_size)


mlps = {window: rung(f"MLP, window {window}", lambda w=window: MLP(w)) for window in (3, 8, 15)}
sizes = [sum(p.numel() for p in mlp.parameters()) for mlp in mlps.values()]
lesson.check("parameters of the MLPs", sizes)
wide = rung("MLP, window 8, 485 neurons", lambda: MLP(8, 485))  # as many as four blocks have
print({name: f"{seconds:.0f} s" for name, *_, seconds in table[-4:]})

# %% [markdown]
# A window of 3 is too narrow: 2.13, where one block of attention, little larger, has 2.08. But
# wider windows come close, and at 52,677 parameters the MLP has 2.04 against 2.02 of the four
# layers. On names, attention wins by very little. To see why, here is the dev loss by place: how
# hard is the first letter, the second, and so on?


# %%
@torch.no_grad()
def by_place(model: nn.Module) -> list[float]:
    """Mean dev loss of the targets at places 0 to 9, in nats."""
    each = losses(model.eval(), dev_set, torch.arange(len(dev_set[0])))[:, :10]
    return (each.sum(0) / (dev_set[1][:, :10] >= 0).sum(0)).tolist()


figure = Figure(figsize=(7, 3.6), layout="constrained")
axis = figure.subplots()
curves = (
    (mlps[3], "MLP, window 3", "o-", "#d55e00"),
    (mlps[15], "MLP, window 15", "s-", "#009e73"),
    (four_layers, "four layers of attention", "^-", "#0072b2"),
)
for model, name, style, color in curves:
    axis.plot(by_place(model), style, color=color, label=name)
    print(name, [round(loss, 2) for loss in by_place(model)])
axis.set(xlabel="letters before the place", ylabel="dev loss (nats a symbol)",
         title="Where the models differ")  # fmt: skip
axis.legend()
lesson.show(figure, "by-place")

# %% [markdown]
# First limit: an MLP knows nothing of what left its window. That is what the gap after the third
# letter is. A wider window closes most of it, at a price: each further letter adds 2,000 weights to
# the hidden layer. Attention has the same matrices however far it looks.
#
# Second limit: the MLP has weights of its own for each place in its window. What stands four
# letters back and what stands five back are different things to it. A head asks for what it wants,
# wherever that may be. Names hardly need that, so here is a task that does: each line is a name, a
# `.`, and the first letter of the name again, so that "emma" becomes `.emma.e.`. How well is that
# one letter known?

# %%
short_names = [name for name in words if len(name) <= 12]
repeated = encode([f"{name}.{name[0]}" for name in short_names])
cut = int(0.8 * len(short_names))
rows = torch.arange(cut, len(short_names))
places = torch.tensor([len(short_names[row]) + 1 for row in rows])  # of the repeated letter
for name, make_model in (("MLP, window 3", lambda: MLP(3)), ("MLP, window 15", lambda: MLP(15)),
                         ("one block of attention", lambda: LanguageModel(gpt(1)))):  # fmt: skip
    torch.manual_seed(seed)
    model = make_model()
    train(model, (repeated[0][:cut], repeated[1][:cut]), steps=max_steps // 3)
    with torch.no_grad():
        found = losses(model, repeated, rows)[torch.arange(len(rows)), places].mean()
    lesson.check(f"loss of the repeated letter, {name}", float(found))

# %% [markdown]
# The narrow MLP guesses. The wide one can see the letter, but has to learn anew, for each length of
# a name, where it stands. One block of attention knows it: look at the first place.
#
# ## What the places cost
#
# Notes on these lectures often say that the length of what a model writes is limited by its block
# size. In truth a window slides: the MLP goes on as long as one likes. It is this transformer that
# has an end, because it learned one vector for each of 16 places and has none for a seventeenth.

# %%
endless = torch.zeros(1, 40, dtype=torch.long)
print("MLP, 40 letters:", tuple(mlps[3](endless).shape))
try:
    four_layers(endless)
    refused = False
except IndexError as error:
    refused = True
    print("transformer, 40 letters:", error)
lesson.check("the transformer refuses a 17th place", refused)

# %% [markdown]
# ## Samples, side by side
#
# Ten names from each model. All draw with the same random numbers, so that a row shows what the
# models make of the same luck.


# %%
@torch.no_grad()
def sample(model: nn.Module, count: int) -> list[str]:
    """Names drawn letter by letter; one that reaches 15 letters is cut there."""
    model.eval()
    generator = torch.Generator().manual_seed(seed + 10)
    ids = torch.zeros(count, 1, dtype=torch.long)
    for _ in range(block_size - 1):
        probs = model(ids)[:, -1].softmax(-1)  # (count, vocab_size)
        ids = torch.cat([ids, torch.multinomial(probs, 1, generator=generator)], dim=1)
    drawn = ["".join(letters[index] for index in row[1:]) for row in ids.tolist()]
    return [name.split(".")[0] for name in drawn]


shown = {"bigram": bigram, "MLP, window 3": mlps[3], "one block": one_block, "four": four_layers}
columns = [sample(model, 10) for model in shown.values()]
columns.append(words[-10:])
print("".join(f"{title:16}" for title in (*shown, "real names")))
for row in zip(*columns, strict=True):
    print("".join(f"{name:16}" for name in row))

# %% [markdown]
# From left to right the names get easier to say; between the last two models, and sometimes between
# those and real names, the difference is hard to hear. That is what the single number is for.
#
# What you have now is GPT: letters and places, blocks of attention and feed-forward with residual
# connections and norms, dropout. The next lesson puts all of it on one page, a little wider, and
# trains it until it is good.
