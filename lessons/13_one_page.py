# %% [markdown]
# # 13. All of makemore on one page
#
# **You will be able to** write the whole way from a text file to new lines, with torch and nothing
# else, and run it on a list of your own.
#
# **You need** lesson 11 (the transformer) and lesson 12 (distinct lines). One thing is new: an
# optimizer for matrices.
#
# **It takes** forty minutes to read; the code runs for two to fourteen minutes on two cores, with
# `--short` for ten seconds.
#
# Read, split, encode, batch, a transformer, its optimizers, evaluation, sampling: the pieces stand
# in the order in which they run. Any list with one thing a line will do, names of companies, say,
# or words for a board game:
#
#     python lessons/13_one_page.py FILE

# %%
import sys
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

lesson = None
if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
    text = open(sys.argv[1], encoding="utf-8").read()
else:
    from course import Lesson  # no FILE: the lesson's list, and its checks in the last cell

    lesson = Lesson("13_one_page")
    text = "\n".join(lesson.words())
torch.set_num_threads(1 if lesson and lesson.short else 2)
torch.manual_seed(3407)

# %% [markdown]
# ## Read and split
#
# Each distinct line counts once: lesson 12 showed what copies on both sides do. The text of a line,
# mixed to a 64-bit number, says where it belongs, so that no line moves when the list grows or its
# order changes.
#
# Eight tenths are learned from, one chooses the weights (`val`, which was *dev* so far), and one
# stays unseen for a last verdict (`test`). It is the split of `makemore names.txt`, line by line,
# so you can compare losses.


# %%
def mix(x: int) -> int:  # SplitMix64: each bit of the result depends on all bits of x
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ x >> 27) * 0x94D049BB133111EB % 2**64
    return x ^ x >> 31


def tenth(line: str) -> int:  # 0..9
    letters = sum(mix(ord(letter) + (place << 32)) for place, letter in enumerate(line))
    hashed = mix((letters + len(line)) % 2**64)
    return (mix(hashed ^ int.from_bytes(b"makemore")) >> 32) * 10 >> 32


lines = list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
parts: dict[str, list[str]] = {"train": [], "val": [], "test": []}
for line in lines:
    parts["train" if tenth(line) < 8 else "val" if tenth(line) == 8 else "test"].append(line)
assert parts["val"], "too short a list: give a hundred lines or more"
print({part: len(members) for part, members in parts.items()}, parts["train"][:6])

# %% [markdown]
# ## Encode
#
# As in lesson 10, symbol 0 stands before a line and after it. Inputs are the line with 0 before it,
# targets the line with 0 after it, and each place predicts the next symbol. Behind the end there is
# only padding, whose target -1 says "do not count me".
#
# The symbols are those of your file, whatever they are, and the longest line sets `block_size`.

# %%
symbols = sorted(set("".join(lines)))
number = {symbol: index for index, symbol in enumerate(symbols, 1)}
vocab_size, block_size = len(symbols) + 1, max(map(len, lines)) + 1


def encode(members: list[str]) -> tuple[Tensor, Tensor, Tensor]:
    """-> inputs (N, block_size), targets (N, block_size), lengths (N,) with the end."""
    rows = [[0, *(number[symbol] for symbol in line), 0] for line in members]
    ids = torch.tensor([row + [-1] * (block_size + 1 - len(row)) for row in rows])
    return ids[:, :-1].clamp(min=0), ids[:, 1:], (ids[:, 1:] >= 0).sum(1)


data = {part: encode(members) for part, members in parts.items()}


# %% [markdown]
# ## Batch
#
# Most names are short, a few are long: padded to the longest, half of a batch would be padding. So
# the lines of a batch are sorted by length and cut into four groups, each padded to its own longest
# line.
#
# They are still one batch: the gradients of the four are added up before the step.


# %%
def groups(part: str, rows: Tensor, count: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The rows (B,) in `count` groups of like length: inputs and targets (B / count, T)."""
    inputs, targets, lengths = data[part]
    for group in rows[lengths[rows].argsort()].chunk(count):
        longest = int(lengths[group].max())
        yield inputs[group, :longest], targets[group, :longest]


# %% [markdown]
# ## The model
#
# It is the GPT of lesson 11: attention lets every symbol fetch what it needs from those before it;
# the MLP then works on each symbol alone. Both add to the stream `x`, four times over, and a tenth
# of what they add is dropped in training.
#
# Two things differ a little: GELU, a ReLU without its corner, and a start that is smaller where
# many blocks add to one stream.


# %%
class Block(nn.Module):
    def __init__(self, n_embd: int, n_head: int) -> None:
        super().__init__()
        self.n_head = n_head
        self.norm_1, self.norm_2 = nn.LayerNorm(n_embd), nn.LayerNorm(n_embd)
        self.attend, self.project = nn.Linear(n_embd, 3 * n_embd), nn.Linear(n_embd, n_embd)
        self.widen, self.narrow = nn.Linear(n_embd, 4 * n_embd), nn.Linear(4 * n_embd, n_embd)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        B, T, C = x.shape
        qkv = self.attend(self.norm_1(x)).view(B, T, 3, self.n_head, C // self.n_head)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (B, n_head, T, C / n_head) each
        future = torch.ones(T, T, dtype=torch.bool).triu(1)
        scores = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(future, -torch.inf)
        y = scores.softmax(-1) @ v  # (B, n_head, T, C / n_head)
        x = x + self.dropout(self.project(y.transpose(1, 2).reshape(B, T, C)))
        return x + self.dropout(self.narrow(F.gelu(self.widen(self.norm_2(x)))))


# %%
class Transformer(nn.Module):
    def __init__(self, n_layer: int = 4, n_head: int = 4, n_embd: int = 64) -> None:
        super().__init__()
        self.symbol = nn.Embedding(vocab_size, n_embd)
        self.place = nn.Embedding(block_size, n_embd)
        self.dropout = nn.Dropout(0.1)
        self.blocks = nn.Sequential(*(Block(n_embd, n_head) for _ in range(n_layer)))
        self.norm = nn.LayerNorm(n_embd)
        self.head = nn.Linear(n_embd, vocab_size, bias=False)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif parameter.ndim == 2:  # small, and smaller where many blocks add to one stream
                adds = name.endswith(("project.weight", "narrow.weight"))
                nn.init.normal_(parameter, std=0.02 / (2 * n_layer) ** 0.5 if adds else 0.02)

    def forward(self, ids: Tensor) -> Tensor:  # (B, T)
        x = self.dropout(self.symbol(ids) + self.place.weight[: ids.shape[1]])  # (B, T, n_embd)
        return self.head(self.norm(self.blocks(x)))  # (B, T, vocab_size), logits


model = Transformer()
parameters = sum(parameter.numel() for parameter in model.parameters())
print(f"{parameters:,} parameters")


# %% [markdown]
# ## Optimizers
#
# The matrices of the blocks learn by *Muon*: the mean of recent gradients, made orthogonal, so that
# no direction of a matrix outweighs the others (Jordan et al. 2024).
#
# A matrix stretches some directions and shrinks others, by its *singular values*. Five rounds of a
# polynomial (Newton-Schulz) bring all of them near 1, by nothing but products of matrices.
#
# Vectors, embeddings and the head learn by AdamW. Both rates fall in a straight line to 0.


# %%
def orthogonal(x: Tensor) -> Tensor:
    tall = x.shape[0] > x.shape[1]
    x = (x.mT if tall else x) / (x.norm() + 1e-7)
    for _ in range(5):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        lr = self.param_groups[0]["lr"]
        for matrix in self.param_groups[0]["params"]:
            mean = self.state[matrix].setdefault("mean", torch.zeros_like(matrix))
            mean.lerp_(matrix.grad, 0.05)
            ahead = matrix.grad.lerp(mean, 0.95)  # Nesterov: where the mean is going
            wide = max(1, matrix.shape[0] / matrix.shape[1]) ** 0.5
            matrix.mul_(1 - 0.01 * lr).sub_(lr * wide * orthogonal(ahead))  # 0.01: weight decay


# %%
matrices = [p for p in model.blocks.parameters() if p.ndim == 2]
others = [p for p in model.parameters() if all(p is not matrix for matrix in matrices)]
peaks = {
    Muon(matrices, {"lr": 0.02}): 0.02,
    torch.optim.AdamW(others, lr=0.01, betas=(0.9, 0.99)): 0.01,
}

# %% [markdown]
# ## Train and evaluate
#
# `evaluate` is exact: the nats of all symbols of a part, ends included, divided by how many they
# are, and not a mean over batches.
#
# An *epoch* is one random order of the lines, cut into batches: 92 of 256 names. Ten times on the
# way `val` is asked, and the weights that do best there are kept.


# %%
@torch.no_grad()
def evaluate(part: str) -> float:
    """Nats a symbol."""
    model.eval()
    total = 0.0
    rows = torch.arange(len(parts[part]))
    for inputs, targets in groups(part, rows, count=-(-len(rows) // 500)):
        logits = model(inputs).flatten(0, 1)
        total += float(F.cross_entropy(logits, targets.flatten(), ignore_index=-1, reduction="sum"))
    model.train()
    return total / int(data[part][2].sum())


# %%
max_steps, batch_size = 50 if lesson and lesson.short else 1150, 256
best, order = float("inf"), torch.empty(0, dtype=torch.long)
for step in range(max_steps):
    if len(order) < batch_size:  # a new epoch
        order = torch.randperm(len(parts["train"]))
    rows, order = order[:batch_size], order[batch_size:]
    for optimizer, peak in peaks.items():
        optimizer.param_groups[0]["lr"] = peak * (1 - step / max_steps)
        optimizer.zero_grad()
    for inputs, targets in groups("train", rows, count=4):
        logits = model(inputs).flatten(0, 1)
        loss = F.cross_entropy(logits, targets.flatten(), ignore_index=-1, reduction="sum")
        (loss / data["train"][2][rows].sum()).backward()
    for optimizer in peaks:
        optimizer.step()
    if (step + 1) % (max_steps // 10) == 0:
        val = evaluate("val")
        print(f"step {step + 1:5}  val {val:.4f} nats a symbol", flush=True)
        if val < best:
            best, weights = val, {name: p.clone() for name, p in model.state_dict().items()}

# %% [markdown]
# ## Sample
#
# Symbol by symbol, fifty lines at once: the model says how likely each symbol is, one is drawn, and
# it becomes the next input.
#
# A line that stands in the file, or was drawn before, or does not end is thrown away.


# %%
@torch.no_grad()
def sample() -> Iterator[str]:
    """Lines that are new and unlike each other, for as long as they are asked for."""
    seen = set(lines)
    for _ in range(400):  # and not for ever: a model that learned its list by heart has no more
        ids = torch.zeros(50, 1, dtype=torch.long)
        for _ in range(block_size):
            probs = model(ids)[:, -1].softmax(-1)  # (50, vocab_size)
            ids = torch.cat([ids, torch.multinomial(probs, 1)], dim=1)
        for row in ids[:, 1:].tolist():
            line = "".join(symbols[index - 1] for index in row[: row.index(0)]) if 0 in row else ""
            if line and line not in seen:
                seen.add(line)
                yield line


model.load_state_dict(weights)
model.eval()
new = [line for line, _ in zip(sample(), range(20), strict=False)]
print("\n".join(new))

# %% [markdown]
# None of these stands in the file, and none is there twice. If the page ran on the lesson's list,
# five numbers are checked. The loss should be that of the library's model by this recipe, 1.9552
# nats a symbol on the same held-back lines (the median of three seeds).

# %%
if lesson:
    lesson.check("lines by part", [len(members) for members in parts.values()])
    lesson.check("parameters", parameters)
    lesson.check("val loss, nats a symbol", evaluate("val"))
    lesson.check("new lines that stand in the file", len(set(new) & set(lines)))
    lesson.check("new lines, each once", len(set(new)))

# %% [markdown]
# `makemore names.txt` goes one idea of lesson 12 further and ends at 1.92: half of each target is
# what counts of all lines expect (`training/soft_targets.py`). What it adds besides is what a tool
# needs and a page does not: runs that survive a crash, nine other models, files of ten million
# lines, clear errors.
#
# ## What you have now
#
# - The whole way from a file to new lines, on a page that you can read, change and run.
# - A split, a loss and a sampler that agree with makemore's, so its runs and yours can be compared.
# - A program for your own list: give it a file of a few thousand lines. For less, lesson 12 says
#   what helps: soft targets, mixtures, a prior.
#
# There is no next lesson. Change one thing, the size, the rate or the share of dropout, and look at
# `val`: you know what it measures.
