// Source: what is drawn from, a run or a list, and what a draw has to know of it.

import type { Model, PageArrays, PagePayload, Parts, Vocabulary } from "../contract";
import type { Engine } from "../engine";
import { tensorsOf } from "../run";
import { type Known, knownHashes, knownLines } from "../sampling/known";
import { PackedLines } from "../text/line_hashes";
import { vocabularyOf } from "../text/vocabulary";
import type { DrawContext } from "./drawing";
import { modelOf } from "./models";

export interface Source extends DrawContext {
  name: string;
  model: Model; // of a list: its counts
  vocabulary: Vocabulary;
  known: Known;
  longest: number; // symbols of the longest training line
  tidy: number | null; // min-p that a draw has by itself
  lines: readonly string[]; // training lines; a run's page has none, unless it was made with them
  looked?: string[]; // lines over which pairs are averaged
}

/** Makes the model of a page's run out of its payload. */
export function ofRun(engine: Engine, page: PagePayload, arrays: PageArrays): Source {
  const { vocabulary, sampling } = page;
  const lines = arrays.lines?.split("\n").filter(Boolean) ?? [];
  return {
    name: page.name,
    model: modelOf(engine, page.model, tensorsOf(page.tensors, arrays.weights)),
    vocabulary: vocabularyOf(vocabulary.symbols, vocabulary.labels, vocabulary.rule),
    known: knownHashes(new PackedLines(new Uint8Array(arrays.known))),
    longest: Math.max(1, Math.floor(sampling.cap / 2)),
    roundSize: sampling.roundSize,
    tidy: sampling.minP,
    lines,
    ...(lines.length && { lookahead: lines }),
  };
}

const TIDY: [number, number][] = [[200, 0.1], [20_000, 0.05]]; // (lines, min-p of lists of fewer), as sampling/config.py

/** What a list is drawn by, once a model has learned it. */
export function ofList(name: string, model: Model, vocabulary: Vocabulary, parts: Parts, shares: number[]): Source {
  const total = parts.train.length + parts.val.length + parts.test.length;
  const longest = parts.train.reduce((most, line) => Math.max(most, vocabulary.encode(line).length), 1);
  return {
    name, model, vocabulary, known: knownLines(parts), longest, lines: parts.train, lookahead: parts.train,
    tidy: TIDY.find(([lines]) => total < lines)?.[1] ?? null,
    ...(shares.length && { labelShares: shares }),
  };
}
