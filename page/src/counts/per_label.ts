// Per-label counts: one n-gram for each label; nothing is shared between them (models/core/label_counts.py).

import type { Model, ModelSpec, Table, Tensors } from "../contract";
import { appended } from "../growing";
import { NGram } from "./ngram";
import { fits } from "./ngram_table";

export class PerLabelCounts implements Model {
  private allStates: Table | null = null;

  constructor(readonly spec: ModelSpec, readonly tables: readonly NGram[]) {}

  /** Count the lines of each label. labels: (n_lines,) their ids, from V on. */
  static fit(spec: ModelSpec, ids: Int32Array, offsets: Int32Array, labels: Int32Array): PerLabelCounts {
    const tables = Array.from({ length: spec.nLabels }, (_, index) => {
      const chosen = [...labels.keys()].filter((line) => labels[line] === spec.vocabSize + index);
      const parts = chosen.map((line) => ids.subarray(offsets[line], offsets[line + 1]));
      const own = new Int32Array(parts.length + 1);
      parts.forEach((part, i) => (own[i + 1] = (own[i] as number) + part.length));
      const flat = new Int32Array(own.at(-1) as number);
      parts.forEach((part, i) => flat.set(part, own[i]));
      return NGram.fit(ofOneLabel(spec), flat, own);
    });
    return new PerLabelCounts(spec, tables);
  }

  /** Load what `tensors` gives: "0.counts" are the counts of the first label. */
  static of(spec: ModelSpec, tensors: Tensors): PerLabelCounts {
    return new PerLabelCounts(spec, Array.from({ length: spec.nLabels }, (_, index) => NGram.of(ofOneLabel(spec), below(tensors, `${index}.`))));
  }

  begin(rows: number): Int32Array {
    return new Int32Array(rows * this.spec.blockSize); // windows; the first column is the label, and stays
  }

  step(ids: Int32Array, state: unknown, from: Int32Array): { logits: Float64Array; state: Int32Array } {
    const { vocabSize: V, blockSize: width } = this.spec;
    const before = state as Int32Array;
    const windows = new Int32Array(ids.length * width);
    const logits = new Float64Array(ids.length * V).fill(-Math.log(V)); // without a label nothing was counted
    ids.forEach((id, row) => {
      const old = (from[row] as number) * width;
      const here = row * width;
      windows.set(before.subarray(old + 2, old + width), here + 1);
      windows[here] = id >= V ? id : (before[old] as number);
      if (width > 1) windows[here + width - 1] = id >= V ? 0 : id; // a label stands in place of the boundary
      const table = this.tables[(windows[here] as number) - V];
      if (table) logits.set(table.logs(windows.subarray(here + 1, here + width)), row * V);
    });
    return { logits, state: windows };
  }

  append(state: unknown, rows: number, more: unknown): Int32Array {
    return appended(state as Int32Array, rows * this.spec.blockSize, more as Int32Array);
  }

  tabulates(): boolean {
    return fits(this.tables.reduce((sum, table) => sum + table.states, 0), this.spec.vocabSize);
  }

  get tabulated(): boolean {
    return this.allStates !== null;
  }

  /** All states, computed once; null if they are too many. */
  table(): Table | null {
    this.allStates ??= this.tableOfAll();
    return this.allStates;
  }

  /** The labels' tables one after another. */
  private tableOfAll(): Table | null {
    const V = this.spec.vocabSize;
    if (!this.tabulates()) return null;
    const parts = this.tables.map((table) => table.table());
    if (parts.includes(null)) return null; // counts that are not those of lines
    const states = parts.reduce((sum, part) => sum + (part as Table).states, 0);
    const whole: Table = { states, logs: new Float64Array(states * V), after: new Int32Array(states * V), start: new Map() };
    let first = 0; // where the states of a label begin: labels never mix
    parts.forEach((part, index) => {
      const table = part as Table;
      whole.logs.set(table.logs, first * V);
      whole.after.set(table.after.map((state) => state + first), first * V);
      whole.start.set(V + index, first + (table.start.get(0) as number));
      first += table.states;
    });
    return whole;
  }

  get nParameters(): number {
    return this.tables.reduce((sum, table) => sum + table.nParameters, 0);
  }

  tensors(): Tensors {
    return new Map(this.tables.flatMap((table, index) => [...table.tensors()].map(([name, tensor]) => [`${index}.${name}`, tensor] as const)));
  }
}

/** The spec of one label's n-gram: its windows have no column of labels. */
function ofOneLabel(spec: ModelSpec): ModelSpec {
  return { ...spec, nLabels: 0, blockSize: spec.blockSize - 1 };
}

/** The tensors whose names begin like this, without that beginning. */
export function below(tensors: Tensors, beginning: string): Tensors {
  return new Map([...tensors].filter(([name]) => name.startsWith(beginning)).map(([name, tensor]) => [name.slice(beginning.length), tensor]));
}
