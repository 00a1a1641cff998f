// Sources: of each stage of a model its title, its dimensions, and the line of src/makemore/models that computes it.
//
// tests/web/test_inside.py holds each line to stand there to the letter, and every stage to stand here.

export interface Source { title: string; dims: string; file: string; line: string }

/** By file and line, the stages that the line computes: name | title | dimensions, where they are not T, n_embd. #: a number. */
const FILES: Record<string, Record<string, string[]>> = {
  bigram: {
    "return self.table(inputs)  # (B, T) -> (B, T, V)": ["table embedding | Logits: the row of the last symbol | T, V"],
  },
  mlp: {
    "x = self.embedding(inputs).flatten(1)  # (N, block * n_embd)": ["embedding embedding | Embeddings of the window | N, block_size, n_embd"],
    "x = torch.tanh(self.norm(self.hidden(x)))  # (N, n_hidden)": [
      "hidden linear | Before the tanh | N, n_hidden",
      "norm batch_norm | Before the tanh, normalised | N, n_hidden",
      "tanh | Hidden units | N, n_hidden",
    ],
    "return self.head(self.dropout(x))  # (N, V)": ["head linear | Logits | N, V"],
  },
  deep_mlp: {
    "x = self.embedding(inputs).flatten(1)  # (N, block * n_embd)": ["embedding embedding | Embeddings of the window | N, block_size, n_embd"],
    "x = torch.tanh(norm(layer(x)))  # (N, n_hidden)": [
      "layers.# linear | Layer #, before the tanh | N, n_hidden",
      "norms.# batch_norm | Layer #, normalised | N, n_hidden",
      "tanh | Layer #, hidden units | N, n_hidden",
    ],
    "return self.head_norm(self.head(x))  # (N, V)": [
      "head linear | Logits | N, V",
      "head_norm batch_norm | Logits, normalised | N, V",
    ],
  },
  wavenet: {
    "x = self.dropout(self.embedding(inputs))  # (B, T, n_embd)": ["embedding embedding | Embedding of the symbol"],
    "value, gate = self.gated(torch.cat([past, x], dim=-1)).chunk(2, dim=-1)": ["layers.#.gated linear | Layer #: values and gates | T, 2 * n_embd"],
    "z = torch.tanh(value) * torch.sigmoid(gate)  # (..., n_embd)": [
      "layers.# tanh | Layer #: values",
      "layers.# sigmoid | Layer #: gates",
      "layers.# mul | Layer #: what the gates let through",
    ],
    "return x + self.residual(z), self.skip(z)": [
      "layers.#.residual linear | Layer #: added to the stream",
      "layers.# add | The stream after layer #",
      "layers.#.skip linear | Layer #: to the end | T, n_skip",
    ],
    "x = torch.stack(skips).sum(0)  # (..., n_skip)": ["sum | Sum of all layers | T, n_skip"],
    "return self.head(self.dropout(F.relu(self.hidden(F.relu(x)))))  # (..., V)": [
      "relu | Hidden units, # of 2 | T, n_skip",
      "hidden linear | Between them | T, n_skip",
      "head linear | Logits | T, V",
    ],
  },
  bow: {
    "x = self.embedding(inputs) + self.position(positions)  # (B, T, n_embd)": [
      "embedding embedding | Embedding of the symbol",
      "position embedding | Embedding of the position",
      "add 1 | Both together",
    ],
    "x = x + total / count  # (..., n_embd)": ["add 2 | The newest and the mean of all"],
    "x = x + self.project(self.dropout(torch.tanh(self.hidden(x))))": [
      "hidden linear | Before the tanh | T, n_hidden",
      "tanh | Hidden units | T, n_hidden",
      "project linear | What they add",
      "add 3 | The sum",
    ],
    "return self.head(x)  # (..., V)": ["head linear | Logits | T, V"],
  },
  rnn: {
    "x = self.dropout(self.embedding(inputs))  # (B, T, n_embd)": ["embedding embedding | Embedding of the symbol"],
    "return torch.tanh(from_x + from_h)  # (B, n_hidden)": [
      "cells.# rnn_tanh | Layer #: hidden state | T, n_hidden",
      "cells rnn_tanh | Hidden state | T, n_hidden",
    ],
    "return self.head(self.dropout(x)), last.transpose(0, 1)": ["head linear | Logits | T, V"],
  },
  gru: {
    "x = self.dropout(self.embedding(inputs))  # (B, T, n_embd)": ["embedding embedding | Embedding of the symbol"],
    "r = torch.sigmoid(x_r + h_r)  # (B, n_hidden), reset gate": ["cells.# r | Layer #: reset gate | T, n_hidden"],
    "z = torch.sigmoid(x_z + h_z)  # (B, n_hidden), update gate": ["cells.# z | Layer #: update gate | T, n_hidden"],
    "n = torch.tanh(x_n + r * h_n)  # (B, n_hidden), the candidate": ["cells.# n | Layer #: candidate | T, n_hidden"],
    "return (1 - z) * n + z * h  # (B, n_hidden)": [
      "cells.# gru | Layer #: hidden state | T, n_hidden",
      "cells gru | Hidden state | T, n_hidden",
    ],
    "return self.head(self.dropout(x)), last.transpose(0, 1)": ["head linear | Logits | T, V"],
  },
  lstm: {
    "x = self.dropout(self.embedding(inputs))  # (B, T, n_embd)": ["embedding embedding | Embedding of the symbol"],
    "c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)  # (B, n_hidden)": [
      "cells.# f | Layer #: forget gate | T, n_hidden",
      "cells.# i | Layer #: input gate | T, n_hidden",
      "cells.# g | Layer #: candidate | T, n_hidden",
      "cells.# c | Layer #: cell | T, n_hidden",
    ],
    "return torch.sigmoid(o) * torch.tanh(c), c  # (B, n_hidden) each": [
      "cells.# o | Layer #: output gate | T, n_hidden",
      "cells.# lstm | Layer #: hidden state | T, n_hidden",
      "cells lstm | Hidden state | T, n_hidden",
    ],
    "return self.head(self.dropout(x)), (hidden.transpose(0, 1), cell.transpose(0, 1))": ["head linear | Logits | T, V"],
  },
  transformer: {
    "return self.dropout(self.embedding(inputs) + self.position(positions))": [
      "embedding embedding | Embedding of the symbol",
      "position embedding | Embedding of the position",
      "add | The stream begins",
    ],
    "return self.attend(self.norm_1(x)).view(*x.shape[:2], 3, self.n_head, -1)": [
      "blocks.#.norm_1 layer_norm | Block #: normalised for the heads",
      "blocks.#.attend linear | Block #: queries, keys, values | T, 3 * n_embd",
    ],
    "weights = torch.baddbmm(mask, q, k.mT, alpha=q.shape[-1] ** -0.5).softmax(-1)  # (.., T, S)": ["blocks.# softmax | Block #: attention | T, n_head, S"],
    "x = x + self.dropout(self.project(y.reshape(x.shape)))": [
      "blocks.#.project linear | Block #: what the heads found",
      "blocks.# add 1 | Block #: the stream with that",
    ],
    "wide = F.gelu(self.widen(self.norm_2(x)))  # (B, T, 4 * n_embd)": [
      "blocks.#.norm_2 layer_norm | Block #: normalised for the MLP",
      "blocks.#.widen linear | Block #: before the gelu | T, 4 * n_embd",
      "blocks.# gelu | Block #: hidden units | T, 4 * n_embd",
    ],
    "return x + self.dropout(self.narrow(wide))": [
      "blocks.#.narrow linear | Block #: what they add",
      "blocks.# add 2 | The stream after block #",
    ],
    "return self.head(self.norm(x))  # (B, T, V)": [
      "norm layer_norm | Normalised",
      "head linear | Logits | T, V",
    ],
  },
  ngram: {
    "rows *= self.backoff[contexts][:, None]": ["levels | Which length of context has how much say | N, 1 + order"],
  },
  "core/base": {
    "return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))": ["softmax | Probabilities | T, V"],
  },
};

const STREAM = "T, n_embd";

/** All sources by file and stage: layers.# stands for every layer. */
const SOURCES = new Map(Object.entries(FILES).flatMap(([file, lines]) => Object.entries(lines).flatMap(([line, stages]) => stages.map((each): [string, Source] => {
  const [name = "", title = "", dims = STREAM] = each.split(" | ");
  return [`${file} ${name}`, { title, dims, file: `${file}.py`, line }];
}))));

/** Find the source of a stage of a model. Null for a stage that is not in the table. */
export function sourceOf(kind: string, name: string): Source | null {
  const layered = name.replace(/\.\d+/, ".#"), number = /\.(\d+)/.exec(name)?.[1], last = / (\d+)$/.exec(name)?.[1];
  const found = [kind, "core/base"].flatMap((file) => [layered, layered.replace(/ \d+$/, "")].map((key) => SOURCES.get(`${file} ${key}`)));
  const source = found.find((each) => each !== undefined);
  const dims = /^(mlp|deep_mlp|ngram)$/.test(kind) ? source?.dims.replace(/^T/, "N") : source?.dims; // N: windows
  return source && dims ? { ...source, dims, title: source.title.replace("#", number ? String(Number(number) + 1) : last ?? "1") } : null;
}

/** List all lines with their files, for the test. */
export function allLines(): [file: string, line: string][] {
  return [...SOURCES.values()].map(({ file, line }) => [file, line]);
}
