// The order of results: the course first, the records of decisions last. Numbers but `score` are
// Sphinx's own.
"use strict";
var Scorer = {
  score: ([page, , , , score]) =>
    score + (page.startsWith("course/") ? 20 : page.startsWith("guides/decisions/") ? -10 : 0),
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
