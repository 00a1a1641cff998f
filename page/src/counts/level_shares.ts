// Level shares: how much of what an n-gram says comes from contexts of each length.

import type { Stage } from "../contract";
import type { NGram } from "./ngram";

/**
 * Compute the shares (T, order + 1) of a line's inputs, the boundary first: of 1 / V, of no symbol, of one symbol, and so
 * on. A context keeps 1 - backoff of what longer ones left to it, and passes the rest on to its suffix.
 */
export function levelShares(model: NGram, ids: Int32Array): Stage {
  const { order } = model, window = new Int32Array(order - 1 + ids.length); // zeros before the start
  window.set(ids, order - 1);
  const data = new Float32Array(ids.length * (order + 1));
  for (let at = 0; at < ids.length; at++) {
    const nodes = [0, ...model.path(window, order + at, order - 1)];
    let left = 1;
    for (let length = nodes.length - 1; length >= 0; length--) {
      const backoff = model.backoff[nodes[length]!]!;
      data[at * (order + 1) + length + 1] = left * (1 - backoff);
      left *= backoff;
    }
    data[at * (order + 1)] = left;
  }
  return { name: "levels", shape: [order + 1], data };
}
