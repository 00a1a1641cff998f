// Like: new lines near a line. Candidates are all lines one edit away, and lines drawn with its beginning or its end.
// Among them it is drawn by p(line) * V^(-distance / 2), without replacement: near lines come first, and of these the
// likely ones; two edits cost as much as one symbol that was chosen at random. Another seed gives other lines.

import type { Drawn, Filters, Model, Vocabulary } from "../contract";
import { cut } from "../text/vocabulary";
import { compileConditions } from "./automaton";
import { ConditionError } from "./errors";
import type { Known } from "./known";
import { drawLines, type DrawRequest } from "./sampler";
import { surprisals } from "./scores";
import { startsOf } from "./starts";
import { Uniforms } from "./uniforms";

export interface LikeRequest {
  text: string;
  n: number;
  seed: number;
  known: Known;
  longest: number; // symbols of the longest training line
  filters?: Filters;
  label?: string;
  labelShares?: ArrayLike<number>;
}

const MOST_EDITED = 40; // symbols: of a longer line only the first ones are edited
const MOST_DRAWS = 896; // for each beginning or end that is kept: three rounds, before any draw would be guided
const KEPT = [2 / 3, 1 / 2]; // of the symbols

/** Find new lines near a line; fewer than n where there are no more. Known lines and the line itself are left out. */
export function linesLike(model: Model, vocabulary: Vocabulary, request: LikeRequest): Drawn[] {
  const symbols = cut(request.text, vocabulary.rule);
  const candidates = new Map<string, number | null>(); // text -> nll, null where it is not computed yet
  for (const line of edited(symbols, vocabulary)) candidates.set(line, null);
  for (const { text, nll } of drawnNear(model, vocabulary, request, symbols)) candidates.set(text, nll);
  candidates.delete(request.text);
  const fresh = [...candidates].filter(([text]) => request.known(text) === "new");
  const starts = startsOf(vocabulary, request.label, request.labelShares);
  const unscored = fresh.filter(([, nll]) => nll === null).map(([text]) => text);
  const scores = surprisals(model, unscored.map((text) => vocabulary.encode(text)), starts);
  unscored.forEach((text, i) => candidates.set(text, (scores[i] as Float64Array).reduce((a, b) => a + b, 0)));
  const noise = new Uniforms(request.seed).stream(0, 0);
  const ranked = fresh.map(([text], i) => {
    const nll = candidates.get(text) as number;
    const gumbel = -Math.log(-Math.log1p(-noise.at(i)) + 1e-300); // Gumbel-top-k: draws without replacement
    return { text, nll, key: gumbel - nll - (Math.log(vocabulary.size) / 2) * distance(symbols, cut(text, vocabulary.rule)) };
  });
  ranked.sort((a, b) => b.key - a.key);
  return ranked.slice(0, request.n).map(({ text, nll }) => ({ text, nll, origin: "new" }));
}

/** All lines one edit away: a symbol changed, put in or left out. */
function edited(symbols: readonly string[], vocabulary: Vocabulary): Set<string> {
  const lines = new Set<string>();
  const automaton = compileConditions(vocabulary, {}, symbols.length + 1); // no white space at the ends
  const add = (line: string[]): void => {
    const ids = vocabulary.encode(line.join(""));
    const end = ids.reduce((state, id, i) => (state < 0 || id < 0 ? -1 : automaton.after(i, state, id)), 0);
    if (end >= 0 && automaton.mayEnd(ids.length, end)) lines.add(line.join(""));
  };
  for (let at = 0; at <= Math.min(symbols.length, MOST_EDITED); at++) {
    const before = symbols.slice(0, at);
    if (at < symbols.length) add([...before, ...symbols.slice(at + 1)]);
    for (const symbol of vocabulary.symbols) {
      add([...before, symbol, ...symbols.slice(at)]);
      if (at < symbols.length) add([...before, symbol, ...symbols.slice(at + 1)]);
    }
  }
  return lines;
}

/** Draw lines with the beginning or the end of a line, within a bound of work. */
function drawnNear(model: Model, vocabulary: Vocabulary, request: LikeRequest, symbols: readonly string[]): Drawn[] {
  const lines: Drawn[] = [];
  for (const share of KEPT) {
    const kept = Math.ceil(share * symbols.length);
    if (kept === symbols.length || kept === 0) continue;
    for (const condition of [{ prefix: symbols.slice(0, kept).join("") }, { suffix: symbols.slice(-kept).join("") }]) {
      const { n, seed, known, longest, filters = {}, label, labelShares } = request;
      const draw: DrawRequest = { n: 2 * n, seed, known, longest, filters, conditions: { ...condition, ...(label ? { label } : {}) } };
      if (labelShares) draw.labelShares = labelShares;
      lines.push(...firstOf(model, vocabulary, draw));
    }
  }
  return lines;
}

function firstOf(model: Model, vocabulary: Vocabulary, request: DrawRequest): Drawn[] {
  const lines: Drawn[] = [];
  try {
    for (const batch of drawLines(model, vocabulary, request)) {
      lines.push(...batch.lines);
      if (batch.draws >= MOST_DRAWS) break;
    }
  } catch (error) {
    if (!(error instanceof ConditionError)) throw error; // a symbol that no line of the list has: nothing begins so
  }
  return lines;
}

/** Levenshtein's distance in symbols. */
export function distance(a: readonly string[], b: readonly string[]): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  a.forEach((symbol, i) => {
    const next = [i + 1];
    b.forEach((other, j) => next.push(Math.min((next[j] as number) + 1, (row[j + 1] as number) + 1, (row[j] as number) + Number(symbol !== other))));
    row = next;
  });
  return row[b.length] as number;
}
