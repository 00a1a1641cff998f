// Strategies: by which probabilities the next symbol is drawn (sampling/strategies.py). The first of them is the
// plainest, and the interface of all: draw by the model's own probabilities and refuse what fails.

import type { Part } from "./finished";
import type { Filters } from "../contract";
import { applyFilters, cellsOf, cumulative, pick } from "./filters";
import type { Prefixes } from "./prefixes";
import type { Uniforms } from "./uniforms";

export interface Picked {
  symbols: Int32Array; // (R,)
  logWeight: Float64Array | null; // (R,) log(p / q); null where p = q
}

export class Rejection {
  constructor(protected readonly filters: Filters) {}

  /** Whether lines follow the model's distribution among those that are allowed. */
  get exact(): boolean {
    return true;
  }

  /** Whether a line that was drawn may be drawn again, and is refused then. */
  get withReplacement(): boolean {
    return true;
  }

  /** Register the roots: the prefix that all lines start with, once for each label. */
  start(_roots: Prefixes, _prefix: readonly number[]): void {}

  /** Prepare for a new round, whose draws all start at the roots. */
  beginRound(): void {}

  /** Weigh the labels that draws begin with; all 0 where nothing is left to draw. */
  labelShares(_roots: Prefixes, shares: Float64Array): Float64Array {
    return shares;
  }

  /** Draw the next symbol of each draw. group: (R,) the prefix of each; uniform: (R,) in [0, 1). */
  choose(prefixes: Prefixes, _position: number, group: Int32Array, uniform: Float64Array): Picked {
    const { answers, rows, size } = prefixes, cells = cellsOf(answers.V);
    const reach = new Float64Array(size * cells); // the cdf of each prefix, after filters
    rows.forEach((row, g) => cumulative(applyFilters(answers.logs, row * answers.V, answers.V, this.filters), reach, g * cells, cells));
    return { symbols: group.map((g, i) => pick(reach, g * cells, cells, uniform[i] as number)), logWeight: null };
  }

  /** Register prefixes one symbol longer, of `position` symbols. */
  extend(_longer: Prefixes, _position: number): void {}

  /** The draw that each draw goes on from; null: from itself. */
  resample(_prefixes: Prefixes, _position: number, _group: Int32Array, _part: Part, _uniforms: Uniforms): Int32Array | null {
    return null;
  }

  /** Exclude the lines that end at these tree nodes from later draws. */
  markUsed(_nodes: Iterable<number>): void {}

  /** The model's probability of all lines not yet used and possible. */
  massLeft(_roots: Prefixes | null, _shares: Float64Array): number {
    return 1; // nothing is recorded as used
  }
}

