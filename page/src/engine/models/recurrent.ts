// Networks whose state is a vector a layer, which each symbol updates: rnn, gru and lstm.

import type { State } from "../../contract";
import { appended, concatenated } from "../../growing";
import { constant, normal, uniform } from "../initial";
import { type Kind, Network, type Options } from "../network";
import { rowsOf, Tape, type Value } from "../tape";

/** The vectors of all layers, side by side: (rows, n_layer * n_hidden), of each part of the state. */
interface Vectors {
  parts: Float32Array[];
}

export abstract class RecurrentNetwork extends Network {
  readonly inputKind = "sequence";
  /** Names of the tensors that a line starts from: `start`, and for an LSTM also `start_cell`. */
  protected readonly starts: string[] = ["start"];

  /** The function of torch that computes all steps of all layers. */
  protected abstract readonly torchName: string;

  protected readonly layers = this.options.n_layer as number;
  protected readonly width = this.options.n_hidden as number;

  /** The layer's state after a symbol: x (rows, gates * n_hidden) of the input -> its parts. */
  protected abstract cell(tape: Tape, layer: number, x: Value, before: Value[], after?: Value): Value[];

  /** What the layer's linear makes of its input, for all gates at once. */
  protected fromInput(tape: Tape, layer: number, x: Value): Value {
    return tape.linear(x, this.weight(`cells.weight_ih_l${layer}`), this.weight(`cells.bias_ih_l${layer}`));
  }

  protected fromState(tape: Tape, layer: number, h: Value): Value {
    return tape.linear(h, this.weight(`cells.weight_hh_l${layer}`), this.weight(`cells.bias_hh_l${layer}`));
  }

  begin(rows: number): State {
    const size = this.layers * this.width;
    const parts = this.starts.map((name) => {
      const start = this.engine.memory.floats(this.weight(name).at, size);
      const all = new Float32Array(rows * size);
      for (let row = 0; row < rows; row++) all.set(start, row * size);
      return all;
    });
    return { parts } satisfies Vectors;
  }

  protected stepRows(ids: Int32Array, state: State, from: Int32Array): { logits: Float32Array; state: State } {
    const rows = ids.length;
    const next = (state as Vectors).parts.map(() => new Float32Array(rows * this.layers * this.width));
    const logits = this.engine.memory.scope(() => {
      const tape = new Tape(this.engine);
      let x = tape.note("embedding embedding", tape.gather(this.weight("embedding.weight"), ids)); // (rows, n_embd)
      for (let layer = 0; layer < this.layers; layer++) {
        const before = (state as Vectors).parts.map((part) => this.selected(tape, part, from, layer));
        const after = this.cell(tape, layer, this.fromInput(tape, layer, x), before);
        after.forEach((part, index) => this.put(part, next[index]!, layer));
        const name = layer < this.layers - 1 ? `cells.${layer}` : "cells"; // torch shows the last layer's alone
        x = tape.note(`${name} ${this.torchName}`, after[0]!); // (rows, n_hidden): h is what the next layer reads
      }
      return tape.output(this.linear(tape, "head", x)); // (rows, V)
    });
    return { logits, state: { parts: next } satisfies Vectors };
  }

  protected joined(states: State[]): State {
    return { parts: this.starts.map((_, index) => concatenated((states as Vectors[]).map(({ parts }) => parts[index]!))) } satisfies Vectors;
  }

  append(state: State, rows: number, more: State): State {
    const vectors = state as Vectors, size = this.layers * this.width;
    vectors.parts = vectors.parts.map((part, index) => appended(part, rows * size, (more as Vectors).parts[index]!));
    return vectors;
  }

  // The states of one layer, of the rows that the lines go on from.
  private selected(tape: Tape, part: Float32Array, from: Int32Array, layer: number): Value {
    const { memory } = this.engine;
    const value = tape.value(from.length, this.width);
    from.forEach((row, i) => {
      const at = (row * this.layers + layer) * this.width;
      memory.f32.set(part.subarray(at, at + this.width), (value.at >> 2) + i * this.width);
    });
    return value;
  }

  private put(value: Value, part: Float32Array, layer: number): void {
    const from = this.engine.memory.floats(value.at, value.rows * this.width);
    for (let row = 0; row < value.rows; row++) {
      part.set(from.subarray(row * this.width, (row + 1) * this.width), (row * this.layers + layer) * this.width);
    }
  }

  /** Lines (lines, T) from their start -> logits (lines * T, V). Only for states of one part. */
  forward(tape: Tape, inputs: Int32Array, lines: number): Value {
    const T = inputs.length / lines;
    const share = this.options.dropout as number;
    // Position after position: what a step computes is then one block of rows.
    const turned = Int32Array.from(inputs, (_, i) => inputs[(i % lines) * T + Math.floor(i / lines)]!);
    let x = tape.dropout(tape.gather(this.weight("embedding.weight"), turned), share); // (T * lines, n_embd)
    for (let layer = 0; layer < this.layers; layer++) {
      const from = this.fromInput(tape, layer, x);
      const all = tape.value(T * lines, this.width);
      let h = tape.gather(rowsOf(this.weight("start"), layer, 1), new Int32Array(lines));
      for (let t = 0; t < T; t++) {
        h = this.cell(tape, layer, rowsOf(from, t * lines, lines), [h], rowsOf(all, t * lines, lines))[0]!;
      }
      x = all;
    }
    const back = Int32Array.from(inputs, (_, i) => (i % T) * lines + Math.floor(i / T));
    return this.linear(tape, "head", tape.gather(tape.dropout(x, share), back)); // (lines * T, V)
  }
}

/** Make the kind of a network whose cells have so many gates. */
export function recurrent(gates: number, starts: string[], make: Kind["make"]): Kind {
  return {
    defaults: { n_embd: 64, n_hidden: 128, n_layer: 1, dropout: 0.2 },
    shapes(options, V) {
      const { n_embd, n_hidden, n_layer } = options as { n_embd: number; n_hidden: number; n_layer: number };
      // torch's order: parameters of the module itself come before those of its parts.
      const shapes: Record<string, number[]> = {};
      for (const start of starts) shapes[start] = [1, n_layer, n_hidden];
      shapes["embedding.weight"] = [V, n_embd];
      for (let layer = 0; layer < n_layer; layer++) {
        shapes[`cells.weight_ih_l${layer}`] = [gates * n_hidden, layer ? n_hidden : n_embd];
        shapes[`cells.weight_hh_l${layer}`] = [gates * n_hidden, n_hidden];
        shapes[`cells.bias_ih_l${layer}`] = [gates * n_hidden];
        shapes[`cells.bias_hh_l${layer}`] = [gates * n_hidden];
      }
      return { ...shapes, "head.weight": [V, n_hidden], "head.bias": [V] };
    },
    initial(name: string, shape: number[], options: Options, random) {
      if (name === "embedding.weight") return normal(shape, 1, random);
      if (name.startsWith("cells.")) return uniform(shape, options.n_hidden as number, random);
      if (name === "head.weight") return normal(shape, 0.01, random); // the first loss is near log V
      return constant(shape, 0);
    },
    make,
  };
}
