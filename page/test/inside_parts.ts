// What tests/web/test_inside.py calls of the view that looks inside, beside the engine.

export { levelShares } from "../src/counts/level_shares";
export { NGram } from "../src/counts/ngram";
export { allLines, sourceOf } from "../src/inside/sources";
