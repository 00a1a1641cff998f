// Sets of characters in a pattern, as Python's re and str have them: \w has the letters and digits of every script.

import { isSpace } from "../../text/white_space";

/** Which characters may stand at one place. key: equal for equal sets; named: characters that it tells from others. */
export interface CharSet {
  key: string;
  has(character: string): boolean;
  named: string[];
}

/** A part of a set: a character, the characters from one to another by code point, or a class such as \d. */
export type Item = [string] | [string, string] | ((character: string) => boolean);

const DIGIT = /\p{Nd}/u, WORD = /[\p{L}\p{N}_]/u;

/** The class of an escape such as \d; \D is all that \d has not. */
export function classOf(letter: string): Item {
  const small = letter.toLowerCase();
  const has = (each: string): boolean => (small === "s" ? isSpace(each) : (small === "d" ? DIGIT : WORD).test(each));
  return small === letter ? has : (each) => !has(each);
}

/** Whether a character is in one of the items; key: how the set is written. */
export function charSet(key: string, items: readonly Item[], negated: boolean, ignoreCase: boolean): CharSet {
  const cased = ignoreCase ? cases : (each: string): string[] => [each];
  const isIn = (each: string): boolean => items.some((item) => (typeof item === "function" ? item(each) : codeOf(item[0]) <= codeOf(each) && codeOf(each) <= codeOf(item.at(-1)!)));
  return {
    key: key + ignoreCase,
    has: (character) => cased(character).some(isIn) !== negated,
    named: items.flatMap((item) => (typeof item === "function" ? [] : item.flatMap(cased))),
  };
}

export function codeOf(character: string): number {
  return character.codePointAt(0) as number;
}

/** A character and its other case, where that is one character, too: ß has none. */
function cases(character: string): string[] {
  return [character, character.toLowerCase(), character.toUpperCase()].filter((each) => !each[1] || codeOf(each) > 0xffff);
}
