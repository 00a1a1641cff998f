// Pairs: the probability of each symbol after each other one, for a map of what a model expects.

import type { Model, Vocabulary } from "../contract";
import { NGram } from "../counts/ngram";
import { drawLines } from "./sampler";
import { Walk } from "./scores";
import { startsOf } from "./starts";

const LINES = 500; // drawn from a model that has no contexts of one symbol

/**
 * Probabilities (V, V) of the next symbol after each symbol; row and column 0 are the start and the end of a line.
 * Counts have a context of one symbol. Other models are averaged over the places where the symbol stands in lines
 * that they draw; a symbol that is in none of them has an even row.
 */
export function pairsOf(model: Model, vocabulary: Vocabulary, longest: number, seed = 0): Float64Array {
  const V = vocabulary.size;
  const pairs = new Float64Array(V * V);
  if (model instanceof NGram) {
    for (let symbol = 0; symbol < V; symbol++) pairs.set(model.logs(Int32Array.of(symbol)).map((log) => Math.exp(log)), symbol * V);
    return pairs;
  }
  const request = { n: LINES, seed, conditions: { all: true }, filters: {}, known: () => "new" as const, longest };
  const lines = [...drawLines(model, vocabulary, request)].flatMap((batch) => batch.lines.map((line) => vocabulary.encode(line.text)));
  const times = new Float64Array(V);
  addAlong(model, vocabulary, lines, pairs, times);
  return pairs.map((sum, cell) => (times[Math.floor(cell / V)] ? sum / (times[Math.floor(cell / V)] as number) : 1 / V));
}

/** Add what is expected after each prefix of the lines to the row of its last symbol; lines that begin alike go together. */
function addAlong(model: Model, vocabulary: Vocabulary, lines: readonly Int32Array[], pairs: Float64Array, times: Float64Array): void {
  const V = vocabulary.size;
  let walk = Walk.begin(model, startsOf(vocabulary, undefined));
  let prefixes = [{ last: 0, lines }];
  for (let position = 0; prefixes.length; position++) {
    const longer: { last: number; lines: Int32Array[]; parent: number }[] = [];
    prefixes.forEach((prefix, g) => {
      const { last } = prefix;
      times[last] = (times[last] as number) + prefix.lines.length;
      for (let symbol = 0; symbol < V; symbol++) {
        pairs[last * V + symbol] = (pairs[last * V + symbol] as number) + prefix.lines.length * Math.exp(-walk.nll(g, symbol));
      }
      const groups = new Map<number, Int32Array[]>();
      for (const line of prefix.lines) {
        if (line.length <= position) continue;
        const symbol = line[position] as number;
        const group = groups.get(symbol);
        if (group) group.push(line);
        else groups.set(symbol, [line]);
      }
      for (const [symbol, own] of groups) longer.push({ last: symbol, lines: own, parent: g });
    });
    if (longer.length) walk = walk.step(model, longer.map(({ parent }) => parent), longer.map(({ last }) => last));
    prefixes = longer;
  }
}
