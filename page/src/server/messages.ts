// What the server answers, and what it sends as events: JSON of its API. Nothing here computes.

import type { PagePayload } from "../contract";

/** A training in a folder of the server; losses in nats a symbol. */
export interface Run {
  id: string; name: string; model: string;
  state: "training" | "stopped" | "finished" | "failed" | "gone";
  step: number; of: number | null; // of: null where it ends by time
  generation: number; // of its last save, whose weights may be those before; 0 also before the first
  seconds: number;
  losses: { train: number | null; val: number | null; best: number | null };
  message: string | null; fix: string | null; // of one that failed
  ours: boolean; // started by this server, which can stop it
}
export interface Losses { step: number; train: number | null; val: number | null }
export interface Preview { step: number; lines: string[] }
export interface RunInFull extends Run { history: Losses[]; preview: Preview | null }

export interface Offers {
  runs: Run[];
  file: { name: string; lines: number } | null;
  models: { name: string; about: string }[];
  version: string;
}

/** A training to begin: without a model, or an end, makemore chooses. */
export interface TrainingWanted { lines: string[]; name?: string; model?: string; time?: string; options?: Record<string, number> }

export type ServerEvent =
  | { event: "run"; data: Run }
  | { event: "metric"; data: { run: string; step: number; kind: string; nll: number | null; lr: number | null; seconds: number } }
  | { event: "preview"; data: Preview & { run: string } }
  | { event: "weights"; data: { run: string; generation: number; step: number } };

/** What stands before the arrays of /api/weights; weights and known: so many bytes. */
export interface WeightsHead { payload: PagePayload; weights: number; known: number; generation: number; step: number }
