// What the other parts of the page use of counts.

export { Ensemble, type MakeMember } from "./ensemble";
export { fitCounts, makeCounts } from "./make";
export { logsOf, targetsOf, type Targets } from "./member_logs";
export { expectedWeights, fitEnsembleWeights, type Member } from "./mixture_weights";
export { NGram, ngramSpec, type NGramOptions } from "./ngram";
export { PrefixTrie } from "./prefix_trie";
