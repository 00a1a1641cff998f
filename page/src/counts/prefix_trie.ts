// Prefix trie: prefixes of lines as nodes of a tree, its edges as sorted integers (models/core/prefix_trie.py).

import { indexOf, Numbers } from "./sorted";

export const START = 0; // the node of the empty prefix: the root
export const NEW = -1; // instead of a node, for a prefix that the tree does not have
const MOST_PREFIXES = 2 ** 22; // with more than that the trie stays empty, and every prefix is new

/** Node i + 1 has codes[i] = parent * base + last input; a node comes after its parent. */
export class PrefixTrie {
  readonly codes: Float64Array;
  readonly base: number;

  constructor(codes: Float64Array, base: number) {
    this.codes = codes;
    this.base = base;
  }

  /** The trie of all prefixes of lines: ids one after another, line i from offsets[i] on; starts: first inputs. */
  static of(ids: Int32Array, offsets: Int32Array, starts: Int32Array | null, base: number): PrefixTrie {
    const lines = offsets.length - 1;
    const nodes = new Int32Array(lines); // the node that each line has come to
    let rows = Int32Array.from({ length: lines }, (_, row) => row);
    const codes = new Numbers();
    // Level by level: nodes of a longer level are greater, so the levels one after another are sorted.
    for (let position = -1; rows.length; position++) {
      const edges = new Float64Array(rows.length);
      rows.forEach((row, i) => {
        const input = position < 0 ? (starts ? (starts[row] as number) : 0) : (ids[(offsets[row] as number) + position] as number);
        edges[i] = (nodes[row] as number) * base + input;
      });
      const sorted = edges.slice().sort();
      const first = codes.length;
      const distinct = new Numbers();
      sorted.forEach((code, i) => {
        if (i === 0 || code !== sorted[i - 1]) distinct.push(code);
      });
      const level = distinct.done();
      if (first + level.length > MOST_PREFIXES) return new PrefixTrie(new Float64Array(0), base);
      level.forEach((code) => codes.push(code));
      rows.forEach((row, i) => (nodes[row] = first + 1 + indexOf(level, edges[i] as number)));
      rows = rows.filter((row) => (offsets[row + 1] as number) - (offsets[row] as number) > position + 1);
    }
    return new PrefixTrie(codes.done(), base);
  }

  /** Append one input to a prefix: its node, or NEW. After NEW all is new: no code is below 0. */
  step(node: number, input: number): number {
    if (node === NEW) return NEW;
    const at = indexOf(this.codes, node * this.base + input);
    return at < 0 ? NEW : at + 1;
  }
}
