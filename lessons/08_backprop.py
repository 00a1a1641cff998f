# %% [markdown]
# # 8. Backpropagation by hand
#
# **You will be able to** write down the gradient of every operation of an MLP with BatchNorm, find
# the short formulas for cross entropy and for BatchNorm, and train a network without autograd.
#
# **You need** lessons 3 and 6: the MLP, BatchNorm. Of calculus: the chain rule, and the
# derivatives of powers, exp, log and tanh.
#
# **It takes** two hours with the exercises; the code runs for two minutes, with `--short` for
# eight seconds.
#
# What does `loss.backward()` do, line by line? Here you do its work yourself: first one small
# operation at a time, then with two shortcuts from pencil and paper, at last in a whole training
# that autograd has no part in. The lesson follows part 4 of Andrej Karpathy's lectures and has its
# four exercises; numbers in the text are those of the full run.

# %%
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from course import Lesson
from mlp import LETTERS, SEED, build_dataset, split

lesson = Lesson("08_backprop")
check = lesson.try_answer
V, BLOCK_SIZE, N_EMBD, BATCH = len(LETTERS), 3, 10, 32
EPS = 1e-5  # keeps BatchNorm from dividing by zero
Named = dict[str, Tensor]

# %% [markdown]
# ## Three rules
#
# Write `dx` for the gradient of the loss by `x`. It has the shape of `x`, and says for each number
# in it how the loss changes if that number grows. Three rules carry almost all of this lesson.
#
# 1. **Chain rule.** If `y = f(x)` element by element, then `dx = f'(x) * dy`.
# 2. **Used twice: add.** If `x` goes into two places, the gradients from both add up. What was
#    broadcast along a dimension went into many places, so backward it is a *sum* along that
#    dimension. And the other way round: what was summed forward is broadcast backward.
# 3. **Matrix product.** If `y = x @ W`, then `dx = dy @ W.T` and `dW = x.T @ dy`: `y[i, j]` is the
#    sum of `x[i, k] * W[k, j]`, and only these shapes fit.
#
# ## A network to check against
#
# An MLP with BatchNorm and one hidden layer of 64 neurons, on the examples of lesson 3. Biases and
# BatchNorm's parameters start near 0 and 1 but not *at* them: with zeros, a wrong formula can give
# the right gradient by accident. And the first layer has a bias `b1` although BatchNorm takes it
# out again: watch its gradient.


# %%
def new_parameters(n_hidden: int) -> tuple[Named, torch.Generator]:
    """The parameters by name, and the generator that the batches are drawn from next."""
    # The lecture draws gain and bias without a seed: they have a generator apart from g.
    g, extra = (torch.Generator().manual_seed(seed) for seed in (SEED, 42))
    fan_in = N_EMBD * BLOCK_SIZE  # 30 inputs for each hidden neuron
    p = {
        "C": torch.randn((V, N_EMBD), generator=g),
        "W1": torch.randn((fan_in, n_hidden), generator=g) * (5 / 3) / fan_in**0.5,
        "b1": torch.randn(n_hidden, generator=g) * 0.1,
        "W2": torch.randn((n_hidden, V), generator=g) * 0.1,
        "b2": torch.randn(V, generator=g) * 0.1,
        "bngain": 1 + torch.randn((1, n_hidden), generator=extra) * 0.1,
        "bnbias": torch.randn((1, n_hidden), generator=extra) * 0.1,
    }
    return {name: tensor.requires_grad_() for name, tensor in p.items()}, g


parts = split(lesson.words())
X_train, Y_train = build_dataset(parts["train"])
lesson.check("training examples", len(X_train))

p, g = new_parameters(n_hidden=64)
lesson.check("parameters of the check network", sum(map(torch.numel, p.values())))
batch = torch.randint(0, len(X_train), (BATCH,), generator=g)
X, Y = X_train[batch], Y_train[batch]  # (32, 3), (32,)

# %% [markdown]
# ## Forward, in steps small enough to differentiate
#
# BatchNorm is seven lines here and cross entropy seven more, so that each line has one simple
# derivative. The functions keep every intermediate result by name; the names are the lecture's.


# %%
def forward_to_logits(p: Named, X: Tensor) -> Named:
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


def forward_to_loss(t: Named, Y: Tensor) -> Tensor:
    t["logit_maxes"] = t["logits"].max(1, keepdim=True).values  # (32, 1)
    t["norm_logits"] = t["logits"] - t["logit_maxes"]  # at most 0: exp cannot overflow
    t["counts"] = t["norm_logits"].exp()  # (32, 27)
    t["counts_sum"] = t["counts"].sum(1, keepdim=True)  # (32, 1)
    t["counts_sum_inv"] = t["counts_sum"] ** -1
    t["probs"] = t["counts"] * t["counts_sum_inv"]  # (32, 27), rows sum to 1
    t["logprobs"] = t["probs"].log()
    return -t["logprobs"][torch.arange(len(Y)), Y].mean()


# %% [markdown]
# Autograd does its part once, as the answer sheet. `retain_grad` asks it to keep the gradients of
# the intermediate results, too; after that, `detach` leaves you the bare numbers.

# %%
t = forward_to_logits(p, X)
loss = forward_to_loss(t, Y)
for tensor in t.values():
    tensor.retain_grad()
loss.backward()
answers = {name: tensor.grad for name, tensor in (p | t).items()}
p, t = ({name: tensor.detach() for name, tensor in named.items()} for named in (p, t))

lesson.check("loss of the check network", loss.item())
apart = (loss - F.cross_entropy(t["logits"], Y)).abs().item()
lesson.check("cross entropy by hand against torch's, difference", apart)

# %% [markdown]
# The long way round gives the same loss as `F.cross_entropy` in one call. The lecture's loss is
# 3.3377, yours is 3.3444: the lecture draws `bngain` and `bnbias` without a seed.
#
# `compare` holds a gradient of yours against autograd's and prints the largest difference: 0 if
# they are equal, inf if the shape is another. Float32 keeps about seven digits, so a millionth of
# the largest gradient (or 1e-8, where that is nearly zero) is allowed for rounding.


# %%
def distance(gradient: Tensor, answer: Tensor) -> float:
    if not isinstance(gradient, Tensor) or gradient.shape != answer.shape:
        return torch.inf
    return (gradient - answer).abs().nan_to_num(torch.inf).max().item()


def compare(name: str, gradient: Tensor) -> bool:
    apart = distance(gradient, answers[name])
    right = apart <= max(1e-8, 1e-6 * answers[name].abs().max().item())
    said = f"{'right' if right else 'not yet'}, largest difference {apart:.1e}"
    print(f"d{name} -", "replace the dots, and run this cell again" if gradient is ... else said)
    return right


# %% [markdown]
# ## Exercise 1: every gradient, one operation at a time
#
# Go through the forward pass from the last line to the first and write down the gradient of each
# tensor: 26 in all, from `logprobs` to `C`. Begin with these four. The forward values are in `t`,
# the gradients that you build on in `answers`: `d_probs` needs `answers["logprobs"]`, `d_counts`
# needs `answers["probs"]`, `d_bndiff` needs those of `bnraw` and `bndiff2`. Mind that `counts` and
# `bndiff` are used twice.

# %% tags=["exercise"]
d_logprobs = ...  # (32, 27)
d_probs = ...  # (32, 27)
d_counts = ...  # (32, 27)
d_bndiff = ...  # (32, 64)

compare("logprobs", d_logprobs)
compare("probs", d_probs)
compare("counts", d_counts)
compare("bndiff", d_bndiff)

# %% [markdown] tags=["solution"]
# From the loss to the hidden layer. Only 32 of the 864 log-probabilities reach the loss, those of
# the right symbols, each with weight -1/32. `counts_sum_inv` (32, 1) is used for all 27 columns: a
# sum over them. `counts` goes into two lines: two gradients, added. For `logits = h @ W2 + b2` the
# shapes leave one choice, and the broadcast bias gets a sum. Where `h` is near -1 or 1,
# `1 - h ** 2` lets nothing through: the saturation of lesson 5.

# %% tags=["solution"]
n = BATCH
d = {"logprobs": torch.zeros_like(t["logprobs"])}  # (32, 27), then all others by name
d["logprobs"][torch.arange(n), Y] = -1 / n
d["probs"] = d["logprobs"] / t["probs"]  # log'(x) = 1 / x
d["counts_sum_inv"] = (d["probs"] * t["counts"]).sum(1, keepdim=True)  # (32, 1)
d["counts_sum"] = -(t["counts_sum"] ** -2) * d["counts_sum_inv"]  # (32, 1)
# counts: once from probs, once from the sum, which is broadcast back over the row
d["counts"] = d["probs"] * t["counts_sum_inv"] + d["counts_sum"]
d["norm_logits"] = d["counts"] * t["counts"]  # exp' is exp
d["logit_maxes"] = -d["norm_logits"].sum(1, keepdim=True)  # (32, 1)
# logits: directly, and where they were the maximum of their row
largest = F.one_hot(t["logits"].max(1).indices, V)
d["logits"] = d["norm_logits"] + largest * d["logit_maxes"]
d["h"] = d["logits"] @ p["W2"].T  # (32, 64)
d["W2"] = t["h"].T @ d["logits"]  # (64, 27)
d["b2"] = d["logits"].sum(0)  # (27,)
d["hpreact"] = (1 - t["h"] ** 2) * d["h"]  # (32, 64)

# %% [markdown] tags=["solution"]
# From there to the embedding. Gain, bias and inverse deviation (1, 64) were broadcast over the
# batch: sums over dimension 0. `bndiff` is used twice (in `bnraw` and in the variance), and so is
# `hprebn`. `view` moves no number, so backward it is `view` again. A row of `C` collects the
# gradients of all its places: `index_add_` adds 96 rows onto 27.

# %% tags=["solution"]
d["bngain"] = (d["hpreact"] * t["bnraw"]).sum(0, keepdim=True)  # (1, 64)
d["bnbias"] = d["hpreact"].sum(0, keepdim=True)  # (1, 64)
d["bnraw"] = d["hpreact"] * p["bngain"]  # (32, 64)
d["bnvar_inv"] = (d["bnraw"] * t["bndiff"]).sum(0, keepdim=True)  # (1, 64)
d["bnvar"] = -0.5 * (t["bnvar"] + EPS) ** -1.5 * d["bnvar_inv"]  # (1, 64)
d["bndiff2"] = (d["bnvar"] / (n - 1)).expand_as(t["bndiff2"])  # summed forward: broadcast
d["bndiff"] = d["bnraw"] * t["bnvar_inv"] + 2 * t["bndiff"] * d["bndiff2"]
d["bnmeani"] = -d["bndiff"].sum(0, keepdim=True)  # (1, 64)
d["hprebn"] = d["bndiff"] + d["bnmeani"] / n  # (32, 64)
d["embcat"] = d["hprebn"] @ p["W1"].T  # (32, 30)
d["W1"] = t["embcat"].T @ d["hprebn"]  # (30, 64)
d["b1"] = d["hprebn"].sum(0)  # (64,)
d["emb"] = d["embcat"].view(t["emb"].shape)  # (32, 3, 10)
d["C"] = torch.zeros_like(p["C"])  # (27, 10)
d["C"].index_add_(0, X.view(-1), d["emb"].view(-1, N_EMBD))

agreeing = [compare(name, gradient) for name, gradient in d.items()]
furthest = max(distance(gradient, answers[name]) for name, gradient in d.items())
lesson.check("gradients written by hand", len(agreeing))
lesson.check("gradients that agree with autograd's", sum(agreeing))
lesson.check("largest difference of all, in units of 1e-9", furthest * 1e9)

# %% [markdown]
# All 26 agree, most of those near the loss to the last bit. `b1` has no gradient but for rounding,
# since BatchNorm takes it out again. And a step moves only the embeddings of symbols that stand in
# some context of the batch: all other rows of `C` have a gradient of exactly zero.

# %%
print(f"largest gradient of b1: {d['b1'].abs().max():.1e}")
present = sorted(set(X.view(-1).tolist()))
moved = d["C"].abs().sum(1).nonzero().view(-1).tolist()
print("not moved:", " ".join(LETTERS[i] for i in range(V) if i not in moved))
lesson.check("the rows of C that move are those in the batch", moved == present)

# %% [markdown]
# ## Exercise 2: cross entropy in one go
#
# Many small steps led from `logits` to the loss. Find the gradient of the loss by the logits
# directly: write the loss of one example as a function of its 27 logits, on paper, simplify it, and
# take the derivative by one of them. Then write it for the whole batch, in one to three lines.


# %% tags=["exercise"]
def cross_entropy_gradient(logits: Tensor, Y: Tensor) -> Tensor:
    return ...  # your lines: (B, 27) and (B,) -> (B, 27)


compare("logits", cross_entropy_gradient(t["logits"].clone(), Y))

# %% [markdown] tags=["solution"]
# For one example with the right symbol y the loss is
# `-log(exp(l_y) / sum_j exp(l_j)) = log(sum_j exp(l_j)) - l_y`.
# The first term's derivative by `l_i` is `exp(l_i) / sum = prob_i`, the second's is -1 if i is y
# and 0 if not. So: the probabilities, with 1 taken from the right one, divided by the batch.


# %% tags=["solution"]
def cross_entropy_gradient(logits: Tensor, Y: Tensor) -> Tensor:
    gradient = F.softmax(logits, 1)  # (B, 27)
    gradient[torch.arange(len(Y)), Y] -= 1
    return gradient / len(Y)


dlogits = cross_entropy_gradient(t["logits"], Y)  # (32, 27)
apart = distance(dlogits, answers["logits"])
lesson.check("cross entropy in one go: largest difference, in units of 1e-9", apart * 1e9)

# %% [markdown]
# Every row of this gradient sums to zero: the right logit is pulled up, all others are pushed down,
# each in proportion to the probability that it wrongly got. A network that is already right pulls
# on nothing. In the picture one row is one example; brown is the pull, near -1/32 and so below the
# scale, violet are the pushes.

# %%
lesson.check("largest sum of a row of dlogits", dlogits.sum(1).abs().max().item())
figure = Figure(figsize=(7, 7), layout="constrained")
axes = figure.subplots()
limit = dlogits.max().item()  # the largest push; a pull is several times as strong
image = axes.imshow(dlogits.numpy(), cmap="PuOr", vmin=-limit, vmax=limit)
axes.set_xticks(range(V), list(LETTERS))
axes.set(xlabel="symbol", ylabel="example", title="Gradient by the logits: one pull, 26 pushes")
figure.colorbar(image, label="gradient (nats for a logit one higher)", shrink=0.8, extend="min")
lesson.show(figure, "dlogits")

# %% [markdown]
# ## Exercise 3: BatchNorm in one go
#
# The same for BatchNorm: from the gradient of its output `hpreact`, here called `dout`, straight to
# that of its input `hprebn`. Take one neuron, a column of n inputs: an input reaches the loss
# directly, through the mean, and through the variance. Add the three, and write the sum with
# `bnraw` and `bnvar_inv` in place of the inputs.


# %% tags=["exercise"]
def batchnorm_gradient(dout: Tensor, gain: Tensor, bnraw: Tensor, bnvar_inv: Tensor) -> Tensor:
    return ...  # your lines: dout and bnraw (B, C), gain and bnvar_inv (1, C) -> (B, C)


compare("hprebn", batchnorm_gradient(answers["hpreact"], p["bngain"], t["bnraw"], t["bnvar_inv"]))

# %% [markdown] tags=["solution"]
# The column has inputs x_1 ... x_n and outputs `r_i = (x_i - m) * s` before gain and bias; m is the
# mean, s = (variance + eps) ** -0.5. Let `e_i = gain * dout_i` be the gradient of `r_i`.
#
# - Directly: `s * e_i`. Through the mean, which every r_j subtracts: `-s * sum(e) / n`.
# - Through the variance. Its derivative by x_i is `2 * (x_i - m) / (n - 1)`, that of s by the
#   variance is `-s**3 / 2`, and s multiplies every r_j: `-s * r_i * sum(e * r) / (n - 1)`.
#
# Added up, that is one line: take from the gradient its mean, and its part along `r`. For shifting
# or stretching the whole batch changes no output, so no gradient may point that way.


# %% tags=["solution"]
def batchnorm_gradient(dout: Tensor, gain: Tensor, bnraw: Tensor, bnvar_inv: Tensor) -> Tensor:
    B = len(dout)
    along = bnraw * (dout * bnraw).sum(0) / (B - 1)
    return gain * bnvar_inv * (dout - dout.sum(0) / B - along)


dhprebn = batchnorm_gradient(d["hpreact"], p["bngain"], t["bnraw"], t["bnvar_inv"])
apart = distance(dhprebn, answers["hprebn"])
lesson.check("BatchNorm in one go: largest difference, in units of 1e-9", apart * 1e9)

# %% [markdown]
# ## Which variance?
#
# Dividing the squares by n gives the variance *of these 32 numbers*. Dividing by n - 1 (Bessel's
# correction) estimates the variance of *all* numbers that the 32 were drawn from. The paper and
# torch normalise by the first while they train. The lecture takes n - 1, and so do you here; with
# n, the n - 1 of the formula above becomes n.

# %%
x = t["hprebn"]
by_torch = F.batch_norm(x, None, None, training=True, eps=EPS)
for divisor, correction in (("n", 0), ("n - 1", 1)):
    deviation = (x.var(0, correction=correction) + EPS).sqrt()
    apart = distance((x - x.mean(0)) / deviation, by_torch)
    print(f"variance over {divisor:5}: torch's own BatchNorm is {apart:.1e} away")

# %% [markdown]
# ## Exercise 4: train without autograd
#
# Now the full-sized network, 200 hidden neurons and 12,297 parameters. Write its loss and its seven
# gradients as one function. With `cross_entropy_gradient` and `batchnorm_gradient` the backward
# pass is about ten lines, and the forward pass need keep only what these lines ask for.
#
# The check says how far the worst of the seven is from autograd's, `inf` if one is missing.


# %%
def furthest_of(found: tuple[Tensor, Named]) -> float:
    return max(distance(found[1].get(name), answer) for name, answer in by_autograd.items())


net, g = new_parameters(n_hidden=200)
lesson.check("parameters of the full-sized network", sum(map(torch.numel, net.values())))
forward_to_loss(forward_to_logits(net, X), Y).backward()
by_autograd = {name: tensor.grad for name, tensor in net.items()}
net = {name: tensor.detach() for name, tensor in net.items()}  # from here on without autograd


# %% tags=["exercise"]
def forward_backward(p: Named, X: Tensor, Y: Tensor) -> tuple[Tensor, Named]:
    return ...  # your lines: the loss, and a dict with the gradient of each parameter by name


found = forward_backward(net, X, Y)
check("gradients of the full-sized network: largest difference", furthest_of, found)

# %% [markdown] tags=["solution"]
# No tensor here asks for a gradient, so no graph is built: the function keeps what it needs itself.


# %% tags=["solution"]
def forward_backward(p: Named, X: Tensor, Y: Tensor) -> tuple[Tensor, Named]:
    embcat = p["C"][X].view(len(X), -1)  # (B, 30)
    hprebn = embcat @ p["W1"] + p["b1"]  # (B, n_hidden)
    var, mean = torch.var_mean(hprebn, 0, keepdim=True)  # (1, n_hidden), Bessel's
    bnvar_inv = (var + EPS) ** -0.5
    bnraw = (hprebn - mean) * bnvar_inv  # (B, n_hidden)
    h = torch.tanh(p["bngain"] * bnraw + p["bnbias"])
    logits = h @ p["W2"] + p["b2"]  # (B, 27)
    dlogits = cross_entropy_gradient(logits, Y)
    d = {"W2": h.T @ dlogits, "b2": dlogits.sum(0)}
    dhpreact = (1 - h**2) * (dlogits @ p["W2"].T)
    d["bngain"] = (dhpreact * bnraw).sum(0, keepdim=True)
    d["bnbias"] = dhpreact.sum(0, keepdim=True)
    dhprebn = batchnorm_gradient(dhpreact, p["bngain"], bnraw, bnvar_inv)
    d["W1"], d["b1"] = embcat.T @ dhprebn, dhprebn.sum(0)
    demb = (dhprebn @ p["W1"].T).view(-1, N_EMBD)  # (B * 3, 10)
    d["C"] = torch.zeros_like(p["C"]).index_add_(0, X.view(-1), demb)
    return F.cross_entropy(logits, Y), d


furthest = furthest_of(forward_backward(net, X, Y))
lesson.check("gradients of the full-sized network: largest difference", furthest)

# %% [markdown]
# The gradients of all seven tensors agree, so you may let autograd go: 200,000 steps of plain
# gradient descent, the rate ten times smaller for the second half.

# %%
steps = lesson.budget(200_000, 4_000)
losses = torch.empty(steps)
for step in range(steps):
    batch = torch.randint(0, len(X_train), (BATCH,), generator=g)
    losses[step], gradients = forward_backward(net, X_train[batch], Y_train[batch])
    for name, gradient in gradients.items():
        net[name].add_(gradient, alpha=-0.1 if step < steps // 2 else -0.01)
    if (step + 1) % (steps // 20) == 0:
        recent = losses[step + 1 - steps // 20 : step + 1].mean()
        print(f"step {step + 1:7,}: loss of the last {steps // 20:,} {recent:.4f}", flush=True)
lesson.check("loss at the start", losses[0].item())

# %% [markdown]
# ## Calibrate, measure
#
# To judge one name at a time BatchNorm needs a mean and a variance that do not come from a batch.
# As in lesson 6 you compute both once, over the whole training part, after training.

# %%
hprebn = net["C"][X_train].view(len(X_train), -1) @ net["W1"] + net["b1"]  # (N, 200)
var, mean = torch.var_mean(hprebn, 0, keepdim=True)  # (1, 200)
for part, x, y in (("train", X_train, Y_train), ("val", *build_dataset(parts["dev"]))):
    hprebn = net["C"][x].view(len(x), -1) @ net["W1"] + net["b1"]  # (N, 200)
    bnraw = (hprebn - mean) * (var + EPS) ** -0.5
    logits = torch.tanh(net["bngain"] * bnraw + net["bnbias"]) @ net["W2"] + net["b2"]
    loss = F.cross_entropy(logits, y).item()
    lesson.check(f"{part} loss after training by hand-made gradients", loss)

# %% [markdown]
# ## What you have now
#
# - A gradient has the shape of its tensor; broadcasting forward is a sum backward, and a sum
#   forward is broadcasting backward.
# - What cannot change the loss has gradient zero: the maximum that softmax subtracts, a bias
#   before BatchNorm, the mean and the scale of what goes into BatchNorm.
# - Written as one formula, cross entropy and BatchNorm have short gradients: fewer steps, less
#   memory, fewer places to be wrong. Libraries do the same in their fused kernels.
#
# Lesson 9 takes autograd back, and reads eight symbols in place of three.
