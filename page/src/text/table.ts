// Table: the texts, and labels, of the rows of a CSV or TSV file (makemore.text.table). A column given by name says
// that the first row holds names; by number (from 1), that none does.

import { CsvError, csvRows, type Dialect } from "./csv";
import { dialectOf, isNumeric, rowsOf, separatedBy } from "./dialect";
import { ListError } from "./errors";
import { strip } from "./white_space";

const LOOKED_AT = 100; // lines by which the delimiter is recognized

export interface Columns {
  column?: string | undefined; // of texts; without it the first that is not the label's and holds no numbers
  labelColumn?: string | undefined;
  delimiter?: string | undefined;
}

export interface TableRows {
  texts: string[]; // "" for a blank row or text
  labels: string[] | null;
  columns: string[]; // names, or numbers from 1
  remarks: { what: string; lines: string[] }[];
}

/** Read a table. Throws ListError, naming the row. Where a quote is not closed, quotes are read as text. */
export function readTable(text: string, columns: Columns): TableRows {
  const lines = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  try {
    return rowsFor(lines, columns, dialectOf(lines.slice(0, LOOKED_AT), columns.delimiter));
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const plain = rowsFor(lines, columns, dialectOf(lines.slice(0, LOOKED_AT), columns.delimiter, null));
    return { ...plain, remarks: [{ what: "A quote is not closed, so quotes were read as text.", lines: [] }, ...plain.remarks] };
  }
}

function rowsFor(lines: string[], asked: Columns, dialect: Dialect): TableRows {
  const result: TableRows = { texts: [], labels: asked.labelColumn ? [] : null, columns: [], remarks: [] };
  const swallowed = new Swallowed(dialect);
  let places: Places | null = null;
  let row = dialect.skipped;
  for (const { cells, line } of csvRows(lines.slice(dialect.skipped), dialect, true)) {
    row++;
    const stray = swallowed.count(cells, line);
    if (!places) {
      places = placesOf(cells, asked, dialect, rowsOf(lines.slice(0, LOOKED_AT), dialect));
      result.columns = cells.map((cell, i) => (places?.header ? strip(cell) : String(i + 1)));
      if (places.header) continue;
    }
    const text = cellOf(cells, places.text, row, stray);
    result.texts.push(text);
    if (result.labels) result.labels.push(text ? labelOf(cells, places.label as number, row, stray) : "");
  }
  if (swallowed.taken) {
    result.remarks.push({ what: `A quote that opens in line ${swallowed.first} takes in lines that look like rows (${swallowed.taken} of them).`, lines: [] });
  }
  return result;
}

/** Counts the lines that quotes made part of a cell and that look like rows of their own. */
class Swallowed {
  taken = 0;
  first = 0;
  private lines = 0;

  constructor(private readonly dialect: Dialect) {}

  /** Whether a row, which ends with this line, has swallowed others. */
  count(cells: string[], line: number): boolean {
    const began = this.lines + 1;
    const before = this.taken;
    this.lines = line;
    if (line === began || cells.length < 2) return false;
    cells.forEach((cell, i) => {
      const pieces = cell.split("\n").map((piece) => piece.split(this.dialect.delimiter).length - 1);
      if (pieces.length === 1) return;
      // As separate lines, the first has the cells before this one, the last those after it.
      pieces[0] = (pieces[0] as number) + i;
      pieces[pieces.length - 1] = (pieces.at(-1) as number) + cells.length - 1 - i;
      if (!pieces.every((count) => count === cells.length - 1)) return;
      this.taken += pieces.length - 1;
      this.first ||= began + this.dialect.skipped;
    });
    return this.taken > before;
  }
}

/** Which columns (from 0) are text and label, and whether the first row is a header. */
interface Places {
  text: number;
  label: number | null;
  header: boolean;
}

function placesOf(cells: string[], asked: Columns, dialect: Dialect, head: string[][]): Places {
  // One name is enough: then the first row holds names.
  const header = [asked.labelColumn, asked.column].some((column) => column !== undefined && !/^\d+$/.test(column));
  const label = indexOf(cells, asked.labelColumn, dialect);
  let text = indexOf(cells, asked.column, dialect);
  if (text === null) {
    const others = [...cells.keys()].filter((column) => column !== label);
    text = others.find((column) => !isNumeric(head.slice(Number(header)), column)) ?? others[0] ?? null;
  }
  if (text === null || text === label) throw new ListError("text and label are one column", "choose two");
  return { text, label, header };
}

/** Turn a column's name or number (from 1) into its index. */
function indexOf(cells: string[], column: string | undefined, dialect: Dialect): number | null {
  if (column === undefined) return null;
  if (/^\d+$/.test(column)) {
    const number = Number(column);
    if (number < 1 || number > cells.length) throw new ListError(`there is no column ${column}`, `choose 1 to ${cells.length}`);
    return number - 1;
  }
  const names = cells.map(strip);
  const index = names.indexOf(column);
  if (index < 0) throw new ListError(`unknown column '${column}'`, `the columns, separated by ${separatedBy(dialect)}, are ${names.slice(0, 20).join(", ")}`);
  return index;
}

function cellOf(cells: string[], column: number, row: number, stray: boolean): string {
  if (!cells.some((cell) => cell !== "")) return ""; // a blank row
  if (column >= cells.length) throw new ListError(`row ${row} has no column ${column + 1}`, "give each row all columns");
  const text = strip(cells[column] as string);
  if (text.includes("\n")) {
    throw new ListError(`row ${row} has a cell with a line feed inside${stray ? ", by a stray quote" : ""}`, "one thing is one line: mend the table");
  }
  return text;
}

function labelOf(cells: string[], column: number, row: number, stray: boolean): string {
  const label = cellOf(cells, column, row, stray);
  if (!label) throw new ListError(`row ${row} has an empty label`, "give each row a label");
  if (label.includes("\t")) throw new ListError(`row ${row} has a label with a tab inside`, "take the tab out");
  return label;
}
