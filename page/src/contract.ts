// The types that the parts of the page share. Nothing here computes.

/** A named array as in a weights file. F16 is widened to Float32Array when it is read. */
export interface Tensor {
  shape: number[];
  data: Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array | Uint16Array | Uint32Array | BigUint64Array;
}
export type Tensors = Map<string, Tensor>;

/** What a model is: as config.json has it. `options` are the model's own (n_embd, order, ...). */
export interface ModelSpec {
  kind: string; // ngram bigram mlp deep_mlp wavenet bow rnn gru lstm transformer ensemble
  vocabSize: number; // V: symbols and the boundary; id 0 is the boundary
  blockSize: number;
  nLabels: number; // the id of label i is V + i: a first input in place of the boundary
  options: Record<string, number | string | boolean>;
  members?: ModelSpec[]; // of an ensemble: tensors of member K are "K.NAME"; one without a weight has none
}

/** What a model goes on from, a row for each line. Opaque: only its model reads it. */
export type State = unknown;

/** The interface of every model: ids in, logits out, one symbol of many lines at a time. */
export interface Model {
  readonly spec: ModelSpec;
  readonly nParameters: number;
  /** The state of `rows` lines before their first input. */
  begin(rows: number): State;
  /**
   * Read one id for each row i, going on from row from[i] of `state` (a row may come often).
   * Gives logits (ids.length, V), row by row, not normalised, and the state after.
   */
  step(ids: Int32Array, state: State, from: Int32Array): { logits: Float32Array | Float64Array; state: State };
  /**
   * Write the rows of `more` behind the first `rows` of `state`, in place where that can be; both are states after as
   * many inputs. Null where they cannot stand in one state.
   */
  append?(state: State, rows: number, more: State): State | null;
  /** Whether steps are looked up (counts), in so few states that `table` gives all of them. Quick to ask. */
  tabulates?(): boolean;
  /** Whether the table has been made: then it is the quickest way also for few draws. */
  readonly tabulated?: boolean;
  table?(): Table | null;
  tensors(): Tensors;
}

/** All states of a model of counts: logs (S, V) in nats, after (S, V), the state at a line's start by first input. */
export interface Table {
  states: number;
  logs: Float64Array;
  after: Int32Array;
  start: Map<number, number>;
}

export interface Vocabulary {
  readonly symbols: string[]; // sorted by code point; symbol i has the id i + 1
  readonly labels: string[];
  readonly rule: string; // "character", or how lines are cut; the page cuts by character and grapheme
  readonly size: number; // V = symbols + boundary
  encode(line: string): Int32Array; // -1 where a symbol is not known
  decode(ids: ArrayLike<number>): string;
}

/** What a network computes for a line at one place of its file; of each position (T, ...shape). */
export interface Stage {
  name: string; // as `makemore explain --trace` names it: module and function
  shape: number[];
  data: Float32Array;
}

/** A list after reading. */
export interface TextList {
  name: string;
  lines: string[]; // cleaned, distinct, in file order
  labels?: string[];
  counts: { read: number; blank: number; copies: number; trimmed: number; tooLong: number };
  odd: { what: string; lines: string[] }[]; // what looks wrong, in words, with examples
}

/** Lines in parts, each line by its hash as in makemore.text.corpus. */
export interface Parts { train: string[]; val: string[]; test: string[] }

/** Conditions of a draw: the names of `makemore sample`. */
export interface Conditions {
  prefix?: string; suffix?: string; contains?: string; exclude?: string; pattern?: string;
  minLength?: number; maxLength?: number; label?: string; all?: boolean;
}
export interface Filters { temperature?: number; topK?: number; topP?: number; minP?: number }

export interface Drawn {
  text: string;
  nll: number; // of the whole line, nats
  origin: "train" | "val" | "test" | "prior" | "known" | "new";
  label?: string; // of a model with labels
  capped?: boolean; // cut at the greatest length; only where all lines are shown
}

/** How training is going: what the worker tells. */
export interface Progress {
  step: number; of: number; seconds: number;
  train: number; // loss of the last steps, nats a symbol
  val: number | null; // at evaluations
  best: number | null;
  counts?: number | null; // loss of the counts on the lines of val: the line to beat
  together?: number; // at the end: loss of counts and network mixed, on the lines that the mixture was fitted to
  samples?: string[];
  waits?: string; // what is done before the first step ...
  waited?: number; // ... and how much of that, from 0 to 1
  ended?: "done" | "stopped" | "patience";
}

export interface TrainRequest {
  kind: "ngram" | "bigram" | "mlp" | "gru" | "transformer";
  options: Record<string, number>;
  maxSteps: number; batchSize: number; learningRate: number; seed: number;
  sgd?: boolean; // by plain gradient descent, as in the lectures; else by AdamW
  prior?: boolean; // start from the page's prior, whose sizes the network then has
}

/** One training, step by step; the worker's loop calls it and tells Progress between. */
export interface Training {
  readonly model: Model;
  step(): number; // one gradient step -> loss of its batch, nats a symbol
  /** Exact nll of lines as ids, nats a symbol; labels: the id (V + i) of each line's label. */
  evaluate(lines: Int32Array[], labels?: Int32Array): number;
}

export type FileFormat = "text" | "csv" | "json";

/** A list as it was given: what the question "read" takes. */
export type GivenList = Omit<Extract<Ask, { ask: "read" }>, "id" | "ask">;

/** What is known of a trial, one training of an experiment, before its first step. */
export interface TrialStart {
  engine: "wasm" | "js";
  parameters: number;
  vocabSize: number; // V: log V is the loss of who knows nothing
  saturated: number | null; // share of tanh outputs with |tanh| > 0.97; null without a tanh
  counts: number | null; // loss of the counts on the unseen lines
}

/** Where a trial is. */
export interface TrialPoint {
  step: number;
  seconds: number; // of learning, without what evaluating takes
  symbols: number; // learned from, about
  batches: number | null; // mean loss of the batches since the point before, nats a symbol
  diverged: boolean; // its loss is no number any more: it learns no further
  exact?: { own: number; nats: Float64Array; lengths: Int32Array; samples: string[] }; // at evaluations; nats and symbols of each unseen line
}

/** Messages to the worker; each has an id, and the answer bears it. Long ones answer many times. */
export type Ask =
  | { id: number; ask: "open"; version: string; page: PagePayload | null; wasm: ArrayBuffer | null; arrays?: PageArrays | null; prior?: PriorPayload | null; priorArrays?: PageArrays | null }
  | { id: number; ask: "weights"; page: PagePayload; arrays: PageArrays } // a run in place of what was there; "opened"
  | { id: number; ask: "lines" } // all lines of the list that was read
  | { id: number; ask: "read"; name: string; text: string | ArrayBuffer; column?: string; labelColumn?: string; delimiter?: string; mend?: boolean; asIs?: boolean }
  | { id: number; ask: "train"; request: TrainRequest }
  | { id: number; ask: "play" | "pause" | "one-step" | "stop" }
  | { id: number; ask: "draw"; n: number; seed: number; conditions: Conditions; filters: Filters; model?: "counts" | "network" | "mixed" }
  | { id: number; ask: "file"; n: number; seed: number; conditions: Conditions; filters: Filters; model?: "counts" | "network" | "mixed"; format: FileFormat } // many lines, as a file
  | { id: number; ask: "stop-file" }
  | { id: number; ask: "next"; prefix: string; filters?: Filters } // what may follow: probabilities by symbol
  | { id: number; ask: "score"; lines: string[] } // nll and surprisal of each symbol
  | { id: number; ask: "pairs" } // (V, V) probabilities of the next symbol after one symbol
  | { id: number; ask: "map" } // symbols' embeddings in two dimensions
  | { id: number; ask: "like"; text: string; n: number; seed: number } // lines near a line
  | { id: number; ask: "about" } // the model that is there now, as after "open"
  | { id: number; ask: "inside"; text: string; member: number; label?: string } // what is computed for a line; member: of a mixture, -1 its heaviest network
  | { id: number; ask: "active"; stage: string; unit: number; member: number; label?: string } // where a unit is most active
  | { id: number; ask: "zip" } // the run directory
  | { id: number; ask: "trial"; wasm: ArrayBuffer | null; list: GivenList; request: TrainRequest } // one training of an experiment, in a worker of its own; "ngram": counts alone
  | { id: number; ask: "trial-on"; until: number }; // goes on to that step
export type Answer =
  | { id: number; answer: "error"; message: string; fix: string }
  | { id: number; answer: "opened"; model: ModelSpec | null; parameters: number; engine: "wasm" | "js"; symbols: string[]; labels: string[] }
  | { id: number; answer: "list"; list: Omit<TextList, "lines"> & { total: number; first: string[]; symbols: string[]; longest: number; lengths: number[] }; columns?: string[]; column?: string; shape?: string; prior: number } // shape: what the text is that is no plain list; prior: how many lists the prior has read, 0 where it does not fit
  | { id: number; answer: "lines"; lines: string[] }
  | { id: number; answer: "progress"; progress: Progress }
  | { id: number; answer: "drawn"; lines: Drawn[]; draws: number; known: number; repeated: number; seconds: number; done: boolean; shortfall?: { message: string; fix: string } | null } // shortfall: why no more lines come
  | { id: number; answer: "file"; found: number; seconds: number; bytes: ArrayBuffer | null; shortfall: { message: string; fix: string } | null } // bytes: once all are there
  | { id: number; answer: "next"; symbols: { text: string; end: boolean; p: number }[] }
  | { id: number; answer: "scores"; scores: { text: string; nll: number | null; each: { symbol: string; nll: number }[]; unknown: string[]; known: boolean }[] }
  | { id: number; answer: "pairs"; symbols: string[]; p: Float64Array; of: number } // the most frequent symbols, "" for the boundary; of so many
  | { id: number; answer: "map"; symbols: string[]; xy: Float64Array; what: string; step: number } // step: of the training so far
  | { id: number; answer: "inside"; spec: ModelSpec; text: string; known: boolean; member: number; members: { number: number; spec: ModelSpec; weights: [number, number] }[]; inputs: string[]; left: number; stages: Stage[] } // spec: of the member; left: how many positions are not shown
  | { id: number; answer: "active"; stage: string; unit: number; most: { text: string; value: number }[]; least: { text: string; value: number }[]; of: number } // beginnings of lines
  | { id: number; answer: "trial"; start: TrialStart; point: TrialPoint }
  | { id: number; answer: "trial-on"; point: TrialPoint }
  | { id: number; answer: "zip"; bytes: ArrayBuffer; name: string }
  | { id: number; answer: "done" };

/** Where symbols lay at some steps of a training, all on one map: xy of each step is (symbols, 2), flat. */
export interface MapsOverTime { symbols: string[]; steps: number[]; xy: number[][]; what: string }

/** What `makemore export DIR --html` puts into a page, as JSON; arrays stand beside it, compressed. */
export interface PagePayload {
  format: 1;
  version: string; // of makemore
  name: string;
  model: ModelSpec & { nParameters: number };
  vocabulary: { symbols: string[]; rule: string; labels: string[] };
  tensors: { name: string; shape: number[]; dtype: "F16" | "F32" | "F64" | "I64" | "I32" | "U32" | "U16" | "U8"; offset: number }[];
  lines: { train: number; val: number; test: number };
  known: { count: number; bytes: 5 }; // sorted leading bytes of line hashes (makemore.text.line_hashes.pack)
  sampling: { minP: number | null; roundSize: number; cap: number };
  losses: { train: number | null; val: number | null };
  history: { step: number; train: number | null; val: number | null }[];
  maps?: MapsOverTime; // of a training with --watch
  card: { digest: string; license: string; copies: number | null; made: string };
}

/** What `makemore page --prior` puts into a page beside no run: a model of many lists, to start trainings from. */
export interface PriorPayload {
  format: 1;
  version: string;
  name: string;
  model: ModelSpec & { nParameters: number };
  vocabulary: { symbols: string[]; rule: string; labels: string[] }; // a label for each list that it has read
  tensors: PagePayload["tensors"];
  known: PagePayload["known"];
}

/**
 * What stands beside a payload, compressed. The ids of the page's script elements: "run" (PagePayload) with "weights",
 * "known" and maybe "lines" (UTF-8, the training lines as a file has them); "prior" (PriorPayload) with "prior-weights"
 * and "prior-known"; "wasm"; "worker", the program of workers; and "page", the one script that is run.
 */
export interface PageArrays {
  weights: ArrayBuffer;
  known: ArrayBuffer; // 5 bytes a line, sorted
  lines: string | null;
}
