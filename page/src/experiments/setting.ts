// Setting: what one side of an experiment trains, in a link as "mlp-c3-h200": the kind, then what is not as by default.

import type { TrainRequest } from "../contract";

export const KINDS = ["mlp", "gru", "transformer", "bigram", "counts"] as const;
export type TrialKind = (typeof KINDS)[number];
export const STARTS = ["calm", "head", "naive"] as const;
/** How an MLP's weights start: makemore's; with a small head alone; as in the lecture before it was mended. */
export type Start = (typeof STARTS)[number];
export const OPTIMIZERS = ["adamw", "sgd"] as const;

export interface Setting {
  kind: TrialKind;
  context: number; // symbols that an MLP sees
  hidden: number; // units of an MLP or a GRU
  start: Start;
  optimizer: (typeof OPTIMIZERS)[number];
  rate: number; batch: number; seed: number;
}
export type Field = Exclude<keyof Setting, "kind">;

/** Least and greatest value of each number. */
export const RANGES = { context: [1, 8], hidden: [1, 300], rate: [0.00001, 100], batch: [1, 256], seed: [0, 2 ** 31] } as const;
const FIELDS: Record<TrialKind, readonly Field[]> = {
  mlp: ["context", "hidden", "start", "optimizer", "rate", "batch", "seed"],
  gru: ["hidden", "optimizer", "rate", "batch", "seed"],
  transformer: ["optimizer", "rate", "batch", "seed"],
  bigram: ["optimizer", "rate", "batch", "seed"],
  counts: [],
};
const RATES: Record<TrialKind, number> = { mlp: 0.005, gru: 0.008, transformer: 0.004, bigram: 0.1, counts: 0 };
const SGD_RATE = 0.1; // of the lectures
/** gain: deviation of what goes into the tanh; head_scale: of the last weights. 6 and 1 are the lecture's plain randn. */
const SCALES: Record<Start, { gain: number; head_scale: number }> = {
  calm: { gain: 5 / 3, head_scale: 0.01 }, head: { gain: 6, head_scale: 0.01 }, naive: { gain: 6, head_scale: 1 },
};
const LETTERS = { context: "c", hidden: "h", rate: "r", batch: "b", seed: "s" } as const; // of the link

/** Whether a kind has a field: what an MLP sees is a window, other networks read the whole line. */
export function has(kind: TrialKind, field: Field): boolean {
  return FIELDS[kind].includes(field);
}

/** The setting of a kind by default. */
export function settingOf(kind: TrialKind, some: Partial<Setting> = {}): Setting {
  const optimizer = some.optimizer ?? "adamw", rate = optimizer === "sgd" ? SGD_RATE : RATES[kind];
  return { kind, context: 3, hidden: kind === "gru" ? 64 : 200, start: "calm", optimizer, rate, batch: 32, seed: 1, ...some };
}

/** Writes a setting for a link: "mlp-c3-naive-sgd". */
export function writeSetting(setting: Setting): string {
  const { kind, start, optimizer } = setting, normal = settingOf(kind, { optimizer });
  const words: string[] = [kind];
  if (start !== normal.start) words.push(start);
  if (optimizer !== "adamw") words.push(optimizer);
  for (const [field, letter] of Object.entries(LETTERS) as [keyof typeof LETTERS, string][]) {
    if (setting[field] !== normal[field]) words.push(letter + String(setting[field]));
  }
  return words.join("-");
}

/** Reads a setting from a link; what cannot be is left out, and null is what names no kind. */
export function readSetting(text: string): Setting | null {
  const [kind, ...words] = text.split("-"), some: Partial<Setting> = {};
  if (!isOneOf(KINDS, kind)) return null;
  for (const word of words) {
    const field = (Object.keys(LETTERS) as (keyof typeof LETTERS)[]).find((each) => LETTERS[each] === word[0]);
    if (isOneOf(STARTS, word) && has(kind, "start")) some.start = word;
    else if (isOneOf(OPTIMIZERS, word) && has(kind, "optimizer")) some.optimizer = word;
    else if (field && has(kind, field) && /^\d+(\.\d+)?$/.test(word.slice(1))) some[field] = within(field, Number(word.slice(1)));
  }
  return settingOf(kind, some);
}

/** A number as its field takes it: within its range, and whole where it counts something. */
export function within(field: keyof typeof RANGES, value: number): number {
  const [least, most] = RANGES[field], inside = Math.max(least, Math.min(most, value));
  return field === "rate" ? inside : Math.round(inside);
}

function isOneOf<T extends string>(all: readonly T[], text: string | undefined): text is T {
  return all.includes(text as T);
}

const STEPS: Record<TrialKind, number> = { mlp: 3000, gru: 600, transformer: 600, bigram: 3000, counts: 3000 };

/** Steps of both sides by default: those of the one that has fewer, as its steps take longer. */
export function stepsOf(a: Setting, b: Setting): number {
  return Math.min(STEPS[a.kind], STEPS[b.kind]);
}

/** The training that a setting asks for. Sizes are those of the lectures. */
export function requestOf({ kind, context, hidden, start, optimizer, rate, batch, seed }: Setting, maxSteps: number): TrainRequest {
  const options: Record<TrialKind, Record<string, number>> = {
    mlp: { block_size: context, n_embd: 10, n_hidden: hidden, ...SCALES[start] },
    gru: { n_embd: 24, n_hidden: hidden, dropout: 0 },
    transformer: { n_layer: 2, n_head: 4, n_embd: 32, dropout: 0 },
    bigram: {}, counts: {},
  };
  return {
    kind: kind === "counts" ? "ngram" : kind, options: options[kind], optimizer,
    maxSteps, batchSize: batch, learningRate: rate, seed,
  };
}
