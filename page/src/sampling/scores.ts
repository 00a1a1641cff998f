// Scores: how improbable lines are, symbol by symbol. Lines that begin alike share the steps of a model.

import type { Model, State, Vocabulary } from "../contract";
import { logSoftmax } from "../counts/log_softmax";
import { logSum } from "../log_sum";
import { cut } from "../text/vocabulary";
import type { Starts } from "./finished";
import type { Known } from "./known";
import { startsOf } from "./starts";

const MOST_TOGETHER = 256; // lines

export interface Score {
  text: string;
  nll: number | null; // nats, the end included; null with a symbol that no line of the list has
  each: { symbol: string; nll: number }[]; // of each symbol, and of the end, whose symbol is ""
  unknown: string[]; // symbols that the model does not know; `each` stops before the first
  known: boolean; // a line of the list
}

/** Score lines. shares: how often each label of the vocabulary is drawn; a line's p is that of the mixture. */
export function scoreLines(model: Model, vocabulary: Vocabulary, lines: readonly string[], known: Known, shares?: ArrayLike<number>): Score[] {
  const starts = startsOf(vocabulary, undefined, shares);
  const ids = lines.map((line) => vocabulary.encode(line));
  const read = ids.map((line) => (line.includes(-1) ? line.subarray(0, line.indexOf(-1)) : line));
  const nats = surprisals(model, read, starts);
  return lines.map((text, row) => {
    const symbols = cut(text, vocabulary.rule);
    const whole = ids[row]?.length === read[row]?.length;
    const each = Array.from(nats[row] as Float64Array, (nll, i) => ({ symbol: symbols[i] ?? "", nll }));
    return {
      text, each: whole ? each : each.slice(0, -1),
      nll: whole ? each.reduce((sum, { nll }) => sum + nll, 0) : null,
      unknown: [...new Set(symbols.filter((_, i) => ids[row]?.[i] === -1))],
      known: known(text) !== "new",
    };
  });
}

/** -log p, nats, of each symbol of each line and of its end: n_symbols + 1 a line. */
export function surprisals(model: Model, lines: readonly Int32Array[], starts: Starts): Float64Array[] {
  const result = lines.map((line) => new Float64Array(line.length + 1));
  // In sorted order lines with a common beginning are computed together.
  const order = [...lines.keys()].sort((a, b) => compare(lines[a] as Int32Array, lines[b] as Int32Array));
  for (let first = 0; first < order.length; first += MOST_TOGETHER) {
    const rows = order.slice(first, first + MOST_TOGETHER);
    together(model, rows.map((row) => lines[row] as Int32Array), starts, rows.map((row) => result[row] as Float64Array));
  }
  return result;
}

function compare(a: Int32Array, b: Int32Array): number {
  for (let i = 0; i < a.length && i < b.length; i++) if (a[i] !== b[i]) return (a[i] as number) - (b[i] as number);
  return a.length - b.length;
}

/** Step through some lines position by position, one row for each distinct prefix and first input. */
function together(model: Model, lines: readonly Int32Array[], starts: Starts, result: readonly Float64Array[]): void {
  const L = starts.inputs.length;
  let walk = Walk.begin(model, starts);
  let group = new Map(lines.map((_, row) => [row, 0])); // of each line that goes on: its prefix
  for (let position = 0; group.size; position++) {
    const next = new Map<number, number>();
    const found = new Map<number, number>();
    const parents: number[] = [];
    const symbols: number[] = [];
    for (const [row, g] of group) {
      const line = lines[row] as Int32Array;
      const symbol = position < line.length ? (line[position] as number) : 0;
      (result[row] as Float64Array)[position] = walk.nll(g, symbol);
      if (position >= line.length) continue;
      const code = g * walk.V + symbol;
      if (!found.has(code)) {
        found.set(code, parents.length);
        parents.push(g);
        symbols.push(symbol);
      }
      next.set(row, found.get(code) as number);
    }
    group = next;
    if (group.size) walk = walk.step(model, parents, symbols, L);
  }
}

/** Distinct prefixes, and for each and each first input the model's answer and how probable it is together. */
export class Walk {
  private constructor(readonly V: number, private readonly L: number, readonly logs: Float64Array, private readonly joint: Float64Array, private readonly state: State) {}

  static begin(model: Model, starts: Starts): Walk {
    const every = Int32Array.from(starts.inputs, (_, i) => i);
    return Walk.after(model, Int32Array.from(starts.inputs), model.begin(every.length), every, Float64Array.from(starts.shares, Math.log));
  }

  private static after(model: Model, inputs: Int32Array, before: State, from: Int32Array, joint: Float64Array, L = inputs.length): Walk {
    const V = model.spec.vocabSize;
    const { logits, state } = model.step(inputs, before, from);
    const logs = new Float64Array(inputs.length * V);
    for (let row = 0; row < inputs.length; row++) logSoftmax(logits, row * V, V, logs, row * V);
    return new Walk(V, L, logs, joint, state);
  }

  /** Append a symbol to some prefixes. */
  step(model: Model, parents: readonly number[], symbols: readonly number[], L = this.L): Walk {
    const rows = parents.flatMap((parent) => Array.from({ length: L }, (_, label) => parent * L + label));
    const inputs = Int32Array.from(rows, (_, i) => symbols[Math.floor(i / L)] as number);
    const joint = Float64Array.from(rows, (row, i) => (this.joint[row] as number) + (this.logs[row * this.V + (inputs[i] as number)] as number));
    return Walk.after(model, inputs, this.state, Int32Array.from(rows), joint, L);
  }

  /** -log p of a symbol after prefix g: over all labels, of which the prefix makes one more probable than another. */
  nll(g: number, symbol: number): number {
    const rows = Array.from({ length: this.L }, (_, label) => g * this.L + label);
    if (this.L === 1) return -(this.logs[g * this.V + symbol] as number);
    const before = rows.map((row) => this.joint[row] as number);
    const after = rows.map((row, i) => (before[i] as number) + (this.logs[row * this.V + symbol] as number));
    return logSum(before, 0, this.L) - logSum(after, 0, this.L);
  }
}
