// Deep MLP: many thin layers, each Linear, BatchNorm, tanh (makemore/models/deep_mlp.py).

import { batchNormShapes, folded } from "../batch_norm";
import { constant, normal, uniform } from "../initial";
import type { Kind } from "../network";
import type { Tape, Value } from "../tape";
import { WindowNetwork } from "./window";

class DeepMLP extends WindowNetwork {
  override readonly canLearn = !this.options.batch_norm;

  forward(tape: Tape, inputs: Int32Array): Value {
    const N = inputs.length / this.spec.blockSize;
    let x = this.embedded(tape, inputs, N);
    for (let layer = 0; layer < (this.options.n_layer as number); layer++) {
      x = tape.note("tanh", tape.tanh(this.linear(tape, `layers.${layer}`, x, `norms.${layer}`))); // (N, n_hidden)
    }
    return this.linear(tape, "head", x, "head_norm"); // (N, V)
  }
}

export const deepMLP: Kind = {
  defaults: { n_embd: 10, n_hidden: 100, n_layer: 5, batch_norm: true, gain: 5 / 3, head_scale: 0.1 },
  shapes(options, V, blockSize) {
    const { n_embd, n_hidden, n_layer } = options as { n_embd: number; n_hidden: number; n_layer: number };
    const layers = Array.from({ length: n_layer }, (_, layer) => layer);
    const shapes: Record<string, number[]> = { "embedding.weight": [V, n_embd] };
    for (const layer of layers) {
      shapes[`layers.${layer}.weight`] = [n_hidden, layer ? n_hidden : blockSize * n_embd];
      if (!options.batch_norm) shapes[`layers.${layer}.bias`] = [n_hidden];
    }
    if (options.batch_norm) for (const layer of layers) Object.assign(shapes, batchNormShapes(`norms.${layer}`, n_hidden));
    shapes["head.weight"] = [V, n_hidden];
    if (options.batch_norm) Object.assign(shapes, batchNormShapes("head_norm", V));
    else shapes["head.bias"] = [V];
    return shapes;
  },
  initial(name, shape, options, random) {
    const fanIn = shape[1] ?? 1;
    const width = options.n_hidden as number;
    const scale = options.head_scale as number;
    if (name === "embedding.weight") return normal(shape, 1, random);
    // Near uniform at first: the last of the layers is scaled down.
    if (name === "head.weight") return normal(shape, (options.batch_norm ? 1 : scale) * width ** -0.5, random);
    if (name === "head_norm.weight") return constant(shape, scale);
    if (name === "layers.0.bias") return uniform(shape, (options.block_size as number) * (options.n_embd as number), random);
    if (!options.batch_norm && name.endsWith(".bias")) return uniform(shape, width, random);
    if (name.startsWith("layers.")) return normal(shape, (options.gain as number) / fanIn ** 0.5, random);
    return constant(shape, /weight$|running_var$/.test(name) ? 1 : 0);
  },
  make(engine, spec, options, tensors) {
    const pairs: [string, string][] = Array.from({ length: options.n_layer as number }, (_, layer) => [
      `layers.${layer}`, `norms.${layer}`,
    ]);
    const loaded = options.batch_norm ? folded(tensors, [...pairs, ["head", "head_norm"]]) : tensors;
    return new DeepMLP(engine, spec, options, tensors, loaded);
  },
};
