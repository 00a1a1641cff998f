// Vocabulary: symbol <-> id. Id 0 is the boundary; labels have the ids after those of the symbols.

import type { Vocabulary } from "../contract";

export const BOUNDARY = 0;
export const CHARACTER = "character";
export const GRAPHEME = "grapheme";

/** Cut a line into symbols by a rule: one code point each, or what a reader takes for one character. */
export function cut(line: string, rule: string): string[] {
  if (rule === CHARACTER) return Array.from(line);
  if (rule !== GRAPHEME) throw new Error(`the page does not cut lines by the rule ${rule}`);
  return Array.from(new Intl.Segmenter("en", { granularity: "grapheme" }).segment(line), (piece) => piece.segment);
}

/** Order texts by code points, as Python does; `<` of JavaScript goes by UTF-16 and differs above U+FFFF. */
export function byCodePoint(a: string, b: string): number {
  for (let at = 0; at < a.length && at < b.length; at++) {
    const x = a.codePointAt(at) as number;
    const y = b.codePointAt(at) as number;
    if (x !== y) return x - y;
  }
  return a.length - b.length;
}

/** The vocabulary of these symbols, which are sorted by code point. */
export function vocabularyOf(symbols: readonly string[], labels: readonly string[] = [], rule = CHARACTER): Vocabulary {
  const ids = new Map(symbols.map((symbol, i) => [symbol, i + 1]));
  return {
    symbols: [...symbols],
    labels: [...labels],
    rule,
    size: symbols.length + 1,
    encode: (line) => Int32Array.from(cut(line, rule), (symbol) => ids.get(symbol) ?? -1),
    decode: (line) => {
      let text = "";
      for (let i = 0; i < line.length; i++) text += symbols[(line[i] as number) - 1] as string;
      return text;
    },
  };
}

/** Collect the symbols of all lines, sorted; labels: the distinct ones of the lines. */
export function collectVocabulary(lines: Iterable<string>, labels: Iterable<string> = [], rule = CHARACTER): Vocabulary {
  const symbols = new Set<string>();
  for (const line of lines) for (const symbol of cut(line, rule)) symbols.add(symbol);
  return vocabularyOf([...symbols].sort(byCodePoint), [...new Set(labels)].sort(byCodePoint), rule);
}

/** Lines as ids, one after another, and where each starts (n + 1,). */
export function encodeLines(vocabulary: Vocabulary, lines: readonly string[]): { ids: Int32Array; offsets: Int32Array } {
  const offsets = new Int32Array(lines.length + 1);
  const each = lines.map((line, i) => {
    const ids = vocabulary.encode(line);
    offsets[i + 1] = (offsets[i] as number) + ids.length;
    return ids;
  });
  const ids = new Int32Array(offsets[lines.length] as number);
  each.forEach((line, i) => ids.set(line, offsets[i]));
  return { ids, offsets };
}

/** The distinct symbols of a text that the vocabulary lacks, sorted. */
export function unknownIn(vocabulary: Vocabulary, text: string): string[] {
  const ids = vocabulary.encode(text);
  const unknown = cut(text, vocabulary.rule).filter((_, i) => ids[i] === -1);
  return [...new Set(unknown)].sort(byCodePoint);
}
