// Transformer: blocks of attention over all earlier symbols (makemore/models/transformer.py).

import { constant, normal } from "../initial";
import type { Kind } from "../network";
import { Tape, type Value } from "../tape";
import { type Level, levels, PrefixNetwork } from "./prefixes";

class Transformer extends PrefixNetwork {
  override readonly canLearn = true;
  protected readonly limited = true;
  private readonly width = this.options.n_embd as number;
  private readonly depth = this.options.n_layer as number;
  private readonly heads = this.options.n_head as number;
  protected readonly entrySize = 2 * this.width * this.depth; // keys and values of every block

  /** Lines (lines, T), each from its start -> logits (lines * T, V). */
  forward(tape: Tape, inputs: Int32Array, lines: number): Value {
    const T = inputs.length / lines;
    if (T > this.spec.blockSize) throw new RangeError(`${T} inputs are more than block_size ${this.spec.blockSize}`);
    return this.blocks(tape, inputs, inputs.map((_, i) => i % T), (qkv, block) => tape.attention(qkv, lines, this.heads, `blocks.${block} softmax`));
  }

  /** All positions at once: a step keeps no weights of attention. */
  override walk(ids: Int32Array, next: () => void): void {
    next();
    this.engine.memory.scope(() => this.forward(new Tape(this.engine), ids, 1));
  }

  protected extend(ids: Int32Array, before: Level, from: Int32Array, entries: Float32Array): Float32Array {
    const { memory, kernels } = this.engine;
    const [past, stride, size] = [before.length, this.entrySize, this.width / this.heads];
    return memory.scope(() => {
      const tape = new Tape(this.engine);
      const cache = memory.take(ids.length * (past + 1) * stride);
      const weights = memory.take(past + 1);
      for (const { level, rows } of levels(before, from)) {
        for (let i = 0; i < rows.length; i++) {
          const place = (cache >> 2) + (i * (past + 1) + level.length - 1) * stride;
          memory.f32.set(level.entries.subarray(rows[i]! * stride, (rows[i]! + 1) * stride), place);
        }
      }
      const attend = (qkv: Value, block: number) => {
        const y = tape.value(ids.length, this.width);
        const offset = 2 * this.width * block;
        kernels.attend(qkv.at, cache, weights, y.at, ids.length, past, stride, offset, this.heads, size);
        return y;
      };
      const logits = tape.output(this.blocks(tape, ids, ids.map(() => past), attend));
      for (let i = 0; i < ids.length; i++) { // what the blocks wrote at the last position
        const place = (cache >> 2) + (i * (past + 1) + past) * stride;
        entries.set(memory.f32.subarray(place, place + stride), i * stride);
      }
      return logits;
    });
  }

  // attend: what the heads find, of queries, keys and values (rows, 3 * n_embd) -> (rows, n_embd).
  private blocks(
    tape: Tape, inputs: Int32Array, positions: Int32Array, attend: (qkv: Value, block: number) => Value,
  ): Value {
    const share = this.options.dropout as number;
    const symbols = tape.note("embedding embedding", tape.gather(this.weight("embedding.weight"), inputs));
    const places = tape.note("position embedding", tape.gather(this.weight("position.weight"), positions));
    let x = tape.dropout(tape.note("add", tape.add(symbols, places)), share);
    for (let block = 0; block < this.depth; block++) {
      const name = `blocks.${block}`;
      const y = attend(this.linear(tape, `${name}.attend`, this.norm(tape, `${name}.norm_1`, x)), block);
      x = tape.note(`${name} add`, tape.add(x, tape.dropout(this.linear(tape, `${name}.project`, y), share)));
      const wide = tape.note(`${name} gelu`, tape.gelu(this.linear(tape, `${name}.widen`, this.norm(tape, `${name}.norm_2`, x))));
      x = tape.note(`${name} add`, tape.add(x, tape.dropout(this.linear(tape, `${name}.narrow`, wide), share)));
    }
    return this.linear(tape, "head", this.norm(tape, "norm", x)); // (rows, V)
  }

  private norm(tape: Tape, name: string, x: Value): Value {
    return tape.note(`${name} layer_norm`, tape.layernorm(x, this.weight(`${name}.weight`), this.weight(`${name}.bias`)));
  }
}

export const transformer: Kind = {
  defaults: { n_layer: 4, n_head: 4, n_embd: 64, dropout: 0.1 },
  shapes(options, V, blockSize) {
    const { n_embd: C, n_layer, n_head } = options as { n_embd: number; n_layer: number; n_head: number };
    if (C % n_head) throw new Error(`n_embd ${C} cannot be divided among n_head ${n_head}`);
    const shapes: Record<string, number[]> = { "embedding.weight": [V, C], "position.weight": [blockSize, C] };
    const pair = (name: string, ...shape: number[]) => {
      shapes[`${name}.weight`] = shape;
      shapes[`${name}.bias`] = [shape[0]!];
    };
    for (let block = 0; block < n_layer; block++) {
      pair(`blocks.${block}.norm_1`, C);
      pair(`blocks.${block}.attend`, 3 * C, C);
      pair(`blocks.${block}.project`, C, C);
      pair(`blocks.${block}.norm_2`, C);
      pair(`blocks.${block}.widen`, 4 * C, C);
      pair(`blocks.${block}.narrow`, C, 4 * C);
    }
    pair("norm", C);
    return { ...shapes, "head.weight": [V, C] };
  },
  initial(name, shape, options, random) {
    if (shape.length === 1) return constant(shape, name.endsWith("bias") ? 0 : 1);
    // What adds to the stream is scaled down by the number of additions (GPT-2).
    const adds = /(project|narrow)\.weight$/.test(name);
    return normal(shape, adds ? 0.02 / (2 * (options.n_layer as number)) ** 0.5 : 0.02, random);
  },
  make: (...parts) => new Transformer(...parts),
};
