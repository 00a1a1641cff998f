// Scores, next symbols, pairs and near lines, for tests/web/test_draws.py.

import { fitCounts } from "../src/counts/make";
import { ngramSpec } from "../src/counts/ngram";
import { knownLines } from "../src/sampling/known";
import { linesLike } from "../src/sampling/like";
import { nextSymbols } from "../src/sampling/next";
import { drawLines } from "../src/sampling/sampler";
import { scoreLines } from "../src/sampling/scores";
import { collectVocabulary, encodeLines } from "../src/text/vocabulary";
import { pairs } from "../src/work/pairs";
import { answer, given } from "./case.mjs";

const vocabulary = collectVocabulary(given.lines, given.labels ?? []);
const { ids, offsets } = encodeLines(vocabulary, given.lines);
const labels = given.labels && Int32Array.from(given.labels, (label) => vocabulary.size + vocabulary.labels.indexOf(label));
const order = 4;
const base = ngramSpec(vocabulary.size, { order });
const spec = { ...base, nLabels: vocabulary.labels.length, blockSize: base.blockSize + Number(vocabulary.labels.length > 0) };
const counted = fitCounts(spec, ids, offsets, labels);
const untabled = { spec, begin: (rows) => counted.begin(rows), step: (...args) => counted.step(...args) };
const known = knownLines({ train: given.lines, val: [], test: [] });
const longest = Math.max(...given.lines.map((line) => line.length));
const shares = given.shares;
const pairsOf = (model) => {
  const lines = given.lines.map((line) => vocabulary.encode(line)), every = Array.from({ length: vocabulary.size }, (_, id) => id);
  return Array.from(pairs(model, lines, every, given.labels ? vocabulary.size : 0));
};
const draw = (model, conditions) => {
  const request = { n: 200, seed: 11, conditions, filters: {}, known, longest, labelShares: shares };
  return [...drawLines(model, vocabulary, request)].flatMap((batch) => batch.lines);
};

answer({
  scores: scoreLines(counted, vocabulary, given.scored, known, shares),
  next: nextSymbols(counted, vocabulary, given.prefix, {}, undefined, shares),
  drawn: draw(counted, {}), again: draw(untabled, {}), labelled: given.labels ? draw(counted, { label: given.mixture }) : [],
  pairs: pairsOf(counted),
  like: linesLike(counted, vocabulary, { text: given.like, n: 20, seed: 1, known, longest, labelShares: shares }),
});
