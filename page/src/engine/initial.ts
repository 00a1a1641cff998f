// Initial weights, of the same distributions as torch's and makemore's.

import type { Random } from "./random";

export function sizeOf(shape: number[]): number {
  return shape.reduce((product, each) => product * each, 1);
}

export function constant(shape: number[], value: number): Float32Array {
  return new Float32Array(sizeOf(shape)).fill(value);
}

export function normal(shape: number[], deviation: number, random: Random): Float32Array {
  return Float32Array.from({ length: sizeOf(shape) }, () => deviation * random.normal());
}

/** From -1 / sqrt(fanIn) to 1 / sqrt(fanIn): torch's default of a linear, and of cells. */
export function uniform(shape: number[], fanIn: number, random: Random): Float32Array {
  const most = fanIn ** -0.5;
  return Float32Array.from({ length: sizeOf(shape) }, () => most * (2 * random.unit() - 1));
}
