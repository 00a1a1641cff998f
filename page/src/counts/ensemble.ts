// Ensemble: several models as one, whose log-probabilities are the weighted sum of theirs (models/ensemble.py).
// There are two sets of weights: for prefixes that a training line begins with, and for new ones.
// Paper: Heskes 1998, Selecting Weighting Factors in Logarithmic Opinion Pools

import type { Model, ModelSpec, State, Tensor, Tensors } from "../contract";
import { appended } from "../growing";
import { logSoftmax } from "./log_softmax";
import { NEW, PrefixTrie, START } from "./prefix_trie";
import { below } from "./per_label";

export const MIN_LOG_PROBABILITY = -30; // instead of -inf: a veto that the other members can still outvote

/** Makes a member from its spec and tensors: a network, or counts. */
export type MakeMember = (spec: ModelSpec, tensors: Tensors) => Model;

interface EnsembleState {
  nodes: Int32Array; // of the trie of known prefixes
  members: State[];
}

/** Mixes K members: log p is the normalised sum of weight * log p of each. While all weights are 0 it is uniform. */
export class Ensemble implements Model {
  readonly mixed: { model: Model; number: number }[]; // members with a weight in either row

  /** members: null for one that was not trained; weights: (2, K) row 0 for known prefixes, row 1 for new ones. */
  constructor(readonly spec: ModelSpec, private readonly members: readonly (Model | null)[], readonly weights: Float64Array, readonly known: PrefixTrie) {
    const K = members.length;
    if (weights.length !== 2 * K || !weights.every(Number.isFinite)) throw new Error(`the weights of an ensemble are 2 x ${K} numbers`);
    this.mixed = members.flatMap((model, number) => (model && (weights[number] || weights[K + number]) ? [{ model, number }] : []));
  }

  /** Load what `tensors` gives: "weights", "known", and "2.head.weight" (or "members.2.head.weight") of member 2. */
  static of(spec: ModelSpec, tensors: Tensors, makeMember: MakeMember): Ensemble {
    const specs = spec.members ?? [];
    const members = specs.map((member, number) => {
      const own = below(tensors, `members.${number}.`);
      const arrays = own.size ? own : below(tensors, `${number}.`);
      return arrays.size ? makeMember(member, arrays) : null; // only members with a weight are in the file
    });
    const numbers = (name: string): Float64Array => Float64Array.from((tensors.get(name) as Tensor).data as ArrayLike<number | bigint>, Number);
    return new Ensemble(spec, members, numbers("weights"), new PrefixTrie(numbers("known"), spec.vocabSize + spec.nLabels));
  }

  /** Its members, as far as they were trained. */
  get parts(): Model[] {
    return this.members.flatMap((model) => model ?? []);
  }

  /** The weights of a member: for known prefixes, and for new ones. */
  weightsOf(number: number): [number, number] {
    return [this.weights[number]!, this.weights[this.members.length + number]!];
  }

  begin(rows: number): EnsembleState {
    return { nodes: new Int32Array(rows).fill(START), members: this.mixed.map(({ model }) => model.begin(rows)) };
  }

  step(ids: Int32Array, state: State, from: Int32Array): { logits: Float64Array; state: EnsembleState } {
    const { vocabSize: V } = this.spec;
    const before = state as EnsembleState;
    // The trie goes one step with the members: whether the prefix is new decides their weights.
    const nodes = ids.map((id, row) => this.known.step(before.nodes[from[row] as number] as number, id));
    const logits = new Float64Array(ids.length * V);
    const logs = new Float64Array(V);
    const members = this.mixed.map(({ model, number }, k) => {
      const after = model.step(ids, before.members[k], from);
      nodes.forEach((node, row) => {
        logSoftmax(after.logits, row * V, V, logs, 0);
        const weight = this.weights[(node === NEW ? this.members.length : 0) + number] as number;
        for (let i = 0; i < V; i++) {
          logits[row * V + i] = (logits[row * V + i] as number) + Math.max(logs[i] as number, MIN_LOG_PROBABILITY) * weight;
        }
      });
      return after.state;
    });
    // A sum of logarithms is a product of probabilities, which has to be normalised again.
    for (let row = 0; row < ids.length; row++) logSoftmax(logits, row * V, V, logits, row * V);
    return { logits, state: { nodes, members } };
  }

  append(state: State, rows: number, more: State): EnsembleState | null {
    const { nodes, members } = state as EnsembleState, other = more as EnsembleState;
    const joined = this.mixed.map(({ model }, k) => model.append?.(members[k], rows, other.members[k]) ?? null);
    return joined.includes(null) ? null : { nodes: appended(nodes, rows, other.nodes), members: joined };
  }

  get nParameters(): number {
    return this.mixed.reduce((sum, { model }) => sum + model.nParameters, 0);
  }

  tensors(): Tensors {
    const own: [string, Tensor][] = [
      ["weights", { shape: [2, this.members.length], data: this.weights.slice() }],
      ["known", { shape: [this.known.codes.length], data: BigInt64Array.from(Array.from(this.known.codes, BigInt)) }],
    ];
    const theirs = this.mixed.flatMap(({ model, number }) => [...model.tensors()].map(([name, tensor]): [string, Tensor] => [`${number}.${name}`, tensor]));
    return new Map([...own, ...theirs]);
  }
}
