// Split: 80 / 10 / 10 by a hash of each line's text alone, as makemore.text.dataset splits.

import type { Parts } from "../contract";
import { hashLine, mix } from "./line_hashes";

const MIN_LINES_TO_SPLIT = 50; // distinct lines under which all of them train

/** Which tenth of the lines one belongs to, 0 to 9; the key makes it another choice than the hash alone. */
export function tenthOf(line: string): number {
  const hash = hashLine(line);
  hash.high = (hash.high ^ 0x6d616b65) >>> 0; // "makemore"
  hash.low = (hash.low ^ 0x6d6f7265) >>> 0;
  mix(hash);
  return Math.floor((hash.high * 10) / 2 ** 32);
}

/** Split distinct lines into train, val and test; each keeps its order. `rows` says where each line was. */
export function splitLines(lines: readonly string[]): Parts & { rows: Record<keyof Parts, number[]> } {
  const parts: Parts = { train: [], val: [], test: [] };
  const rows = { train: [] as number[], val: [] as number[], test: [] as number[] };
  const all = new Set(lines).size < MIN_LINES_TO_SPLIT;
  lines.forEach((line, row) => {
    const tenth = all ? 0 : tenthOf(line);
    const part = tenth < 8 ? "train" : tenth === 8 ? "val" : "test";
    parts[part].push(line);
    rows[part].push(row);
  });
  return { ...parts, rows };
}
