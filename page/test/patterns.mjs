// Patterns as automata: which texts they match, and in what words others are refused; tests/web/test_pattern.py compares.

import { DEAD, patternMachine } from "../src/sampling/pattern/char_machine";
import { UnfinishedPattern } from "../src/sampling/pattern/parse";
import { answer, given } from "./case.mjs";

/** One digit for each text, in their order: 1 where the whole of it matches. */
function matched(machine) {
  return given.texts.map((text) => {
    let state = 0;
    for (const character of text) if (state !== DEAD) state = machine.step(state, character);
    return Number(state !== DEAD && machine.accepting(state));
  }).join("");
}

answer(given.patterns.map((pattern) => {
  const start = performance.now(), ms = () => performance.now() - start;
  try {
    const machine = patternMachine(pattern, given.characters);
    return { ms: ms(), states: machine.states, matched: matched(machine) };
  } catch (error) {
    return { ms: ms(), message: error.message, fix: error.fix, unfinished: error instanceof UnfinishedPattern };
  }
}));
