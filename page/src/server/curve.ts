// Losses of one run over its steps: what the server has of it, and what it tells on the way.

import type { Progress } from "../contract";
import type { Losses, Preview, Run, RunInFull } from "./messages";

export interface RunCurve { steps: Map<number, Losses>; preview: Preview | null }

export function curveOf({ history, preview }: RunInFull): RunCurve {
  return { steps: new Map(history.map((each) => [each.step, each])), preview };
}

/** Adds the loss of an evaluation; kind: "train" or "val", all else is left out. */
export function addLoss({ steps }: RunCurve, step: number, kind: string, nll: number | null): void {
  if (kind === "train" || kind === "val") steps.set(step, { train: null, val: null, ...steps.get(step), step, [kind]: nll });
}

/** The points of a curve, where it has a loss. */
export function pointsOf({ steps }: RunCurve, key: "train" | "val"): [number, number][] {
  return [...steps.values()].filter((each) => each[key] !== null).map((each): [number, number] => [each.step, each[key]!]).sort(([a], [b]) => a - b);
}

/** Tells how a training goes as the page's own trainings are told of. */
export function progressOf(curve: RunCurve, { of, step: last, losses: { best }, state }: Run): Progress[] {
  const all = pointsOf(curve, "train").map(([step, train]): Progress => (
    { step, of: Math.max(of ?? 0, last, 1), seconds: 0, train, val: curve.steps.get(step)!.val, best }));
  const newest = all.at(-1);
  if (newest && curve.preview) newest.samples = curve.preview.lines;
  if (newest && state === "finished") newest.ended = "done";
  return all;
}
