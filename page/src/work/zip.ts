// Zip: what was learned, as a run directory that `makemore sample` takes.

import type { Model, Parts } from "../contract";
import { folderName, type RunToWrite, writeRunZip } from "../run";
import type { ListParts } from "./encoded";
import type { Learning } from "./learning";
import type { Source } from "./source";

/** Writes the run of a list: its parts, the model, and how a network has learned, if one has. */
export function zipOf(source: Source, model: Model, parts: ListParts, learning: Learning | null, version: string): { bytes: ArrayBuffer; name: string } {
  const request = learning?.request;
  const run: RunToWrite = {
    version, name: source.name, model: model.spec, tensors: model.tensors(), vocabulary: source.vocabulary,
    parts: withLabels(parts),
    training: request
      ? { max_steps: request.maxSteps, batch_size: request.batchSize, learning_rate: request.learningRate, seed: request.seed, optimizer: "adamw" }
      : {},
    step: learning?.step ?? 0, bestStep: learning?.bestStep ?? 0, bestVal: learning?.best ?? null,
    metrics: learning?.metrics ?? [], samples: learning?.samples ?? [],
  };
  const bytes = writeRunZip(run);
  return { bytes: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer, name: `${folderName(source.name)}.zip` };
}

/** The parts as files have them: a line with a label is TEXT<tab>LABEL. */
function withLabels({ texts, labels }: ListParts): ListParts["texts"] {
  if (!labels) return texts;
  const write = (part: keyof Parts): string[] => texts[part].map((line, at) => `${line}\t${labels[part][at]}`);
  return { train: write("train"), val: write("val"), test: write("test") };
}
