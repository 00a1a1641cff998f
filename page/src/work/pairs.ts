// Pairs: what a model expects after each symbol, on the average over lines.

import type { Model } from "../contract";
import { logSum } from "../log_sum";

const LINES_AT_ONCE = 64;

/** How often each id (V,) stands in lines, ends (id 0) too. */
export function frequencies(lines: readonly Int32Array[], V: number): Float64Array {
  const times = new Float64Array(V);
  times[0] = lines.length;
  for (const line of lines) for (const id of line) times[id]!++;
  return times;
}

/** The ids of the boundary and of the `most` most frequent symbols, in the vocabulary's order. */
export function mostFrequent(times: Float64Array, most: number): number[] {
  const ids = Array.from(times.keys()).slice(1).filter((id) => times[id]! > 0);
  ids.sort((a, b) => times[b]! - times[a]! || a - b);
  return [0, ...ids.slice(0, most).sort((a, b) => a - b)];
}

/** Probabilities (K, K) of column given row, for the symbols `chosen`. first: the id that lines begin with. */
export function pairs(model: Model, lines: readonly Int32Array[], chosen: readonly number[], first = 0): Float64Array {
  const V = model.spec.vocabSize, K = chosen.length;
  const rowOf = new Int32Array(V).fill(-1);
  chosen.forEach((id, row) => { rowOf[id] = row; });
  const sums = new Float64Array(K * K), times = new Float64Array(K);
  for (let at = 0; at < lines.length; at += LINES_AT_ONCE) {
    walk(model, lines.slice(at, at + LINES_AT_ONCE), first, (before, logits, offset) => {
      const row = rowOf[before]!;
      if (row < 0) return;
      times[row]!++;
      const total = logSum(logits, offset, V);
      for (let column = 0; column < K; column++) sums[row * K + column]! += Math.exp(logits[offset + chosen[column]!]! - total);
    });
  }
  return sums.map((sum, at) => sum / Math.max(1, times[Math.floor(at / K)]!));
}

type Seen = (before: number, logits: Float32Array | Float64Array, offset: number) => void;

/** Reads lines side by side; `seen` gets the logits after each symbol. */
function walk(model: Model, lines: readonly Int32Array[], first: number, seen: Seen): void {
  const V = model.spec.vocabSize, longest = Math.max(...lines.map(({ length }) => length));
  let state = model.begin(lines.length), reading = lines.map((_, row) => row), from = Int32Array.from(reading);
  for (let position = 0; position <= longest; position++) {
    const before = reading.map((row) => (position ? lines[row]![position - 1]! : 0));
    const ids = Int32Array.from(before, (id) => (position ? id : first));
    const after = model.step(ids, state, from);
    before.forEach((id, at) => seen(id, after.logits, at * V));
    state = after.state;
    // Lines that have ended are read no further.
    const places = reading.flatMap((row, at) => (lines[row]!.length > position ? [at] : []));
    reading = places.map((at) => reading[at]!);
    from = Int32Array.from(places);
    if (!reading.length) return;
  }
}
