// Automaton: the conditions on a line as one deterministic automaton over symbols (sampling/constraints/automaton.py).
// It accepts what all of its machines accept, and says by position and state whether a line can still be completed.

import type { Conditions, Vocabulary } from "../contract";
import { BOUNDARY, unknownIn } from "../text/vocabulary";
import { isSpace } from "../text/white_space";
import { ConditionError } from "./errors";
import { type CharMachine, DEAD, patternMachine } from "./pattern/char_machine";

export { DEAD };
const MOST_STATES = 50_000;
const MOST_TRANSITIONS = 2 ** 24;
const MOST_COMPLETION_CELLS = 2 ** 25;
const MIN_REACH = 1000; // symbols that a line may need at least, however short the lines of the list are
const CAPS_IN_REACH = 5;

/** S states, state 0 is the start. next: (S, V) the state after a symbol; column 0 (the boundary) is unused. */
export class Automaton {
  constructor(
    readonly V: number,
    readonly next: Int32Array,
    readonly accepts: Uint8Array,
    readonly minLength: number,
    readonly maxLength: number,
    /** (maxLength + 1, S) whether an allowed line can still be completed after so many symbols. */
    readonly canComplete: Uint8Array,
    /** Whether maxLength is only the cap where draws are given up, and no condition. */
    readonly cuts: boolean,
  ) {}

  get states(): number {
    return this.accepts.length;
  }

  mayEnd(position: number, state: number): boolean {
    return this.accepts[state] === 1 && this.minLength <= position && position <= this.maxLength;
  }

  /** The state after a symbol at a position; DEAD where no allowed line goes on. */
  after(position: number, state: number, symbol: number): number {
    if (position >= this.maxLength) return DEAD;
    const to = this.next[state * this.V + symbol] as number;
    return to !== DEAD && this.canComplete[(position + 1) * this.states + to] ? to : DEAD;
  }

  /** Whether a symbol, or the end (the boundary), may come after `position` symbols. */
  allows(position: number, state: number, symbol: number): boolean {
    return symbol === BOUNDARY ? this.mayEnd(position, state) : this.after(position, state, symbol) !== DEAD;
  }
}

/** An automaton over symbols before the lengths: transitions (S, V) and where a line may end. */
interface Machine {
  next: Int32Array;
  accepts: Uint8Array;
}

/**
 * Compile all conditions. cap: symbols at which a draw is given up, raised to twice the shortest allowed line.
 * clean: allow only lines that stay as they are when a file of them is read. Throws ConditionError where no
 * line satisfies them.
 */
export function compileConditions(vocabulary: Vocabulary, conditions: Conditions, cap: number, clean = true): Automaton {
  const V = vocabulary.size;
  const machines = machinesOf(conditions, vocabulary);
  if (clean) machines.push(cleanMachine(vocabulary));
  const { next, accepts } = product(machines, V);
  const least = Math.max(conditions.minLength ?? 0, shortest(next, accepts, V));
  checkReach(least, Math.max(MIN_REACH, CAPS_IN_REACH * cap), conditions, vocabulary);
  const roomy = Math.max(cap, 2 * least, 2);
  const most = Math.min(roomy, conditions.maxLength ?? roomy);
  if (most * accepts.length > MOST_COMPLETION_CELLS) {
    throw new ConditionError(`lines of up to ${most} symbols need too much memory under these conditions`, "give a smaller greatest length, or loosen them");
  }
  const opened = openings(next, accepts, least, most, V);
  if (!opened[0]) throw new ConditionError(`no line satisfies all conditions${lacking(conditions, vocabulary)}`, "loosen one of them");
  return new Automaton(V, next, accepts, least, most, opened, (conditions.maxLength ?? Infinity) >= roomy);
}

function checkReach(least: number, reach: number, conditions: Conditions, vocabulary: Vocabulary): void {
  const given = Array.from(conditions.prefix ?? "").length; // read and not drawn, so it does not count
  if (least - given <= reach || least > (conditions.maxLength ?? least)) return;
  throw new ConditionError(
    `lines of ${least} symbols and more are out of reach: those of the list are far shorter${lacking(conditions, vocabulary)}`,
    `ask for lines of ${reach} or fewer`,
  );
}

/** The likeliest mistake: a capital letter, or one with an accent, that the list does not have. */
function lacking(conditions: Conditions, vocabulary: Vocabulary): string {
  const { prefix = "", suffix = "", contains = "" } = conditions;
  const unknown = unknownIn(vocabulary, prefix + suffix + contains);
  return unknown.length ? `: no line of the list holds ${unknown.join(" ")}` : "";
}

function machinesOf(conditions: Conditions, vocabulary: Vocabulary): Machine[] {
  const machines: Machine[] = [];
  for (const where of ["prefix", "suffix", "contains"] as const) {
    const text = conditions[where];
    if (text) machines.push(overSymbols(searchTable(Array.from(text), where), vocabulary));
  }
  if (conditions.exclude) {
    const excluded = new Set(conditions.exclude);
    const step = (state: number, character: string): number => (excluded.has(character) ? DEAD : state);
    machines.push(overSymbols({ states: 1, accepting: () => true, step }, vocabulary));
  }
  if (conditions.pattern) machines.push(patternOf(conditions.pattern, vocabulary));
  return machines;
}

// Weak: when the vocabulary goes, its automaton goes. Whoever moves a slider asks for the same pattern again.
const compiled = new WeakMap<Vocabulary, { pattern: string; machine: Machine }>();

/** The automaton of a pattern; the last one of a vocabulary is kept. */
function patternOf(pattern: string, vocabulary: Vocabulary): Machine {
  const kept = compiled.get(vocabulary);
  if (kept?.pattern === pattern) return kept.machine;
  const machine = overSymbols(patternMachine(pattern, vocabulary.symbols.join("")), vocabulary);
  compiled.set(vocabulary, { pattern, machine });
  return machine;
}

/** Finds a text: in state i the last i characters are the first i of it (Knuth, Morris and Pratt 1977). */
function searchTable(text: string[], where: "prefix" | "suffix" | "contains"): CharMachine {
  const length = text.length;
  const failure = [0, 0]; // of a state: the state after the text without its first character
  for (let state = 1; state < length; state++) failure.push(move(failure[state] as number, text[state] as string));
  function move(state: number, character: string): number {
    while (state === length || text[state] !== character) {
      if (state === 0) return 0;
      state = failure[state] as number;
    }
    return state + 1;
  }
  function step(state: number, character: string): number {
    if (where !== "suffix" && state === length) return length; // once found, it stays found
    if (where === "prefix") return text[state] === character ? state + 1 : DEAD;
    return move(state, character);
  }
  return { states: length + 1, accepting: (state) => state === length, step };
}

/** Turn an automaton over characters into one over symbols, which may have several. */
function overSymbols(machine: CharMachine, vocabulary: Vocabulary): Machine {
  const V = vocabulary.size;
  const next = new Int32Array(machine.states * V).fill(DEAD);
  const accepts = new Uint8Array(machine.states);
  for (let state = 0; state < machine.states; state++) {
    accepts[state] = Number(machine.accepting(state));
    vocabulary.symbols.forEach((symbol, i) => {
      let at = state;
      for (const character of symbol) if (at !== DEAD) at = machine.step(at, character);
      next[state * V + i + 1] = at;
    });
  }
  return { next, accepts };
}

/** Lines that are not empty, without white space at their ends: 0 the start, 1 after a letter, 2 after white space. */
function cleanMachine(vocabulary: Vocabulary): Machine {
  const V = vocabulary.size;
  const next = new Int32Array(3 * V).fill(DEAD);
  vocabulary.symbols.forEach((symbol, i) => {
    const characters = Array.from(symbol);
    const to = isSpace(characters.at(-1) as string) ? 2 : 1;
    for (let state = 0; state < 3; state++) next[state * V + i + 1] = to;
    if (isSpace(characters[0] as string)) next[i + 1] = DEAD; // no line starts with it
  });
  return { next, accepts: Uint8Array.of(0, 1, 0) };
}

/** The product of automata: a state is one state of each, as a number in mixed radix; found breadth first. */
function product(machines: Machine[], V: number): Machine {
  const found = new Map([[0, 0]]);
  const codes = [0];
  const rows: Int32Array[] = [];
  for (let state = 0; state < codes.length; state++) {
    const row = new Int32Array(V).fill(DEAD);
    for (let symbol = 1; symbol < V; symbol++) {
      const code = codeAfter(machines, codes[state] as number, symbol, V);
      if (code === DEAD) continue;
      let to = found.get(code);
      if (to === undefined) {
        found.set(code, (to = codes.length));
        codes.push(code);
        if (codes.length > MOST_STATES || codes.length * V > MOST_TRANSITIONS) {
          throw new ConditionError("the conditions together are too complex", "loosen or shorten them");
        }
      }
      row[symbol] = to;
    }
    rows.push(row);
  }
  const next = new Int32Array(rows.length * V);
  rows.forEach((row, state) => next.set(row, state * V));
  return { next, accepts: Uint8Array.from(codes, (code) => Number(accepting(machines, code))) };
}

function codeAfter(machines: Machine[], code: number, symbol: number, V: number): number {
  let after = 0;
  let scale = 1; // what one state of this machine counts in the code
  for (const machine of machines) {
    const size = machine.accepts.length;
    const to = machine.next[(code % size) * V + symbol] as number;
    if (to === DEAD) return DEAD; // dead for one, dead for all
    code = Math.floor(code / size);
    after += scale * to;
    scale *= size;
  }
  return after;
}

function accepting(machines: Machine[], code: number): boolean {
  return machines.every((machine) => {
    const state = code % machine.accepts.length;
    code = Math.floor(code / machine.accepts.length);
    return machine.accepts[state] === 1;
  });
}

/** The symbols of the shortest accepted line (breadth first); 0 where there is none. */
function shortest(next: Int32Array, accepts: Uint8Array, V: number): number {
  const reached = new Set([0]);
  let front = [0];
  for (let length = 0; front.length; length++) {
    if (front.some((state) => accepts[state])) return length;
    const onward = new Set<number>();
    for (const state of front) for (const to of next.subarray(state * V, (state + 1) * V)) if (to !== DEAD && !reached.has(to)) onward.add(to);
    for (const state of onward) reached.add(state);
    front = [...onward];
  }
  return 0;
}

/** canComplete (most + 1, S), from the greatest length down to 0. */
function openings(next: Int32Array, accepts: Uint8Array, least: number, most: number, V: number): Uint8Array {
  const S = accepts.length;
  const opened = new Uint8Array((most + 1) * S);
  if (least > most) return opened;
  for (let position = most; position >= 0; position--) {
    for (let state = 0; state < S; state++) {
      let open = position >= least && accepts[state] === 1;
      for (let symbol = 1; symbol < V && !open && position < most; symbol++) {
        const to = next[state * V + symbol] as number;
        open = to !== DEAD && opened[(position + 1) * S + to] === 1;
      }
      opened[position * S + state] = Number(open);
    }
  }
  return opened;
}
