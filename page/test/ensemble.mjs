// Ensembles and counts by label: logits along lines and fitted weights, for tests/web/test_counts.py to compare.

import { Ensemble } from "../src/counts/ensemble";
import { fitCounts, makeCounts } from "../src/counts/make";
import { logsOf, targetsOf } from "../src/counts/member_logs";
import { expectedWeights, fitEnsembleWeights } from "../src/counts/mixture_weights";
import { PrefixTrie } from "../src/counts/prefix_trie";
import { answer, given, tensorsOf } from "./case.mjs";

const ids = Int32Array.from(given.ids);
const offsets = Int32Array.from(given.offsets);
const starts = given.starts && Int32Array.from(given.starts);

const model = Ensemble.of(given.spec, tensorsOf(given.tensors), makeCounts);
const trie = PrefixTrie.of(ids, offsets, starts ?? null, given.spec.vocabSize + given.spec.nLabels);
const members = given.spec.members.map((spec) => fitCounts(spec, ids, offsets, starts));
const { targets, isNew } = targetsOf(ids, offsets, model.known, starts);
const logs = members.map((member) => logsOf(member, ids, offsets, starts));
const table = members[0].table();
answer({
  logits: logsOf(model, ids, offsets, starts),
  known: trie.codes,
  tensors: Object.fromEntries([...members[0].tensors()].map(([name, { data }]) => [name, Array.from(data, Number)])),
  names: [...model.tensors().keys()],
  table: table && { start: [...table.start], states: table.states, after: table.after },
  targets, isNew, member: logs[0],
  weights: fitEnsembleWeights(logs, targets, isNew),
  expected: given.members && expectedWeights(given.members),
});
