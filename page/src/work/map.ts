// Map: where symbols lie by a network's embedding or, where a model has none, by what follows them.

import type { Model, Tensor, Tensors } from "../contract";
import { toPlane, turnedTo } from "./plane";

export interface Picture { key: string; xy: Float64Array; what: string }

/** Draws the symbols `chosen` (ids) of a model; `pairs` gives what follows each (K, K). before: the picture before. */
export function pictureOf(model: Model, chosen: readonly number[], pairs: () => Float64Array, before: Picture | null): Picture {
  const table = tableOf(model), K = chosen.length;
  const width = table?.shape[1] ?? K;
  const rows = table ? chosen.flatMap((id) => Array.from(table.data.slice(id * width, (id + 1) * width), Number)) : Array.from(pairs(), Math.sqrt);
  const key = `${model.spec.kind} ${width} ${chosen.join(" ")}`;
  let xy = scaled(toPlane(rows, K, width));
  if (before?.key === key) xy = turnedTo(before.xy, xy);
  const what = table
    ? `By the ${width} numbers that the ${model.spec.kind} has learned for each symbol, seen from the side that shows most.`
    : "By what follows each symbol: those that the same symbols follow lie near each other.";
  return { key, xy, what };
}

/** The table (V, width) of a network, or of the first network of a mixture; null for counts. */
function tableOf(model: Model): Tensor | null {
  const { kind, members } = model.spec;
  if (kind === "ngram" || (kind === "ensemble" && members?.every((member) => member.kind === "ngram"))) return null;
  const tensors: Tensors = model.tensors();
  for (const [name, tensor] of tensors) if (/(^|\.)(embedding|table)\.weight$/.test(name) && tensor.shape.length === 2) return tensor;
  return null;
}

/** Makes the greatest distance from the middle 1, so that a picture does not jump as weights grow. */
function scaled(xy: Float64Array): Float64Array {
  const most = xy.reduce((greatest, value) => Math.max(greatest, Math.abs(value)), 1e-12);
  return xy.map((value) => value / most);
}
