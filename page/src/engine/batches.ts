// Batches: the inputs and targets of one training step, in the order of a seed
// (makemore/training/batches.py). An epoch is a random order of all lines, cut into batches.

import { Random } from "./random";

/** Inputs (lines, T) and targets (lines * T), -1 after a line's end; of windows a target a window. */
export interface Group {
  inputs: Int32Array;
  targets: Int32Array;
  lines: number;
}

const MOST_GROUPS = 4; // of lines of like length: less padding than one group would hold
const FEWEST_SYMBOLS = 800; // in a group: a smaller one costs more in calls than it saves

export class Batches {
  private readonly random: Random;
  private order: Int32Array = new Int32Array();
  private taken = 0; // batches so far
  private readonly windows: Windows | null;

  constructor(
    inputKind: "window" | "sequence", private readonly blockSize: number,
    private readonly lines: readonly Int32Array[], private readonly labels: Int32Array | undefined,
    private readonly size: number, seed: number,
  ) {
    if (!lines.length) throw new Error("there is no line to learn from");
    this.random = new Random(seed);
    this.windows = inputKind === "window" ? new Windows(blockSize, lines, labels) : null;
  }

  /** The groups of the next step. */
  take(): Group[] {
    const count = this.windows?.ends.length ?? this.lines.length;
    // The remainder of an epoch is spread over its batches: no small last one, with its noise.
    const most = this.size === 1 ? count : Math.floor(count / 2);
    const batches = Math.max(1, Math.min(most, Math.round(count / this.size)));
    const batch = this.taken++ % batches;
    if (!batch) this.order = this.random.order(count);
    const at = (index: number) => Math.floor((index * count) / batches);
    const rows = this.order.subarray(at(batch), at(batch + 1));
    return this.windows ? [this.windows.cut(rows)] : this.grouped(rows);
  }

  // Sorted by length, and cut where the symbols so far are an equal share of all.
  private grouped(rows: Int32Array): Group[] {
    const sorted = rows.slice().sort((a, b) => this.lines[a]!.length - this.lines[b]!.length);
    const counts = Array.from(sorted, (row) => Math.min(this.lines[row]!.length + 1, this.blockSize));
    const all = counts.reduce((sum, each) => sum + each, 0);
    const share = all / Math.min(MOST_GROUPS, Math.max(1, Math.floor(all / FEWEST_SYMBOLS)));
    const groups: Group[] = [];
    for (let first = 0, last = 0, symbols = 0; last < sorted.length; last++) {
      symbols += counts[last]!;
      if (symbols < share * (groups.length + 1) - 0.5 && last < sorted.length - 1) continue;
      groups.push(this.cutLines(sorted.subarray(first, last + 1)));
      first = last + 1;
    }
    return groups;
  }

  private cutLines(rows: Int32Array): Group {
    const longest = Math.min(this.blockSize, 1 + Math.max(...Array.from(rows, (row) => this.lines[row]!.length)));
    const inputs = new Int32Array(rows.length * longest);
    const targets = new Int32Array(rows.length * longest).fill(-1);
    rows.forEach((row, i) => {
      const line = this.lines[row]!;
      const at = i * longest;
      inputs[at] = this.labels ? this.labels[row]! : 0;
      inputs.set(line.subarray(0, longest - 1), at + 1); // an input is the symbol before its target
      targets.set(line.subarray(0, longest), at);
      if (line.length < longest) targets[at + line.length] = 0;
    });
    return { inputs, targets, lines: rows.length };
  }
}

/** All windows of lines, which lie in one array with blockSize boundaries (0) before each. */
class Windows {
  private readonly flat: Int32Array;
  /** The place of each target in flat: those of a line are its symbols and its end. */
  readonly ends: Int32Array;
  private readonly labels: Int32Array | null; // of each target

  constructor(private readonly blockSize: number, lines: readonly Int32Array[], labels: Int32Array | undefined) {
    const symbols = lines.reduce((sum, line) => sum + line.length, 0);
    this.flat = new Int32Array(symbols + (lines.length + 1) * blockSize);
    this.ends = new Int32Array(symbols + lines.length);
    this.labels = labels ? new Int32Array(this.ends.length) : null;
    let [at, target] = [blockSize, 0];
    lines.forEach((line, number) => {
      this.flat.set(line, at);
      this.labels?.fill(labels![number]!, target, target + line.length + 1);
      for (let place = 0; place <= line.length; place++) this.ends[target++] = at + place;
      at += line.length + blockSize;
    });
  }

  cut(rows: Int32Array): Group {
    const { blockSize, flat } = this;
    const inputs = new Int32Array(rows.length * blockSize);
    const targets = new Int32Array(rows.length);
    for (let i = 0; i < rows.length; i++) {
      const end = this.ends[rows[i]!]!;
      targets[i] = flat[end]!;
      for (let j = 0; j < blockSize; j++) inputs[i * blockSize + j] = flat[end - blockSize + j]!;
      if (this.labels) inputs[i * blockSize] = this.labels[rows[i]!]!;
    }
    return { inputs, targets, lines: rows.length };
  }
}
