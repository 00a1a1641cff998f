// WaveNet: dilated convolutions, each layer looking twice as far back (makemore/models/wavenet.py).

import { constant, normal, uniform } from "../initial";
import type { Kind } from "../network";
import { noteGated } from "../gates";
import { Tape, type Value } from "../tape";
import { type Level, levels, PrefixNetwork } from "./prefixes";

/** 1, 2, 4, ... until all layers together see blockSize symbols. */
function dilationsFor(blockSize: number): number[] {
  const dilations = [1];
  for (let sum = 1; 1 + sum < blockSize; sum += dilations.at(-1)!) dilations.push(2 * dilations.at(-1)!);
  return dilations;
}

class WaveNet extends PrefixNetwork {
  protected readonly limited = false; // zeros stand before the start, and no positions are learned
  private readonly width = this.options.n_embd as number;
  private readonly dilations = dilationsFor(this.spec.blockSize);
  protected readonly entrySize = this.width * this.dilations.length; // the input of every layer

  protected extend(ids: Int32Array, before: Level, from: Int32Array, entries: Float32Array): Float32Array {
    const { memory, kernels } = this.engine;
    return memory.scope(() => {
      const tape = new Tape(this.engine);
      const pairs = this.pasts(tape, before, from);
      let x = tape.note("embedding embedding", tape.gather(this.weight("embedding.weight"), ids)); // (rows, n_embd)
      let sum: Value | null = null; // of the skip outputs
      for (let layer = 0; layer < this.dilations.length; layer++) {
        this.keep(x, pairs[layer]!, entries, layer);
        const z = tape.value(ids.length, this.width);
        const gated = this.linear(tape, `layers.${layer}.gated`, pairs[layer]!);
        kernels.gate(gated.at, z.at, z.rows, z.width);
        noteGated(tape, layer, gated);
        tape.note(`layers.${layer} mul`, z);
        // Nothing reads the stream after the last layer.
        if (layer < this.dilations.length - 1) x = tape.note(`layers.${layer} add`, tape.add(x, this.linear(tape, `layers.${layer}.residual`, z)));
        const skip = this.linear(tape, `layers.${layer}.skip`, z);
        sum = sum ? tape.add(sum, skip) : skip;
      }
      const read = tape.note("relu", tape.relu(tape.note("sum", sum!)));
      const hidden = tape.note("relu", tape.relu(this.linear(tape, "hidden", read)));
      return tape.output(this.linear(tape, "head", hidden));
    });
  }

  // The pairs (rows, 2 * n_embd) that the layers convolve: on the left, the layer's input a dilation ago.
  private pasts(tape: Tape, before: Level, from: Int32Array): Value[] {
    const { width } = this;
    const pairs = this.dilations.map(() => tape.input(new Float32Array(from.length * 2 * width), from.length, 2 * width));
    const { f32 } = this.engine.memory; // after the last block is taken: taking may grow the memory
    let back = 1;
    for (const { level, rows } of levels(before, from)) {
      const layer = this.dilations.indexOf(back);
      if (layer >= 0) {
        rows.forEach((row, i) => {
          const at = row * this.entrySize + layer * width;
          f32.set(level.entries.subarray(at, at + width), (pairs[layer]!.at >> 2) + i * 2 * width);
        });
      }
      if (back++ === this.dilations.at(-1)) break;
    }
    return pairs;
  }

  // The layer's input x goes to the right of the pairs, and to what the level keeps.
  private keep(x: Value, pairs: Value, entries: Float32Array, layer: number): void {
    const { f32 } = this.engine.memory;
    for (let i = 0; i < x.rows; i++) {
      const vector = f32.subarray((x.at >> 2) + i * this.width, (x.at >> 2) + (i + 1) * this.width);
      f32.set(vector, (pairs.at >> 2) + (2 * i + 1) * this.width);
      entries.set(vector, i * this.entrySize + layer * this.width);
    }
  }
}

export const wavenet: Kind = {
  defaults: { n_embd: 64, n_skip: 128, dropout: 0.2 },
  shapes(options, V, blockSize) {
    const { n_embd, n_skip } = options as { n_embd: number; n_skip: number };
    const shapes: Record<string, number[]> = { "embedding.weight": [V, n_embd] };
    const linear = (name: string, out: number, inn: number) => {
      shapes[`${name}.weight`] = [out, inn];
      shapes[`${name}.bias`] = [out];
    };
    const count = dilationsFor(blockSize).length;
    for (let layer = 0; layer < count; layer++) {
      linear(`layers.${layer}.gated`, 2 * n_embd, 2 * n_embd);
      if (layer < count - 1) linear(`layers.${layer}.residual`, n_embd, n_embd);
      linear(`layers.${layer}.skip`, n_skip, n_embd);
    }
    linear("hidden", n_skip, n_skip);
    linear("head", V, n_skip);
    return shapes;
  },
  initial(name, shape, options, random) {
    if (name === "embedding.weight") return normal(shape, 1, random);
    if (name === "head.weight") return normal(shape, 0.01, random); // the first loss is near log V
    if (name === "head.bias") return constant(shape, 0);
    const width = options.n_embd as number;
    const fanIn = name.startsWith("hidden") ? (options.n_skip as number) : name.includes("gated") ? 2 * width : width;
    return uniform(shape, fanIn, random);
  },
  make: (...parts) => new WaveNet(...parts),
};
