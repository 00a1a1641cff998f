// Like: lines near a line. They are found among all lines one edit away and lines drawn with its beginning or end; of
// very many symbols, by its beginning.

import type { Answer, Ask, Drawn, Model, Vocabulary } from "../contract";
import { distance, linesLike } from "../sampling/like";
import { scoreLines } from "../sampling/scores";
import { cut } from "../text/vocabulary";
import { draw, type DrawContext } from "./drawing";

type Reply = Omit<Extract<Answer, { answer: "drawn" }>, "id">;
type LikeAsk = Extract<Ask, { ask: "like" }>;

const MOST_EDITS = 20_000; // lines one edit away that are scored while a person waits
const PROPOSED = 3; // lines of the counts for one that is shown

/**
 * Answers the question for lines near a line. counts: of a list that a network has learned, too; they find lines
 * in a tenth of the time, and the model says which of them are the best.
 */
export function* alike(model: Model, counts: Model | null, vocabulary: Vocabulary, context: DrawContext, ask: LikeAsk): Generator<Reply, void> {
  const { text, n, seed, id } = ask, symbols = cut(text, vocabulary.rule), began = performance.now();
  if (2 * symbols.length * vocabulary.size > MOST_EDITS) {
    const prefix = symbols.slice(0, Math.ceil(symbols.length / 2)).join("");
    yield* draw(model, vocabulary, context, { id, ask: "draw", n, seed, conditions: { prefix }, filters: {} }, null);
    return;
  }
  const lines = counts && counts !== model
    ? best(model, vocabulary, context, ask, linesLike(counts, vocabulary, { ...context, text, n: PROPOSED * n, seed }))
    : linesLike(model, vocabulary, { ...context, text, n, seed });
  yield { answer: "drawn", lines, draws: lines.length, known: 0, repeated: 0, seconds: (performance.now() - began) / 1000, done: true };
}

/** The n lines that are near and likely: an edit costs as much as in linesLike. */
function best(model: Model, vocabulary: Vocabulary, { known, labelShares }: DrawContext, { text, n }: LikeAsk, proposed: Drawn[]): Drawn[] {
  const symbols = cut(text, vocabulary.rule), anEdit = Math.log(vocabulary.size) / 2;
  const scores = scoreLines(model, vocabulary, proposed.map((line) => line.text), known, labelShares);
  const ranked = proposed.flatMap((line, at) => {
    const nll = scores[at]?.nll ?? null;
    return nll === null ? [] : [{ line: { ...line, nll }, cost: nll + anEdit * distance(symbols, cut(line.text, vocabulary.rule)) }];
  });
  return ranked.sort((a, b) => a.cost - b.cost).slice(0, n).map(({ line }) => line);
}
