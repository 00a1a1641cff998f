// Setting: what one side of an experiment trains, in a link as "MLP-3-200-calm-AdamW-0.005-32-1".

import type { TrainRequest } from "../contract";

export interface Setting {
  kind: "MLP" | "GRU" | "counts";
  context: number; // letters that an MLP sees
  hidden: number; // units of an MLP or a GRU
  start: "naive" | "saturated" | "calm"; // weights of an MLP: plain randn; with a mended last layer; as makemore's
  optimizer: "AdamW" | "SGD"; // SGD: plain gradient descent, as in the lectures
  rate: number; batch: number; seed: number;
}
export type Field = keyof Setting;

/** All fields in the order of a link: what they are called, and their values: least and greatest number, or words. */
export const FIELDS: readonly (readonly [Field, string, readonly [number, number] | readonly string[]])[] = [
  ["kind", "Kind", ["MLP", "GRU", "counts"]],
  ["context", "Letters seen", [1, 8]],
  ["hidden", "Hidden units", [1, 300]],
  ["start", "First weights", ["naive", "saturated", "calm"]],
  ["optimizer", "Optimizer", ["AdamW", "SGD"]],
  ["rate", "Learning rate", [1e-5, 100]],
  ["batch", "Batch", [1, 256]],
  ["seed", "Seed", [0, 2 ** 31]],
];
const STEPS = 3000, GRU_STEPS = 600; // of a GRU each takes longer
/** gain: deviation of what goes into the tanh; head_scale: of the last weights. 6 and 1 are what plain randn comes to. */
const SCALES = { naive: { gain: 6, head_scale: 1 }, saturated: { gain: 6 }, calm: {} };
const POINTS = 100; // of a curve, about

/** Whether a kind has a field: what an MLP sees is a window, a GRU reads the whole line, counts have nothing to set. */
export function has(kind: Setting["kind"], field: Field): boolean {
  return field === "kind" || kind === "MLP" || (kind === "GRU" && field !== "context" && field !== "start");
}

/** Completes a setting by what its kind has by default; 0.1 is the rate of the lectures. */
export function settingOf(some: Partial<Setting>): Setting {
  const isGRU = some.kind === "GRU", rate = some.optimizer === "SGD" ? 0.1 : isGRU ? 0.008 : 0.005;
  return { kind: "MLP", context: 3, hidden: isGRU ? 64 : 200, start: "calm", optimizer: "AdamW", rate, batch: 32, seed: 1, ...some };
}

export function writeSetting(setting: Setting): string {
  return FIELDS.map(([field]) => setting[field]).join("-");
}

/** Reads a setting from a link; what cannot be is as by default, and null is what names no kind. */
export function readSetting(text: string): Setting | null {
  const written = text.split("-"), some: Record<string, string | number> = {};
  FIELDS.forEach(([field, , values], at) => {
    const [least, most] = values, word = written[at] || "none", value = Number(word);
    if (typeof least === "string") { if ((values as readonly string[]).includes(word)) some[field] = word; }
    else if (value >= Number(least) && value <= Number(most) && (field === "rate" || Number.isInteger(value))) some[field] = value;
  });
  return some["kind"] ? settingOf(some) : null;
}

/** Steps of both sides, which a page makes within seconds. */
export function stepsOf(settings: readonly Setting[]): number {
  return settings.some(({ kind }) => kind === "GRU") ? GRU_STEPS : STEPS;
}

/** Steps between two points of a curve of so many steps. */
export function pointEvery(of: number): number {
  return Math.max(1, Math.ceil(of / POINTS));
}

/** The training that a setting asks for. Sizes of the MLP are those of the lectures. */
export function requestOf({ kind, context, hidden, start, optimizer, rate, batch, seed }: Setting, maxSteps: number): TrainRequest {
  const isMLP = kind === "MLP";
  const options: Record<string, number> = isMLP ? { block_size: context, n_embd: 10, n_hidden: hidden, ...SCALES[start] } : { n_embd: 24, n_hidden: hidden, dropout: 0 };
  return { kind: isMLP ? "mlp" : kind === "GRU" ? "gru" : "ngram", options, sgd: optimizer === "SGD", maxSteps, batchSize: batch, learningRate: rate, seed };
}
