// CSV: rows of cells of lines, by the rules of Python's csv module, so that a table has the same rows in both.

export class CsvError extends Error {}

const LONGEST_CELL = 131_072; // as the module has it

/** How a table is written; quote null: every quote is text, and each line a row. */
export interface Dialect {
  delimiter: string;
  quote: string | null;
  skipped: number; // lines before the first row: `sep=;`
}

export interface Row {
  cells: string[];
  line: number; // the number of the last line that it took, from 1
}

/**
 * Read lines (each with its line feed) as rows; a quoted cell may go over several lines.
 * strict: a quote that nobody closes is an error, and so is what stands behind a closing one.
 */
export function* csvRows(lines: readonly string[], dialect: Dialect, strict: boolean): Generator<Row, void, void> {
  const reader = new RowReader(dialect, strict);
  for (const [i, line] of lines.entries()) {
    if (reader.take(line)) yield { cells: reader.row(), line: i + 1 };
  }
  if (reader.open) {
    if (strict) throw new CsvError("unexpected end of data");
    yield { cells: reader.row(), line: lines.length };
  }
}

type Where = "start" | "cell" | "quoted" | "closed" | "ended";

class RowReader {
  private cells: string[] = [];
  private cell = "";
  private where: Where = "start";
  open = false; // within a quoted cell that goes on in the next line

  constructor(private readonly dialect: Dialect, private readonly strict: boolean) {}

  /** Read a line; true where a row ends with it. */
  take(line: string): boolean {
    if (!this.open && /^[\r\n]*$/.test(line)) return true; // a blank line is a row without cells
    for (const character of line) this.step(character);
    this.open = this.where === "quoted";
    if (!this.open && this.where !== "ended") this.save("ended");
    return !this.open;
  }

  row(): string[] {
    if (this.open) this.save("ended");
    const cells = this.cells;
    this.cells = [];
    this.where = "start";
    this.open = false;
    return cells;
  }

  private step(character: string): void {
    const { delimiter, quote } = this.dialect;
    const ends = character === "\n" || character === "\r";
    if (this.where === "ended") {
      if (!ends) throw new CsvError("new-line character seen in unquoted field");
    } else if (this.where === "quoted") {
      if (character === quote) this.where = "closed";
      else this.add(character);
    } else if (this.where === "closed" && character === quote) {
      this.add(character); // two quotes are one
      this.where = "quoted";
    } else if (character === delimiter) this.save("start");
    else if (ends) this.save("ended");
    else if (this.where === "start" && character === quote) this.where = "quoted";
    else if (this.where === "closed" && this.strict) throw new CsvError(`'${delimiter}' expected after '${quote ?? ""}'`);
    else {
      this.where = "cell";
      this.add(character);
    }
  }

  private add(character: string): void {
    this.cell += character;
    if (this.cell.length > LONGEST_CELL) throw new CsvError(`field larger than field limit (${LONGEST_CELL})`);
  }

  private save(where: Where): void {
    this.cells.push(this.cell);
    this.cell = "";
    this.where = where;
  }
}
