// What the other parts of the page use of sampling.

export { ConditionError } from "./errors";
export { knownHashes, knownLines, type Known } from "./known";
export { linesLike, type LikeRequest } from "./like";
export { nextSymbols, type NextSymbol } from "./next";
export { drawLines, type Batch, type DrawRequest } from "./sampler";
export { scoreLines, surprisals, type Score } from "./scores";
export { startsOf } from "./starts";
