// Filters on the next symbol's probabilities (temperature, top-k, top-p, min-p), and cdfs, as filters.py and
// categorical.py compute them.

import type { Filters } from "../contract";
import { largest, pairwiseSum } from "../counts/log_softmax";

/**
 * Turn log-probabilities logs[first ...] (V,) into weights (V,): temperature, then top-k, top-p and min-p. A
 * filter sets weights to 0. They do not sum to 1; divided by their sum they are probabilities.
 */
export function applyFilters(logs: Float64Array, first: number, V: number, filters: Filters): Float64Array {
  const temperature = filters.temperature ?? 1;
  const row = logs.subarray(first, first + V);
  const weights = new Float64Array(V);
  const most = largest(row, 0, V);
  if (temperature === 0) { // the limit: all weight on the likeliest, the first of equals
    weights[row.indexOf(most)] = 1;
    return weights;
  }
  for (let i = 0; i < V; i++) {
    const moved = (row[i] as number) - most; // the largest weight will be 1
    weights[i] = Math.exp(temperature === 1 ? moved : moved / temperature);
  }
  const { topK, topP, minP } = filters;
  const cutsK = topK != null && topK < V;
  const cutsP = topP != null && topP < 1;
  if (cutsK || cutsP) {
    // A very high temperature makes all weights equal; what is likeliest the logs still say.
    const order = ranked(temperature === 1 ? weights : row);
    if (cutsK) for (const i of order.slice(topK)) weights[i] = 0;
    if (cutsP) cutTail(weights, temperature === 1 && cutsK ? ranked(weights) : order, topP);
  }
  if (minP != null) {
    const least = minP * largest(weights, 0, V);
    for (let i = 0; i < V; i++) if ((weights[i] as number) < least) weights[i] = 0;
  }
  return weights;
}

/** Indices, the largest value first, of equals the first. */
function ranked(values: Float64Array): number[] {
  return Array.from(values.keys()).sort((a, b) => (values[b] as number) - (values[a] as number) || a - b);
}

/** Keep the fewest likeliest symbols that hold the probability topP together; the likeliest always stays. */
function cutTail(weights: Float64Array, order: number[], topP: number): void {
  const sorted = Float64Array.from(order, (i) => weights[i] as number);
  const total = pairwiseSum(sorted, 0, sorted.length);
  let sum = 0;
  order.forEach((i, rank) => {
    const probability = (sorted[rank] as number) / total;
    sum += probability;
    if (sum - probability >= topP) weights[i] = 0;
  });
}

/** The number of cells of a cdf of V symbols: the power of 2 from V on, for bisection in equal halves. */
export function cellsOf(V: number): number {
  return 2 ** (32 - Math.clz32(V - 1));
}

/** Write the cdf of weights (V,) from reach[to] on: exactly 1 from the last symbol with a weight, and behind it. */
export function cumulative(weights: Float64Array, reach: Float64Array, to: number, cells: number): void {
  let sum = 0;
  for (let i = 0; i < weights.length; i++) reach[to + i] = sum += weights[i] as number;
  for (let i = 0; i < weights.length; i++) reach[to + i] = (reach[to + i] as number) / sum;
  reach.fill(1, to + weights.length, to + cells);
}

/** Draw a symbol: the first of the row from `first` on whose cdf is above the number. Bisection. */
export function pick(reach: Float64Array, first: number, cells: number, uniform: number): number {
  let at = first - 1; // the last entry known to be at or below the number
  for (let half = cells >> 1; half > 0; half >>= 1) {
    if ((reach[at + half] as number) <= uniform) at += half;
  }
  return at + 1 - first;
}

/** Draw by weights (V,) from `first` on, not normalised: the first whose running sum is above the number's share. */
export function pickByWeight(weights: Float64Array, first: number, V: number, uniform: number): number {
  let total = 0;
  for (let i = first; i < first + V; i++) total += weights[i] as number;
  const share = uniform * total;
  let sum = 0;
  for (let i = first; i < first + V; i++) {
    sum += weights[i] as number;
    if (sum > share) return i - first;
  }
  return V;
}
