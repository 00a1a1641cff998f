// Histories: every target symbol of a text with the symbols before it in its line, equal ones counted together.

/** Distinct histories in sorted order (last symbol first), how often each occurs, and its symbols. */
export interface Histories {
  readonly times: Float64Array;
  /** The symbol `distance` positions before the target of history i; 0 is the target itself. */
  symbol(i: number, distance: number): number;
}

const EXACT = 2 ** 53; // fewer possible n-grams than that: each is one number

/**
 * Collect the histories of lines for n-grams up to `order`: ids one after another, line i from offsets[i] on.
 * Sorted by the symbol before the target, the one before that, and so on, and last by the target. So contexts
 * with the same end stand together, and each level of NGram.fit is one pass.
 */
export function historiesOf(ids: Int32Array, offsets: Int32Array, vocabSize: number, order: number): Histories {
  const targets = targetsOf(ids, offsets, order);
  return vocabSize ** order < EXACT ? packed(targets, vocabSize, order) : byPosition(targets, order);
}

/** Each line and its end, all in a row, `order` zeros before: the end of a line is the start of the next. */
function targetsOf(ids: Int32Array, offsets: Int32Array, order: number): Int32Array {
  const lines = offsets.length - 1;
  const targets = new Int32Array(order + ids.length + lines);
  for (let line = 0; line < lines; line++) {
    const start = offsets[line] as number;
    targets.set(ids.subarray(start, offsets[line + 1]), order + start + line);
  }
  return targets;
}

/** A history as a number in base V: its digits in the order of sorting. */
function packed(targets: Int32Array, V: number, order: number): Histories {
  const codes = new Float64Array(targets.length - order);
  for (let at = order; at < targets.length; at++) {
    let code = 0;
    let inside = true; // once a boundary was met, what stands before it is another line: 0 from there on
    for (let length = 1; length < order; length++) {
      const symbol: number = inside ? (targets[at - length] as number) : 0;
      inside = symbol !== 0;
      code = code * V + symbol;
    }
    codes[at - order] = code * V + (targets[at] as number);
  }
  codes.sort();
  const { distinct, times } = counted(codes);
  const powers = Array.from({ length: order }, (_, length) => V ** ((order - length) % order));
  const symbol = (i: number, distance: number): number => Math.floor((distinct[i] as number) / (powers[distance] as number)) % V;
  return { times, symbol };
}

function counted(sorted: Float64Array): { distinct: Float64Array; times: Float64Array } {
  const distinct = new Float64Array(sorted.length);
  const times = new Float64Array(sorted.length);
  let n = 0;
  sorted.forEach((code, i) => {
    if (i === 0 || code !== sorted[i - 1]) distinct[n++] = code;
    times[n - 1] = (times[n - 1] as number) + 1;
  });
  return { distinct: distinct.slice(0, n), times: times.slice(0, n) };
}

/** Too many symbols or too high an order for one number: a history is its position in targets. */
function byPosition(targets: Int32Array, order: number): Histories {
  const at = Int32Array.from({ length: targets.length - order }, (_, i) => order + i);
  at.sort((a, b) => {
    for (let length = 1; length < order; length++) {
      const difference = (targets[a - length] as number) - (targets[b - length] as number);
      if (difference) return difference;
      if (targets[a - length] === 0) break; // both begin here
    }
    return (targets[a] as number) - (targets[b] as number);
  });
  const symbol = (i: number, distance: number): number => targets[(at[i] as number) - distance] as number;
  return { times: new Float64Array(at.length).fill(1), symbol };
}
