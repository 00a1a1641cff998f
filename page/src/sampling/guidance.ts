// Guidance: the chance that a line can still satisfy its conditions, by a small n-gram (sampling/guidance.py).
// Backward messages, as in a hidden Markov model: sums over all continuations, from the last position to the first,
// over the automaton's states and the n-gram's contexts.
// Paper: Zhang et al. 2023, Tractable Control for Autoregressive Language Generation (with an HMM)

import type { Filters, Vocabulary } from "../contract";
import { NGram, ngramSpec } from "../counts/ngram";
import { hashLine } from "../text/line_hashes";
import { BOUNDARY, encodeLines } from "../text/vocabulary";
import { DEAD, type Automaton } from "./automaton";
import { pairwiseSum } from "../counts/log_softmax";
import { applyFilters } from "./filters";

const MOST_COUNTED_LINES = 20_000; // enough for a rough estimate
const MOST_CELLS = 2 ** 23; // positions * states * contexts of the messages: 64 MB
const LONGEST = 3; // symbols of context at most: a 4-gram
// The chance where the n-gram finds no continuation but the automaton has one: drawn only if there is no other.
const LEAST = 1e-290;

/** A context is the last `length` symbols as digits of one number in base V. */
export class Guidance {
  private readonly length: number;
  private readonly contexts: number;
  private readonly chances: Float64Array; // (maxLength + 1, S, C)

  constructor(private readonly automaton: Automaton, vocabulary: Vocabulary, lines: readonly string[], filters: Filters) {
    const V = vocabulary.size;
    const room = Math.floor(MOST_CELLS / automaton.canComplete.length);
    let length = LONGEST;
    while (length > 0 && !(V ** length <= room && V ** (length + 1) <= 2 ** 22)) length--;
    this.length = length;
    this.contexts = V ** length;
    const { ids, offsets } = encodeLines(vocabulary, lowest(lines, MOST_COUNTED_LINES));
    const model = NGram.fit(ngramSpec(V, { order: length + 1 }), ids, offsets);
    this.chances = this.backward(this.nextSymbols(model, filters));
  }

  /** Whether the messages of this automaton fit into memory, with no context at least. */
  static fits(automaton: Automaton): boolean {
    return automaton.canComplete.length <= MOST_CELLS;
  }

  /** Probabilities (C, V) of the next symbol in every context, after filters. */
  private nextSymbols(model: NGram, filters: Filters): Float64Array {
    const { V } = this.automaton;
    const probs = new Float64Array(this.contexts * V);
    const window = new Int32Array(this.length);
    for (let context = 0; context < this.contexts; context++) {
      for (let i = this.length - 1, rest = context; i >= 0; i--, rest = Math.floor(rest / V)) window[i] = rest % V;
      const weights = applyFilters(model.logs(window), 0, V, filters);
      const total = pairwiseSum(weights, 0, V);
      for (let symbol = 0; symbol < V; symbol++) probs[context * V + symbol] = (weights[symbol] as number) / total;
    }
    return probs;
  }

  /**
   * chance(position, s, c) = p(end | c) if s may end, + the sum over symbols v of
   * p(v | c) * chance(position + 1, next[s, v], c shifted by v).
   */
  private backward(probs: Float64Array): Float64Array {
    const { automaton, contexts } = this;
    const { states, maxLength } = automaton;
    const chances = new Float64Array((maxLength + 1) * states * contexts);
    for (let position = maxLength; position >= 0; position--) {
      for (let state = 0; state < states; state++) {
        if (automaton.canComplete[position * states + state]) this.backwardOf(position, state, probs, chances);
      }
    }
    return chances;
  }

  /**
   * The messages of one position and state. A context is its oldest symbol x and the others y; the next symbol v
   * makes the context (y, v), whatever x is. So the messages that the sum needs are gathered once for each y.
   */
  private backwardOf(position: number, state: number, probs: Float64Array, chances: Float64Array): void {
    const { automaton, contexts } = this;
    const { V, states, maxLength, next } = automaton;
    const here = (position * states + state) * contexts;
    const then = (position + 1) * states * contexts;
    const oldest = this.length ? V : 1;
    const others = contexts / oldest;
    const message = new Float64Array(V);
    message[BOUNDARY] = Number(automaton.mayEnd(position, state));
    for (let y = 0; y < others; y++) {
      for (let symbol = 1; symbol < V && position < maxLength; symbol++) {
        const to = next[state * V + symbol] as number;
        message[symbol] = to === DEAD ? 0 : (chances[then + to * contexts + (this.length ? y * V + symbol : 0)] as number);
      }
      for (let x = 0; x < oldest; x++) {
        const context = x * others + y;
        let chance = 0;
        for (let symbol = 0; symbol < V; symbol++) chance += (probs[context * V + symbol] as number) * (message[symbol] as number);
        chances[here + context] = Math.max(chance, LEAST);
      }
    }
  }

  /** Shift a context by one symbol: the oldest drops out. */
  after(context: number, symbol: number): number {
    return (context * this.automaton.V + symbol) % this.contexts;
  }

  /** The chance of a state and a context after `position` symbols. */
  at(position: number, state: number, context: number): number {
    return this.chances[(position * this.automaton.states + state) * this.contexts + context] as number;
  }

  /** The chances (V,) after each possible next symbol; 1 for the boundary where a line may end: it is complete. */
  of(position: number, state: number, context: number): Float64Array {
    const { automaton } = this;
    const chances = new Float64Array(automaton.V);
    for (let symbol = 1; symbol < automaton.V && position < automaton.maxLength; symbol++) {
      const to = automaton.next[state * automaton.V + symbol] as number;
      if (to !== DEAD) chances[symbol] = this.at(position + 1, to, this.after(context, symbol));
    }
    chances[BOUNDARY] = Number(automaton.mayEnd(position, state));
    return chances;
  }
}

/** A sample of at most `most` lines, those with the lowest hashes, in their order: the same however a list is ordered. */
function lowest(lines: readonly string[], most: number): readonly string[] {
  if (lines.length <= most) return lines;
  const hashes = lines.map((line, row) => ({ row, ...hashLine(line) }));
  hashes.sort((a, b) => a.high - b.high || a.low - b.low || a.row - b.row);
  return hashes.slice(0, most).sort((a, b) => a.row - b.row).map(({ row }) => lines[row] as string);
}
