// Guided draws: by p times the chance that the line can be completed. A line's weight p / q corrects the bias
// (importance sampling): only as the number of draws grows, so the lines are approximate.

import type { Filters } from "../contract";
import type { Automaton } from "./automaton";
import { pickByWeight } from "./filters";
import type { Part } from "./finished";
import type { Guidance } from "./guidance";
import { probabilities, type Prefixes } from "./prefixes";
import { Rejection, type Picked } from "./strategy";
import { RESAMPLING_STREAM, type Uniforms } from "./uniforms";
import { WithoutReplacement } from "./without_replacement";

// Guided draws are resampled when their effective sample size is below this share of their number.
const RESAMPLE_BELOW = 0.5;

export class Guided extends Rejection {
  private used: WithoutReplacement | null = null; // the tree of used lines, once most lines that are drawn are known

  constructor(private readonly automaton: Automaton, filters: Filters, private readonly guidance: Guidance) {
    super(filters);
  }

  override get exact(): boolean {
    return false;
  }

  override get withReplacement(): boolean {
    return this.used === null;
  }

  /** Start a tree of used lines; the draws stay guided. */
  drawOnce(): void {
    this.used = new WithoutReplacement(this.automaton, this.filters);
  }

  override start(roots: Prefixes, prefix: readonly number[]): void {
    for (const symbol of prefix) roots.contexts = roots.contexts.map((context) => this.guidance.after(context, symbol));
    this.used?.start(roots, prefix);
  }

  override beginRound(): void {
    this.used?.beginRound();
  }

  // The choice of a label is not guided: a mixture keeps the proportions that were asked for.
  override labelShares(roots: Prefixes, shares: Float64Array): Float64Array {
    return this.used?.labelShares(roots, shares) ?? shares;
  }

  override choose(prefixes: Prefixes, position: number, group: Int32Array, uniform: Float64Array): Picked {
    const each: { p: Float64Array; q: Float64Array }[] = [];
    const logWeight = new Float64Array(group.length);
    const symbols = group.map((g, i) => {
      const { p, q } = (each[g] ??= this.proposal(prefixes, g, position));
      const symbol = pickByWeight(q, 0, q.length, uniform[i] as number);
      logWeight[i] = Math.log(p[symbol] as number) - Math.log(q[symbol] as number);
      return symbol;
    });
    return { symbols, logWeight };
  }

  /** p and q (V,) of the next symbol after prefix g. */
  private proposal(prefixes: Prefixes, g: number, position: number): { p: Float64Array; q: Float64Array } {
    const p = probabilities(prefixes, g, this.filters);
    const chances = this.guidance.of(position, prefixes.states[g] as number, prefixes.contexts[g] as number);
    const open = this.used ? this.used.remaining(prefixes, g, true) : p;
    const q = open.map((weight, symbol) => weight * (chances[symbol] as number));
    const total = q.reduce((a, b) => a + b, 0);
    // Nothing is left below: what is drawn now is refused.
    return { p, q: total > 0 ? q.map((weight) => weight / total) : p };
  }

  override extend(longer: Prefixes, position: number): void {
    this.used?.extend(longer, position);
    longer.contexts = longer.contexts.map((context, g) => this.guidance.after(context, longer.symbols[g] as number));
  }

  /**
   * Choose the draws that draws go on from, by weight, once the weights are uneven; without it a few would soon
   * hold nearly all of the weight. Systematic resampling: points at equal distances, one random start (Kitagawa 1996).
   */
  override resample(prefixes: Prefixes, position: number, group: Int32Array, part: Part, uniforms: Uniforms): Int32Array | null {
    const logs = prefixes.logWeight.map((weight, g) => weight + Math.log(this.guidance.at(position, prefixes.states[g] as number, prefixes.contexts[g] as number)));
    const highest = group.reduce((most, g) => Math.max(most, logs[g] as number), -Infinity); // taken off before exp
    const weights = Float64Array.from(group, (g) => Math.exp((logs[g] as number) - highest));
    const total = weights.reduce((a, b) => a + b, 0);
    const squares = weights.reduce((a, b) => a + b * b, 0);
    // Effective sample size (Kish 1965): R for equal weights, 1 where one draw has them all.
    if (total ** 2 / squares > RESAMPLE_BELOW * group.length) return null;
    const start = uniforms.stream(part.round, RESAMPLING_STREAM + position).at(part.first);
    const chosen = new Int32Array(group.length);
    let sum = 0;
    let draw = -1;
    for (let i = 0; i < group.length; i++) {
      const point = (i + start) / group.length;
      while (sum / total < point && draw < group.length - 1) sum += weights[++draw] as number;
      chosen[i] = Math.max(draw, 0);
    }
    const mean = highest + Math.log(total / group.length);
    // The chance is no part of the final weight, so it is taken off again: as if each draw had the mean weight.
    prefixes.logWeight = prefixes.logWeight.map((weight, g) => mean - (logs[g] as number) + weight);
    return chosen;
  }

  override markUsed(nodes: Iterable<number>): void {
    this.used?.markUsed(nodes);
  }

  override massLeft(roots: Prefixes | null, shares: Float64Array): number {
    return this.used ? this.used.massLeft(roots, shares) : 1;
  }
}
