// Reading: a text or a file as a list of clean, distinct lines, with counts and what looks wrong
// (makemore.text.reading, corpus and source).

import type { TextList } from "../contract";
import { oddLines } from "./checks";
import { decode } from "./encoding";
import { ListError } from "./errors";
import { mended } from "./mend";
import { LOOKED_AT, shapeOf, type Shape } from "./shape";
import { readTable, type Columns } from "./table";
import { strip } from "./white_space";

const MARK = /\ufeff/g; // a byte order mark within a text was the start of a file that was added
const MAX_LINE = 1000; // code points: longer lines are left out
const MAX_SYMBOLS = 30_000;
const MOST_LABELS = 1000; // a column with more distinct ones holds texts, not labels

export interface ReadOptions extends Columns {
  /** Learn whole lines, also of what looks like a table. */
  asIs?: boolean;
  /** Make a plain list of numbered, quoted or separated lines, and of broken letters. */
  mend?: boolean;
}

export interface ReadList {
  list: TextList;
  /** Of a table: names of its columns, or numbers from 1; null for a plain list. */
  columns: string[] | null;
  /** The column that was read, of a table. */
  column: string | null;
  /** What the text is that is no plain list; a page offers to mend it. */
  shape: Shape | null;
}

/**
 * Read a list. A table of which no column is named is read by the column that is likeliest to hold its texts, unless
 * asIs. Throws ListError where nothing can be learned from it.
 */
export function readList(name: string, input: string | ArrayBuffer | Uint8Array, options: ReadOptions = {}): ReadList {
  const odd: TextList["odd"] = [];
  const raw = textOf(input, odd);
  const marks = raw.match(MARK)?.length ?? 0;
  const text = marks ? raw.replace(MARK, "") : raw;
  if (marks) odd.push({ what: `${plural(marks, "byte order mark")} (U+FEFF) within lines dropped.`, lines: [] });
  const isTable = options.column !== undefined || options.labelColumn !== undefined;
  const shape = options.asIs ? null : shapeOf(headOf(text), name, isTable, options.delimiter);
  const column = options.column ?? (isTable ? undefined : shape?.column);
  if (!isTable && column === undefined) return { ...plainList(name, text, odd, shape, options), columns: null, column: null, shape };
  const table = readTable(text, { ...options, column });
  if (shape?.kind === "table") odd.push({ what: `${shape.says} Read: the column ${column}.`, lines: [] });
  odd.push(...table.remarks);
  const list = clean(name, table.texts, table.labels, odd);
  return { list, columns: table.columns, column: column ?? null, shape };
}

function textOf(input: string | ArrayBuffer | Uint8Array, odd: TextList["odd"]): string {
  // Half of a surrogate pair is no character, and could not be written.
  if (typeof input === "string") return input.replace(/^\ufeff/, "").replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd");
  const { text, encoding } = decode(input instanceof Uint8Array ? input : new Uint8Array(input));
  if (encoding === "windows-1252") {
    const lines = text.split("\n").filter((line) => /[^\0-\x7f]/.test(line)).map(strip);
    odd.push({ what: "The bytes are no UTF-8, and were read as windows-1252: look whether the letters are right.", lines: lines.slice(0, 10) });
  }
  return text;
}

function headOf(text: string): string[] {
  return text.split("\n", LOOKED_AT).map(strip).filter((line) => line !== "");
}

function plainList(name: string, text: string, odd: TextList["odd"], shape: Shape | null, options: ReadOptions): { list: TextList } {
  if (!text.includes("\n") && text.slice(0, -1).includes("\r")) text = text.replaceAll("\r", "\n"); // an old Mac's line ends
  let lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop(); // the last line need not end with a line feed
  if (shape && options.mend) lines = mended(lines.map(strip).filter((line) => line !== ""));
  else if (shape) odd.push({ what: shape.says, lines: shape.examples });
  return { list: clean(name, lines, null, odd) };
}

/** Strip lines, leave out blank, too long ones and copies, and check the limits. A copy has text and label alike. */
function clean(name: string, raw: readonly string[], rawLabels: readonly string[] | null, odd: TextList["odd"]): TextList {
  const counts = { read: raw.length, blank: 0, copies: 0, trimmed: 0, tooLong: 0 };
  const lines: string[] = [];
  const labels: string[] = [];
  const seen = new Set<string>();
  raw.forEach((given, row) => {
    const line = strip(given);
    counts.trimmed += Number(line !== "" && line !== given && line !== given.replace(/\r$/, ""));
    if (line === "") counts.blank++;
    else if (line.length > MAX_LINE && Array.from(line).length > MAX_LINE) counts.tooLong++;
    else {
      const label = rawLabels?.[row] ?? "";
      const key = rawLabels ? `${line}\n${label}` : line;
      if (seen.has(key)) counts.copies++;
      else {
        seen.add(key);
        lines.push(line);
        labels.push(label);
      }
    }
  });
  if (counts.tooLong) odd.push({ what: `${plural(counts.tooLong, "line")} of more than ${MAX_LINE.toLocaleString("en")} symbols left out.`, lines: [] });
  if (!lines.length) throw new ListError(`no lines to learn from (${counts.blank} blank)`, "give one thing a line");
  checkLimits(lines, labels);
  odd.push(...oddLines(lines));
  return { name, lines, ...(rawLabels ? { labels } : {}), counts, odd };
}

function checkLimits(lines: readonly string[], labels: readonly string[]): void {
  const symbols = new Set<string>();
  for (const line of lines) for (const symbol of line) symbols.add(symbol);
  if (symbols.size > MAX_SYMBOLS) throw new ListError(`${symbols.size} different symbols, more than ${MAX_SYMBOLS}`, "give lines of fewer scripts");
  const distinct = new Set(labels).size;
  if (distinct > MOST_LABELS) throw new ListError(`${distinct} different labels, more than ${MOST_LABELS}`, "give labels that many lines share");
}

export function plural(count: number, what: string): string {
  return `${count.toLocaleString("en")} ${what}${count === 1 ? "" : "s"}`;
}
