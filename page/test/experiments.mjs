// node experiments.mjs CASE: what the experiments compute, and what they say of it. A case is {task, ...}.

import { readFileSync } from "node:fs";
import { loadEngine, initialize, makeTraining } from "../src/engine/index.ts";
import { pairOf, presetOf, PRESETS, variant } from "../src/experiments/presets.ts";
import { errorOf, seen } from "../src/experiments/seen.ts";
import { readSetting, requestOf, settingOf, stepsOf, writeSetting } from "../src/experiments/setting.ts";
import { openTrial } from "../src/work/trial.ts";
import { answer, given } from "./case.mjs";

const wasm = () => (given.wasm ? new Uint8Array(readFileSync(given.wasm)).buffer : null);

function open(setting, { steps = 40, ...changes } = {}) {
  const request = { ...requestOf(settingOf(setting), steps), ...changes };
  return openTrial({ wasm: wasm(), list: { name: "list", text: given.lines.join("\n") }, request });
}

function mean(point) {
  return point.exact.nats.reduce((sum, each) => sum + each, 0) / point.exact.lengths.reduce((sum, each) => sum + each, 0);
}

const TASKS = {
  seen: () => given.cases.map(([a, b]) => seen(a, b)),
  error: () => errorOf(given.a, given.b, given.lengths),

  links: () => given.links.map((link) => {
    const setting = readSetting(link);
    return setting && { ...setting, again: writeSetting(setting) };
  }),

  presets: () => PRESETS.map((preset) => {
    const settings = preset.pair.map((value) => variant(preset, value));
    const links = settings.map(writeSetting);
    return {
      title: preset.title, look: preset.look, links, steps: stepsOf(settings),
      again: presetOf(pairOf(...links))?.title ?? null, requests: settings.map((each) => requestOf(each, 1)),
    };
  }),

  // The first loss and the saturated share of each setting, over seeds.
  starts: () => Promise.all(given.settings.map(async (setting) => Promise.all(given.seeds.map(async (seed) => {
    const trial = await open({ ...setting, seed });
    return { first: mean(trial.on(0)), saturated: trial.start.saturated, parameters: trial.start.parameters, vocabSize: trial.start.vocabSize };
  })))),

  // Two ways to the same step: in one go, and with stops on the way.
  stops: async () => {
    const results = [];
    for (const stops of given.stops) {
      const trial = await open(given.setting, { steps: given.steps });
      const points = stops.map((step) => trial.on(step));
      results.push({ points: points.map(({ step, batches, exact, symbols }) => ({ step, batches, symbols, exact: exact && { ...exact, unseen: mean({ exact }) } })), kind: trial.start.engine });
    }
    return results;
  },

  explodes: async () => {
    const trial = await open(given.setting, { learningRate: given.rate });
    const points = [0, 20, 40].map((step) => trial.on(step));
    return points.map(({ step, diverged, exact }) => ({ step, diverged, samples: exact?.samples.length }));
  },

  // One step of SGD: how far the weights are from before - rate * gradient.
  descent: async () => {
    const engine = await loadEngine(wasm()), lines = [[5, 3, 8, 1], [2, 7, 4]].map((line) => Int32Array.from(line));
    const model = initialize(engine, { kind: given.kind, vocabSize: 9, blockSize: 6, nLabels: 0, options: given.options }, 1);
    const training = makeTraining(engine, model, lines, { kind: given.kind, options: {}, sgd: true, maxSteps: 10, batchSize: 1000, learningRate: given.rate, seed: 1 });
    const before = model.tensors();
    training.step();
    let [far, moved] = [0, 0];
    for (const [name, { grad, rows, width }] of model.parameters()) {
      const gradient = engine.memory.floats(grad, rows * width), after = model.tensors().get(name).data;
      after.forEach((value, i) => {
        far = Math.max(far, Math.abs(value - (before.get(name).data[i] - given.rate * gradient[i])));
        moved = Math.max(moved, Math.abs(value - before.get(name).data[i]));
      });
    }
    return { far, moved };
  },
};

answer(await TASKS[given.task]());
