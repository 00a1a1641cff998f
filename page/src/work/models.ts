// Models from tensors, whatever their kind: networks, counts, counts by label, and mixtures of all of them.

import type { Model, ModelSpec, Tensors } from "../contract";
import { Ensemble } from "../counts/ensemble";
import { makeCounts } from "../counts/make";
import { type Engine, makeModel } from "../engine";
import { Network } from "../engine/network";

/** Makes the model of a spec from tensors, named as Python's `model.tensors()` names them. */
export function modelOf(engine: Engine, spec: ModelSpec, tensors: Tensors): Model {
  if (spec.kind === "ensemble") return Ensemble.of(spec, tensors, (member, arrays) => modelOf(engine, member, arrays));
  if (spec.kind === "ngram") return makeCounts(spec, tensors);
  return makeModel(engine, spec, tensors);
}

/** Gives back the memory that a network's weights have in the engine. */
export function free(model: Model | null): void {
  if (model instanceof Network) model.free();
  else if (model instanceof Ensemble) model.parts.forEach(free);
}
