// Integers of a weights file: read from any type, written in the smallest unsigned one.

import type { Tensor } from "../contract";

/** The numbers of a tensor of integers of any type. */
export function numbersOf(tensor: Tensor | undefined, name: string): Float64Array {
  if (!tensor || tensor.shape.length !== 1) throw new Error(`the weights lack the array '${name}'`);
  const { data } = tensor;
  const isBig = data instanceof BigInt64Array || data instanceof BigUint64Array;
  const numbers = isBig ? Float64Array.from(data as ArrayLike<bigint>, Number) : new Float64Array(data as ArrayLike<number>);
  // Loops here and below: a call for each of some 100,000 numbers takes long in a page that has just been opened.
  for (let i = 0; i < numbers.length; i++) {
    if (!Number.isSafeInteger(numbers[i]) || (numbers[i] as number) < 0) throw new Error(`'${name}' holds what is no count`);
  }
  return numbers;
}

/** Throws for codes that do not ascend: they are looked up by bisection. */
export function checkSorted(codes: Float64Array, name: string): void {
  for (let i = 1; i < codes.length; i++) {
    if (!((codes[i] as number) > (codes[i - 1] as number))) throw new Error(`'${name}' is not sorted`);
  }
}

/** In the smallest unsigned type that fits, as Python writes them: most counts are small. */
export function smallest(values: Float64Array): Tensor {
  const most = values.reduce((a, b) => Math.max(a, b), 0);
  const shape = [values.length];
  if (most < 2 ** 8) return { shape, data: Uint8Array.from(values) };
  if (most < 2 ** 16) return { shape, data: Uint16Array.from(values) };
  if (most < 2 ** 32) return { shape, data: Uint32Array.from(values) };
  return { shape, data: BigUint64Array.from(Array.from(values, BigInt)) };
}

