// Drawing: answers to the question for lines, round by round.

import type { Answer, Ask, Filters, Model, Vocabulary } from "../contract";
import { drawLines, type DrawRequest } from "../sampling/sampler";

type Drawn = Omit<Extract<Answer, { answer: "drawn" }>, "id">;
type DrawAsk = Extract<Ask, { ask: "draw" }>;

/** What a draw needs to know of the list or the run beside the model. */
export type DrawContext = Pick<DrawRequest, "known" | "longest" | "lookahead" | "roundSize" | "labelShares" | "answers">;

/** Draws lines; `tidy` is the min-p that `makemore sample` has for this list by itself, null for none. */
export function* draw(model: Model, vocabulary: Vocabulary, context: DrawContext, ask: DrawAsk, tidy: number | null): Generator<Drawn, void> {
  const { n, seed, conditions } = ask, began = performance.now();
  const filters: Filters = { ...ask.filters };
  // As by default: what is unlikely is left out, until nothing else is left. Who wants it wild gets all of it.
  const isTidy = tidy !== null && filters.minP === undefined && (filters.temperature ?? 1) <= 1;
  const request = {
    ...context, n, seed, conditions, filters: isTidy ? { ...filters, minP: tidy } : filters, ...(isTidy && { relaxed: filters }),
  };
  for (const { lines, draws, known, repeated, done, shortfall } of drawLines(model, vocabulary, request)) {
    yield { answer: "drawn", lines, draws, known, repeated, seconds: (performance.now() - began) / 1000, done, shortfall };
  }
}
