// Makes networks: from tensors, or with initial weights of a seed.

import type { ModelSpec, Tensors } from "../contract";
import type { Engine } from "./engine";
import { KINDS } from "./models/index";
import { checked, type Kind, type Network, type Options } from "./network";
import { Random } from "./random";

/** Make the network of a spec from tensors, named as Python's `model.tensors()` names them. */
export function makeModel(engine: Engine, spec: ModelSpec, tensors: Tensors): Network {
  const { kind, options } = read(spec);
  return kind.make(engine, spec, options, checked(tensors, shapesOf(kind, spec, options)));
}

/** Make the network of a spec with initial weights, of the same distributions as Python's. */
export function initialize(engine: Engine, spec: ModelSpec, seed: number): Network {
  const { kind, options } = read(spec);
  const random = new Random(seed);
  const tensors: Tensors = new Map();
  for (const [name, shape] of Object.entries(kind.shapes(options, spec.vocabSize, spec.blockSize))) {
    // The only tensor that is no float32: how many batches a BatchNorm has seen.
    const data = name.endsWith("num_batches_tracked") ? new BigInt64Array(1) : kind.initial(name, shape, options, random);
    tensors.set(name, { shape, data });
  }
  if (spec.nLabels) addLabels(tensors, tableOf(spec.kind), spec.nLabels);
  return makeModel(engine, spec, tensors);
}

function read(spec: ModelSpec): { kind: Kind; options: Options } {
  const kind = KINDS[spec.kind];
  if (!kind) throw new Error(`no network is called ${spec.kind}: there are ${Object.keys(KINDS).join(", ")}`);
  const given = Object.entries(spec.options).filter(([, value]) => typeof value !== "string");
  const options = { ...kind.defaults, ...Object.fromEntries(given), block_size: spec.blockSize } as Options;
  return { kind, options };
}

function shapesOf(kind: Kind, spec: ModelSpec, options: Options): Record<string, number[]> {
  const shapes = kind.shapes(options, spec.vocabSize, spec.blockSize);
  const table = shapes[tableOf(spec.kind)]!;
  table[0]! += spec.nLabels; // labels are further rows of the table of symbols
  return shapes;
}

function tableOf(name: string): string {
  return name === "bigram" ? "table.weight" : "embedding.weight";
}

// A label's row starts as a copy of a symbol's: the boundary, row 0, is none.
function addLabels(tensors: Tensors, name: string, count: number): void {
  const { shape, data } = tensors.get(name)!;
  const [V, width] = shape as [number, number];
  const all = new Float32Array((V + count) * width);
  all.set(data as Float32Array);
  for (let label = 0; label < count; label++) {
    const symbol = V > 1 ? 1 + (label % (V - 1)) : 0;
    all.copyWithin((V + label) * width, symbol * width, (symbol + 1) * width);
  }
  tensors.set(name, { shape: [V + count, width], data: all });
}
