// Settings: what a person has set, kept in the URL's hash. A link carries settings, never the list.

import type { TrainRequest } from "./contract";

export const VIEWS = ["list", "runs", "names", "letters", "inside", "learning", "experiments", "map", "pairs", "kept", "about"] as const;
export type ViewId = (typeof VIEWS)[number];
export type NetworkKind = Exclude<TrainRequest["kind"], "ngram"> | "prior" | "";
/** "" is what fits the list best: from the prior where it fits, else a GRU. */
export const NETWORKS: readonly NetworkKind[] = ["", "prior", "gru", "mlp", "transformer", "bigram"];
export const SIZES = ["small", "medium", "large"] as const;
export type Size = (typeof SIZES)[number];
export const ORDERS = ["drawn", "likely", "alphabet", "near"] as const;
export type Order = (typeof ORDERS)[number];
export const MODELS = ["mixed", "counts", "network"] as const;

export interface Settings {
  view: ViewId;
  tour: number; // the step of the tour, from 1 on; 0: none
  // of a draw; 0 is off where a length or a filter is meant
  temperature: number; shortest: number; longest: number;
  begins: string; contains: string; ends: string; without: string; label: string; pattern: string;
  known: boolean; // lines of the list are shown, too
  minp: number; model: (typeof MODELS)[number]; seed: number; shown: number;
  like: string; // the name that others should be like
  order: Order; near: string; // of the wall; near: the name that the others are ordered by, "" for the first
  // of the view letter by letter
  name: string; place: number; member: number; // member: of a mixture, which is looked into; -1 its network
  // of a training; steps 0: those of the recipe
  kind: NetworkKind; size: Size; steps: number; rate: number; batch: number; start: number;
  a: string; b: string; // of an experiment: both settings
}

export const DEFAULTS: Readonly<Settings> = {
  view: "list", tour: 0,
  temperature: 1, shortest: 0, longest: 0,
  begins: "", contains: "", ends: "", without: "", label: "", pattern: "",
  known: false, minp: 0, model: "mixed", seed: 1, shown: 60, like: "", order: "drawn", near: "",
  name: "", place: 0, member: -1,
  kind: "", size: "medium", steps: 0, rate: 0, batch: 0, start: 1,
  a: "", b: "",
};

/** Least and greatest value of each number; a link's value outside of it is left out. */
const RANGES: Partial<Record<keyof Settings, [number, number]>> = {
  tour: [0, 6], temperature: [0.1, 2], shortest: [0, 1000], longest: [0, 1000], minp: [0, 0.5],
  seed: [0, 2 ** 31], shown: [1, 1000], place: [0, 1000], member: [-1, 1000],
  steps: [0, 1_000_000], rate: [0, 1], batch: [0, 4096], start: [0, 2 ** 31],
};
const CHOICES: Partial<Record<keyof Settings, readonly string[]>> = {
  view: VIEWS, model: MODELS, order: ORDERS, kind: NETWORKS, size: SIZES,
};
const MOST_TEXT = 200; // characters of a text in a link

/** Read settings from a hash such as "#view=names&temperature=0.8"; what cannot be is left out. */
export function readHash(hash: string): Settings {
  const settings: Record<string, string | number | boolean> = { ...DEFAULTS };
  for (const [key, text] of new URLSearchParams(hash.replace(/^#/, ""))) {
    if (!Object.hasOwn(DEFAULTS, key)) continue;
    const value = readValue(key as keyof Settings, text);
    if (value !== null) settings[key] = value;
  }
  return settings as unknown as Settings;
}

function readValue(key: keyof Settings, text: string): string | number | boolean | null {
  const normal = DEFAULTS[key];
  if (typeof normal === "boolean") return text === "1";
  if (typeof normal === "number") {
    const value = Number(text), [least, most] = RANGES[key] ?? [-Infinity, Infinity];
    return Number.isFinite(value) && value >= least && value <= most ? value : null;
  }
  const choices = CHOICES[key];
  if (choices) return choices.includes(text) ? text : null;
  return text.slice(0, MOST_TEXT);
}

/** Write settings as a hash; those that are as by default are left out. */
export function writeHash(settings: Settings): string {
  const pairs = new URLSearchParams();
  for (const key of Object.keys(DEFAULTS) as (keyof Settings)[]) {
    const value = settings[key];
    if (value === DEFAULTS[key]) continue;
    pairs.set(key, value === true ? "1" : String(value));
  }
  return "#" + pairs.toString();
}
