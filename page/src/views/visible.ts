// Text of a list as it is shown: what cannot be seen is written as an escape, as the command line does.

import { h } from "./dom";

const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u; // control, format, lone surrogates, separators
const JOINERS = new Set(["\u200c", "\u200d"]); // they shape letters and emoji, and reorder nothing
const NAMED: Record<string, string> = { "\t": "\\t", "\n": "\\n", "\r": "\\r" };
const MARK = /\p{M}/u;
const MOST_MARKS = 8; // on one letter, more than any script has: the others would lie over what is near
const MOST_SHOWN = 300; // characters of one line

function escaped(char: string): string {
  if (NAMED[char]) return NAMED[char];
  const code = char.codePointAt(0) ?? 0, hex = code.toString(16);
  return code < 0x100 ? `\\x${hex.padStart(2, "0")}` : code < 0x10000 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}

/** Writes a line as it is shown, cut to `limit` characters. */
export function visible(text: string, limit = MOST_SHOWN): string {
  let marks = 0; // in a row
  const shown = Array.from(text.slice(0, 2 * limit + 2), (char) => {
    marks = MARK.test(char) ? marks + 1 : 0;
    return marks > MOST_MARKS || (HIDDEN.test(char) && !JOINERS.has(char)) ? escaped(char) : char;
  });
  const chars = Array.from(shown.join(""));
  return chars.length <= limit ? chars.join("") : chars.slice(0, limit - 1).join("") + "…";
}

/** Writes one symbol: a space and a mark alone could not be seen. */
export function symbolText(symbol: string): string {
  if (symbol === " ") return "␣";
  return (/^\p{M}/u.test(symbol) ? "◌" : "") + visible(symbol, 12);
}

/** Quotes a line for a sentence. */
export function quote(text: string): string {
  return `“${visible(text, 60)}”`;
}

/** Makes the element of a line: its direction is its own and does not reach its neighbours. */
export function line(text: string, limit = MOST_SHOWN): HTMLElement {
  return h("bdi", { dir: "auto" }, visible(text, limit));
}

const WHOLE = new Intl.NumberFormat("en");
const SHORT = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 2 });

const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** Writes a whole number: 1,234. */
export function whole(value: number): string {
  return WHOLE.format(Math.round(value));
}

/** Writes the likelihood of a line: "1 in 3.4K". */
export function oneIn(nll: number): string {
  const times = Math.exp(nll);
  if (times < 1e15) return `1 in ${SHORT.format(times)}`;
  return `1 in 10${String(Math.round(nll / Math.LN10)).replace(/\d/g, (digit) => RAISED.charAt(Number(digit)))}`;
}

/** Writes a probability: 12 %, 0.4 %. */
export function percent(p: number): string {
  const value = 100 * p;
  if (value > 0 && value < 0.01) return "< 0.01 %";
  return `${value >= 10 ? Math.round(value) : Number(value.toPrecision(value < 1 ? 1 : 2))} %`;
}

/** Writes "1 line", "2 lines". */
export function plural(count: number, one: string, many = one + "s"): string {
  return `${whole(count)} ${count === 1 ? one : many}`;
}
