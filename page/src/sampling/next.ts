// Next: what may follow a beginning of a line, and how probable each is.

import type { Filters, Model, Vocabulary } from "../contract";
import { BOUNDARY } from "../text/vocabulary";
import { applyFilters } from "./filters";
import { Walk } from "./scores";
import { encodePrefix, startsOf } from "./starts";

export interface NextSymbol {
  text: string; // "" for the end
  end: boolean;
  p: number; // after filters
}

/** What may follow a beginning, the likeliest first. Throws ConditionError for symbols that no line of the list has. */
export function nextSymbols(model: Model, vocabulary: Vocabulary, prefix: string, filters: Filters = {}, label?: string, shares?: ArrayLike<number>): NextSymbol[] {
  const ids = prefix && vocabulary.rule !== "character" ? Array.from(vocabulary.encode(prefix)) : encodePrefix(vocabulary, prefix);
  let walk = Walk.begin(model, startsOf(vocabulary, label, shares));
  for (const symbol of ids) walk = walk.step(model, [0], [symbol]);
  const logs = Float64Array.from({ length: vocabulary.size }, (_, symbol) => -walk.nll(0, symbol));
  const weights = applyFilters(logs, 0, logs.length, filters);
  const total = weights.reduce((a, b) => a + b, 0);
  const each = Array.from(weights, (weight, id) => ({ text: id === BOUNDARY ? "" : (vocabulary.symbols[id - 1] as string), end: id === BOUNDARY, p: weight / total }));
  return each.filter(({ p }) => p > 0).sort((a, b) => b.p - a.p);
}
