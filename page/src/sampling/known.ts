// Known lines: which lines are in the list (or in a run's page, by hashes alone), and so are no new ones.

import type { Drawn, Parts } from "../contract";
import type { PackedLines } from "../text/line_hashes";

export type Origin = Drawn["origin"];

/** Says where a line stands already; "new" if nowhere. */
export type Known = (text: string) => Origin;

/** Known by the lines of a list; prior: hashes of those that the prior has read. */
export function knownLines(parts: Parts, prior: PackedLines | null = null): Known {
  const origins = new Map<string, Origin>();
  // The first of several counts: train before val before test before the prior.
  for (const part of ["test", "val", "train"] as const) for (const line of parts[part]) origins.set(line, part);
  return (text) => origins.get(text) ?? (prior?.has(text) ? "prior" : "new");
}

/** Known by packed hashes: the page of a run has no lines. */
export function knownHashes(lines: PackedLines): Known {
  return (text) => (lines.has(text) ? "known" : "new");
}
