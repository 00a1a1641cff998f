// Without replacement: draws by the probability that is left below each prefix. A line that was drawn cannot come
// again, the others keep their ratios, and when the roots have nothing left there are no more.

import type { Filters } from "../contract";
import type { Automaton } from "./automaton";
import { pickByWeight } from "./filters";
import { NONE } from "./finished";
import { probabilities, type Prefixes } from "./prefixes";
import { RemainingMass } from "./remaining_mass";
import { Rejection, type Picked } from "./strategy";

export class WithoutReplacement extends Rejection {
  private readonly mass: RemainingMass;
  private levels: { parents: number[]; symbols: Int32Array; nodes: Int32Array }[] = []; // of this round, by position
  private firstNewNode = 0; // nodes from this number on were added in this round

  constructor(private readonly automaton: Automaton, filters: Filters) {
    super(filters);
    this.mass = new RemainingMass(automaton.V);
  }

  override get withReplacement(): boolean {
    return false;
  }

  override start(roots: Prefixes, prefix: readonly number[]): void {
    for (let g = 0; g < roots.size; g++) roots.nodes[g] = this.add(roots, g, prefix.length);
  }

  private add(prefixes: Prefixes, g: number, position: number): number {
    const state = prefixes.states[g] as number;
    return this.mass.add(probabilities(prefixes, g, this.filters), (symbol) => this.automaton.allows(position, state, symbol));
  }

  override beginRound(): void {
    this.firstNewNode = this.mass.size;
    this.levels = [];
  }

  override labelShares(roots: Prefixes, shares: Float64Array): Float64Array {
    return shares.map((share, g) => share * this.mass.remaining(roots.nodes[g] as number));
  }

  /**
   * p of each next symbol times what is left below it. newToo: at nodes of this round, too. Unguided draws go by p
   * alone there: the probability by which such a prefix was chosen still counted the impossible lines below it.
   */
  remaining(prefixes: Prefixes, g: number, newToo = false): Float64Array {
    const weights = probabilities(prefixes, g, this.filters);
    const node = prefixes.nodes[g] as number;
    if (node === NONE || (!newToo && node >= this.firstNewNode)) return weights;
    const V = weights.length;
    return weights.map((weight, symbol) => weight * (this.mass.left[node * V + symbol] as number));
  }

  override choose(prefixes: Prefixes, _position: number, group: Int32Array, uniform: Float64Array): Picked {
    const weights: Float64Array[] = [];
    const symbols = group.map((g, i) => {
      const row = (weights[g] ??= this.remaining(prefixes, g));
      return pickByWeight(row, 0, row.length, uniform[i] as number);
    });
    return { symbols, logWeight: null };
  }

  /** Find the longer prefixes in the tree, and add those that are new. */
  override extend(longer: Prefixes, position: number): void {
    const above = longer.before as Prefixes;
    const parents = Array.from(longer.parents, (g) => above.nodes[g] as number);
    for (let g = 0; g < longer.size; g++) {
      const parent = parents[g] as number; // a child of a prefix that is outside of the tree stays outside
      const symbol = longer.symbols[g] as number;
      let node = this.mass.find(parent, symbol);
      if (node === NONE && parent !== NONE) {
        node = this.add(longer, g, position);
        this.mass.link(parent, symbol, node);
      }
      longer.nodes[g] = node;
    }
    this.levels.push({ parents, symbols: longer.symbols, nodes: longer.nodes });
  }

  override markUsed(nodes: Iterable<number>): void {
    for (const node of nodes) this.mass.markUsed(node);
    // The longest prefixes first: a parent's sum needs the final values of its children.
    for (const level of [...this.levels].reverse()) {
      level.nodes.forEach((node, g) => this.mass.propagate(level.parents[g] as number, level.symbols[g] as number, node));
    }
  }

  override massLeft(roots: Prefixes | null, shares: Float64Array): number {
    if (!roots) return 1; // nothing was drawn by this strategy yet
    return shares.reduce((sum, share, g) => sum + share * this.mass.remaining(roots.nodes[g] as number), 0);
  }
}
