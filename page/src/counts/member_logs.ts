// What a mixture is fitted to: the log-probabilities of a model after each prefix of some lines.

import type { Model } from "../contract";
import { logSoftmax } from "./log_softmax";
import { NEW, START, type PrefixTrie } from "./prefix_trie";

const MOST_TOGETHER = 512; // lines

export interface Targets {
  targets: Int32Array; // (N,) the symbol that followed, 0 for the end
  isNew: Uint8Array; // (N,) whether no training line begins with the prefix
}

/** The symbols of lines that a model is asked for, line by line; starts: the first inputs of lines, without labels 0. */
export function targetsOf(ids: Int32Array, offsets: Int32Array, known: PrefixTrie, starts?: Int32Array): Targets {
  const lines = offsets.length - 1;
  const targets = new Int32Array(ids.length + lines);
  const isNew = new Uint8Array(targets.length);
  for (let line = 0, at = 0; line < lines; line++) {
    let node = known.step(START, starts?.[line] ?? 0);
    for (let i = offsets[line] as number; i <= (offsets[line + 1] as number); i++, at++) {
      const symbol = i < (offsets[line + 1] as number) ? (ids[i] as number) : 0;
      targets[at] = symbol;
      isNew[at] = Number(node === NEW);
      node = known.step(node, symbol);
    }
  }
  return { targets, isNew };
}

/** Log-probabilities (N, V) of a model for each of `targetsOf`, in the same order. */
export function logsOf(model: Model, ids: Int32Array, offsets: Int32Array, starts?: Int32Array): Float32Array {
  const V = model.spec.vocabSize;
  const lines = offsets.length - 1;
  const all = new Float32Array((ids.length + lines) * V);
  const row = new Float64Array(V);
  for (let first = 0; first < lines; first += MOST_TOGETHER) {
    let open = Int32Array.from({ length: Math.min(MOST_TOGETHER, lines - first) }, (_, i) => first + i);
    let state = model.begin(open.length);
    let from = open.map((_, i) => i);
    for (let position = -1; open.length; position++) {
      const inputs = open.map((line) => (position < 0 ? (starts?.[line] ?? 0) : (ids[(offsets[line] as number) + position] as number)));
      const after = model.step(inputs, state, from);
      open.forEach((line, i) => {
        logSoftmax(after.logits, i * V, V, row, 0);
        all.set(row, ((offsets[line] as number) + line + position + 1) * V);
      });
      state = after.state;
      const goesOn = Int32Array.from(open.keys()).filter((i) => (offsets[(open[i] as number) + 1] as number) - (offsets[open[i] as number] as number) > position + 1);
      from = goesOn;
      open = goesOn.map((i) => open[i] as number);
    }
  }
  return all;
}
