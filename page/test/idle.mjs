// Draws from lists that leave hardly anything new: when they end, and with what; for tests/web/test_draws.py.

import { PrefixCache } from "../src/sampling/prefix_cache";
import { draw } from "../src/work/drawing";
import { readList } from "../src/work/read_list";
import { answer, given } from "./case.mjs";

answer(given.map(({ lines, conditions, filters }) => {
  const { source } = readList({ id: 0, ask: "read", name: "list", text: lines.join("\n"), asIs: true });
  const { model, vocabulary, tidy } = source, ask = { n: 60, seed: 1, conditions, filters };
  const start = performance.now(), texts = [];
  let last, before = start, silence = 0; // the longest time without a new line, ms
  for (last of draw(model, vocabulary, { ...source, answers: new PrefixCache(model) }, ask, tidy)) {
    const now = performance.now();
    silence = Math.max(silence, now - before);
    if (last.lines.length || last.done) before = now;
    texts.push(...last.lines.map(({ text }) => text));
  }
  return { texts, ms: performance.now() - start, silence, draws: last.draws, done: last.done, shortfall: last.shortfall };
}));
