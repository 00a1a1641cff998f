// Checks: lines of a list that a person should look at, each kind in words with examples: the short form of what
// `makemore data` says (makemore.text.audit).

import type { TextList } from "../contract";
import { byCodePoint } from "./vocabulary";

const SHOWN = 10; // examples
const RARE = 5; // lines: a symbol in fewer of them is too rare to be learned
const MIN_LINES_TO_SPLIT = 50;
const FEW = 1000;
const LONG = 255; // symbols

const HIDDEN: readonly [RegExp, string][] = [
  [/\ufffd/, "have replacement characters, where bytes could not be read: letters are lost"],
  [/[\0-\x1f\x7f-\x9f]/, "have control characters (tabs and the like), which new lines will have, too"],
  [/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/, "have bidirectional marks, which nobody sees and which turn what follows"],
  [/[\xad\u200b-\u200d\u2060-\u2064]/, "have invisible characters (zero-width spaces, joiners, soft hyphens)"],
  [/[\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/, "have unusual spaces, another symbol than the plain one"],
];

/** What is odd among clean, distinct lines; the most important first. */
export function oddLines(lines: readonly string[]): TextList["odd"] {
  const odd: TextList["odd"] = [];
  const add = (found: string[], says: string): void => {
    if (found.length) odd.push({ what: `${found.length.toLocaleString("en")} ${found.length === 1 ? "line" : "lines"} ${says}.`, lines: found.slice(0, SHOWN) });
  };
  if (lines.length < MIN_LINES_TO_SPLIT) odd.push({ what: `Under ${MIN_LINES_TO_SPLIT} lines none is held back: nothing tells whether a model learns what such lines look like, or learns these by heart.`, lines: [] });
  else if (lines.length < FEW) odd.push({ what: `Under ${FEW.toLocaleString("en")} lines there is something to see, but not much to learn from.`, lines: [] });
  for (const [pattern, says] of HIDDEN) add(lines.filter((line) => pattern.test(line)), says);
  const form = (line: string): string => line.normalize("NFC");
  add(sameBut(lines, form), "look like another one and are not: é is one character in one of them, two in the other");
  add(sameBut(lines, (line) => form(line).toLowerCase(), form), "differ from another one by upper and lower case alone");
  add(lines.filter((line) => line.length > LONG), `are longer than ${LONG} symbols: a transformer does not learn how they end`);
  if (lines.length >= MIN_LINES_TO_SPLIT) {
    const rare = rareSymbols(lines);
    if (rare.size) odd.push({ what: `${rare.size.toLocaleString("en")} ${rare.size === 1 ? "symbol is" : "symbols are"} in fewer than ${RARE} lines each, too few to learn where one belongs: ${[...rare.keys()].slice(0, SHOWN).join(" ")}`, lines: [...new Set(rare.values())].slice(0, SHOWN) });
  }
  return odd;
}

/** Lines that become equal to another one by a folding, and were not by the one before. */
function sameBut(lines: readonly string[], fold: (line: string) => string, before = (line: string): string => line): string[] {
  const groups = new Map<string, string[]>();
  for (const line of lines) {
    const group = groups.get(fold(line));
    if (group) group.push(line);
    else groups.set(fold(line), [line]);
  }
  return [...groups.values()].filter((group) => new Set(group.map(before)).size > 1).flat();
}

/** Symbols in fewer than RARE lines, sorted, each with a line that has it. */
function rareSymbols(lines: readonly string[]): Map<string, string> {
  const seen = new Map<string, { count: number; line: string }>();
  for (const line of lines) {
    for (const symbol of new Set(line)) {
      const entry = seen.get(symbol);
      if (entry) entry.count++;
      else seen.set(symbol, { count: 1, line });
    }
  }
  const rare = [...seen].filter(([, { count }]) => count < RARE).sort(([a], [b]) => byCodePoint(a, b));
  return new Map(rare.map(([symbol, { line }]) => [symbol, line]));
}
