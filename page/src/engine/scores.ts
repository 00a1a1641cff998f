// Scores: the surprisal -log p of each symbol of lines, by steps; prefixes that lines share once.

import type { Model } from "../contract";
import { logSum } from "../log_sum";

const MOST = 2048; // lines that go side by side: their states are what memory is needed for

/**
 * Compute -log p of each line's symbols and of its end, in nats, for any model.
 * lines: ids without boundaries; labels: the id (V + i) of each line's label, without them none.
 */
export function surprisals(model: Model, lines: readonly Int32Array[], labels?: Int32Array): Float64Array[] {
  const found = lines.map((line) => new Float64Array(line.length + 1));
  // Sorted, so that lines which begin alike stand in the same part.
  const order = lines.map((_, i) => i).sort((a, b) => (labels ? labels[a]! - labels[b]! : 0) || compared(lines[a]!, lines[b]!));
  for (let first = 0; first < order.length; first += MOST) {
    scorePart(model, order.slice(first, first + MOST), lines, labels, found);
  }
  return found;
}

/** Compute the mean surprisal of lines, nats a symbol. */
export function meanNll(model: Model, lines: readonly Int32Array[], labels?: Int32Array): number {
  let [sum, count] = [0, 0];
  for (const line of surprisals(model, lines, labels)) {
    for (const nats of line) sum += nats;
    count += line.length;
  }
  return sum / count;
}

function compared(a: Int32Array, b: Int32Array): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

// Row i of a step stands for one prefix; `nodes` says which row is each line's.
function scorePart(
  model: Model, part: number[], lines: readonly Int32Array[], labels: Int32Array | undefined, found: Float64Array[],
): void {
  const V = model.spec.vocabSize;
  const inputs = V + model.spec.nLabels;
  let active = part;
  const nodes = new Int32Array(lines.length);
  let state = model.begin(1);
  for (let place = 0; active.length; place++) {
    const rows = new Map<number, number>(); // (row before, input) -> row
    for (const line of active) {
      const input = place ? lines[line]![place - 1]! : labels ? labels[line]! : 0;
      const key = nodes[line]! * inputs + input;
      if (!rows.has(key)) rows.set(key, rows.size);
      nodes[line] = rows.get(key)!;
    }
    const keys = [...rows.keys()];
    const ids = Int32Array.from(keys, (key) => key % inputs);
    const step = model.step(ids, state, Int32Array.from(keys, (key) => Math.floor(key / inputs)));
    state = step.state;
    const shifts = Float64Array.from(keys, (_, row) => logSum(step.logits, row * V, V));
    for (const line of active) {
      const row = nodes[line]!;
      found[line]![place] = shifts[row]! - step.logits[row * V + (lines[line]![place] ?? 0)]!; // 0: the end
    }
    active = active.filter((line) => place < lines[line]!.length);
  }
}
