// Parts of a pattern, from the inside out.

import { ALWAYS, EMPTY, type Expressions } from "./expressions";

/** from: the expression of it and then of `then`. least, most: its characters; looks: how many behind it it may see. */
export interface Part { from(then: number): number; least: number; most: number; looks: number }

/** One part after the other. */
export function sequence(parts: readonly Part[]): Part {
  let least = 0, most = 0, looks = 0;
  for (const part of [...parts].reverse()) {
    looks = Math.max(looks, part.looks - least);
    least += part.least;
    most += part.most;
  }
  return { from: (then) => parts.reduceRight((rest, part) => part.from(rest), then), least, most, looks };
}

export function options(made: Expressions, parts: readonly Part[]): Part {
  const all = (of: "least" | "most" | "looks"): number[] => parts.map((part) => part[of]);
  return {
    from: (then) => made.combine("some", parts.map((part) => part.from(then))),
    least: Math.min(...all("least")), most: Math.max(...all("most")), looks: Math.max(...all("looks")),
  };
}

export function repeat(made: Expressions, part: Part, least: number, most: number): Part {
  const from = (then: number): number => {
    let rest = then;
    if (most === Infinity) rest = made.join(made.star(part.from(EMPTY)), then);
    else for (let time = least; time < most; time++) rest = made.combine("some", [then, part.from(rest)]);
    for (let time = 0; time < least; time++) rest = part.from(rest);
    return rest;
  };
  return { from, least: least * part.least, most: most && part.most && most * part.most, looks: part.looks };
}

/** A condition on all that follows: that it begins, or does not begin, with a part. */
export function look(made: Expressions, part: Part, negated: boolean): Part {
  const from = (then: number): number => {
    const seen = made.join(part.from(EMPTY), ALWAYS);
    return made.combine("all", [negated ? made.not(seen) : seen, then]);
  };
  return { from, least: 0, most: 0, looks: part.most };
}
