// Text: reads lists and tables, recognizes shapes, hashes and splits, for tests/web/test_text.py to compare.

import { packLines, PackedLines, hashLine } from "../src/text/line_hashes";
import { mended } from "../src/text/mend";
import { repaired } from "../src/text/mojibake";
import { readList } from "../src/text/reading";
import { shapeOf } from "../src/text/shape";
import { splitLines } from "../src/text/split";
import { collectVocabulary, encodeLines } from "../src/text/vocabulary";
import { answer, given } from "./case.mjs";

function read({ bytes, name, options }) {
  try {
    const { list, columns, column } = readList(name, Uint8Array.from(bytes), options);
    return { ...list, columns, column };
  } catch (error) {
    return { error: error.message, fix: error.fix };
  }
}

function facts(lines) {
  const vocabulary = collectVocabulary(lines);
  const packed = PackedLines.of(lines.slice(1));
  return {
    hashes: lines.map((line) => [hashLine(line).high, hashLine(line).low]),
    packed: packLines(lines), among: lines.map((line) => packed.has(line)),
    split: splitLines(lines).rows, symbols: vocabulary.symbols, ids: encodeLines(vocabulary, lines).ids,
  };
}

answer({
  lists: given.lists.map(read),
  facts: given.facts.map(facts),
  shapes: given.shapes.map(({ lines, name }) => shapeOf(lines, name, false)),
  mended: given.mended.map(mended),
  repaired: given.repaired.map(repaired),
});
