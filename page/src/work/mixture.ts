// Mixture: counts of several orders and the network, each with the weight that validation lines give it. From few
// lines neither is best alone: their mixture is, as api/lineup.py says.

import type { Model, ModelSpec } from "../contract";
import { Ensemble } from "../counts/ensemble";
import { fitCounts } from "../counts/make";
import { logsOf, targetsOf } from "../counts/member_logs";
import { expectedWeights, fitEnsembleWeights } from "../counts/mixture_weights";
import { ngramSpec } from "../counts/ngram";
import { PrefixTrie } from "../counts/prefix_trie";
import { type Encoded, flat } from "./encoded";

const ORDERS = [3, 5, 6, 9]; // of the counts, as COUNTS of api/lineup.py
const MOST_CELLS = 4_000_000; // symbols of val times V: what the weights are fitted by
const FEW_CELLS = 200_000; // while a network is on its way: a person waits for names

/** What a list's networks are mixed with: its counts, which are fitted once. */
export class Mixing {
  private readonly counts: Model[];
  private readonly known: PrefixTrie;
  private readonly longest: number;

  constructor(private readonly vocabSize: number, private readonly nLabels: number, train: Encoded, private readonly val: Encoded) {
    const { ids, offsets } = flat(train);
    this.counts = ORDERS.map((order) => {
      const spec = ngramSpec(vocabSize, { order });
      return fitCounts({ ...spec, nLabels, blockSize: spec.blockSize + Number(nLabels > 0) }, ids, offsets, train.labels);
    });
    this.known = PrefixTrie.of(ids, offsets, train.labels ?? null, vocabSize + nLabels);
    this.longest = [...train.lines, ...val.lines].reduce((most, { length }) => Math.max(most, length), 0);
  }

  /** Mixes counts with a network, and fits the weights by validation lines. fromPrior: whether it started from one; quick: by few lines. */
  mix(network: Model, fromPrior: boolean, quick = false): Ensemble {
    const { vocabSize, nLabels, known } = this, members = [...this.counts, network];
    const spec: ModelSpec = {
      kind: "ensemble", vocabSize, nLabels, options: {}, members: members.map((member) => member.spec),
      blockSize: Math.max(network.spec.blockSize, 1 + this.longest),
    };
    const val = some(this.val, vocabSize, quick ? FEW_CELLS : MOST_CELLS);
    return new Ensemble(spec, members, weightsOf(members, val, known, fromPrior), known);
  }
}

function weightsOf(members: readonly Model[], val: Encoded, known: PrefixTrie, fromPrior: boolean): Float64Array {
  const { ids, offsets } = flat(val);
  const { targets, isNew } = targetsOf(ids, offsets, known, val.labels);
  const { weights, strengths } = expectedWeights(members.map(({ spec }) => {
    const counts = spec.kind === "ngram";
    return { counts, fromPrior: fromPrior && !counts, blockSize: spec.blockSize };
  }));
  return fitEnsembleWeights(members.map((member) => logsOf(member, ids, offsets, val.labels)), targets, isNew, weights, strengths);
}

/** The first lines of val, as many as there is memory or time for. */
function some({ lines, labels }: Encoded, V: number, most: number): Encoded {
  let cells = 0;
  const end = lines.findIndex(({ length }) => (cells += (length + 1) * V) > most);
  if (end < 0) return { lines, ...(labels && { labels }) };
  return { lines: lines.slice(0, end), ...(labels && { labels: labels.slice(0, end) }) };
}
