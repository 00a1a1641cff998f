// Draws: lines of an n-gram under filters and conditions, for tests/web/test_draws.py to compare.

import { NGram, ngramSpec } from "../src/counts/ngram";
import { knownLines } from "../src/sampling/known";
import { drawLines } from "../src/sampling/sampler";
import { collectVocabulary, encodeLines } from "../src/text/vocabulary";
import { splitLines } from "../src/text/split";
import { answer, given } from "./case.mjs";

const parts = splitLines(given.lines);
const vocabulary = collectVocabulary(given.lines);
const { ids, offsets } = encodeLines(vocabulary, parts.train);
const counted = NGram.fit(ngramSpec(vocabulary.size, given.options), ids, offsets);
const known = knownLines(parts);
const longest = Math.max(...parts.train.map((line) => Array.from(line).length));

function drawn({ n, seed, conditions, filters, table, roundSize }) {
  const model = table ? counted : Object.assign(Object.create(counted), { tabulates: () => false });
  const request = { n, seed, conditions, filters, known, longest, roundSize, lookahead: parts.train };
  const start = performance.now();
  const batches = [...drawLines(model, vocabulary, request)];
  const last = batches.at(-1);
  return {
    lines: batches.flatMap((batch) => batch.lines),
    exact: last.exact, draws: last.draws, effective: last.effective, shortfall: last.shortfall,
    ms: performance.now() - start, first: batches[0].lines.length,
  };
}

answer({ parts: [parts.train, parts.val, parts.test], symbols: vocabulary.symbols, drawn: given.requests.map(drawn) });
