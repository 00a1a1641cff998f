// Decoder: draws lines symbol by symbol, many together, and computes each distinct prefix once (decoder.py). Draws
// that have the same symbols so far share a prefix: thousands of names begin with a few dozen letters.

import type { Conditions, Filters, Vocabulary } from "../contract";
import { BOUNDARY } from "../text/vocabulary";
import type { Automaton } from "./automaton";
import { pickByWeight } from "./filters";
import { isCanonical, NONE, type Drawer, type Finished, type Part, type Starts } from "./finished";
import type { Idle } from "./idle";
import type { PrefixCache } from "./prefix_cache";
import { idsOf, type Prefixes } from "./prefixes";
import { Rejection, type Picked } from "./strategy";
import { LABEL_STREAM, type Uniforms } from "./uniforms";

/** The draws that are not finished yet, R of them. */
interface Draws {
  rows: Int32Array; // the index of each in its part
  ancestors: Int32Array; // the draw that each has its first symbols from: it, until resampled
  group: Int32Array; // the prefix of each
}

export class Decoder implements Drawer {
  strategy: Rejection;
  private roots: Prefixes | null = null; // computed with the first draw, for all rounds

  constructor(
    private readonly vocabulary: Vocabulary,
    readonly automaton: Automaton,
    private readonly uniforms: Uniforms,
    readonly prefix: readonly number[],
    readonly starts: Starts,
    private readonly conditions: Conditions,
    filters: Filters,
    private readonly cache: PrefixCache,
  ) {
    this.strategy = new Rejection(filters);
  }

  /** Change the strategy; its tree has other nodes, so the roots are registered anew. */
  use(strategy: Rejection): void {
    this.strategy = strategy;
    this.roots = null;
  }

  massLeft(): number {
    return this.strategy.massLeft(this.roots, this.starts.shares);
  }

  /** Compute the prefix that all lines start with: a row for each label. */
  private begin(): Prefixes {
    const L = this.starts.inputs.length;
    const V = this.vocabulary.size;
    const every = Int32Array.from({ length: L }, (_, i) => i);
    let { level, rows } = this.cache.begin(Int32Array.from(this.starts.inputs));
    const nll = new Float64Array(L);
    let condition = 0;
    // The symbols of a prefix are read, not drawn; their nll belongs to the line all the same.
    this.prefix.forEach((symbol, position) => {
      rows.forEach((row, i) => (nll[i] = (nll[i] as number) - (level.logs[row * V + symbol] as number)));
      ({ level, rows } = this.cache.step(position + 2, level, rows, new Int32Array(L).fill(symbol)));
      condition = this.automaton.next[condition * V + symbol] as number;
    });
    const roots: Prefixes = {
      size: L, before: null, parents: every, symbols: every, texts: new Array<string>(L).fill(this.vocabulary.decode(this.prefix)),
      answers: level, rows, nll, label: Int32Array.from(this.starts.inputs),
      states: new Int32Array(L).fill(condition), nodes: new Int32Array(L).fill(NONE), contexts: new Int32Array(L), logWeight: new Float64Array(L),
    };
    this.strategy.start(roots, this.prefix);
    return roots;
  }

  draw(part: Part, idle: Idle): Finished[] {
    let prefixes = (this.roots ??= this.begin());
    const finished: Finished[] = [];
    this.strategy.beginRound();
    const shares = this.strategy.labelShares(prefixes, this.starts.shares);
    if (!shares.some((share) => share > 0)) return []; // nothing is left that could be drawn
    let draws = this.firstDraws(part, shares);
    for (let position = this.prefix.length; position <= this.automaton.maxLength && !idle.isOver; position++) {
      idle.spend(draws.rows.length);
      const stream = this.uniforms.stream(part.round, position);
      const uniform = Float64Array.from(draws.rows, (row) => stream.at(part.first + row));
      const picked = this.strategy.choose(prefixes, position, draws.group, uniform);
      const alive = Uint8Array.from(picked.symbols, (symbol, i) => Number(this.automaton.allows(position, prefixes.states[draws.group[i] as number] as number, symbol)));
      this.finish(finished, prefixes, position, draws, picked, alive);
      // A draw that is neither alive nor finished is refused: it is in no result.
      const on = Int32Array.from(draws.rows.keys()).filter((i) => alive[i] && picked.symbols[i] !== BOUNDARY);
      if (!on.length) break;
      const parents = on.map((i) => draws.group[i] as number);
      const { longer, group } = this.extend(prefixes, position, parents, on.map((i) => picked.symbols[i] as number), picked.logWeight && Float64Array.from(on, (i) => picked.logWeight?.[i] ?? 0));
      prefixes = longer;
      draws = { rows: on.map((i) => draws.rows[i] as number), ancestors: on.map((i) => draws.ancestors[i] as number), group };
      // Guided draws whose weights have become uneven are chosen anew among themselves.
      const chosen = this.strategy.resample(prefixes, position + 1, group, part, this.uniforms);
      if (chosen) draws = { rows: draws.rows, ancestors: chosen.map((i) => draws.ancestors[i] as number), group: chosen.map((i) => group[i] as number) };
    }
    return finished;
  }

  /** All draws of a part, each with the label that it begins with. */
  private firstDraws(part: Part, shares: Float64Array): Draws {
    const rows = Int32Array.from({ length: part.rows }, (_, i) => i);
    if (shares.length === 1) return { rows, ancestors: rows, group: new Int32Array(part.rows) }; // no random numbers
    const stream = this.uniforms.stream(part.round, LABEL_STREAM);
    return { rows, ancestors: rows, group: rows.map((row) => pickByWeight(shares, 0, shares.length, stream.at(part.first + row))) };
  }

  /** Collect the draws that end at this position: first those cut at the greatest length, then those that ended. */
  private finish(finished: Finished[], prefixes: Prefixes, position: number, draws: Draws, picked: Picked, alive: Uint8Array): void {
    const every = Int32Array.from(draws.rows.keys());
    if (position === this.automaton.maxLength && this.automaton.cuts && this.conditions.all) {
      const cut = every.filter((i) => picked.symbols[i] !== BOUNDARY && this.automaton.mayEnd(position, prefixes.states[draws.group[i] as number] as number));
      this.collect(finished, prefixes, draws, picked, cut, true);
    }
    this.collect(finished, prefixes, draws, picked, every.filter((i) => alive[i] && picked.symbols[i] === BOUNDARY), false);
  }

  /** Group draws (indices) that end here by their prefix: distinct lines, in the order of the prefixes. */
  private collect(finished: Finished[], prefixes: Prefixes, draws: Draws, picked: Picked, ended: Int32Array, capped: boolean): void {
    const { answers } = prefixes;
    const lines = new Map<number, Finished>();
    for (const i of ended) {
      const g = draws.group[i] as number;
      let line = lines.get(g);
      if (!line) {
        // The end is a symbol, too: its -log p is part of the line's nll.
        const nll = (prefixes.nll[g] as number) - (answers.logs[(prefixes.rows[g] as number) * answers.V + BOUNDARY] as number);
        const text = prefixes.texts[g] as string;
        line = {
          text, nll, label: prefixes.label[g] as number, capped, draws: [], ancestors: [],
          logWeight: (prefixes.logWeight[g] as number) + (picked.logWeight?.[i] ?? 0), node: prefixes.nodes[g] as number,
          canonical: isCanonical(this.vocabulary, text, () => idsOf(prefixes, g, this.prefix)),
        };
        lines.set(g, line);
      }
      line.draws.push(draws.rows[i] as number);
      line.ancestors.push(draws.ancestors[i] as number);
    }
    finished.push(...[...lines].sort(([a], [b]) => a - b).map(([, line]) => line));
  }

  /** Append the drawn symbols: the distinct longer prefixes, in the order of their first draws, and each draw's. */
  private extend(prefixes: Prefixes, position: number, parentOf: Int32Array, symbolOf: Int32Array, logWeight: Float64Array | null): { longer: Prefixes; group: Int32Array } {
    const V = this.vocabulary.size;
    const found = new Map<number, number>();
    const first: number[] = []; // of each longer prefix: the first draw that takes it
    const group = parentOf.map((parent, i) => {
      const code = parent * V + (symbolOf[i] as number);
      let g = found.get(code);
      if (g === undefined) {
        found.set(code, (g = first.length));
        first.push(i);
      }
      return g;
    });
    const parents = Int32Array.from(first, (i) => parentOf[i] as number);
    const symbols = Int32Array.from(first, (i) => symbolOf[i] as number);
    const { answers: before, rows: rowsBefore } = prefixes;
    // Inputs are now `position` symbols, the boundary (or label) before them, and one symbol more.
    const { level, rows } = this.cache.step(position + 2, before, parents.map((g) => rowsBefore[g] as number), symbols);
    const longer: Prefixes = {
      size: first.length, before: prefixes, parents, symbols, answers: level, rows,
      texts: first.map((_, g) => (prefixes.texts[parents[g] as number] as string) + (this.vocabulary.symbols[(symbols[g] as number) - 1] as string)),
      nll: Float64Array.from(parents, (parent, g) => (prefixes.nll[parent] as number) - (before.logs[(rowsBefore[parent] as number) * V + (symbols[g] as number)] as number)),
      label: parents.map((parent) => prefixes.label[parent] as number),
      states: parents.map((parent, g) => this.automaton.next[(prefixes.states[parent] as number) * V + (symbols[g] as number)] as number),
      nodes: new Int32Array(first.length).fill(NONE),
      contexts: parents.map((parent) => prefixes.contexts[parent] as number),
      // p / q: the model's probability, by that which drew it. All draws of a prefix have the same.
      logWeight: Float64Array.from(first, (i, g) => (prefixes.logWeight[parents[g] as number] as number) + (logWeight?.[i] ?? 0)),
    };
    this.strategy.extend(longer, position + 1);
    return { longer, group };
  }
}
