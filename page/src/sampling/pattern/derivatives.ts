// Regular expressions and their derivatives: what may still follow after one more character. The derivatives of an
// expression are the states of its automaton.
// Paper: Brzozowski 1964, Derivatives of Regular Expressions

import { ConditionError } from "../errors";
import type { CharSet } from "./char_set";
import type { Part } from "./parse";

type Node =
  | { kind: "set"; set: number }
  | { kind: "join"; first: number; then: number }
  | { kind: "or" | "and"; of: number[] }
  | { kind: "not" | "star"; of: number }
  | { kind: "end" }; // the empty text

export const NEVER = 0; // matches nothing
const EMPTY = 1; // matches the empty text
const ALWAYS = 2; // matches every text
const MOST_WORK = 2 ** 21; // parts of expressions that are made: about a second
const DEEPEST = 3000; // expressions within one another

/** Expressions by number: equal ones, up to the order of their options, have the same. */
export class Expressions {
  readonly sets: CharSet[] = [];
  private readonly nodes: Node[] = [];
  private readonly ends: boolean[] = []; // whether an expression matches the empty text
  private readonly depths: number[] = [];
  private readonly found = new Map<string, number>();
  private readonly derivatives = new Map<number, number>();
  private work = 0;

  constructor() {
    this.add("or", { kind: "or", of: [] }, false, 0);
    this.add("", { kind: "end" }, true, 0);
    this.not(NEVER);
  }

  matchesEmpty(of: number): boolean {
    return this.ends[of] as boolean;
  }

  private add(key: string, node: Node, ends: boolean, below: number): number {
    const known = this.found.get(key);
    if (known !== undefined) return known;
    if (below >= DEEPEST) throw tooMuch();
    this.found.set(key, this.nodes.length);
    this.ends.push(ends);
    this.depths.push(below + 1);
    return this.nodes.push(node) - 1;
  }

  private depth(of: readonly number[]): number {
    this.work += of.length;
    if (this.work > MOST_WORK) throw tooMuch();
    return of.reduce((most, each) => Math.max(most, this.depths[each] as number), 0);
  }

  private set(set: CharSet): number {
    let at = this.sets.findIndex(({ key }) => key === set.key);
    if (at < 0) at = this.sets.push(set) - 1;
    return this.add(`s${at}`, { kind: "set", set: at }, false, 0);
  }

  private join(first: number, then: number): number {
    if (first === NEVER || then === NEVER) return NEVER;
    if (first === EMPTY) return then;
    if (then === EMPTY) return first;
    const node = this.nodes[first] as Node;
    if (node.kind === "join") return this.join(node.first, this.join(node.then, then));
    return this.add(`${first}.${then}`, { kind: "join", first, then }, this.matchesEmpty(first) && this.matchesEmpty(then), this.depth([first, then]));
  }

  private star(of: number): number {
    return this.add(`*${of}`, { kind: "star", of }, true, this.depth([of]));
  }

  private not(of: number): number {
    const node = this.nodes[of] as Node;
    return node.kind === "not" ? node.of : this.add(`!${of}`, { kind: "not", of }, !this.matchesEmpty(of), this.depth([of]));
  }

  /** One of some expressions ("or"), or all of them at once ("and"). */
  private combine(kind: "or" | "and", some: readonly number[]): number {
    const [nothing, all] = kind === "or" ? [NEVER, ALWAYS] : [ALWAYS, NEVER];
    const flat = some.flatMap((each) => {
      const node = this.nodes[each] as Node;
      return each === nothing ? [] : node.kind === kind ? (node.of as number[]) : [each];
    });
    const of = [...new Set(flat)].sort((a, b) => a - b);
    if (of.includes(all)) return all;
    if (of.length < 2) return of[0] ?? nothing;
    const ends = kind === "or" ? of.some((each) => this.ends[each]) : of.every((each) => this.ends[each]);
    return this.add(kind + String(of), { kind, of }, ends, this.depth(of));
  }

  /** What a part and then `then` match. A look ahead is a condition on all that follows. */
  of(part: Part, then = EMPTY): number {
    switch (part.kind) {
      case "set": return this.join(this.set(part.set), then);
      case "sequence": return part.parts.reduceRight((rest, each) => this.of(each, rest), then);
      case "options": return this.combine("or", part.parts.map((each) => this.of(each, then)));
      case "repeat": return this.repeated(part, then);
      case "look": {
        const seen = this.join(this.of(part.part), ALWAYS);
        return this.combine("and", [part.negated ? this.not(seen) : seen, then]);
      }
    }
  }

  private repeated({ part, least, most }: Part & { kind: "repeat" }, then: number): number {
    let rest = then;
    if (most === Infinity) {
      if (looksOut(part)) throw new ConditionError("a pattern cannot have a repeated group with (?= or (?! that looks beyond its end", "put it before the group, or leave out the repeat");
      rest = this.join(this.star(this.of(part)), then);
    }
    else for (let time = least; time < most; time++) rest = this.combine("or", [then, this.of(part, rest)]);
    for (let time = 0; time < least; time++) rest = this.of(part, rest);
    return rest;
  }

  /** The expression of what may follow one character. has: whether it is in a set; character: its number. */
  after(of: number, character: number, characters: number, has: (set: number) => boolean): number {
    const key = of * characters + character, known = this.derivatives.get(key);
    if (known !== undefined) return known;
    const made = this.derive(this.nodes[of] as Node, (each) => this.after(each, character, characters, has), has);
    this.derivatives.set(key, made);
    return made;
  }

  private derive(node: Node, after: (of: number) => number, has: (set: number) => boolean): number {
    switch (node.kind) {
      case "end": return NEVER;
      case "set": return has(node.set) ? EMPTY : NEVER;
      case "join": {
        const first = this.join(after(node.first), node.then);
        return this.matchesEmpty(node.first) ? this.combine("or", [first, after(node.then)]) : first;
      }
      case "star": return this.join(after(node.of), this.star(node.of));
      case "not": return this.not(after(node.of));
      default: return this.combine(node.kind, node.of.map(after));
    }
  }
}

export function tooMuch(): ConditionError {
  return new ConditionError("this pattern needs too much time or memory", "shorten it");
}

/** The least and the greatest number of characters that a part matches. */
function lengthOf(part: Part): [number, number] {
  switch (part.kind) {
    case "set": return [1, 1];
    case "look": return [0, 0];
    case "repeat": {
      const [least, most] = lengthOf(part.part);
      return [least * part.least, most ? most * part.most : 0];
    }
  }
  const each = part.parts.map(lengthOf), least = each.map(([few]) => few), most = each.map(([, many]) => many);
  const sum = (of: number[]): number => of.reduce((a, b) => a + b, 0);
  return part.kind === "sequence" ? [sum(least), sum(most)] : [Math.min(...least), Math.max(...most)];
}

/** Whether a look ahead in a part may see what comes behind the part. */
function looksOut(part: Part): boolean {
  if (part.kind === "repeat") return looksOut(part.part);
  if (part.kind === "options") return part.parts.some(looksOut);
  if (part.kind !== "sequence") return part.kind === "look";
  let behind = 0; // characters at least
  return [...part.parts].reverse().some((each) => {
    const out = each.kind === "look" ? lengthOf(each.part)[1] > behind || looksOut(each.part) : looksOut(each);
    behind += lengthOf(each)[0];
    return out;
  });
}
