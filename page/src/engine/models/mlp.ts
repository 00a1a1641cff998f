// MLP: symbols become points, a hidden layer reads a window of them (makemore/models/mlp.py).

import { batchNormShapes, folded } from "../batch_norm";
import { constant, normal, uniform } from "../initial";
import type { Kind } from "../network";
import type { Tape, Value } from "../tape";
import { WindowNetwork } from "./window";

class MLP extends WindowNetwork {
  override readonly canLearn = !this.options.batch_norm;

  forward(tape: Tape, inputs: Int32Array): Value {
    const N = inputs.length / this.spec.blockSize;
    // The embeddings side by side, not their sum: each position has weights of its own.
    let x = this.embedded(tape, inputs, N);
    x = tape.note("tanh", tape.tanh(this.linear(tape, "hidden", x, "norm"))); // (N, n_hidden)
    return this.linear(tape, "head", tape.dropout(x, this.options.dropout as number)); // (N, V)
  }
}

export const mlp: Kind = {
  defaults: { n_embd: 10, n_hidden: 200, batch_norm: false, dropout: 0, gain: 5 / 3, head_scale: 0.01 },
  shapes(options, V, blockSize) {
    const { n_embd, n_hidden } = options as { n_embd: number; n_hidden: number };
    return {
      "embedding.weight": [V, n_embd],
      "hidden.weight": [n_hidden, blockSize * n_embd],
      ...(options.batch_norm ? batchNormShapes("norm", n_hidden) : { "hidden.bias": [n_hidden] }),
      "head.weight": [V, n_hidden], "head.bias": [V],
    };
  },
  initial(name, shape, options, random) {
    const fanIn = shape[1] ?? 1;
    if (name === "embedding.weight") return normal(shape, 1, random);
    // Kaiming: the tanh's inputs start at a deviation of `gain` for any window.
    if (name === "hidden.weight") return normal(shape, (options.gain as number) / fanIn ** 0.5, random);
    if (name === "hidden.bias") return uniform(shape, (options.block_size as number) * (options.n_embd as number), random);
    // A small head starts near uniform: the first loss is near log V.
    if (name === "head.weight") return normal(shape, options.head_scale as number, random);
    return constant(shape, name === "norm.weight" || name === "norm.running_var" ? 1 : 0);
  },
  make(engine, spec, options, tensors) {
    const loaded = options.batch_norm ? folded(tensors, [["hidden", "norm"]]) : tensors;
    return new MLP(engine, spec, options, tensors, loaded);
  },
};
