// How lines start: the prefix as ids, in the list's spelling of accents, and the labels they begin with.

import type { Conditions, Vocabulary } from "../contract";
import { BOUNDARY, CHARACTER, unknownIn } from "../text/vocabulary";
import { strip } from "../text/white_space";
import { ConditionError } from "./errors";
import type { Starts } from "./finished";

/**
 * The conditions with accents as the vocabulary has them: é is one character or two, and which of them a keyboard
 * gives depends on the system. Nothing that is known already is changed.
 */
export function asInList(vocabulary: Vocabulary, conditions: Conditions): Conditions {
  const spelled = { ...conditions };
  for (const name of ["prefix", "suffix", "contains", "exclude", "pattern"] as const) {
    const text = spelled[name];
    if (!text) continue;
    const forms = name === "exclude" || name === "pattern" ? (["NFC"] as const) : (["NFC", "NFD"] as const); // single characters stay single
    const known = [text, ...forms.map((form) => text.normalize(form))].find((other) => !lacks(vocabulary, other));
    spelled[name] = known ?? text;
  }
  return spelled;
}

/** Whether a text has symbols, other than those of ASCII, that no line of the list has. */
function lacks(vocabulary: Vocabulary, text: string): boolean {
  return unknownIn(vocabulary, text).some((symbol) => symbol > "\x7f");
}

/**
 * Encode a prefix: the ids that all draws start with; [] where the automaton checks it instead, because a symbol
 * may be longer than a character. Throws ConditionError for symbols that no line of the list holds.
 */
export function encodePrefix(vocabulary: Vocabulary, prefix: string): number[] {
  if (strip(`${prefix}.`) !== `${prefix}.`) throw new ConditionError("no line starts with white space", "leave it out");
  if (vocabulary.rule !== CHARACTER) return [];
  const ids = Array.from(vocabulary.encode(prefix));
  if (!ids.includes(-1)) return ids;
  const others = [prefix.toLowerCase(), prefix.toUpperCase(), titled(prefix)];
  const other = others.find((text) => !unknownIn(vocabulary, text).length);
  throw new ConditionError(`the model does not know ${unknownIn(vocabulary, prefix).join(" ")}`, other ? `type ${other}` : "use symbols of the list");
}

function titled(text: string): string {
  return text.toLowerCase().replace(/(^|[^\p{L}])(\p{L})/gu, (_, before: string, letter: string) => before + letter.toUpperCase());
}

/**
 * What lines start with: the boundary, or labels with the probability of each. `label` is a name or a mixture
 * NAME=.7,OTHER=.3; without it labels come as often as `shares` says, all alike without shares.
 */
export function startsOf(vocabulary: Vocabulary, label: string | undefined, shares?: ArrayLike<number>): Starts {
  const { labels, size } = vocabulary;
  if (!labels.length) {
    if (label) throw new ConditionError("this model has no labels", "leave the label out");
    return { inputs: [BOUNDARY], shares: Float64Array.of(1) };
  }
  const mixture = label ? mixtureOf(label, labels) : new Map(labels.map((name, i) => [name, shares?.[i] ?? 1 / labels.length]));
  return { inputs: [...mixture.keys()].map((name) => size + labels.indexOf(name)), shares: Float64Array.from(mixture.values()) };
}

/** Parse NAME=.7,OTHER=.3 into the probability of each; quotes say where a name with a comma or = ends. */
function mixtureOf(text: string, labels: readonly string[]): Map<string, number> {
  if (labels.includes(text)) return new Map([[text, 1]]);
  const weights = new Map<string, number>();
  let rest = text;
  do {
    const [name, after] = leadingLabel(rest.trim(), labels);
    const comma = after.indexOf(",");
    const number = (comma < 0 ? after : after.slice(0, comma)).trim();
    const weight = number ? Number(number.replace(/^=/, "") || NaN) : 1;
    if (!(weight > 0 && weight < Infinity)) throw new ConditionError(`'${number}' is no share of '${name}'`, "give NAME=.7,OTHER=.3");
    weights.set(name, (weights.get(name) ?? 0) + weight);
    rest = comma < 0 ? "" : after.slice(comma + 1);
  } while (rest);
  const total = [...weights.values()].reduce((a, b) => a + b, 0);
  return new Map([...weights].map(([name, weight]) => [name, weight / total]));
}

/** Split off the label that a text begins with; where two readings are possible, the longest counts. */
function leadingLabel(text: string, labels: readonly string[]): [string, string] {
  const fits = labels.filter((name) => text.startsWith(name) && /^\s*($|[=,])/.test(text.slice(name.length)));
  const longest = fits.sort((a, b) => b.length - a.length)[0];
  if (longest !== undefined) return [longest, text.slice(longest.length).trimStart()];
  const quoted = /^"((?:[^"]|"")*)"\s*(?=[=,]|$)/.exec(text);
  const first = text.split(",")[0] as string;
  const equals = first.lastIndexOf("=");
  const name = quoted ? (quoted[1] as string).replaceAll('""', '"') : (equals < 0 ? first : first.slice(0, equals)).trim();
  if (!labels.includes(name)) throw new ConditionError(`unknown label '${name}'`, `known are ${labels.slice(0, 12).join(", ")}`);
  return [name, quoted ? text.slice(quoted[0].length) : ""];
}
