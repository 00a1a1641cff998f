// A run directory as a zip: what was learned in a page, for `makemore sample FILE.zip`.
//
// The files and their shapes are those of src/makemore/runs (writer.py, run.py, manifest.py). Python reads them as
// strictly as the run of a stranger, so nothing here may be only nearly right.

import type { ModelSpec, Parts, Tensors } from "../contract";
import { canonicalJson, Float, type Json, logJson, readableJson } from "./python_json";
import { asPython } from "./python_tensors";
import { writeSafetensors } from "./safetensors";
import { sha256 } from "./sha256";
import { writeZip, type ZipMember } from "./zip";

const FORMAT = 1;
const ROUND = 16_384; // draws in a round: part of what a seed means (makemore.sampling.sampler.ROUND)

/** What a run directory is written of. */
export interface RunToWrite {
  version: string; // of makemore
  name: string; // of the list
  model: ModelSpec;
  tensors: Tensors; // the best by validation loss
  vocabulary: { symbols: readonly string[]; rule: string; labels: readonly string[] };
  parts: Parts; // of a list with labels, each line is TEXT<tab>LABEL
  /** Options of the training by Python's names: max_steps, batch_size, learning_rate, seed, optimizer, ... */
  training: { [key: string]: number | string | boolean };
  roundSize?: number;
  step: number; // steps that were taken
  bestStep: number; // whose weights these are
  bestVal: number | null; // their loss of the validation lines, nats a symbol
  metrics?: Metric[];
  samples?: { step: number; line: string }[];
}

/** An entry of metrics.jsonl. */
export interface Metric {
  step: number;
  kind: "batch" | "train" | "val";
  nll: number | null; // nats a symbol
  lr: number | null; // the learning rate of a step, null of an evaluation
  symbols: number; // learned from so far
  seconds: number;
}

/** Write the run as a zip, in one folder of the list's name. The same run gives the same bytes. */
export function writeRunZip(given: RunToWrite): Uint8Array {
  const run = given.model.kind === "ngram" ? { ...given, step: 1, bestStep: 1 } : given; // counts learn in one step
  const weights = `weights-${run.bestStep}.safetensors`;
  const state = `state-${run.step}`;
  const files = new Map<string, Uint8Array>([
    ["config.json", encoded(readableJson(configOf(run)))],
    ["vocabulary.json", encoded(readableJson(vocabularyOf(run)))],
    ...PARTS.map((part): [string, Uint8Array] => [`split/${part}.txt`, linesOf(run.parts[part])]),
    [weights, writeSafetensors(asPython(run.model, run.tensors))],
    [`${state}.json`, encoded(readableJson(progressOf(run)))],
  ]);
  const logs = new Map<string, Uint8Array>([
    ["metrics.jsonl", linesOf((run.metrics ?? []).map((metric) => logJson(entryOf(metric))))],
    ["samples.txt", linesOf((run.samples ?? []).map(({ step, line }) => `${step}\t${line}`))],
  ]);
  const manifest = readableJson(manifestOf(files, logs, weights, state));
  // The manifest last: it names what is there.
  const members = [...files, ...logs, ["checkpoint.json", encoded(manifest)] as const];
  const folder = folderName(run.name);
  return writeZip(members.map(([name, body]): ZipMember => ({ name: `${folder}/${name}`, body })));
}

/** The name of a folder or a file for a list, of letters that every system takes. */
export function folderName(name: string): string {
  return name.normalize("NFKD").replace(/[^A-Za-z0-9_-]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 60) || "run";
}

const PARTS = ["train", "val", "test"] as const;

function encoded(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function linesOf(lines: string[]): Uint8Array {
  return encoded(lines.map((line) => `${line}\n`).join(""));
}

function configOf(run: RunToWrite): Json {
  const options = { ...optionsOf(run.model), ...run.training };
  const { rule, labels } = run.vocabulary;
  // How the list was read is part of both where it is not the default: later lists are read in the same way.
  const text: { [key: string]: Json } = {};
  if (rule !== "character") text.symbols = rule;
  if (labels.length) text.labels = true;
  return {
    model: run.model.kind,
    asked: { ...options, ...text },
    resolved: { ...options, symbols: rule, labels: labels.length > 0 },
    vocab_size: run.model.vocabSize,
    block_size: run.model.blockSize,
    data: { name: run.name, digest: digestOf(run.parts) },
    threads: 1,
    round_size: run.roundSize ?? ROUND,
    version: run.version,
    format: FORMAT,
  };
}

/** The options of a model; an ensemble's are its members, as `--members` writes them. */
function optionsOf(model: ModelSpec): ModelSpec["options"] {
  if (model.kind !== "ensemble" || !model.members) return model.options;
  const members = model.members.map(({ kind, options }) =>
    [kind, ...Object.entries(options).map(([key, value]) => `${key}=${value}`)].join(" "),
  );
  return { ...model.options, members: members.join(", ") };
}

function vocabularyOf({ vocabulary }: RunToWrite): Json {
  return { symbols: [...vocabulary.symbols], rule: vocabulary.rule, labels: [...vocabulary.labels] };
}

/** The digest of a split: of the digests of its three parts. */
function digestOf(parts: Parts): string {
  return sha256(encoded(PARTS.map((part) => sha256(linesOf(parts[part]))).join("")));
}

function progressOf(run: RunToWrite): Json {
  const best = run.bestVal === null || !Number.isFinite(run.bestVal) ? null : new Float(run.bestVal);
  return { step: run.step, best_step: run.bestStep, best_val: best, waited: 0, finished: true };
}

function entryOf({ step, kind, nll, lr, symbols, seconds }: Metric): Json {
  const loss = nll === null || !Number.isFinite(nll) ? null : new Float(nll);
  return { step, kind, nll: loss, lr: lr === null ? null : new Float(lr), symbols, seconds: new Float(seconds) };
}

function manifestOf(
  files: Map<string, Uint8Array>, logs: Map<string, Uint8Array>, weights: string, state: string,
): Json {
  const manifest = {
    format: FORMAT,
    generation: 0,
    weights,
    state,
    files: Object.fromEntries([...files].map(([name, body]) => [name, { size: body.length, sha256: sha256(body) }])),
    logs: Object.fromEntries([...logs].map(([name, body]) => [name, body.length])),
    previous: null,
  };
  return { ...manifest, sha256: sha256(encoded(canonicalJson(manifest))) };
}

