# %% [markdown]
# # 4. Backpropagation by hand
#
# `loss.backward()` fills in every gradient, and it is easy to forget that it does nothing
# mysterious. In this lesson we do its work ourselves: first one small operation at a time, then
# with two shortcuts from pencil and paper, and at last a whole training in which autograd is
# switched off. Lecture: building makemore, part 4.
#
# Three rules carry almost all of it. Write `dx` for the gradient of the loss by `x`; it always has
# the shape of `x`.
#
# 1. **Chain rule.** If `y = f(x)` element by element, then `dx = f'(x) * dy`.
# 2. **Used twice: add.** If `x` goes into two places, the gradients from both add up. A number
#    that was broadcast along a dimension went into many places, so backward it is a *sum* along
#    that dimension. And the other way round: what was summed forward is broadcast backward.
# 3. **Matrix product.** If `y = x @ W`, then `dx = dy @ W.T` and `dW = x.T @ dy`. No need to
#    learn it by heart: it is the one product in which the shapes fit.

# %%
import random

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from course import Lesson

lesson = Lesson("04_backprop")
words = lesson.words()

SYMBOLS = ".abcdefghijklmnopqrstuvwxyz"
ID = {symbol: i for i, symbol in enumerate(SYMBOLS)}
V = len(SYMBOLS)  # 27
BLOCK_SIZE = 3
N_EMBD = 10
BATCH = 32
EPS = 1e-5  # keeps BatchNorm from dividing by zero

# %% [markdown]
# ## The data
#
# Three symbols of context and the one that follows, as in lesson 2, and the same split: shuffled
# by `random.seed(42)`, 80 % to train, 10 % to validate, 10 % to test. (The test part stays
# unused here.)


# %%
def examples(names: list[str]) -> tuple[Tensor, Tensor]:
    """Contexts (N, BLOCK_SIZE) and the symbols that follow them (N,)."""
    contexts, targets = [], []
    for name in names:
        context = [0] * BLOCK_SIZE
        for symbol in name + ".":
            contexts.append(context)
            targets.append(ID[symbol])
            context = context[1:] + [ID[symbol]]
    return torch.tensor(contexts), torch.tensor(targets)


random.seed(42)
random.shuffle(words)
first, second = int(0.8 * len(words)), int(0.9 * len(words))
X_train, Y_train = examples(words[:first])
X_val, Y_val = examples(words[first:second])
lesson.check("training examples", len(X_train))
lesson.check("validation examples", len(X_val))

# %% [markdown]
# ## A network to check against
#
# An MLP with one hidden layer of 64 neurons and BatchNorm. Two choices are odd, on purpose.
# Biases and BatchNorm's parameters start near 0 and 1 but not *at* them: with zeros, a wrong
# formula can give the right gradient by accident. And the first layer has a bias `b1` although
# BatchNorm takes it out again. Its gradient must therefore be zero, which we shall see.


# %%
def new_parameters(n_hidden: int) -> tuple[dict[str, Tensor], torch.Generator]:
    """The parameters by name, and the generator that the batches are drawn from next."""
    g = torch.Generator().manual_seed(2147483647)
    fan_in = N_EMBD * BLOCK_SIZE  # 30 inputs for each hidden neuron
    p = {
        "C": torch.randn((V, N_EMBD), generator=g),
        "W1": torch.randn((fan_in, n_hidden), generator=g) * (5 / 3) / fan_in**0.5,
        "b1": torch.randn(n_hidden, generator=g) * 0.1,
        "W2": torch.randn((n_hidden, V), generator=g) * 0.1,
        "b2": torch.randn(V, generator=g) * 0.1,
    }
    # The lecture draws these two without a seed of its own: a generator apart from g.
    extra = torch.Generator().manual_seed(42)
    p["bngain"] = 1 + torch.randn((1, n_hidden), generator=extra) * 0.1
    p["bnbias"] = torch.randn((1, n_hidden), generator=extra) * 0.1
    return p, g


p, g = new_parameters(n_hidden=64)
lesson.check("parameters of the check network", sum(tensor.nelement() for tensor in p.values()))
batch = torch.randint(0, len(X_train), (BATCH,), generator=g)
X, Y = X_train[batch], Y_train[batch]  # (32, 3), (32,)

# %% [markdown]
# ## Forward, in steps small enough to differentiate
#
# BatchNorm is seven lines here and cross entropy eight more, so that each line has one simple
# derivative. The function returns every intermediate result by name; the names are the lecture's.


# %%
def forward_to_logits(p: dict[str, Tensor], X: Tensor) -> dict[str, Tensor]:
    t = {"emb": p["C"][X]}  # (32, 3, 10)
    t["embcat"] = t["emb"].view(len(X), -1)  # (32, 30)
    t["hprebn"] = t["embcat"] @ p["W1"] + p["b1"]  # (32, n_hidden)
    t["bnmeani"] = t["hprebn"].sum(0, keepdim=True) / len(X)  # (1, n_hidden)
    t["bndiff"] = t["hprebn"] - t["bnmeani"]  # (32, n_hidden)
    t["bndiff2"] = t["bndiff"] ** 2
    t["bnvar"] = t["bndiff2"].sum(0, keepdim=True) / (len(X) - 1)  # (1, n_hidden), Bessel's
    t["bnvar_inv"] = (t["bnvar"] + EPS) ** -0.5
    t["bnraw"] = t["bndiff"] * t["bnvar_inv"]  # (32, n_hidden), mean 0 and variance 1
    t["hpreact"] = p["bngain"] * t["bnraw"] + p["bnbias"]
    t["h"] = torch.tanh(t["hpreact"])
    t["logits"] = t["h"] @ p["W2"] + p["b2"]  # (32, 27)
    return t


def forward_to_loss(t: dict[str, Tensor], Y: Tensor) -> Tensor:
    t["logit_maxes"] = t["logits"].max(1, keepdim=True).values  # (32, 1)
    t["norm_logits"] = t["logits"] - t["logit_maxes"]  # at most 0: exp cannot overflow
    t["counts"] = t["norm_logits"].exp()  # (32, 27)
    t["counts_sum"] = t["counts"].sum(1, keepdim=True)  # (32, 1)
    t["counts_sum_inv"] = t["counts_sum"] ** -1
    t["probs"] = t["counts"] * t["counts_sum_inv"]  # (32, 27), rows sum to 1
    t["logprobs"] = t["probs"].log()
    return -t["logprobs"][torch.arange(len(Y)), Y].mean()


# %% [markdown]
# Autograd does its part once, as the answer sheet. It normally keeps gradients of parameters only;
# `retain_grad` asks it to keep those of the intermediate results as well. The long way round gives
# the same loss as `F.cross_entropy` in one call.

# %%
for tensor in p.values():
    tensor.requires_grad = True
t = forward_to_logits(p, X)
loss = forward_to_loss(t, Y)
for tensor in t.values():
    tensor.retain_grad()
loss.backward()
answers = {name: tensor.grad for name, tensor in (p | t).items()}

lesson.check("loss of the check network", loss.item())
apart = (loss - F.cross_entropy(t["logits"], Y)).abs().item()
lesson.check("cross entropy by hand against torch's, difference", apart)

# %% [markdown]
# The lecture's 3.3377 depends on two tensors that no seed fixes, `bngain` and `bnbias`. So the
# honest question is whether 3.3377 is a usual value. We draw the two 1,000 times over: everything
# else, the batch too, stays as it is.

# %%
with torch.no_grad():
    losses = torch.empty(1000)
    for i in range(1000):
        extra = torch.Generator().manual_seed(i)
        redrawn = p | {
            "bngain": 1 + torch.randn((1, 64), generator=extra) * 0.1,
            "bnbias": torch.randn((1, 64), generator=extra) * 0.1,
        }
        losses[i] = F.cross_entropy(forward_to_logits(redrawn, X)["logits"], Y)
print(f"loss over 1,000 draws: mean {losses.mean():.4f}, standard deviation {losses.std():.4f}")
print(f"3.3377 is {(3.3377 - losses.mean()).abs() / losses.std():.1f} deviations from the mean")
lesson.check("mean loss over 1,000 draws of bngain and bnbias", losses.mean().item())

# %% [markdown]
# ## Exercise 1: every gradient, one operation at a time
#
# **Question.** Go through the forward pass from the last line to the first and write down the
# gradient of each tensor: 26 in all, from `logprobs` to `C`. Compare each with autograd's.
#
# **Solution**, in four parts. We start at the loss. Only 32 of the 864 log-probabilities reach
# it, those of the right symbols, each with weight -1/32. From there the cross entropy backward:
#
# - `probs = counts * counts_sum_inv` uses `counts_sum_inv` (32, 1) for all 27 columns, so its
#   gradient is a sum over them.
# - `counts` goes into two lines, so it gets two gradients, which add up.
# - subtracting the maximum changes nothing in the probabilities. So the gradient of
#   `logit_maxes` must vanish, and it does up to rounding.

# %%
d: dict[str, Tensor] = {}  # our own gradients by name
n, rows = BATCH, torch.arange(BATCH)
with torch.no_grad():
    d["logprobs"] = torch.zeros_like(t["logprobs"])  # (32, 27)
    d["logprobs"][rows, Y] = -1 / n
    d["probs"] = d["logprobs"] / t["probs"]  # log'(x) = 1 / x
    d["counts_sum_inv"] = (d["probs"] * t["counts"]).sum(1, keepdim=True)  # (32, 1)
    d["counts_sum"] = -(t["counts_sum"] ** -2) * d["counts_sum_inv"]  # (32, 1)
    # counts: once from probs, once from the sum, which is broadcast back over the row
    d["counts"] = d["probs"] * t["counts_sum_inv"]
    d["counts"] += d["counts_sum"].expand_as(t["counts"])
    d["norm_logits"] = d["counts"] * t["counts"]  # exp' is exp
    d["logit_maxes"] = -d["norm_logits"].sum(1, keepdim=True)  # (32, 1)
    # logits: directly, and where they were the maximum of their row
    largest = F.one_hot(t["logits"].max(1).indices, V)
    d["logits"] = d["norm_logits"] + largest * d["logit_maxes"]
print(f"largest gradient of logit_maxes: {d['logit_maxes'].abs().max():.1e}, zero but for rounding")

# %% [markdown]
# The output layer and the tanh. For `logits = h @ W2 + b2` the shapes leave one choice:
# (32, 27) @ (27, 64) for `h`, (64, 32) @ (32, 27) for `W2`. The bias was broadcast over the batch,
# so its gradient is a sum. The derivative of tanh needs only its own output: `1 - h ** 2`.
# Where `h` is near -1 or 1, nothing comes through: that is saturation, from lesson 3.

# %%
with torch.no_grad():
    d["h"] = d["logits"] @ p["W2"].T  # (32, 64)
    d["W2"] = t["h"].T @ d["logits"]  # (64, 27)
    d["b2"] = d["logits"].sum(0)  # (27,)
    d["hpreact"] = (1 - t["h"] ** 2) * d["h"]  # (32, 64)

# %% [markdown]
# BatchNorm. Gain, bias and inverse deviation are (1, 64) and were broadcast over the batch: sums
# over dimension 0. `bndiff` is used twice (in `bnraw` and in the variance), and so is `hprebn`
# (in `bndiff` and in the mean). The power rule gives the derivative of `(v + eps) ** -0.5`:
# `-0.5 * (v + eps) ** -1.5`.

# %%
with torch.no_grad():
    d["bngain"] = (d["hpreact"] * t["bnraw"]).sum(0, keepdim=True)  # (1, 64)
    d["bnbias"] = d["hpreact"].sum(0, keepdim=True)  # (1, 64)
    d["bnraw"] = d["hpreact"] * p["bngain"]  # (32, 64)
    d["bnvar_inv"] = (d["bnraw"] * t["bndiff"]).sum(0, keepdim=True)  # (1, 64)
    d["bnvar"] = -0.5 * (t["bnvar"] + EPS) ** -1.5 * d["bnvar_inv"]  # (1, 64)
    d["bndiff2"] = (d["bnvar"] / (n - 1)).expand_as(t["bndiff2"])  # summed forward: broadcast
    d["bndiff"] = d["bnraw"] * t["bnvar_inv"] + 2 * t["bndiff"] * d["bndiff2"]
    d["bnmeani"] = -d["bndiff"].sum(0, keepdim=True)  # (1, 64)
    d["hprebn"] = d["bndiff"] + d["bnmeani"] / n  # (32, 64)

# %% [markdown]
# The first layer and the embedding. `view` moves no number, so backward is `view` again. An
# embedding row that occurs several times in the batch collects the gradients of all its places:
# `index_add_` adds each of the 96 rows onto the row of its symbol.

# %%
with torch.no_grad():
    d["embcat"] = d["hprebn"] @ p["W1"].T  # (32, 30)
    d["W1"] = t["embcat"].T @ d["hprebn"]  # (30, 64)
    d["b1"] = d["hprebn"].sum(0)  # (64,)
    d["emb"] = d["embcat"].view(t["emb"].shape)  # (32, 3, 10)
    d["C"] = torch.zeros_like(p["C"])  # (27, 10)
    d["C"].index_add_(0, X.view(-1), d["emb"].view(-1, N_EMBD))
print(f"largest gradient of b1: {d['b1'].abs().max():.1e}: BatchNorm leaves it nothing to do")

# %% [markdown]
# And now the comparison. "Exact" means equal in every bit. Float32 keeps about seven digits, so a
# gradient that was added up in another order may differ in the last ones: we allow a millionth of
# the tensor's own largest gradient, or 1e-8 where that is (nearly) zero. A wrong formula would be
# off by far more.

# %%
agreeing, furthest = 0, 0.0
print(f"{'tensor':>15} {'shape':>12} {'exact':>6} {'largest difference':>19}")
for name, gradient in d.items():
    answer = answers[name]
    apart = (gradient - answer).abs().max().item()
    allowed = max(1e-8, 1e-6 * answer.abs().max().item())
    agreeing += gradient.shape == answer.shape and apart <= allowed
    furthest = max(furthest, apart)
    shape = " x ".join(map(str, gradient.shape))
    print(f"{name:>15} {shape:>12} {str(torch.equal(gradient, answer)):>6} {apart:19.1e}")
lesson.check("gradients written by hand", len(d))
lesson.check("gradients that agree with autograd's", agreeing)
lesson.check("largest difference of all, in units of 1e-9", furthest * 1e9)

# %% [markdown]
# All 26 agree. Those near the loss are mostly equal in every bit; further back autograd uses fused
# formulas here and there, and the last digits differ.
#
# One more look at `d["C"]`: a step of gradient descent moves only the embeddings of symbols that
# stand in some context of the batch. All other rows of `C` have a gradient of exactly zero.

# %%
present = sorted(set(X.view(-1).tolist()))
moved = d["C"].abs().sum(1).nonzero().view(-1).tolist()
print("in the batch:", " ".join(SYMBOLS[i] for i in present))
print("not moved:   ", " ".join(SYMBOLS[i] for i in range(V) if i not in moved))
lesson.check("the rows of C that move are those in the batch", moved == present)

# %% [markdown]
# ## Exercise 2: cross entropy in one go
#
# **Question.** Eight small steps led from `logits` to `loss`. Find the gradient of the loss by
# the logits directly, on paper.
#
# **Solution.** For one example with the right symbol y the loss is
# `-log(exp(l_y) / sum_j exp(l_j)) = log(sum_j exp(l_j)) - l_y`.
# The first term's derivative by `l_i` is `exp(l_i) / sum = prob_i`, the second's is -1 if i is y
# and 0 if not. So: the probabilities, with 1 taken from the right one, divided by the batch.


# %%
def cross_entropy_gradient(logits: Tensor, Y: Tensor) -> Tensor:
    gradient = F.softmax(logits, 1)  # (B, 27)
    gradient[torch.arange(len(Y)), Y] -= 1
    return gradient / len(Y)


with torch.no_grad():
    dlogits = cross_entropy_gradient(t["logits"], Y)  # (32, 27)
apart = (dlogits - answers["logits"]).abs().max().item()
lesson.check("cross entropy in one go: largest difference, in units of 1e-9", apart * 1e9)
lesson.check("largest sum of a row of dlogits", dlogits.sum(1).abs().max().item())

# %% [markdown]
# Every row sums to zero, and this is a good way to think of learning: in each example the right
# logit is pulled up, all others are pushed down, and pull equals push. Each wrong symbol is pushed
# in proportion to the probability it wrongly got. A network that is already right pulls on
# nothing.
#
# In the picture, one row is one example. The dark brown cell of each row is the right symbol
# (negative: more of this logit lowers the loss); its values lie below the scale, near -1/32. The
# violet cells are the wrong symbols, the darker the more probable the network holds them to be.

# %%
figure = Figure(figsize=(7, 7), layout="constrained")
axes = figure.subplots()
limit = dlogits.max().item()  # the largest push; a pull is several times as strong
image = axes.imshow(dlogits.numpy(), cmap="PuOr", vmin=-limit, vmax=limit)
axes.set_xticks(range(V), list(SYMBOLS))
axes.set_xlabel("symbol")
axes.set_ylabel("example of the batch")
axes.set_title("The gradient of the loss by the logits: one pull, 26 pushes")
figure.colorbar(image, label="gradient (nats for a logit one higher)", shrink=0.8, extend="min")
lesson.show(figure, "dlogits")

values = dlogits[0] * n
print(f"first example: right symbol {SYMBOLS[Y[0]]!r}, gradient {values[Y[0]]:.3f}")
print(f"its probability less one:              {F.softmax(t['logits'][0], 0)[Y[0]] - 1:.3f}")

# %% [markdown]
# ## Exercise 3: BatchNorm in one go
#
# **Question.** The same for BatchNorm: from the gradient of its output, `dhpreact`, straight to
# that of its input, `dhprebn`, without the six tensors in between.
#
# **Solution.** Take one column (one neuron) with inputs x_1 ... x_n, outputs without gain and bias
# `r_i = (x_i - m) * s`, where m is the mean and s = (variance + eps) ** -0.5, and let
# `e_i = gain * dhpreact_i` be the gradient of `r_i`. Three paths lead from x_i to the loss:
#
# - directly: `s * e_i`;
# - through the mean, which every r_j subtracts: `-s * sum(e) / n`;
# - through the variance. Its derivative by x_i is `2 * (x_i - m) / (n - 1)`, the derivative of s
#   by the variance is `-s**3 / 2`, and every r_j is multiplied by s. Together:
#   `-s * r_i * sum(e * r) / (n - 1)`.
#
# Added up, that is one line. In words: take from the gradient its mean, and its part along `r`.
# Shifting or (but for eps) stretching the whole batch changes no output, so no gradient may point
# that way. The two sums printed below show it: both are zero up to rounding.


# %%
def batchnorm_gradient(dout: Tensor, gain: Tensor, bnraw: Tensor, bnvar_inv: Tensor) -> Tensor:
    """dout and bnraw (B, C), gain and bnvar_inv (1, C) -> the gradient of the input (B, C)."""
    B = len(dout)
    along = bnraw * (dout * bnraw).sum(0) / (B - 1)
    return gain * bnvar_inv * (dout - dout.sum(0) / B - along)


with torch.no_grad():
    dhprebn = batchnorm_gradient(d["hpreact"], p["bngain"], t["bnraw"], t["bnvar_inv"])
apart = (dhprebn - answers["hprebn"]).abs().max().item()
lesson.check("BatchNorm in one go: largest difference, in units of 1e-9", apart * 1e9)
print(f"largest sum of a column: {dhprebn.sum(0).abs().max():.1e}")
along = (dhprebn * t["bnraw"]).sum(0).abs().max()
print(f"largest part along r:    {along:.1e}")

# %% [markdown]
# ## Which variance?
#
# Dividing the squares by n gives the variance *of these 32 numbers*. Dividing by n - 1 (Bessel's
# correction) estimates the variance of *all* numbers that the 32 were drawn from; the other is too
# small on average, by a factor of 31/32. The paper, and torch, normalise by the first while they
# train and keep the second for use after training. The lecture finds this mismatch odd and takes
# n - 1 for both, and so do we. The formula above depends on it: with n, the n - 1 becomes n.
#
# Notes on these lectures often give BatchNorm as `(x - mean) / (std + 1e-5)`. In truth the layer
# computes `(x - mean) / sqrt(variance + eps)`: eps is added to the *variance*, under the root.
# For healthy activations nobody sees a difference; where a neuron hardly varies, it is large.

# %%
with torch.no_grad():
    x = t["hprebn"]
    by_torch = F.batch_norm(x, None, None, training=True, eps=EPS)
    for divisor, correction in (("n", 0), ("n - 1", 1)):
        var = x.var(0, correction=correction)
        apart = ((x - x.mean(0)) / torch.sqrt(var + EPS) - by_torch).abs().max()
        print(f"variance over {divisor:5}: torch's own BatchNorm is {apart:.1e} away")

    print("\ndeviation of x   (x - mean)/(std + eps)   (x - mean)/sqrt(var + eps)")
    ratios = []
    for scale in (1.0, 0.1, 0.01, 0.001):
        small = scale * (x[:, 0] - x[:, 0].mean()) / x[:, 0].std()
        outside = (small / (small.std() + EPS)).std().item()
        inside = (small / torch.sqrt(small.var() + EPS)).std().item()
        print(f"{scale:14} {outside:24.4f} {inside:28.4f}")
        ratios.append(inside)
lesson.check("deviation after BatchNorm of x with deviation 1, .1, .01, .001", ratios)

# %% [markdown]
# ## Exercise 4: train without autograd
#
# **Question.** Train the full-sized network, 200 hidden neurons and 12,297 parameters, for
# 200,000 steps by these gradients alone.
#
# **Solution.** With the two shortcuts, the backward pass of the whole network is a dozen lines.
# Everything runs under `torch.no_grad()`: no graph is built, nothing is kept but what we keep.


# %%
def forward_backward(
    p: dict[str, Tensor], X: Tensor, Y: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of a batch and the gradient of each parameter, autograd not involved."""
    embcat = p["C"][X].view(len(X), -1)  # (B, 30)
    hprebn = embcat @ p["W1"] + p["b1"]  # (B, n_hidden)
    var, mean = torch.var_mean(hprebn, 0, keepdim=True)  # (1, n_hidden), Bessel's
    bnvar_inv = (var + EPS) ** -0.5
    bnraw = (hprebn - mean) * bnvar_inv  # (B, n_hidden)
    h = torch.tanh(p["bngain"] * bnraw + p["bnbias"])
    logits = h @ p["W2"] + p["b2"]  # (B, 27)

    d = {}
    dlogits = cross_entropy_gradient(logits, Y)
    d["W2"], d["b2"] = h.T @ dlogits, dlogits.sum(0)
    dhpreact = (1 - h**2) * (dlogits @ p["W2"].T)
    d["bngain"] = (dhpreact * bnraw).sum(0, keepdim=True)
    d["bnbias"] = dhpreact.sum(0, keepdim=True)
    dhprebn = batchnorm_gradient(dhpreact, p["bngain"], bnraw, bnvar_inv)
    d["W1"], d["b1"] = embcat.T @ dhprebn, dhprebn.sum(0)
    demb = (dhprebn @ p["W1"].T).view(-1, N_EMBD)  # (B * 3, 10)
    d["C"] = torch.zeros_like(p["C"]).index_add_(0, X.view(-1), demb)
    return F.cross_entropy(logits, Y), d


# %% [markdown]
# Before a long run, one batch with autograd beside it. The gradients of all seven parameter
# tensors agree, so we may let autograd go.

# %%
p, g = new_parameters(n_hidden=200)
lesson.check(
    "parameters of the full-sized network", sum(tensor.nelement() for tensor in p.values())
)
for tensor in p.values():
    tensor.requires_grad = True
loss = forward_to_loss(forward_to_logits(p, X), Y)
loss.backward()
with torch.no_grad():
    _, d = forward_backward(p, X, Y)
furthest = max((d[name] - p[name].grad).abs().max().item() for name in p)
lesson.check("gradients of the full-sized network: largest difference", furthest)
p = {name: tensor.detach() for name, tensor in p.items()}  # from here on without autograd

# %%
STEPS = 4_000 if lesson.short else 200_000
losses = torch.empty(STEPS)
with torch.no_grad():
    for step in range(STEPS):
        batch = torch.randint(0, len(X_train), (BATCH,), generator=g)
        losses[step], d = forward_backward(p, X_train[batch], Y_train[batch])
        if step == 0:
            lesson.check("loss at the start", losses[0].item())
        learning_rate = 0.1 if step < STEPS // 2 else 0.01
        for name, gradient in d.items():
            p[name].add_(gradient, alpha=-learning_rate)
        if (step + 1) % (STEPS // 10) == 0:
            recent = losses[step + 1 - STEPS // 10 : step + 1].mean()
            print(f"step {step + 1:7,}: loss of the last {STEPS // 10:,} {recent:.4f}", flush=True)

# %% [markdown]
# ## Calibrate, measure, sample
#
# To judge one name at a time BatchNorm needs a mean and a variance that do not come from a batch.
# As in the lecture we compute both once, over the whole training part, after training. Then the
# losses of the two parts.


# %%
def logits_of(p: dict[str, Tensor], X: Tensor, mean: Tensor, var: Tensor) -> Tensor:
    hprebn = p["C"][X].view(len(X), -1) @ p["W1"] + p["b1"]
    bnraw = (hprebn - mean) * (var + EPS) ** -0.5
    return torch.tanh(p["bngain"] * bnraw + p["bnbias"]) @ p["W2"] + p["b2"]


with torch.no_grad():
    hprebn = p["C"][X_train].view(len(X_train), -1) @ p["W1"] + p["b1"]  # (N, 200)
    var, mean = torch.var_mean(hprebn, 0, keepdim=True)  # (1, 200)
    train = F.cross_entropy(logits_of(p, X_train, mean, var), Y_train).item()
    val = F.cross_entropy(logits_of(p, X_val, mean, var), Y_val).item()
lesson.check("train loss after training by hand-made gradients", train)
lesson.check("val loss after training by hand-made gradients", val)

# %% [markdown]
# The losses are those that autograd's gradients give, because these *are* autograd's gradients.
# Five names from the network, each symbol drawn from the probabilities that the last three give:

# %%
g = torch.Generator().manual_seed(2147483647 + 10)
names = []
with torch.no_grad():
    while len(names) < 5:
        context, name = [0] * BLOCK_SIZE, ""
        while True:
            probs = F.softmax(logits_of(p, torch.tensor([context]), mean, var), 1)  # (1, 27)
            drawn = int(torch.multinomial(probs, 1, generator=g))
            if drawn == 0:
                break
            context, name = context[1:] + [drawn], name + SYMBOLS[drawn]
        names.append(name)
print(*names)
lesson.check("names sampled", len(names))

# %% [markdown]
# ## What to take along
#
# - A gradient has the shape of its tensor; broadcasting forward is a sum backward, and a sum
#   forward is broadcasting backward.
# - What cannot change the loss has gradient zero: the maximum that softmax subtracts, a bias
#   before BatchNorm, the mean and the scale of what goes into BatchNorm.
# - Written as one formula, cross entropy and BatchNorm have short gradients: fewer steps, less
#   memory, fewer places to be wrong. Libraries do the same in their fused kernels.
