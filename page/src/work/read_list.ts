// Reads a list: text, vocabulary, parts; and counts, which learn it at once.

import type { Answer, Ask, Model, Parts, TextList, Vocabulary } from "../contract";
import { fitCounts } from "../counts/make";
import { ngramSpec } from "../counts/ngram";
import { readList as readText } from "../text/reading";
import { splitLines } from "../text/split";
import { collectVocabulary } from "../text/vocabulary";
import { Told } from "../told";
import { encode, flat, type ListParts } from "./encoded";
import { ofList, type Source } from "./source";

type Reply = Omit<Extract<Answer, { answer: "list" }>, "id">;

const FIRST = 20; // lines that are shown
const ORDER = 6; // of the counts, as `makemore train --model ngram` has it

/** Reads a list and counts it. Throws Told for one that holds no line. */
export function readList(ask: Extract<Ask, { ask: "read" }>): { source: Source; parts: ListParts; lines: readonly string[]; reply: Omit<Reply, "prior"> } {
  const { name, text, column: wanted, labelColumn, delimiter, mend, asIs } = ask;
  const options = { ...(wanted && { column: wanted }), ...(labelColumn && { labelColumn }), ...(delimiter && { delimiter }), ...(mend && { mend }), ...(asIs && { asIs }) };
  const { list, columns, column, shape } = readText(name, text, options);
  if (!list.lines.length) throw new Told("there is no line in this list", "give a text with one thing a line");
  const vocabulary = collectVocabulary(list.lines, list.labels ?? []);
  const parts = partsOf(list);
  const source = ofList(list.name, counted(vocabulary, parts), vocabulary, parts.texts, sharesOf(vocabulary, parts));
  return { source, parts, lines: list.lines, reply: { answer: "list", list: about(list, vocabulary), ...(columns && { columns }), ...(column && { column }), ...(shape && { shape: shape.kind }) } };
}

function partsOf(list: TextList): ListParts {
  const { rows, ...texts } = splitLines(list.lines), { labels } = list;
  const of = (part: keyof Parts): string[] => rows[part].map((row) => labels?.[row] ?? "");
  return { texts, labels: labels ? { train: of("train"), val: of("val"), test: of("test") } : null };
}

function counted(vocabulary: Vocabulary, parts: ListParts): Model {
  const train = encode(vocabulary, parts, "train"), { ids, offsets } = flat(train);
  const spec = ngramSpec(vocabulary.size, { order: ORDER }), nLabels = vocabulary.labels.length;
  return fitCounts({ ...spec, nLabels, blockSize: spec.blockSize + Number(nLabels > 0) }, ids, offsets, train.labels);
}

/** How many training lines have each label, as shares. */
function sharesOf(vocabulary: Vocabulary, { labels }: ListParts): number[] {
  if (!labels) return [];
  return vocabulary.labels.map((label) => labels.train.filter((other) => other === label).length / Math.max(1, labels.train.length));
}

function about(list: TextList, vocabulary: Vocabulary): Reply["list"] {
  const { lines, labels: _, ...beside } = list, lengths: number[] = [];
  for (const line of lines) {
    const length = vocabulary.encode(line).length;
    while (lengths.length <= length) lengths.push(0);
    lengths[length]!++;
  }
  return { ...beside, total: lines.length, first: lines.slice(0, FIRST), symbols: vocabulary.symbols, longest: lengths.length - 1, lengths };
}
