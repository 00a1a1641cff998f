// Choice among guided lines: by their weights p / q, and how many independent draws they stand for (ancestry.py).

import type { Finished } from "./finished";
import { WEIGHTS_STREAM, type Uniforms } from "./uniforms";

/**
 * Choose among new lines by weight, without replacement: Gumbel-top-k (Kool, van Hoof and Welling 2019). As many
 * as two thirds of the effective sample size: if most were taken, weights would not matter.
 */
export function chooseByWeight(fresh: Finished[], uniforms: Uniforms, round: number): Finished[] {
  if (!fresh.length) return fresh;
  // A line's weight is the sum of p / q over its draws; as logs, which do not overflow.
  const logs = fresh.map((line) => Math.log(line.draws.length) + line.logWeight);
  const most = Math.max(...logs);
  const weights = logs.map((log) => Math.exp(log - most));
  const total = weights.reduce((a, b) => a + b, 0);
  // Kish 1965, in draws: a line's draws have equal weights, so weight^2 / draws sums the squares of its draws.
  const squares = weights.reduce((sum, weight, i) => sum + (weight * weight) / (fresh[i] as Finished).draws.length, 0);
  const count = Math.max(1, Math.floor(((total ** 2 / squares) * 2) / 3));
  const stream = uniforms.stream(round, WEIGHTS_STREAM);
  const keys = logs.map((log, i) => log - Math.log(-Math.log1p(-stream.at(i)) + 1e-300)); // log weight + Gumbel noise
  const order = [...fresh.keys()].sort((a, b) => (keys[b] as number) - (keys[a] as number) || a - b);
  return order.slice(0, count).map((i) => fresh[i] as Finished);
}

/** The effective sample size of the draws of some lines, those that go back to one draw as one (Kish 1965). */
export function effectiveSize(lines: readonly Finished[]): number {
  const most = Math.max(-Infinity, ...lines.map((line) => line.logWeight));
  const families = new Map<number, number>();
  for (const line of lines) {
    const weight = Math.exp(line.logWeight - most);
    for (const ancestor of line.ancestors) families.set(ancestor, (families.get(ancestor) ?? 0) + weight);
  }
  const weights = [...families.values()];
  const total = weights.reduce((a, b) => a + b, 0);
  return total ? total ** 2 / weights.reduce((sum, weight) => sum + weight * weight, 0) : 0;
}
