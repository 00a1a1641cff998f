// Makes models of counts: from lines, or from the tensors of a run.

import type { Model, ModelSpec, Tensors } from "../contract";
import { NGram } from "./ngram";
import { PerLabelCounts } from "./per_label";

/** Count lines: ids one after another, line i from offsets[i] on; labels: the ids of theirs, where spec has labels. */
export function fitCounts(spec: ModelSpec, ids: Int32Array, offsets: Int32Array, labels?: Int32Array): NGram | PerLabelCounts {
  if (!spec.nLabels) return NGram.fit(spec, ids, offsets);
  if (!labels) throw new Error("the lines of a labelled model have labels");
  return PerLabelCounts.fit(spec, ids, offsets, labels);
}

/** Load a model of counts. */
export function makeCounts(spec: ModelSpec, tensors: Tensors): Model {
  return spec.nLabels ? PerLabelCounts.of(spec, tensors) : NGram.of(spec, tensors);
}
