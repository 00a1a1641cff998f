# %% [markdown]
# # 10. A state: RNN, GRU, LSTM
#
# **You will be able to** write an RNN, a GRU and an LSTM gate by gate, say what each of them
# forgets, and prove with one test that a state is passed on.
#
# **You need** lessons 3 and 4: embeddings, training and its parts. Nothing else is assumed.
#
# **It takes** an hour and a quarter; the code runs for two minutes, `--short` for ten seconds.
#
# The networks so far read a window: what has left it is gone. These read one symbol after the
# other, and keep what they need in a *state*. What does it remember, and for how long? (The
# lectures only name these models.) Losses are in nats a symbol, numbers those of the full form.

# %%
import subprocess
import sys

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn

from course import BLUE, GREEN, ORANGE, Lesson
from mlp import LETTERS, SEED, split
from rows import Rows, loss_of_letter, repeated_letter

lesson = Lesson("10_recurrent")
check = lesson.try_answer
VOCAB_SIZE, BLOCK_SIZE, N_EMBD = len(LETTERS), 16, 32
N_HIDDEN, STEPS = 64, lesson.budget(1500, 60)
parts = split(lesson.words())
lesson.check("names in train", len(parts["train"]))

# %% [markdown]
# ## Names as rows
#
# All places of a name are trained at once: at each one the input is the symbol there, the target
# the symbol after it. So a name is a row, with a dot before it. Behind its end stands *padding*,
# which only makes all rows equally long; its target is -1, which is not counted.


# %%
def encode(names: list[str]) -> Rows:
    rows = [[0, *map(LETTERS.index, name), 0] for name in names]
    ids = torch.tensor([row + [-1] * (BLOCK_SIZE + 1 - len(row)) for row in rows])  # (N, 17)
    return ids[:, :-1].clamp(min=0), ids[:, 1:]  # inputs and targets, (N, 16) each


train_set, dev_set = encode(parts["train"]), encode(parts["dev"])
print(*(row[0].tolist() for row in encode(["emma"])), sep="\n")

# %% [markdown]
# ## The frame
#
# Three functions serve every model of this lesson and of the next two: each gets ids `(B, T)` and
# gives logits `(B, T, 27)`. `losses` asks about some rows, cut at the longest, `evaluate` about all
# of them. As before you look at train and dev together: the gap is what was learned by heart.


# %%
def losses(model: nn.Module, data: Rows, rows: Tensor) -> Tensor:
    """-> (rows, T): -log p of each target in nats, 0 where there is only padding."""
    inputs, targets = (part[rows] for part in data)
    longest = int((targets >= 0).sum(1).max())
    logits = model(inputs[:, :longest]).flatten(0, 1)  # (rows * T, 27)
    answers = targets[:, :longest].flatten()
    each = F.cross_entropy(logits, answers, ignore_index=-1, reduction="none")
    return each.view(len(rows), longest)


@torch.no_grad()
def evaluate(model: nn.Module, data: Rows) -> float:
    """Nats a symbol, over all of the data: exact, not a mean of means."""
    model.eval()  # dropout, which comes later, only acts in training
    by_length = (data[1] >= 0).sum(1).argsort()
    total = sum(float(losses(model, data, rows).sum()) for rows in by_length.split(2000))
    model.train()
    return total / int((data[1] >= 0).sum())


def train(model: nn.Module, data: Rows, steps: int, peak: float = 0.01) -> None:
    """Steps of 128 names, AdamW, a rate that falls from its peak to 0 in a straight line."""
    generator = torch.Generator().manual_seed(SEED)
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = peak * (1 - step / steps)
        rows = torch.randint(0, len(data[0]), (128,), generator=generator)
        loss = losses(model, data, rows).sum() / (data[1][rows] >= 0).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step and step % 500 == 0:
            print(f"  step {step:,} of {steps:,}: loss of the batch {loss.item():.4f}", flush=True)


# %% [markdown]
# ## A state that is passed on
#
# A *recurrent* network (RNN) uses one small network, the *cell*, again for each symbol. The cell
# gets the symbol's embedding and the state before, and gives the state after. The weights are the
# same at every place, so a name may have any length. The first state is a parameter, and learned.


# %%
class RNNCell(nn.Module):
    def __init__(self, n_in: int, n_hidden: int) -> None:
        super().__init__()
        self.x, self.h = nn.Linear(n_in, n_hidden), nn.Linear(n_hidden, n_hidden)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:  # (B, n_in), (B, n_hidden)
        return torch.tanh(self.x(x) + self.h(h))  # (B, n_hidden)


class Recurrent(nn.Module):
    def __init__(self, cell: nn.Module, states: int = 1) -> None:
        super().__init__()
        self.letter, self.cell = nn.Embedding(VOCAB_SIZE, N_EMBD), cell
        self.start = nn.Parameter(torch.zeros(1, states * N_HIDDEN))
        self.head = nn.Linear(N_HIDDEN, VOCAB_SIZE)

    def read(self, x: Tensor) -> Tensor:
        """Embeddings (B, T, n_embd) -> the hidden state after each (B, T, n_hidden)."""
        state, seen = self.start.expand(len(x), -1), []
        for each in x.unbind(1):  # one place after the other
            state = self.cell(each, state)
            seen.append(state[:, :N_HIDDEN])  # all of it, until the LSTM keeps a second half
        return torch.stack(seen, 1)

    def forward(self, ids: Tensor) -> Tensor:  # (B, T) -> (B, T, VOCAB_SIZE)
        return self.head(self.read(self.letter(ids)))


# %% [markdown]
# ### Exercise: a network that forgets
#
# `Forgetful` has a bug that is easy to write. It raises no error, and its loss falls like that of a
# bigram. Find the line. Then write the test that finds it without reading code: `model(emma)` gives
# logits `(1, 5, 27)`, and so does `model(amma)`. How large is the largest change of the 27 logits
# after the last letter, when only the *first* letter is another?


# %%
class Forgetful(Recurrent):
    def read(self, x: Tensor) -> Tensor:
        start, seen = self.start.expand(len(x), -1), []
        for each in x.unbind(1):
            seen.append(self.cell(each, start)[:, :N_HIDDEN])
        return torch.stack(seen, 1)


torch.manual_seed(SEED)
forgetful, passing = (kind(RNNCell(N_EMBD, N_HIDDEN)) for kind in (Forgetful, Recurrent))
emma, amma = encode(["emma", "amma"])[0][:, :5].split(1)  # (1, 5) each, the dot in front


# %% tags=["exercise"]
def reach_of(model: nn.Module) -> float:
    return ...  # your line


check(
    "a state that is not passed on: how far the first letter reaches",
    lambda forgets, passes: [forgets, passes > 1e-4],
    *(reach_of(forgetful), reach_of(passing)),
)

# %% [markdown] tags=["solution"]
# The cell always gets `start`: each symbol is read as if it were the first. So *emma* and *amma*
# are the same after their last letter. What has a memory needs a test that it remembers.


# %% tags=["solution"]
def reach(model: nn.Module) -> float:
    return (model(emma) - model(amma))[0, -1].abs().max().item()


lesson.check(
    "a state that is not passed on: how far the first letter reaches",
    [reach(forgetful), reach(passing) > 1e-4],
)

# %% [markdown]
# ## Gates
#
# The RNN writes its whole state anew at every symbol: to keep a number for ten symbols, it has to
# carry it through ten matrices and ten tanh. A *gate* is a number between 0 (shut) and 1 (open) for
# each neuron, made from symbol and state, by which something is multiplied. The GRU (*gated
# recurrent unit*) has two. Its *reset* gate r says how much of the old state the *candidate* n
# sees, the proposal for the new one; its *update* gate z says how much of the old one stays.


# %%
class GRUGates(nn.Module):
    def __init__(self, n_in: int, n_hidden: int) -> None:
        super().__init__()
        self.x_r, self.h_r = nn.Linear(n_in, n_hidden), nn.Linear(n_hidden, n_hidden)
        self.x_z, self.h_z = nn.Linear(n_in, n_hidden), nn.Linear(n_hidden, n_hidden)
        self.x_n, self.h_n = nn.Linear(n_in, n_hidden), nn.Linear(n_hidden, n_hidden)

    def gates(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        r = torch.sigmoid(self.x_r(x) + self.h_r(h))  # reset: how much of h the candidate sees
        z = torch.sigmoid(self.x_z(x) + self.h_z(h))  # update: how much of h stays
        n = torch.tanh(self.x_n(x) + r * self.h_n(h))  # the candidate
        return z, n  # (B, n_hidden) each


# %% [markdown]
# ### Exercise: the gates
#
# One line is missing: the new state. Where z is 1 the old value stays whole, where z is 0 the
# candidate takes its place, and in between each has its share. `torch.nn.GRUCell` gets the same
# weights: your state may not differ from its.


# %%
def lend(ours: nn.Module, theirs: nn.RNNCellBase, gates: str) -> None:
    """Give torch's cell our weights: it has the gates below each other in one matrix."""
    for side, name in (("x", "ih"), ("h", "hh")):
        for part in ("weight", "bias"):
            below = [getattr(getattr(ours, f"{side}_{gate}"), part) for gate in gates]
            getattr(theirs, f"{part}_{name}").data = torch.cat(below).detach()


x, h, c = torch.randn(4, N_EMBD), torch.randn(4, N_HIDDEN), torch.randn(4, N_HIDDEN)
unfinished, theirs = GRUGates(N_EMBD, N_HIDDEN), nn.GRUCell(N_EMBD, N_HIDDEN)
lend(unfinished, theirs, "rzn")
z, n, wanted = *unfinished.gates(x, h), theirs(x, h)


# %% tags=["exercise"]
def update(z: Tensor, n: Tensor, h: Tensor) -> Tensor:
    return ...  # your line: (B, n_hidden) three times -> the new state (B, n_hidden)


check("GRU by hand - torch.nn.GRUCell", lambda state: (state - wanted).abs().max(), update(z, n, h))

# %% [markdown] tags=["solution"]
# A weighted mean of old and new, for each neuron with a weight of its own. (Cho et al. multiply h
# by r before the matrix; torch, and so this lesson, after it. Others exchange z and 1 - z.)


# %% tags=["solution"]
class GRUCell(GRUGates):
    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        z, n = self.gates(x, h)
        self.kept = z  # to be drawn
        return (1 - z) * n + z * h


changes = GRUCell.forward(unfinished, x, h) - wanted
lesson.check("GRU by hand - torch.nn.GRUCell", changes.abs().max().item())

# %% [markdown]
# ## A memory beside it
#
# The LSTM (*long short-term memory*) keeps a *memory* c beside the state h. It is only scaled, by
# the *forget* gate, and added to, by the *input* gate; no matrix ever multiplies it. The *output*
# gate says how much of it is shown as h. Here both stand in one tensor, h in front.


# %%
class LSTMCell(nn.Module):
    def __init__(self, n_in: int, n_hidden: int) -> None:
        super().__init__()
        self.x_i, self.h_i = nn.Linear(n_in, n_hidden), nn.Linear(n_hidden, n_hidden)
        self.x_f, self.h_f = nn.Linear(n_in, n_hidden), nn.Linear(n_hidden, n_hidden)
        self.x_g, self.h_g = nn.Linear(n_in, n_hidden), nn.Linear(n_hidden, n_hidden)
        self.x_o, self.h_o = nn.Linear(n_in, n_hidden), nn.Linear(n_hidden, n_hidden)

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        h, c = state.chunk(2, 1)  # (B, n_hidden) each
        i = torch.sigmoid(self.x_i(x) + self.h_i(h))  # input: how much is written
        f = torch.sigmoid(self.x_f(x) + self.h_f(h))  # forget: how much of c stays
        g = torch.tanh(self.x_g(x) + self.h_g(h))  # the candidate
        o = torch.sigmoid(self.x_o(x) + self.h_o(h))  # output: how much of c is shown
        c = f * c + i * g
        return torch.cat([o * torch.tanh(c), c], 1)  # (B, 2 * n_hidden)


ours, theirs = LSTMCell(N_EMBD, N_HIDDEN), nn.LSTMCell(N_EMBD, N_HIDDEN)
lend(ours, theirs, "ifgo")
changes = ours(x, torch.cat([h, c], 1)) - torch.cat(theirs(x, (h, c)), 1)
lesson.check("LSTM by hand - torch.nn.LSTMCell", changes.abs().max().item())

make = {
    "RNN": lambda: Recurrent(RNNCell(N_EMBD, N_HIDDEN)),
    "GRU": lambda: Recurrent(GRUCell(N_EMBD, N_HIDDEN)),
    "LSTM": lambda: Recurrent(LSTMCell(N_EMBD, N_HIDDEN), states=2),
}
sizes = [sum(p.numel() for p in new().parameters()) for new in make.values()]
lesson.check("parameters: RNN, GRU, LSTM", sizes)

# %% [markdown]
# ## What each forgets
#
# A network learns from a symbol only if a gradient comes back to it. So take the loss after the
# last of 16 random letters, and see how large its gradient is at each embedding on the way back.
# The weights are the first ones: nothing is learned yet.

# %%
ids = torch.randint(1, 27, (500, 16), generator=torch.Generator().manual_seed(SEED))
styles = {"RNN": ("o-", ORANGE), "GRU": ("s-", BLUE), "LSTM": ("^-", GREEN)}
figure = Figure(figsize=(7, 3.6), layout="constrained")
axis = figure.subplots()
ten_back = []
for name, (style, color) in styles.items():
    torch.manual_seed(SEED)
    model = make[name]()
    x = model.letter(ids).detach().requires_grad_()  # (500, 16, n_embd)
    F.cross_entropy(model.head(model.read(x)[:, -1]), ids[:, 0]).backward()
    size = x.grad.norm(dim=2).mean(0).flip(0).log10()  # (16,), by distance
    ten_back.append((size[10] - size[0]).item())
    axis.plot(size - size[0], style, color=color, label=name)
axis.set(xlabel="symbols back", ylabel="size of the gradient (log10, last symbol: 0)",
         title="What is far back hardly counts, least of all in the RNN")  # fmt: skip
axis.legend()
lesson.show(figure, "gradient")
lesson.check("gradient 10 symbols back, first weights: RNN, GRU, LSTM, log10", ten_back)

# %% [markdown]
# Straight lines: each symbol further back divides the gradient by the same factor. The RNN keeps
# 0.47 of it a step, the GRU and the LSTM 0.58: about nine times as much after ten. Their gates are
# half open at first; and unlike the RNN's matrix, they can learn to open.
#
# ## The same budget for all three: 1,500 steps of 128 names

# %%
models: dict[str, Recurrent] = {}
for name, new in make.items():
    torch.manual_seed(SEED)
    models[name] = new()
    train(models[name], train_set, STEPS)
    both = evaluate(models[name], train_set), evaluate(models[name], dev_set)
    print(f"{name}: train {both[0]:.4f}, dev {both[1]:.4f}", flush=True)
    lesson.check(f"dev loss, {name}", both[1])

# %% [markdown]
# With this budget an MLP that reads 3 symbols has 2.13, one that reads 15 has 2.05, four layers of
# attention have 2.02 (lesson 11). The LSTM is among the best for names, and the RNN not far behind:
# of a name, the last few letters say nearly all.
#
# ## Something to remember
#
# To see the memory, you need lines where something far back decides. Each is now a name, a dot, and
# the first letter of the name again, `emma.e`, and you ask for the loss of that last letter alone.
# Without any memory it is about 2.9. (The two functions are in rows.py.)

# %%
lines, asked, places = repeated_letter(parts["train"] + parts["dev"] + parts["test"])
trained, found = {}, {}
for name in (*make, "LSTM, forget gate open"):
    torch.manual_seed(SEED)
    model = trained[name] = make[name.partition(",")[0]]()
    if name not in make:
        model.cell.x_f.bias.data += 1
    train(model, lines, STEPS // 3)
    found[name] = loss_of_letter(model, asked, places)
    print(f"the repeated letter, {name}: {found[name]:.4f}", flush=True)
for name in make:
    lesson.check(f"loss of the repeated letter, {name}", found[name])
lesson.check("the open forget gate lowers it", found["LSTM, forget gate open"] < found["LSTM"])

# %% [markdown]
# The RNN has hardly learned it, the GRU nearly always knows the letter. The LSTM learns it sooner
# if its forget gate starts more open, by 1 in its bias: sigmoid(1) is 0.73, so more of the memory
# stays, and more of the gradient comes back.
#
# ## What the gates do
#
# Here is the update gate of that GRU while it reads `.charlotte.c`: a row for each of its 64
# neurons, a column for each symbol. Bright is kept, dark is written anew.

# %%
gru, state, steps = trained["GRU"], trained["GRU"].start, []
for each in gru.letter(encode(["charlotte.c"])[0][0, :12]):
    state = gru.cell(each[None], state)
    steps.append(gru.cell.kept[0].detach())
kept = torch.stack(steps, 1)  # (n_hidden, 12)
between = kept[:, 2:11]  # what the letters after c, and the dot, leave of c
print(f"from c to the dot, {(between.amin(1) > 0.9).sum()} of 64 gates stay above 0.9")

figure = Figure(figsize=(6, 4.6), layout="constrained")
axis = figure.subplots()
order = between.mean(1).argsort(descending=True)
picture = axis.imshow(kept[order].numpy(), cmap="cividis", vmin=0, vmax=1, aspect="auto")
axis.set_xticks(range(12), list(".charlotte.c"))
axis.set(xlabel="symbol that is read", ylabel="neuron (sorted)", title="Some neurons only keep")
figure.colorbar(picture, ax=axis, label="update gate (share that stays)")
lesson.show(figure, "gates")

# %% [markdown]
# The topmost rows are dark at *c*, where they are written, and bright from *a* to the dot: some
# neurons do nothing but hold the first letter. The others change at every symbol.
#
# ## Symbol by symbol
#
# To write a name you need the state only: each new symbol costs one call of the cell, however long
# the name is. And the logits are those that the model gives when it reads the name at once.


# %%
@torch.no_grad()
def sample(model: Recurrent, count: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(SEED + 10)
    symbol, state, drawn = torch.zeros(count, dtype=torch.long), model.start.expand(count, -1), []
    for _ in range(BLOCK_SIZE - 1):
        state = model.cell(model.letter(symbol), state)  # all that is kept of the name so far
        logits = model.head(state[:, :N_HIDDEN])  # (count, 27)
        symbol = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
        drawn.append((symbol, logits))
    symbols, logits = (torch.stack(part, 1) for part in zip(*drawn, strict=True))
    return symbols, logits  # (count, 15), and what each was drawn by (count, 15, 27)


for name, model in models.items():
    symbols, logits = sample(model, 8)
    names = ("".join(LETTERS[i] for i in row).partition(".")[0] for row in symbols.tolist())
    print(f"{name:4}", *names)
at_once = model(F.pad(symbols, (1, -1)))  # the dot in front, the last symbol left out
lesson.check("symbol by symbol - all at once", (at_once - logits).abs().max().item())

# %% [markdown]
# ## Three papers
#
# - RNN: Mikolov et al. 2010, *Recurrent Neural Network Based Language Model*
# - GRU: Cho et al. 2014, *Learning Phrase Representations using RNN Encoder-Decoder*, 1406.1078
# - LSTM: Graves 2013, *Generating Sequences With Recurrent Neural Networks*, arXiv 1308.0850
#
# An arXiv number begins with year and month: 1308.0850 is of August 2013, so that is the year to
# cite for Graves's LSTM. The original makemore has code for the first two. Here all three are in
# src/makemore/models: put `cell` of rnn.py, gru.py and lstm.py side by side, and what differs is
# what you have just written. (The LSTM itself is of 1997, by Hochreiter and Schmidhuber.)

# %%
ask = [sys.executable, "-m", "makemore", "models"]
table = subprocess.run(ask, capture_output=True, text=True, check=True).stdout  # noqa: S603
offered = {line.split()[0] for line in table.splitlines() if line and line[0] != " "}
lesson.check("models named here that makemore has", len({"rnn", "gru", "lstm"} & offered))
lesson.check("year of Graves's paper", 2000 + int("1308.0850"[:2]))

# %% [markdown]
# ## What you have now
#
# - A state, passed on from symbol to symbol by one cell, and a test that it is passed on.
# - Gates, and their reason: what is multiplied at every step dies out, what is kept stays.
# - A frame of rows, losses and training that takes any model.
#
# A state must choose what to keep before it knows what will be asked. Lesson 11 keeps everything,
# and learns where to look.
