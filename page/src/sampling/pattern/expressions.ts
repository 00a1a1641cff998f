// Regular expressions and their derivatives: what may still follow after one more character. The derivatives of an
// expression are the states of its automaton.
// Paper: Brzozowski 1964, Derivatives of Regular Expressions

import { ConditionError } from "../errors";
import type { CharSet } from "./char_set";

/** set: one character of a set; join: one after the other; some: one of them; all: every one at once. */
type Kind = "set" | "join" | "some" | "all" | "not" | "star" | "empty";
/** of: what it is made of; of a set, its number. ends: whether it matches the empty text. */
interface Expression { kind: Kind; of: readonly number[]; ends: boolean; depth: number }

export const NEVER = 0; // matches nothing
export const EMPTY = 1; // matches the empty text
export const ALWAYS = 2; // matches every text
const MOST_WORK = 2 ** 21; // parts of expressions that are made: about a second
const DEEPEST = 3000; // expressions within one another

/** Expressions by number: equal ones, up to the order of what is joined by "some" and "all", have the same. */
export class Expressions {
  readonly sets: CharSet[] = [];
  private readonly made: Expression[] = [];
  private readonly numbers = new Map<string, number>();
  private readonly derived = new Map<string, number>();
  private work = 0;

  constructor() {
    this.make("some", [], false);
    this.make("empty", [], true);
    this.not(NEVER);
  }

  ends(of: number): boolean {
    return this.made[of]!.ends;
  }

  private make(kind: Kind, of: readonly number[], ends: boolean): number {
    const key = kind + String(of), known = this.numbers.get(key);
    if (known !== undefined) return known;
    const depth = kind === "set" ? 0 : 1 + Math.max(0, ...of.map((each) => this.made[each]!.depth));
    if (depth > DEEPEST || (this.work += of.length) > MOST_WORK) throw tooMuch();
    this.numbers.set(key, this.made.length);
    return this.made.push({ kind, of, ends, depth }) - 1;
  }

  set(set: CharSet): number {
    const known = this.sets.findIndex(({ key }) => key === set.key);
    return this.make("set", [known < 0 ? this.sets.push(set) - 1 : known], false);
  }

  join(first: number, then: number): number {
    if (first === NEVER || then === NEVER) return NEVER;
    if (first === EMPTY) return then;
    if (then === EMPTY) return first;
    const { kind, of, ends } = this.made[first]!;
    return kind === "join" ? this.join(of[0]!, this.join(of[1]!, then)) : this.make("join", [first, then], ends && this.ends(then));
  }

  star(of: number): number {
    return this.make("star", [of], true);
  }

  not(of: number): number {
    const { kind, of: [inner], ends } = this.made[of]!;
    return kind === "not" ? inner! : this.make("not", [of], !ends);
  }

  /** One of some expressions, or all of them at once. */
  combine(kind: "some" | "all", parts: readonly number[]): number {
    const [without, alone] = kind === "some" ? [NEVER, ALWAYS] : [ALWAYS, NEVER];
    const flat = parts.flatMap((each) => (this.made[each]!.kind === kind ? this.made[each]!.of : [each]));
    const of = [...new Set(flat)].filter((each) => each !== without).sort((a, b) => a - b);
    if (of.includes(alone)) return alone;
    const ends = of.map((each) => this.ends(each));
    return of.length > 1 ? this.make(kind, of, kind === "some" ? ends.includes(true) : !ends.includes(false)) : of[0] ?? without;
  }

  /** The expression of what may follow a character. has: by set, whether it is in it; key: of equal ones. */
  after(number: number, has: readonly boolean[], key: number): number {
    const place = `${number} ${key}`, known = this.derived.get(place);
    if (known !== undefined) return known;
    const made = this.derive(this.made[number]!, number, has, (of) => this.after(of, has, key));
    this.derived.set(place, made);
    return made;
  }

  private derive({ kind, of }: Expression, number: number, has: readonly boolean[], after: (of: number) => number): number {
    const first = of[0]!;
    if (kind === "empty") return NEVER;
    if (kind === "set") return has[first] ? EMPTY : NEVER;
    if (kind === "not") return this.not(after(first));
    if (kind === "star") return this.join(after(first), number);
    if (kind !== "join") return this.combine(kind, of.map(after));
    const joined = this.join(after(first), of[1]!);
    return this.ends(first) ? this.combine("some", [joined, after(of[1]!)]) : joined;
  }
}

export function tooMuch(): ConditionError {
  return new ConditionError("this pattern needs too much time or memory", "shorten it");
}
