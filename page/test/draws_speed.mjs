// node draws_speed.mjs NAMES.json ({"lines": [...]}): how fast counts are learned and drawn from, by CPU time. No test.

import { fitCounts, ngramSpec } from "../src/counts/index";
import { drawLines, knownLines, linesLike } from "../src/sampling/index";
import { collectVocabulary, encodeLines, readList, splitLines } from "../src/text/index";
import { given } from "./case.mjs";

function timed(name, work) {
  const start = performance.now();
  const before = process.cpuUsage();
  const result = work();
  const ms = performance.now() - start;
  console.log(name.padEnd(28), `${ms.toFixed(1).padStart(8)} ms ${(process.cpuUsage(before).user / 1000).toFixed(1).padStart(8)} ms of CPU`);
  return result;
}

const { list } = timed("read", () => readList("names.txt", given.lines.join("\n")));
const parts = timed("split", () => splitLines(list.lines));
const vocabulary = timed("vocabulary", () => collectVocabulary(list.lines));
const { ids, offsets } = timed("encode", () => encodeLines(vocabulary, parts.train));
const model = timed("count, order 6", () => fitCounts(ngramSpec(vocabulary.size), ids, offsets));
timed("table of all states", () => model.table());
const known = knownLines(parts);
const longest = Math.max(...parts.train.map((line) => line.length));
const draw = (n, conditions = {}, filters = {}) => [...drawLines(model, vocabulary, { n, seed: 5, conditions, filters, known, longest, lookahead: parts.train })];
for (const n of [20, 20, 1000, 1000, 100_000, 100_000]) timed(`${n} new lines`, () => draw(n));
for (const minP of [0.05, 0.04]) timed("20 lines, min-p anew", () => draw(20, {}, { minP }));
timed("20 lines that begin with Ma", () => draw(20, { prefix: "Ma" }));
timed("20 lines that end with na", () => draw(20, { suffix: "na" }));
timed("20 lines of 9 symbols", () => draw(20, { minLength: 9, maxLength: 9 }));
timed("20 lines, guided", () => draw(20, { contains: "zq" }));
timed("12 lines like Kayla", () => linesLike(model, vocabulary, { text: "Kayla", n: 12, seed: 1, known, longest }));
