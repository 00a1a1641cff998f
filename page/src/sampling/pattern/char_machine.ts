// The automaton of a pattern over characters: the fewest states that do it, as Python's has them, since how far draws
// are guided depends on their number.

import { EMPTY, Expressions, NEVER, tooMuch } from "./expressions";
import { parsePattern } from "./parse";

export const DEAD = -1; // in place of a state: no allowed text goes on from there

/** An automaton over characters; state 0 is the start. */
export interface CharMachine {
  states: number;
  accepting(state: number): boolean;
  step(state: number, character: string): number;
}

const MOST_STATES = 20_000; // about a second
const OTHER = ""; // in place of a character that neither the list nor the pattern has

/** Compile a pattern that a whole line matches. characters: those of the list. Throws ConditionError. */
export function patternMachine(pattern: string, characters: Iterable<string>): CharMachine {
  const expressions = new Expressions();
  const start = parsePattern(pattern, expressions).from(EMPTY);
  const { sets } = expressions;
  const classes = new Map<string, number>(); // by which sets a character is in
  const members: boolean[][] = [];
  const classOf = new Map<string, number>();
  for (const character of new Set([...characters, ...sets.flatMap(({ named }) => named), OTHER])) {
    const member = sets.map((set) => set.has(character)), key = member.map(Number).join("");
    if (!classes.has(key)) classes.set(key, members.push(member) - 1);
    classOf.set(character, classes.get(key) as number);
  }
  const K = members.length, other = classOf.get(OTHER) as number;
  const { next, accepts } = minimal(explored(expressions, start, members), K);
  return {
    states: accepts.length,
    accepting: (state) => accepts[state] as boolean,
    step: (state, character) => next[state * K + (classOf.get(character) ?? other)] as number,
  };
}

/** next: the state after a character of each class; state 0 is the start. */
interface Table {
  next: number[];
  accepts: boolean[];
}

/** All expressions that may still follow, as states. */
function explored(expressions: Expressions, start: number, members: readonly boolean[][]): Table {
  const states = [start], numbers = new Map([[start, 0]]), next: number[] = [];
  for (let at = 0; at < states.length; at++) {
    members.forEach((member, character) => {
      const after = expressions.after(states[at] as number, member, character);
      let to = after === NEVER ? DEAD : numbers.get(after);
      if (to === undefined) {
        numbers.set(after, (to = states.push(after) - 1));
        if (to >= MOST_STATES) throw tooMuch();
      }
      next.push(to);
    });
  }
  return { next, accepts: states.map((state) => expressions.ends(state)) };
}

/** The least number of characters from each state to an end; Infinity where there is none. */
function distances({ next, accepts }: Table, K: number): number[] {
  const before: number[][] = accepts.map(() => []);
  next.forEach((to, at) => before[to]?.push(Math.floor(at / K)));
  const far = accepts.map((ends) => (ends ? 0 : Infinity)), queue = [...far.keys()].filter((state) => accepts[state]);
  for (let at = 0; at < queue.length; at++) {
    const state = queue[at] as number;
    for (const earlier of before[state] as number[]) {
      if (far[earlier] !== Infinity) continue;
      far[earlier] = (far[state] as number) + 1;
      queue.push(earlier);
    }
  }
  return far;
}

/**
 * Put states together from which the same texts end (Moore 1956). They are as far from an end, so blocks of equal
 * distance are the first guess; each is split while states of it go on to different blocks.
 */
function minimal({ next, accepts }: Table, K: number): Table {
  const far = distances({ next, accepts }, K);
  let block = numbered(far), count = -1;
  while (count < (count = Math.max(...block) + 1)) {
    for (let character = 0; character < K; character++) {
      const onto = (state: number): number => { const to = next[state * K + character] as number; return to === DEAD ? DEAD : block[to] as number; };
      block = numbered(block.map((own, state) => own * (accepts.length + 1) + onto(state) + 1));
    }
  }
  return merged({ next, accepts }, K, far, block);
}

/** The values as numbers, equal ones alike: 0 is the first. */
function numbered(values: readonly number[]): number[] {
  const numbers = new Map<number, number>();
  return values.map((value) => {
    if (!numbers.has(value)) numbers.set(value, numbers.size);
    return numbers.get(value) as number;
  });
}

/** The automaton of the blocks from which an end can be reached, and of the start. */
function merged({ next, accepts }: Table, K: number, far: readonly number[], block: readonly number[]): Table {
  const numbers = new Map<number, number>(), rows: number[] = []; // rows: the first state of each block
  block.forEach((own, state) => {
    if (!numbers.has(own) && (state === 0 || far[state] !== Infinity)) numbers.set(own, rows.push(state) - 1);
  });
  const after = (to: number): number => (to === DEAD || far[to] === Infinity ? DEAD : numbers.get(block[to] as number) as number);
  return { next: rows.flatMap((state) => next.slice(state * K, (state + 1) * K).map(after)), accepts: rows.map((state) => accepts[state] as boolean) };
}
