// Networks that look back at all inputs so far: their state is a tree of prefixes.
//
// A level holds what one step added to each of its rows, and which row of the level before each
// goes on from. So a step copies nothing that came before, prefixes that many lines share are
// stored once, and a level that nobody goes on from is collected like any object.

import type { State } from "../../contract";
import { appended } from "../../growing";
import { Network } from "../network";

export class Level {
  readonly length: number; // inputs so far

  /** ids (rows): the inputs; entries (rows, size): what the network keeps of each; from (rows) */
  constructor(public ids: Int32Array, public entries: Float32Array, public from: Int32Array, readonly before: Level | null) {
    this.length = before ? before.length + 1 : 0;
  }

  /** Write the rows of a level that follows the same one behind the first `rows`. */
  append(rows: number, more: Level): void {
    this.entries = appended(this.entries, (rows * more.entries.length) / more.ids.length, more.entries);
    this.ids = appended(this.ids, rows, more.ids);
    this.from = appended(this.from, rows, more.from);
  }
}

const NOTHING = new Level(new Int32Array(), new Float32Array(), new Int32Array(), null);

/** Visit the levels behind rows of a level, the newest first, with the rows that they come from. */
export function* levels(last: Level, rows: Int32Array): Generator<{ level: Level; rows: Int32Array }> {
  for (let level = last; level.before; level = level.before) {
    yield { level, rows };
    const { from } = level;
    rows = rows.map((row) => from[row]!);
  }
}

export abstract class PrefixNetwork extends Network {
  readonly inputKind = "sequence";
  /** Whether positions are learned: then a step at blockSize starts again from the last half. */
  protected abstract readonly limited: boolean;
  /** How many numbers a level keeps of each row. */
  protected abstract readonly entrySize: number;

  /** Compute a step: entries (rows, entrySize) are written, and the logits given. */
  protected abstract extend(ids: Int32Array, before: Level, from: Int32Array, entries: Float32Array): Float32Array;

  override get longest(): number {
    return this.limited ? this.spec.blockSize : Infinity;
  }

  begin(): State {
    return NOTHING;
  }

  protected stepRows(ids: Int32Array, state: State, from: Int32Array): { logits: Float32Array; state: Level } {
    let before = state as Level;
    if (this.limited && before.length >= this.spec.blockSize) {
      before = this.restarted(before, from);
      from = Int32Array.from(from, (_, i) => i); // row i of the new levels is line i's
    }
    const entries = new Float32Array(ids.length * this.entrySize);
    const logits = this.extend(ids, before, from, entries);
    return { logits, state: new Level(ids.slice(), entries, from.slice(), before) };
  }

  protected joined(states: State[]): State {
    return joined(states as Level[]);
  }

  append(state: State, rows: number, more: State): State | null {
    const [level, other] = [state as Level, more as Level];
    if (level.before !== other.before) return null; // one of them has started again
    level.append(rows, other);
    return level;
  }

  // All positions are used: start again from the last half. From more than that, it would soon
  // have to be done again; from less, more would be forgotten. With labels, the label comes first.
  private restarted(last: Level, rows: Int32Array): Level {
    const half = Math.floor(this.spec.blockSize / 2);
    const columns = [...levels(last, rows)].map(({ level, rows: at }) => at.map((row) => level.ids[row]!)).reverse();
    const kept = half ? columns.slice(-half) : [];
    if (this.spec.nLabels && half) kept[0] = columns[0]!;
    const same = Int32Array.from(rows, (_, i) => i);
    let level = NOTHING;
    for (const ids of kept) level = this.stepRows(ids, level, same).state;
    return level;
  }
}

// One level of the rows of all parts, in this order.
function joined(parts: Level[]): Level {
  const first = parts[0]!.before!;
  // Parts that started again have levels of their own behind them, which are joined as well.
  const shared = parts.every((part) => part.before === first);
  const before = shared ? first : joined(parts.map((part) => part.before!));
  const rows = parts.reduce((sum, part) => sum + part.ids.length, 0);
  const [ids, from] = [new Int32Array(rows), new Int32Array(rows)];
  const size = parts[0]!.entries.length / parts[0]!.ids.length;
  const entries = new Float32Array(rows * size);
  let at = 0;
  for (const part of parts) {
    ids.set(part.ids, at);
    from.set(shared ? part.from : part.from.map((row) => row + at), at);
    entries.set(part.entries, at * size);
    at += part.ids.length;
  }
  return new Level(ids, entries, from, before);
}
