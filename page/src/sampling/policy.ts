// Policy: chooses the strategy of the next draws and their number, by the results so far (sampling/policy.py).
// A seed's lines depend on the constants here, never on how many lines are wanted.

import type { Conditions, Filters } from "../contract";

export const ROUND = 16_384; // draws in a round at most
const FIRST_ROUND = 128; // draws; the next has twice as many, up to the round size: first lines come soon
const MAX_BATCH_CELLS = 2 ** 22; // draws times vocabulary
const SAFETY_FACTOR = 1.08; // times the draws that the last rate says are needed: new lines get rarer
const MAX_BATCH_GROWTH = 16;
const GIVE_UP = 50_000; // draws in a row without one new line
const GIVE_UP_GUIDED = 8192; // the same of guided draws, where other filters are left to go on with
const MAX_ROUND_SYMBOLS = 2 ** 19; // symbols of the guided draws of a round
const MAX_IDLE_SYMBOLS = 2 ** 21; // symbols of guided draws in a row without one new line
const PILOT = 1024; // draws before the pass rate is judged
const MIN_PASS_RATE = 0.1; // of draws that satisfy the conditions; below, draws are guided
const MIN_NOVEL_RATE = 0.125; // new lines per draw of a round; below, it is drawn without replacement
const MIN_PASSING_DRAWS = 32; // draws of a round that pass: enough to judge how many lines are new
const TABLE_PATIENCE = 16; // how many times lower the pass rate may be with a table, which draws faster

/** Counts draws and lines so far. Guided draws count in `draws` and `guided` alone. */
export class Tally {
  draws = 0; // finished or refused
  found = 0; // new lines that were returned
  passed = 0; // draws that satisfied the conditions
  guided = 0; // draws that were guided and satisfied the conditions
  effective = 0; // sample size of the guided draws, summed over rounds
  known = 0; // draws that gave a known line
  repeated = 0; // draws that gave a line again
  idle = 0; // draws since the last new line
  novelInRound = 0; // new lines, returned or not
  passedInRound = 0; // draws
  foundInRound = 0; // lines that were returned

  beginRound(): void {
    this.novelInRound = this.passedInRound = this.foundInRound = 0;
  }
}

export interface Decision {
  withoutReplacement: boolean;
  guided: boolean;
}

/** Why no more lines come, and what a person can do. */
export interface Shortfall {
  message: string;
  fix: string;
}

export class SamplingPolicy {
  readonly tally = new Tally();
  private patience = GIVE_UP; // draws in a row without a line
  private roundSize: number;
  private drawsBefore = 0; // the tally at the last estimate
  private foundBefore = 0;

  constructor(V: number, roundSize: number, private readonly tabled: boolean) {
    this.roundSize = Math.max(1, Math.min(roundSize, Math.floor(MAX_BATCH_CELLS / V)));
  }

  /** The draws of a round: 128, 256, 512, ... up to the round size. */
  drawsOf(round: number): number {
    return Math.min(this.roundSize, FIRST_ROUND * 2 ** Math.min(round, 20));
  }

  /** Bound the work of guided draws, which all have `length` symbols or more. */
  beginGuided(length: number, relaxes: boolean): void {
    this.roundSize = Math.min(this.roundSize, Math.max(FIRST_ROUND, Math.floor(MAX_ROUND_SYMBOLS / (length + 1))));
    this.patience = Math.min(relaxes ? GIVE_UP_GUIDED : GIVE_UP, Math.floor(MAX_IDLE_SYMBOLS / (length + 1)));
  }

  /** Judge the draws to come without those before: they were made with other filters. */
  restart(): void {
    this.tally.idle = 0;
    this.patience = GIVE_UP;
    this.drawsBefore = this.tally.draws;
    this.foundBefore = this.tally.found;
  }

  /** Estimate how many draws the lines still needed take, by the last rate; 0: a whole round. */
  drawsNeeded(wanted: number): number {
    const { tally } = this;
    if (!tally.draws) return wanted; // fewer cannot give so many lines, and more would come later
    const rate = this.tabled ? MIN_PASS_RATE / TABLE_PATIENCE : MIN_PASS_RATE;
    const seldom = Math.max(tally.passed, tally.found) < rate * tally.draws;
    const draws = tally.draws - this.drawsBefore;
    const found = tally.found - this.foundBefore;
    this.drawsBefore = tally.draws;
    this.foundBefore = tally.found;
    if (seldom || found === 0 || wanted === Infinity) return 0;
    const needed = Math.ceil((SAFETY_FACTOR * (wanted - tally.found) * draws) / found) + 32;
    return Math.max(1, Math.min(Math.max(needed, tally.draws >> 5), MAX_BATCH_GROWTH * tally.draws));
  }

  /** Decide after a round of so many draws. */
  decide(draws: number): Decision {
    const { tally } = this;
    const fewPass = tally.draws >= PILOT && tally.passed < MIN_PASS_RATE * tally.draws;
    if (!this.tabled) return { withoutReplacement: tally.novelInRound < MIN_NOVEL_RATE * draws, guided: fewPass };
    // A table draws so fast that rejection pays for longer.
    const knownBefore = tally.passedInRound >= Math.min(MIN_PASSING_DRAWS, draws / 4) && tally.novelInRound < MIN_NOVEL_RATE * tally.passedInRound;
    const seldom = TABLE_PATIENCE * tally.passed < MIN_PASS_RATE * tally.draws;
    return { withoutReplacement: knownBefore || tally.idle >= Math.floor(GIVE_UP / 4), guided: fewPass && seldom };
  }

  /** Whether no line is left, or none came for long. left: the probability of all lines not yet used and possible. */
  isExhausted(left: number): boolean {
    return left <= 0 || this.tally.idle >= this.patience;
  }

  shortfall(wanted: number, left: number, conditions: Conditions, filters: Filters): Shortfall {
    const { tally } = this;
    const rest = left <= 0 ? "and there is no other" : this.isExhausted(left) ? `${left.toPrecision(2)} of the probability is left` : "no other came for long";
    const ways = tally.found ? ["ask for fewer"] : [];
    const filtered = filters.topK != null || filters.topP != null || filters.minP != null || (filters.temperature ?? 1) !== 1;
    if (left > 0 || filtered) ways.push("draw wilder (a higher temperature)");
    if (Object.entries(conditions).some(([name, value]) => name !== "all" && value != null && value !== "")) ways.push("loosen the conditions");
    if (!conditions.all) ways.push("show known lines, too");
    return { message: `found ${tally.found} of ${wanted} lines after ${tally.draws.toLocaleString("en")} draws; ${rest}`, fix: ways.join(", or ") };
  }
}
