// Bag of words: the mean of all embeddings so far, and the last one (makemore/models/bow.py).

import { constant, normal, uniform } from "../initial";
import type { Kind } from "../network";
import { Tape } from "../tape";
import { type Level, PrefixNetwork } from "./prefixes";

class BagOfWords extends PrefixNetwork {
  protected readonly limited = true;
  protected readonly entrySize = this.options.n_embd as number; // the sum of the vectors so far

  protected extend(ids: Int32Array, before: Level, from: Int32Array, entries: Float32Array): Float32Array {
    const { memory, kernels } = this.engine;
    const width = this.entrySize;
    from.forEach((row, i) => {
      if (before.length) entries.set(before.entries.subarray(row * width, (row + 1) * width), i * width);
    });
    return memory.scope(() => {
      const tape = new Tape(this.engine);
      const symbol = tape.note("embedding embedding", tape.gather(this.weight("embedding.weight"), ids));
      const position = tape.note("position embedding", tape.gather(this.weight("position.weight"), ids.map(() => before.length)));
      const newest = tape.note("add", tape.add(symbol, position)); // (rows, n_embd)
      const total = tape.input(entries, ids.length, width);
      const x = tape.value(ids.length, width);
      kernels.running_mean(newest.at, total.at, x.at, entries.length, before.length + 1);
      entries.set(memory.floats(total.at, entries.length));
      tape.note("add", x);
      const hidden = tape.note("tanh", tape.tanh(this.linear(tape, "hidden", x)));
      const sum = tape.note("add", tape.add(x, this.linear(tape, "project", hidden)));
      return tape.output(this.linear(tape, "head", sum));
    });
  }
}

export const bow: Kind = {
  defaults: { n_embd: 64, n_hidden: 64, dropout: 0 },
  shapes(options, V, blockSize) {
    const { n_embd, n_hidden } = options as { n_embd: number; n_hidden: number };
    return {
      "embedding.weight": [V, n_embd], "position.weight": [blockSize, n_embd],
      "hidden.weight": [n_hidden, n_embd], "hidden.bias": [n_hidden],
      "project.weight": [n_embd, n_hidden], "project.bias": [n_embd],
      "head.weight": [V, n_embd], "head.bias": [V],
    };
  },
  initial(name, shape, options, random) {
    if (name === "embedding.weight" || name === "position.weight") return normal(shape, 1, random);
    if (name === "head.weight") return normal(shape, 0.01, random); // the first loss is near log V
    if (name === "head.bias") return constant(shape, 0);
    const fanIn = name.startsWith("hidden") ? options.n_embd : options.n_hidden;
    return uniform(shape, fanIn as number, random);
  },
  make: (...parts) => new BagOfWords(...parts),
};
