// Parses a regular expression as `makemore sample --pattern` reads it: Python's re, less what no automaton can match.

import { ConditionError } from "../errors";
import { charSet, classOf, codeOf, type Item } from "./char_set";
import { Expressions } from "./expressions";
import { look, options, type Part, repeat, sequence } from "./parts";

/** What can still become a pattern, once more is typed. */
export class UnfinishedPattern extends ConditionError {}

/** Parse a pattern. Throws UnfinishedPattern where it only lacks its end, and ConditionError where it is none. */
export function parsePattern(pattern: string, made: Expressions): Part {
  return new Parser(pattern, made).whole();
}

/** What is wrong with a pattern, in words; null where nothing is. */
export function faultOf(pattern: string): ConditionError | null {
  try {
    parsePattern(pattern, new Expressions());
    return null;
  } catch (error) {
    if (error instanceof ConditionError) return error;
    throw error;
  }
}

const TOKEN = /\\(x[\da-fA-F]{2}|0[0-7]{1,2}|[1-3][0-7]{2}|[^])|[^]/gu; // a character, or a backslash and what belongs to it
const SET = /^\[(\^|(?!\^))((?:\]|\\[^]|[^\]\\])(?:\\[^]|[^\]\\])*)\]/u;
const REPEAT = /^(?:([*+?])|\{(?=[\d,])(\d*)(,?)(\d*)\})/;
const GROUP = /^\((?:\?(?:P<[A-Za-z_]\w*>|([=!])|([a-zA-Z]*)(?:-([a-zA-Z]+))?:))?(?!\?)/;

class Parser {
  private ignoreCase = false;

  /** rest: what is not read yet. */
  constructor(private rest: string, private readonly made: Expressions) {}

  /** Read what the rest begins with; null where it begins otherwise. */
  private read(what: RegExp): RegExpExecArray | null {
    const found = what.exec(this.rest);
    if (found) this.rest = this.rest.slice(found[0].length);
    return found;
  }

  whole(): Part {
    this.flags(this.read(/^\(\?([a-zA-Z]+)\)/)?.[1], true);
    const part = this.options(true);
    if (this.rest) throw wrong("a ) has no ( before it", "leave it out, or write \\)");
    return part;
  }

  /** Flags hold to the end of their group. s says nothing here: a line has no line break that . could miss. */
  private flags(letters: string | undefined, on: boolean): void {
    const other = letters && /[^is]/.exec(letters);
    if (other) throw refused(`the flag ${other[0]}`);
    if (letters?.includes("i")) this.ignoreCase = on;
  }

  private options(isTop: boolean): Part {
    const parts: Part[] = [];
    do parts.push(this.sequence(isTop)); while (this.read(/^\|/));
    return parts.length > 1 ? options(this.made, parts) : parts[0]!;
  }

  private sequence(isTop: boolean): Part {
    const parts: Part[] = [];
    if (isTop) this.read(/^\^/); // a line is matched whole: the anchors at its ends say nothing
    while (/^[^|)]/.test(this.rest)) {
      if (!isTop || !this.read(/^\$(?=\||$)/)) parts.push(this.repeated(this.one()));
    }
    return sequence(parts);
  }

  private one(): Part {
    if (this.rest[0] === "(") return this.group();
    if (REPEAT.test(this.rest)) throw wrong(`before ${this.rest[0]} there is nothing to repeat`, "write \\ before it for the sign itself");
    const before = this.rest, set = this.read(SET);
    const items = set ? itemsOf(set[2]!) : [this.single()];
    const key = before.slice(0, before.length - this.rest.length);
    const number = this.made.set(charSet(key, items, key === "." || set?.[1] === "^", this.ignoreCase));
    return { from: (then) => this.made.join(number, then), least: 1, most: 1, looks: 0 };
  }

  private single(): Item {
    if (this.rest[0] === "[") throw new UnfinishedPattern("[ is not closed yet", "write ] at its end");
    const token = this.rest.match(TOKEN)![0];
    this.rest = this.rest.slice(token.length);
    if (token === "^" || token === "$") throw refused(`${token} within`, "leave it out: lines are matched whole");
    return token === "." ? ["\n"] : itemOf(token, false);
  }

  private repeated(part: Part): Part {
    const found = this.read(REPEAT);
    if (!found) {
      if (/^\{\d*(,\d*)?$/.test(this.rest)) throw new UnfinishedPattern("{ is not closed yet", "write } behind the number");
      if (/^\{(?!\})/.test(this.rest)) throw refused("{ without numbers", "write \\{ for the sign itself");
      return part;
    }
    const [, sign, few, comma, many] = found;
    const least = Number(few ?? (sign === "+")), most = sign ? (sign === "?" ? 1 : Infinity) : comma ? Number(many || Infinity) : least;
    if (least > most) throw wrong("{ } has its smaller number last", `write {${most},${least}}`);
    if (this.read(/^\+/)) throw refused("a possessive repeat", "leave out the second +");
    this.read(/^\?/); // lazy: a whole line is matched all the same
    if (REPEAT.test(this.rest)) throw wrong("there are two repeats in a row", "put the first into ( )");
    if (most === Infinity && part.looks > 0) throw refused("a repeated group with (?= or (?! that looks beyond its end", "put it before the group");
    return repeat(this.made, part, least, most);
  }

  private group(): Part {
    const { ignoreCase } = this, found = this.read(GROUP);
    if (!found) {
      if (/^\(\?([a-zA-Z-]*|P<\w*|<)$/.test(this.rest)) throw new UnfinishedPattern("(? is not finished yet", "write (?: or (?= or (?!");
      throw refused(this.rest.slice(0, 4), "write (?: or (?= or (?!");
    }
    const [, ahead, on, off] = found;
    this.flags(on, true);
    this.flags(off, false);
    const part = this.options(false);
    if (!this.read(/^\)/)) throw new UnfinishedPattern("( is not closed yet", "write ) at its end");
    this.ignoreCase = ignoreCase;
    return ahead ? look(this.made, part, ahead === "!") : part;
  }
}

/** The items between brackets. */
function itemsOf(text: string): Item[] {
  const tokens = text.match(TOKEN) ?? [], items: Item[] = [];
  for (let at = 0; at < tokens.length; at++) {
    const from = itemOf(tokens[at]!, true);
    if (tokens[at + 1] !== "-" || at + 2 === tokens.length) items.push(from);
    else items.push(rangeOf(from, itemOf(tokens[at += 2]!, true)));
  }
  return items;
}

function rangeOf(from: Item, to: Item): Item {
  if (typeof from === "function" || typeof to === "function" || codeOf(from[0]) > codeOf(to[0])) {
    throw wrong("a range in [ ] has no beginning, or its end comes first", "write it as a-z, and \\- for the sign itself");
  }
  return [from[0], to[0]];
}

/** What a token stands for. */
function itemOf(token: string, inSet: boolean): Item {
  if (token[0] !== "\\") return [token];
  const letter = token.slice(1);
  if (!letter) throw new UnfinishedPattern("\\ needs a sign behind it", "write \\\\ for a backslash itself");
  if (letter.length > 1 && letter < "a") return [String.fromCodePoint(parseInt(letter, 8))];
  if (letter[0] === "x" && letter[1]) return [String.fromCodePoint(parseInt(letter.slice(1), 16))];
  if (/[dws]/i.test(letter)) return classOf(letter);
  const control = inSet && letter === "b" ? "\b" : "\x07\f\n\r\t\v"["afnrtv".indexOf(letter)];
  if (control) return [control];
  if (/\d/.test(letter)) throw refused("a reference to a group");
  if (/[AZBbNUu]/.test(letter)) throw refused(token);
  if (/[a-zA-Z]/.test(letter)) throw wrong(`${token} means nothing`, "leave out the backslash");
  return [letter];
}

function wrong(why: string, fix: string): ConditionError {
  return new ConditionError(`this is no regular expression: ${why}`, fix);
}

function refused(what: string, fix = "leave it out"): ConditionError {
  return new ConditionError(`a pattern cannot have ${what}`, fix);
}
