// Lines as ids, with the ids of their labels.

import type { Parts, Vocabulary } from "../contract";

export interface Encoded { lines: Int32Array[]; labels?: Int32Array }

/** Lines in parts, and the label of each; null where a list has none. */
export interface ListParts { texts: Parts; labels: Parts | null }

/** Encodes the lines of a part, and their labels as ids. */
export function encode(vocabulary: Vocabulary, { texts, labels }: ListParts, part: keyof Parts): Encoded {
  const lines = texts[part].map((line) => vocabulary.encode(line));
  if (!labels) return { lines };
  const ids = new Map(vocabulary.labels.map((label, at) => [label, vocabulary.size + at]));
  return { lines, labels: Int32Array.from(labels[part], (label) => ids.get(label) ?? vocabulary.size) };
}

/** All ids in a row, and where each line starts (n + 1,): the form that counts take. */
export function flat({ lines }: Encoded): { ids: Int32Array; offsets: Int32Array } {
  const offsets = new Int32Array(lines.length + 1);
  lines.forEach((line, at) => { offsets[at + 1] = offsets[at]! + line.length; });
  const ids = new Int32Array(offsets[lines.length]!);
  lines.forEach((line, at) => ids.set(line, offsets[at]!));
  return { ids, offsets };
}
