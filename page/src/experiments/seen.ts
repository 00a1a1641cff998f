// Seen: sentences of what an experiment has shown, from its figures alone. A difference is told only where it is larger
// than what chance leaves open over the unseen lines.

import type { TrialStart } from "../contract";

/** What one side had come to at its last evaluation. Losses are nats a letter. */
export interface Outcome {
  start: TrialStart;
  step: number; of: number;
  seconds: number; symbols: number;
  diverged: boolean;
  first: number; // loss before the first step
  own: number; // exact
  nats: ArrayLike<number>; lengths: ArrayLike<number>; // of each unseen line; there may be none
  batches: number[]; // mean loss of the batches of each point of the curve
}

const ERRORS = 2; // standard errors that a difference must have
const HIGH = 0.5; // nats above log V from which on a start is too high; share of saturated values that is worth a word
const GAP = 0.1; // nats between own and unseen lines that are worth a word
const JUMPS = 3, COSTS = 1.5; // ratios that are worth a word
const LONG = 1; // seconds that are worth a word
const FEWEST = 20; // points of a curve whose jumps are compared

/** Says what A and B have shown. */
export function seen(a: Outcome, b: Outcome): string[] {
  const step = Math.max(a.step, b.step);
  if (!step) return [];
  return [
    step < a.of && `After ${whole(step)} of ${whole(a.of)} steps:`,
    endOf("A", a), endOf("B", b), compared(a, b), startOf("A", a), startOf("B", b), gapOf("A", a), gapOf("B", b), jumping(a, b), costs(a, b),
  ].filter((each) => each !== false);
}

/** The mean loss on unseen lines; NaN where there are none. */
export function unseenOf({ nats, lengths }: Pick<Outcome, "nats" | "lengths">): number {
  return sum(nats) / sum(lengths);
}

/** The standard error of the difference of two mean losses on the same lines; lines are the sample. */
export function errorOf(a: ArrayLike<number>, b: ArrayLike<number>, lengths: ArrayLike<number>): number {
  const n = lengths.length, symbols = sum(lengths), mean = (sum(a) - sum(b)) / symbols;
  const squares = Array.from(lengths, (length, i) => (a[i]! - b[i]! - mean * length) ** 2);
  return n > 1 ? Math.sqrt((sum(squares) * n) / (n - 1)) / symbols : Infinity;
}

function endOf(name: string, { diverged, step, start, own, ...of }: Outcome): string | false {
  if (diverged) return `${name} exploded after ${whole(step)} steps: they are too large.`;
  const end = unseenOf(of) || own, nothing = Math.log(start.vocabSize);
  return end > nothing + GAP && `${name} ends at ${two(end)}, worse than knowing nothing (log V = ${two(nothing)}).`;
}

function compared(a: Outcome, b: Outcome): string | false {
  if (a.diverged || b.diverged) return false;
  if (!a.nats.length) return "The list is too short to keep lines unseen: nothing tells which does better on others.";
  const x = unseenOf(a), y = unseenOf(b), [low, name, high, other] = x < y ? [x, "A", y, "B"] : [y, "B", x, "A"];
  if (!(high - low > ERRORS * errorOf(a.nats, b.nats, a.lengths))) return `On unseen lines both are level: ${two(x)} and ${two(y)} differ no more than chance allows.`;
  return `On unseen lines ${name} is lower, ${two(low)} against ${two(high)}: as unsure of each letter as of ${Math.exp(low).toFixed(1)} equally likely ones, ${other} as of ${Math.exp(high).toFixed(1)}.`;
}

function startOf(name: string, { first, start: { vocabSize, saturated } }: Outcome): string | false {
  const nothing = Math.log(vocabSize), isHigh = first > nothing + HIGH, isFlat = saturated !== null && saturated > HIGH;
  const begins = `${name} began at ${two(first)}`, flat = isFlat && `${Math.round(100 * saturated)} % of its hidden values saturated: hardly any gradient passes them`;
  if (isHigh) return `${begins}, far above log V = ${two(nothing)}, sure of letters before it had seen any${flat ? `; ${flat}` : ""}.`;
  return flat && `${begins} with ${flat}.`;
}

function gapOf(name: string, { own, diverged, nats, lengths, start: { vocabSize } }: Outcome): string | false {
  const unseen = unseenOf({ nats, lengths }), error = errorOf(nats, new Float64Array(nats.length), lengths);
  return !diverged && unseen < Math.log(vocabSize) && unseen - own > Math.max(GAP, ERRORS * error) && `${name} does better on its own lines than on unseen ones, ${two(own)} against ${two(unseen)}: in part by heart.`;
}

function jumping(a: Outcome, b: Outcome): string | false {
  const [x, y] = [a, b].map(({ batches }) => {
    const half = batches.slice(batches.length / 2);
    return Math.sqrt(sum(half.slice(1).map((each, i) => (each - half[i]!) ** 2)) / (half.length - 1));
  }) as [number, number];
  const isLong = Math.min(a.batches.length, b.batches.length) >= FEWEST;
  return isLong && Math.max(x, y) > JUMPS * Math.min(x, y) && `From point to point the curve of A jumps by ${two(x)}, that of B by ${two(y)}.`;
}

function costs(a: Outcome, b: Outcome): string | false {
  const x = a.seconds, y = b.seconds, isNetwork = a.symbols > 0 && b.symbols > 0; // counts make no steps
  return isNetwork && Math.max(x, y) > Math.max(LONG, COSTS * Math.min(x, y)) && `Its steps took A ${x.toFixed(1)} s for ${whole(a.symbols)} letters, B ${y.toFixed(1)} s for ${whole(b.symbols)}.`;
}

function sum(numbers: ArrayLike<number>): number {
  let all = 0;
  for (let i = 0; i < numbers.length; i++) all += numbers[i]!;
  return all;
}

function two(value: number): string {
  return value.toFixed(2);
}

function whole(value: number): string {
  return value.toLocaleString("en");
}
