// Networks that read a window of the last blockSize symbols: their state is that window.

import type { State } from "../../contract";
import { appended, concatenated } from "../../growing";
import { Network } from "../network";
import { reshaped, Tape, type Value } from "../tape";

/** The last inputs of each line (rows, blockSize); with labels, the first column is the label. */
interface Windows {
  ids: Int32Array;
}

export abstract class WindowNetwork extends Network {
  readonly inputKind = "window";

  /** Windows (N, blockSize) -> logits (N, V). */
  abstract forward(tape: Tape, inputs: Int32Array): Value;

  /** The embeddings of each of N windows side by side -> (N, blockSize * n_embd). */
  protected embedded(tape: Tape, inputs: Int32Array, N: number): Value {
    const table = this.weight("embedding.weight"), { blockSize } = this.spec;
    const x = reshaped(tape.gather(table, inputs), N, blockSize * table.width);
    return tape.note("embedding embedding", x, [blockSize, table.width]);
  }

  begin(rows: number): State {
    return { ids: new Int32Array(rows * this.spec.blockSize) } satisfies Windows;
  }

  protected stepRows(ids: Int32Array, state: State, from: Int32Array): { logits: Float32Array; state: State } {
    const windows = this.moved(ids, (state as Windows).ids, from);
    const logits = this.engine.memory.scope(() => {
      const tape = new Tape(this.engine);
      return tape.output(this.forward(tape, windows));
    });
    return { logits, state: { ids: windows } satisfies Windows };
  }

  protected joined(states: State[]): State {
    return { ids: concatenated((states as Windows[]).map(({ ids }) => ids)) } satisfies Windows;
  }

  append(state: State, rows: number, more: State): State {
    const windows = state as Windows;
    windows.ids = appended(windows.ids, rows * this.spec.blockSize, (more as Windows).ids);
    return windows;
  }

  // The oldest symbol leaves on the left, the newest comes in on the right.
  private moved(ids: Int32Array, before: Int32Array, from: Int32Array): Int32Array {
    const { blockSize, vocabSize, nLabels } = this.spec;
    const windows = new Int32Array(ids.length * blockSize);
    ids.forEach((id, row) => {
      const [old, at] = [from[row]! * blockSize, row * blockSize];
      const isLabel = id >= vocabSize;
      windows.set(before.subarray(old + 1, old + blockSize), at);
      // In a label's stead the line starts with the boundary; the label stays in the first column.
      windows[at + blockSize - 1] = isLabel ? 0 : id;
      if (nLabels) windows[at] = isLabel ? id : before[old]!;
    });
    return windows;
  }
}
