// Prefixes: the distinct prefixes of the draws that are not finished yet, all of one length, as arrays.

import type { Filters } from "../contract";
import { pairwiseSum } from "../counts/log_softmax";
import { applyFilters } from "./filters";
import type { CacheLevel } from "./prefix_cache";

/** G prefixes; draws with the same symbols so far share one. */
export interface Prefixes {
  readonly size: number; // G
  readonly before: Prefixes | null; // the prefixes one symbol shorter ...
  readonly parents: Int32Array; // ... and which of them each of these is longer than
  readonly symbols: Int32Array; // their last symbols
  readonly texts: string[];
  readonly answers: CacheLevel;
  readonly rows: Int32Array; // the row of each prefix in `answers`
  readonly nll: Float64Array; // of the symbols so far, in nats
  readonly label: Int32Array; // first inputs
  readonly states: Int32Array; // of the automaton
  nodes: Int32Array; // of the tree of used lines; NONE outside of it
  contexts: Int32Array; // of the n-gram that guides draws
  logWeight: Float64Array; // log(p / q), 0 where draws are not guided
}

/** The symbols of a prefix behind the given ones, walked back to the roots. */
export function idsOf(prefixes: Prefixes, g: number, given: readonly number[]): number[] {
  const ids: number[] = [];
  for (let at: Prefixes = prefixes; at.before; at = at.before) {
    ids.push(at.symbols[g] as number);
    g = at.parents[g] as number;
  }
  return [...given, ...ids.reverse()];
}

/** The probabilities (V,) of the next symbol after prefix g, after filters. */
export function probabilities(prefixes: Prefixes, g: number, filters: Filters): Float64Array {
  const { answers } = prefixes;
  const weights = applyFilters(answers.logs, (prefixes.rows[g] as number) * answers.V, answers.V, filters);
  const total = pairwiseSum(weights, 0, weights.length);
  return weights.map((weight) => weight / total);
}
