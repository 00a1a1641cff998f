// BatchNorm in evaluation is a scale and a shift of each neuron: it is folded into the linear before.

import type { Tensors } from "../contract";

/** Shapes of a BatchNorm's tensors by name, as torch has them. */
export function batchNormShapes(name: string, width: number): Record<string, number[]> {
  return {
    [`${name}.weight`]: [width], [`${name}.bias`]: [width],
    [`${name}.running_mean`]: [width], [`${name}.running_var`]: [width],
    [`${name}.num_batches_tracked`]: [],
  };
}

/** Fold each [linear, norm]: norm(linear(x)) becomes one linear with a bias. Gives new tensors. */
export function folded(tensors: Tensors, pairs: [string, string][]): Tensors {
  const result = new Map(tensors);
  for (const [linear, norm] of pairs) {
    const { shape, data } = tensors.get(`${linear}.weight`)!;
    const [out, inn] = shape as [number, number];
    const weight = new Float32Array(data.length);
    const bias = new Float32Array(out);
    const of = (part: string) => tensors.get(`${norm}.${part}`)!.data as Float32Array;
    for (let i = 0; i < out; i++) {
      const scale = of("weight")[i]! / Math.sqrt(of("running_var")[i]! + 1e-5); // torch's eps
      bias[i] = of("bias")[i]! - of("running_mean")[i]! * scale;
      for (let j = 0; j < inn; j++) weight[i * inn + j] = (data[i * inn + j] as number) * scale;
    }
    for (const part of Object.keys(batchNormShapes(norm, out))) result.delete(part);
    result.set(`${linear}.weight`, { shape, data: weight });
    result.set(`${linear}.bias`, { shape: [out], data: bias });
  }
  return result;
}
