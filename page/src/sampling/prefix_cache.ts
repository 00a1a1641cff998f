// Prefix cache: a model's answers for each prefix, so that none is computed twice (sampling/prefix_tree.py). Filters
// and conditions do not change them, so the draws of one model share a cache: whoever moves a slider asks for mostly
// the same prefixes again.

import type { Model, State } from "../contract";
import { appended } from "../growing";
import { logSoftmax } from "../counts/log_softmax";

// Bounds of what is kept: prefixes, each with a state (2 kB of a transformer of 4 x 64), and log-probabilities (16 MB).
const MOST_KEPT = 2 ** 12;
const MOST_CELLS = 2 ** 21;
const MOST_TOGETHER = 2048; // rows of one call of a model

/** Answers for prefixes of one length, a row each: `size` kept ones, then those of the last step. */
export class CacheLevel {
  readonly children = new Map<number, number>(); // row of the prefix before * inputs + input -> row here
  logs = new Float64Array(0); // (room, V) log-probabilities of the next symbol in nats, before filters
  size = 0;
  private state: State = null; // of the kept rows
  private loose: { state: State; row: number }[] = []; // of the others: a model's state, and the row there

  constructor(private readonly model: Model, readonly V = model.spec.vocabSize) {}

  /** The level before all inputs, from which all prefixes are stepped. */
  static empty(model: Model): CacheLevel {
    const level = new CacheLevel(model);
    level.state = model.begin(1);
    level.size = 1;
    return level;
  }

  /** How many rows there are, those not kept included. */
  get rows(): number {
    return this.size + this.loose.length;
  }

  /** Where a model goes on from a row. */
  at(row: number): { state: State; row: number } {
    return row < this.size ? { state: this.state, row } : this.loose[row - this.size]!;
  }

  /** Take the answers of a step of n rows, behind all that are here; their states are put together with those kept, or loose. */
  add(logits: ArrayLike<number>, n: number, state: State, keep: boolean): void {
    const { V } = this, first = this.rows;
    const logs = new Float64Array(n * V);
    for (let i = 0; i < n; i++) logSoftmax(logits, i * V, V, logs, i * V);
    this.logs = appended(this.logs, first * V, logs);
    const joined = keep ? this.joined(state) : null;
    if (joined === null) for (let row = 0; row < n; row++) this.loose.push({ state, row });
    else {
      this.state = joined.state;
      this.size += n;
    }
  }

  // Rows are kept in their order: none can be once one was not.
  private joined(more: State): { state: State } | null {
    if (this.loose.length) return null;
    if (!this.size) return { state: more };
    const state = this.model.append?.(this.state, this.size, more) ?? null;
    return state === null ? null : { state };
  }

  /** Drop the rows that are not kept: they are many, and their states large. */
  forget(): void {
    this.loose = [];
  }
}

/** Computes each prefix once with a model, as long as there is room to keep the answers. */
export class PrefixCache {
  private readonly levels = new Map<number, CacheLevel>(); // number of inputs -> level
  private readonly most: number;
  private readonly base: number; // inputs: symbols, the boundary, labels
  private kept = 0;

  constructor(readonly model: Model) {
    const { vocabSize, nLabels } = model.spec;
    this.base = vocabSize + nLabels;
    this.most = Math.min(MOST_KEPT, Math.floor(MOST_CELLS / vocabSize));
  }

  /** Whether nothing has been asked yet. */
  get isEmpty(): boolean {
    return this.kept === 0;
  }

  /** Whether it keeps no more: then another one serves later draws better. */
  get isFull(): boolean {
    return this.kept >= this.most;
  }

  /** Read first inputs: the boundary, or labels. */
  begin(inputs: Int32Array): { level: CacheLevel; rows: Int32Array } {
    if (!this.levels.has(0)) this.levels.set(0, CacheLevel.empty(this.model));
    return this.step(1, this.levels.get(0)!, new Int32Array(inputs.length), inputs);
  }

  /**
   * Append inputs to prefixes, which are rows of `before`, so that they have `length` of them -> the level and its
   * rows. Rows that are not kept hold until the next step to prefixes of this length.
   */
  step(length: number, before: CacheLevel, parents: Int32Array, inputs: Int32Array): { level: CacheLevel; rows: Int32Array } {
    let level = this.levels.get(length);
    if (!level) this.levels.set(length, (level = new CacheLevel(this.model)));
    level.forget();
    const rows = new Int32Array(parents.length);
    const fresh: number[] = [];
    parents.forEach((parent, i) => {
      const row = parent < before.size ? level.children.get(parent * this.base + (inputs[i] as number)) : undefined;
      rows[i] = row ?? -1;
      if (row === undefined) fresh.push(i);
    });
    // First those after a kept prefix, which can be kept, too.
    const canKeep = fresh.filter((i) => (parents[i] as number) < before.size);
    const others = fresh.filter((i) => (parents[i] as number) >= before.size);
    const keep = this.kept + canKeep.length <= this.most;
    this.compute(level, before, canKeep, parents, inputs, rows, keep);
    this.compute(level, before, others, parents, inputs, rows, false);
    for (const i of canKeep) {
      if ((rows[i] as number) >= level.size) continue;
      level.children.set((parents[i] as number) * this.base + (inputs[i] as number), rows[i] as number);
      this.kept++;
    }
    if (!keep) this.kept = this.most;
    return { level, rows };
  }

  /** Step the model for some prefixes. Those whose states were made together are stepped together. */
  private compute(level: CacheLevel, before: CacheLevel, some: number[], parents: Int32Array, inputs: Int32Array, rows: Int32Array, keep: boolean): void {
    const groups = new Map<State, { of: number[]; from: number[] }>();
    for (const i of some) {
      const { state, row } = before.at(parents[i] as number);
      let group = groups.get(state);
      if (!group) groups.set(state, (group = { of: [], from: [] }));
      group.of.push(i);
      group.from.push(row);
    }
    for (const [state, { of, from }] of groups) {
      for (let start = 0; start < of.length; start += MOST_TOGETHER) {
        const part = of.slice(start, start + MOST_TOGETHER);
        const after = this.model.step(Int32Array.from(part, (i) => inputs[i] as number), state, Int32Array.from(from.slice(start, start + MOST_TOGETHER)));
        const first = level.rows;
        level.add(after.logits, part.length, after.state, keep);
        part.forEach((i, n) => (rows[i] = first + n));
      }
    }
  }
}
