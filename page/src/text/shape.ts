// Shape: recognizes a text that is no plain list of one thing a line, and says what it is (makemore.text.shape).
// Looked at are its first lines, stripped and not blank.

import { dialectOf, filled, hasHeader, isHeaderWord, rowsOf, separatedBy, SEPARATORS, textColumn } from "./dialect";
import type { Dialect } from "./csv";
import { broken, repaired } from "./mojibake";
import { strip } from "./white_space";

export type ShapeKind = "table" | "one line" | "quoted lines" | "separated lines" | "numbered list" | "broken letters";

export interface Shape {
  kind: ShapeKind;
  says: string;
  examples: string[];
  column?: string; // of a table: the one to learn
  columns?: string[]; // and all of them: names, or numbers from 1
}

export const LOOKED_AT = 10_000; // lines
const MANY = 4; // things in one line
const ALMOST_ALL = 0.9; // of the lines of a numbered list

export const NUMBER = /^[(\[#]?(\d{1,7})(?:[.):\]]+(?:\s+|(?=\D))|\s+[-–.):]?\s*)(?=\S)/; // 1. 2) (3) 4: #5 [6] 7
export const BULLET = /^[-*+•‣◦·–—]\s+(?:\[[ xX]?\]\s+)?(?=\S)/; // - or, to be ticked, - [ ]
const QUOTES = ['""', "''", "“”", "„“", "„”", "«»", "»«", "‘’", "``", "「」", "《》", "”“"];
export const TAIL = /\s*[,;]$/; // behind each thing of a list that was code

/** Recognize the shape of lines; null for a plain list. fileName: one that ends in .csv is a table sooner. */
export function shapeOf(lines: readonly string[], fileName: string, isColumn: boolean, delimiter?: string): Shape | null {
  if (!lines.length) return null;
  const found = isColumn ? null : tableShape(lines, fileName, delimiter);
  return found ?? oneLine(lines) ?? quoted(lines) ?? numbered(lines) ?? brokenLetters(lines);
}

/** A table: each line has the same number of separators, and there is a header, a tab, or the name of a table. */
function tableShape(lines: readonly string[], fileName: string, delimiter?: string): Shape | null {
  const isFile = /\.(csv|tsv|tab)$/i.test(fileName);
  const dialect = dialectOf(lines.slice(0, 100), delimiter);
  const rows = filled(rowsOf(lines, dialect));
  const first = rows[0];
  if (!first || rows.length < 2) return null;
  const header = hasHeader(rows);
  if (first.length < 2) { // a list with a name above it
    const name = first[0] as string;
    if (!isFile || !isHeaderWord(name) || rows.slice(1).some((row) => row.length === 1 && row[0] === name)) return null;
    return { kind: "table", says: `Line 1, '${name}', seems to be the name of a column.`, examples: [], column: strip(name), columns: [strip(name)] };
  }
  const named = delimiter !== undefined || dialect.skipped > 0 || dialect.delimiter === "\t";
  // No text has as many signs in each line, and never a space behind one: "Smith, John".
  const dense = first.length > 2 && rows.length > 2 && !spaced(lines, dialect);
  if (!(header || isFile || named || dense)) return null;
  if (evenness(lines, rows, dialect) < (isFile && header ? ALMOST_ALL : 1)) return null;
  const names = header ? `: ${first.slice(0, 12).map(strip).join(", ")}` : "";
  return {
    kind: "table", says: `The list is a table of ${first.length} columns, separated by ${separatedBy(dialect)}${names}.`, examples: lines.slice(0, 3),
    column: textColumn(rows, header), columns: first.map((cell, i) => (header ? strip(cell) : String(i + 1))),
  };
}

function spaced(lines: readonly string[], dialect: Dialect): boolean {
  return lines.some((line) => line.split(dialect.delimiter).slice(1).some((rest, i, all) => /^\s+\S/.test(rest) || (/^\s+$/.test(rest) && i < all.length - 1)));
}

/** The part of the lines, or of the rows, with as many cells as the first one. */
function evenness(lines: readonly string[], rows: string[][], dialect: Dialect): number {
  const cells = rows.map((row) => row.length);
  const signs = lines.slice(dialect.skipped).map((line) => line.split(dialect.delimiter).length);
  return Math.max(...[cells, signs].map((each) => each.filter((count) => count === each[0]).length / each.length));
}

/** Many things in one line, separated by one sign. */
function oneLine(lines: readonly string[]): Shape | null {
  const found = lines.length === 1 ? separated(lines[0] as string) : null;
  if (!found) return null;
  const what = separatedBy({ delimiter: found.sign, quote: null, skipped: 0 });
  return { kind: "one line", says: `All ${found.things.length.toLocaleString("en")} things stand in one line, between ${what}.`, examples: [] };
}

/** Cut a line into the things in it: the sign that is between them, and these; null for one thing. */
export function separated(line: string): { sign: string; things: string[] } | null {
  const inner = "[({".includes(line[0] as string) ? line.replace(/^[[\](){} ]+|[[\](){} ]+$/g, "") : line;
  const cut = Array.from(SEPARATORS, (sign) => ({ sign, things: inner.split(sign).map(strip) }));
  const { sign, things } = cut.reduce((best, each) => (each.things.length > best.things.length ? each : best));
  const named = things.filter(Boolean);
  return named.length >= MANY ? { sign, things: named } : null;
}

/** Lines that are all in quotes, or all end with a separator, as a list in code is. */
function quoted(lines: readonly string[]): Shape | null {
  const items = bare(lines);
  if (items.length < 2) return null;
  const tails = items.filter((line) => TAIL.test(line)).length >= items.length - 1;
  const things = tails ? items.map((line) => line.replace(TAIL, "")) : items;
  if (things.every((line) => unquoted(line) !== line)) return { kind: "quoted lines", says: "Every line stands in quotes.", examples: lines.slice(0, 3) };
  return tails ? { kind: "separated lines", says: "Every line ends with a separator.", examples: lines.slice(0, 3) } : null;
}

/** Leave out a first and a last line of brackets alone. */
export function bare(lines: readonly string[]): readonly string[] {
  const opens = lines.length > 2 && /^(?:[\p{L}\p{N}_]+\s*=\s*)?[[({]$/u.test(lines[0] as string);
  return opens && /^[\])}];?$/.test(lines.at(-1) as string) ? lines.slice(1, -1) : lines;
}

/** Take the quotes off a line that begins and ends with them; not off `"A" and "B"`. */
export function unquoted(line: string): string {
  const characters = Array.from(line);
  const pair = QUOTES.find((each) => characters[0] === each[0] && characters.at(-1) === each[1]);
  if (characters.length < 3 || !pair) return line;
  const inner = characters.slice(1, -1).join("");
  const text = pair === '""' ? inner.replaceAll('""', "\0") : inner; // a quote within quotes, as CSV writes it
  const ends = pair === "''" ? /[^\p{L}\p{N}_]'|'[^\p{L}\p{N}_]/u.test(text) : Array.from(pair).some((quote) => text.includes(quote));
  return ends ? line : strip(text.replaceAll("\0", '"'));
}

/** Lines that count up (1. 2. 3.), or nearly all begin with a bullet. */
function numbered(lines: readonly string[]): Shape | null {
  const items = lines.slice(heading(lines));
  if (items.length < 2) return null;
  const signs = items.filter((line) => BULLET.test(line)).map((line) => line[0] as string);
  const alike = new Set(signs).size === 1;
  if (signs.length >= ALMOST_ALL * items.length && (alike || items.length > 2)) {
    return { kind: "numbered list", says: `Every line begins with ${alike ? `'${signs[0]}'` : "a bullet"}.`, examples: items.slice(0, 3) };
  }
  const found = items.map((line) => NUMBER.exec(line)).filter((match) => match !== null);
  if (found.length < Math.max(2, ALMOST_ALL * items.length) || !counts(found)) return null;
  return { kind: "numbered list", says: `The lines are numbered: ${items[0]}`, examples: items.slice(0, 3) };
}

/**
 * Whether numbers before lines count them: each once, hardly one left out, in any order; or the same before every
 * line; or, with a sign behind each, ascending: others were taken out.
 */
function counts(found: RegExpExecArray[]): boolean {
  const numbers = found.map((match) => Number(match[1]));
  const distinct = new Set(numbers).size;
  const sorted = [...numbers].sort((a, b) => a - b);
  if (distinct === numbers.length && (sorted.at(-1) as number) - (sorted[0] as number) < numbers.length / ALMOST_ALL) return true;
  if (numbers.length <= 2) return false;
  const ascends = numbers.every((number, i) => i === 0 || number > (numbers[i - 1] as number));
  const signed = found.every((match) => /^[(\[#]?\d+[.:)\]]/.test(match.input));
  return distinct === 1 || (ascends && signed);
}

/** The lines above a list that are its name: 1 for `Dogs:`, else 0. */
export function heading(lines: readonly string[]): number {
  return Number(lines.length > 2 && (lines[0] as string).endsWith(":"));
}

function brokenLetters(lines: readonly string[]): Shape | null {
  const found = broken(lines);
  if (!found.length) return null;
  const first = found[0] as string;
  const says = `Letters are broken in ${found.length.toLocaleString("en")} of ${lines.length.toLocaleString("en")} lines: ${first} was ${repaired(first)}`;
  return { kind: "broken letters", says, examples: found.slice(0, 3) };
}
