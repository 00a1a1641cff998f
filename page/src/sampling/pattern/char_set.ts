// Sets of characters in a pattern, as Python's re and str have them: \w has the letters and digits of every script.

import { isSpace } from "../../text/white_space";

/** Which characters may stand at one place. key: equal for equal sets; named: characters that it tells from others. */
export interface CharSet {
  key: string;
  has(character: string): boolean;
  named: string[];
}

/** A part of a set: characters from one to another by code point, or a class such as \d. */
export type Item = { from: string; to: string } | ((character: string) => boolean);

const CLASSES: Record<string, (character: string) => boolean> = {
  d: (character) => /\p{Nd}/u.test(character), w: (character) => /[\p{L}\p{N}_]/u.test(character), s: isSpace,
};

/** The class of an escape such as \d; \D is all that \d has not. Null where the letter names none. */
export function classOf(letter: string): Item | null {
  const has = CLASSES[letter.toLowerCase()];
  if (!has) return null;
  return letter < "a" ? (character) => !has(character) : has;
}

/** Whether a character is in one of the items; key: how the set is written. */
export function charSet(key: string, items: readonly Item[], negated: boolean, ignoreCase: boolean): CharSet {
  const isIn = (character: string): boolean => items.some((item) => (typeof item === "function" ? item(character) : codeOf(item.from) <= codeOf(character) && codeOf(character) <= codeOf(item.to)));
  const found = ignoreCase ? (character: string): boolean => cases(character).some(isIn) : isIn;
  return {
    key: key + (ignoreCase ? "\ni" : ""),
    has: (character) => found(character) !== negated,
    named: items.flatMap((item) => (typeof item === "function" ? [] : cases(item.from).concat(cases(item.to)))),
  };
}

export function codeOf(character: string): number {
  return character.codePointAt(0) as number;
}

/** A character and its other case, where that is one character, too: ß has none. */
function cases(character: string): string[] {
  return [character, character.toLowerCase(), character.toUpperCase()].filter((each) => Array.from(each).length === 1);
}
