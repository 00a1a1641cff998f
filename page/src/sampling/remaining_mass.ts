// Remaining mass: a tree of prefixes, and what is left of the probability below each (sampling/prefix_tree.py).
// Paper: Shi, Bieber and Sutton 2020, Incremental Sampling Without Replacement for Sequence Models

import { pairwiseSum } from "../counts/log_softmax";
import { NONE } from "./finished";
import { BOUNDARY } from "../text/vocabulary";

const MOST_CELLS = 2 ** 23; // of either table: 64 MB; prefixes beyond are drawn but not remembered

/** A node is a row of two tables; column 0 (the boundary) is the line that ends there. */
export class RemainingMass {
  size = 0;
  private shares: Float64Array; // (n, V) probabilities of the next symbol, after filters
  left: Float64Array; // (n, V) the fraction of each that is not used: 1 at first, 0 for what is not allowed
  private readonly children = new Map<number, number>();

  constructor(private readonly V: number) {
    this.shares = new Float64Array(64 * V);
    this.left = new Float64Array(64 * V);
  }

  find(parent: number, symbol: number): number {
    return parent === NONE ? NONE : (this.children.get(parent * this.V + symbol) ?? NONE);
  }

  /** Add a prefix: probabilities (V,) and whether each symbol is allowed -> its node; NONE without room. */
  add(shares: Float64Array, allows: (symbol: number) => boolean): number {
    const { V } = this;
    if ((this.size + 1) * V > MOST_CELLS) return NONE;
    if ((this.size + 1) * V > this.shares.length) {
      this.shares = doubled(this.shares);
      this.left = doubled(this.left);
    }
    this.shares.set(shares, this.size * V);
    for (let symbol = 0; symbol < V; symbol++) this.left[this.size * V + symbol] = Number(allows(symbol));
    return this.size++;
  }

  link(parent: number, symbol: number, node: number): void {
    if (parent !== NONE && node !== NONE) this.children.set(parent * this.V + symbol, node);
  }

  /** Mark the line that ends at a node as used. */
  markUsed(node: number): void {
    if (node !== NONE) this.left[node * this.V + BOUNDARY] = 0;
  }

  /** The fraction of a node's probability that is left below it. */
  remaining(node: number): number {
    const each = new Float64Array(this.V);
    for (let i = 0; i < this.V; i++) each[i] = (this.shares[node * this.V + i] as number) * (this.left[node * this.V + i] as number);
    return pairwiseSum(each, 0, this.V);
  }

  /** Write what is left below a child into its parent's row. Call it for the longest prefixes first. */
  propagate(parent: number, symbol: number, node: number): void {
    if (parent !== NONE && node !== NONE) this.left[parent * this.V + symbol] = this.remaining(node);
  }
}

function doubled(values: Float64Array): Float64Array {
  const larger = new Float64Array(2 * values.length);
  larger.set(values);
  return larger;
}
