// Levels: the n-grams of a text by the length of their context, each level one pass over sorted histories.

import { historiesOf, type Histories } from "./histories";
import { Numbers } from "./sorted";

/** Codes of all contexts but the empty one, codes of all n-grams and how often each was seen; all sorted by code. */
export interface Counted {
  contexts: Float64Array;
  ngrams: Float64Array;
  counts: Float64Array;
}

/** Count n-grams level by level: contexts without symbols, of one symbol, of two, and so on, up to order - 1. */
export function countLevels(ids: Int32Array, offsets: Int32Array, V: number, order: number): Counted {
  const histories = historiesOf(ids, offsets, V, order);
  let rows = Int32Array.from({ length: histories.times.length }, (_, i) => i);
  let context = new Int32Array(rows.length); // the node of each history's context: first the empty one
  const contexts = new Numbers();
  const ngrams = new Numbers();
  const counts = new Numbers();
  for (let length = 0; length < order; length++) {
    if (length > 1) {
      // A context that has reached the boundary grows no more: nothing is before a line.
      const grows = Uint8Array.from(rows, (row) => Number(histories.symbol(row, length - 1) !== 0));
      context = context.filter((_, i) => grows[i]);
      rows = rows.filter((_, i) => grows[i]);
    }
    if (length > 0) context = longer(histories, rows, context, length, V, contexts);
    countLevel(histories, rows, context, V, ngrams, counts);
  }
  return { contexts: contexts.done(), ngrams: ngrams.done(), counts: counts.done() };
}

/** Put one symbol more to the left of each context: the context so far becomes the suffix of a new one. */
function longer(histories: Histories, rows: Int32Array, context: Int32Array, length: number, V: number, contexts: Numbers): Int32Array<ArrayBuffer> {
  let last = -1;
  return Int32Array.from(rows, (row, i) => {
    const code = (context[i] as number) * V + histories.symbol(row, length);
    if (code !== last) contexts.push((last = code)); // histories are sorted: equal contexts stand together
    return contexts.length;
  });
}

/** Count what follows each context of one length: histories with the same context stand together. */
function countLevel(histories: Histories, rows: Int32Array, context: Int32Array, V: number, ngrams: Numbers, counts: Numbers): void {
  const times = new Float64Array(V); // of each symbol after one context
  for (let start = 0; start < rows.length; ) {
    const node = context[start] as number;
    const seen: number[] = [];
    for (; start < rows.length && context[start] === node; start++) {
      const row = rows[start] as number;
      const symbol = histories.symbol(row, 0);
      if (times[symbol] === 0) seen.push(symbol);
      times[symbol] = (times[symbol] as number) + (histories.times[row] as number);
    }
    for (const symbol of seen.sort((a, b) => a - b)) {
      ngrams.push(node * V + symbol);
      counts.push(times[symbol] as number);
      times[symbol] = 0;
    }
  }
}
