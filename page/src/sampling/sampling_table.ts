// Sampling table: the cdf of the next symbol in each state of a model of counts, under filters. A state's row is
// computed when the first draw comes there, so that first lines come at once.

import type { Filters, Table } from "../contract";
import { logSoftmax } from "../counts/log_softmax";
import { applyFilters, cellsOf, cumulative } from "./filters";

const LINE = 64; // bytes of a line of the CPU's cache
const FIRST_ROOM = 1024; // rows
const ENTRY = 3; // floats of a symbol in a row: cdf, log-probability, the state after it

/**
 * All that a draw looks up in a state, side by side in one row of memory: draws jump from state to state, and each
 * line of the cache that they touch costs more than what is computed there. Per row: the guide (cells,), the first
 * symbol whose cdf is above the start of the cell, which is mostly the one to draw (Chen and Asau 1974); then of each
 * symbol the cdf after filters, the log-probability before them, and the state after it. Rows stand in the order in
 * which draws came to them: what is often used lies together, and what is never used takes no memory.
 */
export class SamplingTable {
  private readonly cells: number;
  private readonly rows: Int32Array; // of each state, from 1 on; 0: not computed yet
  private used = 0; // rows
  private floats = new Float64Array(0);
  private shorts = new Uint16Array(0);
  private readonly guide: number; // floats of the guide
  private readonly width: number; // floats of a row
  private readonly logs: Float64Array; // (V,) of the state that is computed
  private readonly cdf: Float64Array; // (cells,)

  constructor(private readonly table: Table, private readonly V: number, private readonly filters: Filters) {
    this.cells = cellsOf(V);
    this.guide = Math.ceil(this.cells / 4);
    this.width = (LINE / 8) * Math.ceil((8 * (this.guide + ENTRY * V)) / LINE);
    this.rows = new Int32Array(table.states);
    this.logs = new Float64Array(V);
    this.cdf = new Float64Array(this.cells);
  }

  /** The state at a line's start, by its first input. */
  start(input: number): number {
    return this.table.start.get(input) as number;
  }

  /** Where the row of a state begins, as the others take it; it is computed unless it is there. */
  rowOf(state: number): number {
    const row = this.rows[state] as number;
    return row ? (row - 1) * this.width : this.compute(state);
  }

  private compute(state: number): number {
    const row = this.used * this.width;
    this.rows[state] = ++this.used;
    if (row === this.floats.length) this.makeRoom(Math.max(FIRST_ROOM, 2 * this.used));
    const { cells, V, floats, logs, cdf } = this;
    logSoftmax(this.table.logs, state * V, V, logs, 0);
    cumulative(applyFilters(logs, 0, V, this.filters), cdf, 0, cells);
    for (let symbol = 0, at = row + this.guide; symbol < V; symbol++, at += ENTRY) {
      floats[at] = cdf[symbol] as number;
      floats[at + 1] = logs[symbol] as number;
      floats[at + 2] = this.table.after[state * V + symbol] as number;
    }
    for (let cell = 0, symbol = 0; cell < cells; cell++) {
      while ((cdf[symbol] as number) * cells <= cell) symbol++;
      this.shorts[4 * row + cell] = symbol;
    }
    return row;
  }

  private makeRoom(rows: number): void {
    const floats = new Float64Array(Math.min(rows, this.table.states) * this.width);
    floats.set(this.floats);
    this.floats = floats;
    this.shorts = new Uint16Array(floats.buffer);
  }

  /** Draw the next symbol: the first whose cdf is above the number in [0, 1). That of the last one is 1. */
  pick(row: number, uniform: number): number {
    let symbol = this.shorts[4 * row + ((uniform * this.cells) | 0)] as number;
    // A symbol's cdf may end within the cell.
    for (let at = row + this.guide + ENTRY * symbol; (this.floats[at] as number) <= uniform; at += ENTRY) symbol++;
    return symbol;
  }

  /** log p of a symbol, nats, before filters. */
  log(row: number, symbol: number): number {
    return this.floats[row + this.guide + ENTRY * symbol + 1] as number;
  }

  /** The state after a symbol. */
  after(row: number, symbol: number): number {
    return this.floats[row + this.guide + ENTRY * symbol + 2] as number;
  }
}

// The last table of each model: a second call does not compute it again. Weak: when the model goes, it goes.
const kept = new WeakMap<Table, { key: string; table: SamplingTable }>();

/** The sampling table of these states, made anew only if the filters changed. */
export function samplingTable(states: Table, V: number, filters: Filters): SamplingTable {
  const { temperature = 1, topK, topP, minP } = filters;
  const key = JSON.stringify([temperature, topK, topP, minP]);
  const before = kept.get(states);
  if (before?.key === key) return before.table;
  const table = new SamplingTable(states, V, filters);
  kept.set(states, { key, table });
  return table;
}
