// Parses a regular expression as `makemore sample --pattern` reads it: Python's re, less what no automaton can match.

import { ConditionError } from "../errors";
import { type CharSet, charSet, classOf, codeOf, type Item } from "./char_set";

/** What a pattern is made of. look: what follows must, or must not, begin so. */
export type Part =
  | { kind: "set"; set: CharSet }
  | { kind: "sequence"; parts: Part[] }
  | { kind: "options"; parts: Part[] }
  | { kind: "repeat"; part: Part; least: number; most: number }
  | { kind: "look"; part: Part; negated: boolean };

/** What can still become a pattern, once more is typed. */
export class UnfinishedPattern extends ConditionError {}

/** Parse a pattern. Throws UnfinishedPattern where it only lacks its end, and ConditionError where it is none. */
export function parsePattern(pattern: string): Part {
  return new Parser(pattern).whole();
}

/** What is wrong with a pattern, in words; null where nothing is. */
export function faultOf(pattern: string): ConditionError | null {
  try {
    parsePattern(pattern);
    return null;
  } catch (error) {
    if (error instanceof ConditionError) return error;
    throw error;
  }
}

const REPEAT = /^\{(\d*)(,?)(\d*)\}/;
const CONTROL: Record<string, string> = { a: "\x07", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" };

class Parser {
  private at = 0;
  private readonly characters: string[];
  private ignoreCase = false;

  constructor(pattern: string) {
    this.characters = Array.from(pattern);
  }

  private get next(): string | undefined {
    return this.characters[this.at];
  }

  private get rest(): string {
    return this.characters.slice(this.at).join("");
  }

  private take(text: string): boolean {
    if (!this.rest.startsWith(text)) return false;
    this.at += Array.from(text).length;
    return true;
  }

  whole(): Part {
    const flags = /^\(\?([a-zA-Z]+)\)/.exec(this.rest);
    if (flags) {
      this.flags(flags[1] as string, true);
      this.at = flags[0].length;
    }
    const part = this.options(true);
    if (this.next !== undefined) throw bad("a ) has no ( before it", "leave it out, or write \\)");
    return part;
  }

  private flags(letters: string, on: boolean): void {
    const other = /[^is]/.exec(letters);
    if (other) throw refused(`the flag ${other[0]}`, "leave it out");
    if (letters.includes("i")) this.ignoreCase = on; // s: a line holds no line break, so . has them all
  }

  private options(isTop: boolean): Part {
    const parts = [this.sequence(isTop)];
    while (this.take("|")) parts.push(this.sequence(isTop));
    return parts.length > 1 ? { kind: "options", parts } : parts[0]!;
  }

  private sequence(isTop: boolean): Part {
    const parts: Part[] = [];
    if (isTop) this.take("^"); // a line is matched whole: the anchors at its ends say nothing
    while (this.next !== undefined && this.next !== "|" && this.next !== ")") {
      if (isTop && /^\$(\||$)/.test(this.rest)) this.at++;
      else parts.push(this.repeated(this.atom()));
    }
    return { kind: "sequence", parts };
  }

  private atom(): Part {
    const begin = this.at, character = this.characters[this.at++] as string;
    if (character === "(") return this.group();
    if ("*+?".includes(character) || (character === "{" && REPEAT.test(character + this.rest) && this.next !== "}")) {
      throw bad(`before ${character} there is nothing to repeat`, `write \\${character} for the sign itself`);
    }
    if (character === "^" || character === "$") throw refused(`${character} within`, "leave it out: lines are matched whole");
    if (character === ".") return this.set(begin, [{ from: "\n", to: "\n" }], true);
    if (character === "[") return this.brackets(begin);
    return this.set(begin, [character === "\\" ? this.escape(false) : { from: character, to: character }]);
  }

  private set(begin: number, items: Item[], negated = false): Part {
    return { kind: "set", set: charSet(this.characters.slice(begin, this.at).join(""), items, negated, this.ignoreCase) };
  }

  private repeated(part: Part): Part {
    const range = this.repeats();
    if (!range || part.kind === "look") {
      if (range) throw refused("a repeated (?", "leave the repeat out");
      return part;
    }
    const [least, most] = range;
    if (least > most) throw bad(`{${least},${most}} has its smaller number last`, `write {${most},${least}}`);
    if (this.take("+")) throw refused("a possessive repeat", "leave out the second +");
    this.take("?"); // lazy: a whole line is matched all the same
    if (this.repeats()) throw bad("there are two repeats in a row", "put the first into ( )");
    return { kind: "repeat", part, least, most };
  }

  /** The least and the greatest number of repeats, where it is said here. */
  private repeats(): [number, number] | null {
    const found = REPEAT.exec(this.rest);
    if (found && found[0] !== "{}") {
      this.at += found[0].length;
      const [, least = "", comma, most = ""] = found;
      return [Number(least), comma ? (most ? Number(most) : Infinity) : Number(least)];
    }
    if (/^\{\d*(,\d*)?$/.test(this.rest)) throw new UnfinishedPattern("{ is not closed yet", "write } behind the number");
    if (this.next === "{") throw refused("{ without numbers", "write \\{ for the sign itself");
    return this.take("*") ? [0, Infinity] : this.take("+") ? [1, Infinity] : this.take("?") ? [0, 1] : null;
  }

  private group(): Part {
    const { ignoreCase } = this;
    const look = this.take("?=") ? "=" : this.take("?!") ? "!" : "";
    if (!look && this.next === "?") this.extension();
    const part = this.options(false);
    if (!this.take(")")) throw new UnfinishedPattern("( is not closed yet", "write ) at its end");
    this.ignoreCase = ignoreCase;
    return look ? { kind: "look", part, negated: look === "!" } : part;
  }

  /** Read what stands between ( and a group of its own kind: ?: or ?P<name> or ?i: */
  private extension(): void {
    const found = /^\?(?:P<[A-Za-z_]\w*>|([a-zA-Z]*)(?:-([a-zA-Z]+))?:)/.exec(this.rest);
    if (!found) {
      if (/^\?([a-zA-Z-]*|P<\w*|<)$/.test(this.rest)) throw new UnfinishedPattern("(? is not finished yet", "write (?: or (?= or (?!");
      throw refused(`(${this.rest.slice(0, 3)}`, "write (?: or (?= or (?!");
    }
    this.at += found[0].length;
    if (found[1]) this.flags(found[1], true);
    if (found[2]) this.flags(found[2], false);
  }

  private brackets(begin: number): Part {
    const negated = this.take("^"), items: Item[] = [];
    do {
      const from = this.member();
      if (!this.take("-")) items.push(from);
      else if (this.next === "]") items.push(from, { from: "-", to: "-" });
      else items.push(rangeOf(from, this.member()));
    } while (!this.take("]"));
    return this.set(begin, items, negated);
  }

  private member(): Item {
    const character = this.characters[this.at++];
    if (character === undefined) throw new UnfinishedPattern("[ is not closed yet", "write ] at its end");
    return character === "\\" ? this.escape(true) : { from: character, to: character };
  }

  /** What a backslash and what follows stand for. */
  private escape(inSet: boolean): Item {
    const letter = this.characters[this.at++];
    if (letter === undefined) throw new UnfinishedPattern("\\ needs a sign behind it", "write \\\\ for a backslash itself");
    const number = letter === "x" ? /^[0-9a-fA-F]{2}/.exec(this.rest) : /^(0[0-7]{0,2}|[0-3][0-7]{2})/.exec(letter + this.rest);
    if (number) {
      this.at += letter === "x" ? 2 : number[0].length - 1;
      return one(String.fromCodePoint(parseInt(number[0], letter === "x" ? 16 : 8)));
    }
    if (/\d/.test(letter)) throw refused("a reference to a group", "write the group again");
    if (letter === "b" && inSet) return one("\b");
    if (/[AZBb]/.test(letter) && !inSet) throw refused(`\\${letter}`, "leave it out: lines are matched whole");
    if (/[NUu]/.test(letter)) throw refused(`\\${letter}`, "write the letter itself");
    const known = classOf(letter) ?? CONTROL[letter];
    if (known) return typeof known === "string" ? one(known) : known;
    if (/[a-zA-Z]/.test(letter)) throw bad(`\\${letter} means nothing`, "leave out the backslash");
    return one(letter);
  }
}

const one = (character: string): Item => ({ from: character, to: character });

function rangeOf(from: Item, to: Item): Item {
  if (typeof from === "function" || typeof to === "function" || codeOf(from.from) > codeOf(to.to)) {
    throw bad("a range in [ ] has no beginning, or its end comes first", "write it as a-z, and \\- for the sign itself");
  }
  return { from: from.from, to: to.to };
}

function bad(why: string, fix: string): ConditionError {
  return new ConditionError(`this is no regular expression: ${why}`, fix);
}

function refused(what: string, fix: string): ConditionError {
  return new ConditionError(`a pattern cannot have ${what}`, fix);
}
