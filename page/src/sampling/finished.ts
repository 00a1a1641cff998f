// Finished lines of a round: what a drawer hands to the sampler, which chooses among them.

import type { Vocabulary } from "../contract";
import { CHARACTER } from "../text/vocabulary";
import type { Idle } from "./idle";

/** The draws `first` to `first + rows - 1` of a round, made together. */
export interface Part {
  round: number;
  first: number;
  rows: number;
}

/** A distinct line and the draws of the part that gave it; a table gives each draw as a line of its own. */
export interface Finished {
  text: string;
  nll: number; // nats, the end included
  label: number; // its first input: a label's id, or the boundary
  capped: boolean; // cut at the greatest length
  draws: number[]; // indices in the part, ascending
  ancestors: number[]; // of each draw: the draw that it began as, before resampling
  logWeight: number; // log(p / q); 0 where draws are not guided
  node: number; // of the tree of used lines; NONE outside of it
  canonical: boolean; // whether the text is read as the symbols that were drawn, where a symbol has several characters
}

/** Draws the lines of a part by one strategy. */
export interface Drawer {
  /** Draws that are not at their end when the bound of work is reached are given up. */
  draw(part: Part, idle: Idle): Finished[];
}

export const NONE = -1; // instead of a node: not in the tree

/** First inputs (the boundary, or the ids of labels) and the probability that a line begins with each. */
export interface Starts {
  inputs: number[];
  shares: Float64Array;
}

/** Whether a text would be cut into the symbols that were drawn; by characters there is only one way. */
export function isCanonical(vocabulary: Vocabulary, text: string, ids: () => ArrayLike<number>): boolean {
  if (vocabulary.rule === CHARACTER) return true;
  const drawn = ids();
  const read = vocabulary.encode(text);
  return read.length === drawn.length && read.every((id, i) => id === drawn[i]);
}
