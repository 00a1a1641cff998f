// Dialect: what separates the cells of a table, and whether row 1 is a header (makemore.text.dialect).

import { csvRows, type Dialect } from "./csv";
import { ListError } from "./errors";
import { strip } from "./white_space";

export const SEPARATORS = "\t;|,"; // in the order in which they are tried
const NAMES = new Map([["\t", "tabs"], [";", "semicolons"], ["|", "bars"], [",", "commas"]]);
const SEP_LINE = /^"?sep=(.)"?\s*$/u; // a first line that spreadsheets write
const NUMBER = /^[-+]?[\d.,:/ %€$-]*\d[\d.,:/ %€$-]*$/;

// Words that name a column in the tables that people bring; the first ones name columns of texts.
const TEXTS = new Set(
  ("name names first_name firstname given_name forename vorname prénom prenom nombre nome имя " +
    "title titel word words wort text line smiles sequence molecule").split(" "),
);
const HEADER = new Set([
  ...TEXTS,
  ...("last_name lastname surname full_name nachname nom apellido фамилия label labels class category kind gender sex " +
    "geschlecht sexe sexo пол id index count freq frequency rank year number value url").split(" "),
]);

/** Recognize the dialect by the first lines; a delimiter that was typed goes before. */
export function dialectOf(head: readonly string[], typed?: string, quote: string | null = '"'): Dialect {
  const delimiter = typed === "tab" || typed === "\\t" ? "\t" : typed || undefined;
  if (delimiter !== undefined && (Array.from(delimiter).length !== 1 || "\r\n\0".includes(delimiter) || delimiter === quote)) {
    throw new ListError(`the delimiter cannot be '${delimiter}'`, "give one character, or tab");
  }
  const named = head.length ? SEP_LINE.exec(head[0] as string) : null;
  return { delimiter: delimiter ?? named?.[1] ?? recognized(head, quote) ?? ",", quote, skipped: Number(named !== null) };
}

/** The delimiter of a table's first lines: in the first one, and as often in as many as possible. */
function recognized(head: readonly string[], quote: string | null): string | null {
  let best: string | null = null;
  let most = 0;
  for (const delimiter of SEPARATORS) {
    const widths = filled(rowsOf(head, { delimiter, quote, skipped: 0 })).map((row) => row.length);
    if (!widths.length || (widths[0] as number) < 2) continue;
    const alike = widths.filter((width) => width === widths[0]).length / widths.length;
    if (alike > most) [best, most] = [delimiter, alike];
  }
  return best;
}

/** Rows that are not blank. */
export function filled(rows: string[][]): string[][] {
  return rows.filter((row) => row.some((cell) => cell !== ""));
}

/** Read a table's first lines as rows, whatever is wrong with them. */
export function rowsOf(head: readonly string[], dialect: Dialect): string[][] {
  const lines = head.slice(dialect.skipped);
  try {
    return Array.from(csvRows(lines, dialect, false), (row) => row.cells);
  } catch {
    return lines.map((line) => line.split(dialect.delimiter));
  }
}

export function separatedBy(dialect: Dialect): string {
  return NAMES.get(dialect.delimiter) ?? `'${dialect.delimiter}'`;
}

/** Whether the first row names the columns: by a usual name, or words where nearly all of a column are numbers. */
export function hasHeader(rows: string[][]): boolean {
  const first = (rows[0] ?? []).map(strip);
  const below = rows.slice(1);
  if (!below.length || first.includes("") || new Set(first).size < first.length) return false;
  return first.some((cell, column) => {
    const values = below.filter((row) => column < row.length).map((row) => strip(row[column] as string));
    return (isHeaderWord(cell) && !values.includes(cell)) || (isNumeric(below, column) && !/\p{Nd}|\p{No}/u.test(cell));
  });
}

/** Whether nearly all of a column are numbers. */
export function isNumeric(rows: string[][], column: number): boolean {
  const values = rows.filter((row) => column < row.length).map((row) => strip(row[column] as string));
  return values.length > 0 && values.filter((value) => NUMBER.test(value)).length >= 0.9 * values.length;
}

export function isHeaderWord(cell: string): boolean {
  return HEADER.has(keyOf(cell));
}

function keyOf(cell: string): string {
  return strip(cell).toLowerCase().replace(/[\s_-]+/g, "_");
}

/** Suggest the column to learn, by name or number: one of a usual name, or of most texts. */
export function textColumn(rows: string[][], header: boolean): string {
  const below = header ? rows.slice(1) : rows;
  const first = (rows[0] as string[]).map(strip);
  const fitness = first.map((cell, column) => {
    const values = below.filter((row) => column < row.length).map((row) => strip(row[column] as string));
    const texts = new Set(values.filter((value) => value !== "" && !NUMBER.test(value)));
    return Number(header && TEXTS.has(keyOf(cell))) * 2 + texts.size / Math.max(1, values.length);
  });
  const best = fitness.indexOf(Math.max(...fitness)); // the first of equal ones
  const name = first[best] as string;
  const nameable = header && name && !/^\d+$/.test(name) && name !== "none" && first.filter((cell) => cell === name).length === 1;
  return nameable ? name : String(best + 1);
}
