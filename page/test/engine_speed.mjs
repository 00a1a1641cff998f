// node engine_speed.mjs BUNDLE WASM [NAMES]: how fast the engine is, on this machine. No test.

import { existsSync, readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [bundle, wasm, names = "names.txt"] = process.argv.slice(2);
const module = await import(pathToFileURL(bundle));
const V = 27;

// The lectures' names, or lines of their lengths.
const lines = existsSync(names)
  ? readFileSync(names, "utf8").split("\n").filter(Boolean).map((line) => Int32Array.from(line, (each) => each.charCodeAt(0) - 96))
  : Array.from({ length: 32033 }, (_, i) => Int32Array.from({ length: 2 + ((i * 7919) % 9) }, (_, j) => 1 + ((i * 31 + j * 17) % 26)));

// Work done a second of CPU time: other programs of the machine take none of it.
function rate(seconds, work) {
  for (let i = 0; i < 5; i++) work(); // compiled before it is measured
  const used = () => process.cpuUsage().user / 1e6;
  const start = used();
  let done = 0;
  while (used() - start < seconds) done += work();
  return done / (used() - start);
}

// Lines drawn side by side: `rows` at once, each as long as a name is; no prefix is shared.
function drawn(model, rows) {
  const names = Array.from({ length: rows }, (_, i) => lines[(i * 7919) % lines.length]).sort((a, b) => b.length - a.length);
  let state = model.begin(rows);
  for (let place = 0, active = rows; active; place++) {
    const ids = Int32Array.from({ length: active }, (_, i) => (place ? names[i][place - 1] : 0));
    state = model.step(ids, state, Int32Array.from(ids, (_, i) => i)).state;
    while (active && names[active - 1].length <= place) active--;
  }
  return rows;
}

for (const engine of [await module.loadEngine(readFileSync(wasm)), await module.loadEngine(null)]) {
  const make = (kind, blockSize, options = {}) => module.initialize(engine, { kind, vocabSize: V, blockSize, nLabels: 0, options }, 1);
  for (const kind of ["transformer", "gru", "lstm", "wavenet", "bow", "mlp"]) {
    const model = make(kind, kind === "mlp" ? 3 : 16);
    for (const rows of [32, 256, 1024]) {
      console.log(`${engine.kind} ${kind} ${rows} rows: ${rate(1, () => drawn(model, rows)).toFixed(0)} names/s`);
    }
    model.free();
  }
  for (const [kind, blockSize, batchSize, options] of [
    ["mlp", 3, 32, { n_embd: 10, n_hidden: 200 }], ["bigram", 16, 256, {}], ["gru", 16, 256, {}], ["gru", 16, 32, {}],
    ["transformer", 16, 256, {}], ["transformer", 16, 32, {}], ["transformer", 16, 64, { n_layer: 2, n_embd: 32 }],
  ]) {
    const model = make(kind, blockSize, options);
    const request = { kind, options, maxSteps: 1e9, batchSize, learningRate: 0.001, seed: 1 };
    const training = module.makeTraining(engine, model, lines, request);
    const steps = rate(2, () => (training.step(), 1));
    console.log(`${engine.kind} ${kind} batch ${batchSize}: ${steps.toFixed(1)} steps/s ${JSON.stringify(options)}`);
    training.free();
    model.free();
  }
}
