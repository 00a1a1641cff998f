// Table of an n-gram: a state for each context that was seen, what comes next in it, and the state after that.

import type { Table } from "../contract";
import type { NGram } from "./ngram";
import { NEW, type PrefixTrie } from "./prefix_trie";

const MOST_CELLS = 2 ** 22; // states times symbols: 50 MB, a float and an int32 each

/** Whether the table of so many states is small enough. */
export function fits(states: number, V: number): boolean {
  return states * V <= MOST_CELLS;
}

/**
 * Tabulate an n-gram. The state is always the longest context seen: after one more symbol, that context and the
 * symbol if it was seen, else the longest suffix that was. Null if there are too many.
 */
export function tableOf(model: NGram, trie: PrefixTrie): Table | null {
  const V = model.spec.vocabSize;
  const states = model.contexts.length + 1;
  if (!fits(states, V)) return null;
  const lengths = model.lengths();
  const suffix = new Int32Array(states);
  const oldest = new Int32Array(states);
  model.contexts.forEach((code, i) => {
    suffix[i + 1] = Math.floor(code / V);
    oldest[i + 1] = code % V;
  });
  const prefix = new Int32Array(states); // all but the last symbol
  const last = oldest.slice();
  const logs = new Float64Array(states * V);
  logs.set(model.noContext());
  // A suffix is a lower state than the context, so it is computed first.
  for (let state = 1; state < states; state++) {
    const shorter = suffix[state] as number;
    if ((lengths[state] as number) > 1) {
      // The prefix of "emm", "em", is "e" and the prefix of its suffix "mm".
      last[state] = last[shorter] as number;
      prefix[state] = trie.step(prefix[shorter] as number, oldest[state] as number);
      if (prefix[state] === NEW) return null; // counts that are not those of lines
    }
    logs.copyWithin(state * V, shorter * V, (shorter + 1) * V);
    model.extend(logs, state * V, state);
  }
  const after = afterEach(lengths, suffix, prefix, last, V);
  for (let i = 0; i < logs.length; i++) logs[i] = Math.log(logs[i] as number);
  return { states, logs, after, start: new Map([[0, after[0] as number]]) };
}

/** The state (S, V) after each symbol: by default where the suffix goes, to a longer one where that was seen. */
function afterEach(lengths: Uint8Array, suffix: Int32Array, prefix: Int32Array, last: Int32Array, V: number): Int32Array {
  const states = suffix.length;
  const after = new Int32Array(states * V);
  let longer = 1; // the first state whose prefix has not been reached yet
  for (let state = 0; state < states; ) {
    const length = lengths[state] as number;
    let end = state;
    for (; end < states && lengths[end] === length; end++) {
      const from = (suffix[end] as number) * V;
      if (end) after.copyWithin(end * V, from, from + V);
    }
    for (; longer < states && lengths[longer] === length + 1; longer++) {
      after[(prefix[longer] as number) * V + (last[longer] as number)] = longer;
    }
    state = end;
  }
  return after;
}
