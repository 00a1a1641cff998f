// node engine_learning.mjs BUNDLE WASM: training on the page, as tests/battery.py checks Python's.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [bundle, wasm] = process.argv.slice(2);
const module = await import(pathToFileURL(bundle));
const LINES = [[5, 3, 8, 1], [2, 7, 4, 6], [1, 1, 3, 8], [5, 3, 2, 7, 7], [6, 4, 6, 4, 5]].map((line) => Int32Array.from(line));
const SMALL = { n_embd: 16, n_hidden: 24, n_layer: 2, n_head: 2, dropout: 0, batch_norm: false };
const KINDS = ["bigram", "mlp", "deep_mlp", "rnn", "gru", "transformer"];

const specOf = (kind, options = {}, nLabels = 0) => ({ kind, vocabSize: 9, blockSize: 6, nLabels, options: { ...SMALL, ...options } });
const requestOf = (changes = {}) => ({ kind: "any", options: {}, maxSteps: 100, batchSize: 1e6, learningRate: 0.05, seed: 0, ...changes });

// Nats a symbol that nobody can know: the entropy of what follows the same last inputs.
function leftOpen(lines, context) {
  const after = new Map();
  let count = 0;
  for (const line of lines) {
    const padded = [...Array(context).fill(0), ...line, 0];
    for (let place = context; place < padded.length; place++, count++) {
      const key = String(padded.slice(place - context, place));
      after.set(key, [...(after.get(key) ?? []), padded[place]]);
    }
  }
  let nats = 0;
  for (const symbols of after.values()) {
    for (const symbol of symbols) nats -= Math.log(symbols.filter((each) => each === symbol).length / symbols.length);
  }
  return nats / count;
}

function trained(engine, spec, request, labels) {
  const model = module.initialize(engine, spec, request.seed);
  const training = module.makeTraining(engine, model, LINES, request, labels);
  const losses = Array.from({ length: request.maxSteps }, () => training.step());
  const nll = training.evaluate(LINES, labels);
  const tensors = model.tensors();
  training.free();
  model.free();
  return { losses, nll, tensors };
}

function overfitsOneBatch(engine, kind) {
  const { losses, nll } = trained(engine, specOf(kind), requestOf());
  const floor = leftOpen(LINES, kind === "bigram" ? 1 : 6);
  assert(Math.abs(losses[0] - Math.log(9)) < 0.1, `${kind} starts at ${losses[0]}, not near log V`);
  const last = losses.at(-1);
  assert(floor - 1e-3 < last && last < floor + 0.1, `${kind} ends at ${last}, and ${floor} are left open`);
  assert(Math.abs(nll - last) < 0.02, `${kind} has ${nll} nats in evaluation, ${last} in its last step`);
  console.log(`ok   ${engine.kind.padEnd(5)}${kind}: ${losses[0].toFixed(3)} -> ${last.toFixed(3)}, left open ${floor.toFixed(3)}`);
}

function sameSeedSameWeights(engine, kind) {
  const request = (seed) => requestOf({ maxSteps: 6, batchSize: 2, seed });
  const [one, two, other] = [5, 5, 6].map((seed) => trained(engine, specOf(kind, { dropout: 0.3 }), request(seed)).tensors);
  for (const [name, { data }] of one) assert.deepEqual(data, two.get(name).data, `${kind}: ${name} is another`);
  assert([...one].some(([name, { data }]) => data.some((each, i) => each !== other.get(name).data[i])), `${kind}: two seeds, one model`);
}

function labelsAreLearned(engine, kind) {
  const labels = Int32Array.from(LINES, (_, i) => 9 + (i % 2));
  const { losses } = trained(engine, specOf(kind, {}, 2), requestOf(), labels);
  assert(losses.at(-1) < 0.3, `${kind} with labels ends at ${losses.at(-1)}`);
}

function memoryDoesNotGrow(engine, kind) {
  const model = module.initialize(engine, specOf(kind), 1);
  const training = module.makeTraining(engine, model, LINES, requestOf({ maxSteps: 400, batchSize: 2, learningRate: 0.001 }));
  const work = () => {
    for (let i = 0; i < 100; i++) training.step();
    training.evaluate(LINES);
    return engine.memory.size;
  };
  const [first, second] = [work(), work()];
  assert.equal(second, first, `${kind}: the memory grew from ${first} to ${second} bytes`);
  training.free();
  model.free();
}

function initialWeightsAreAsSaid(engine) {
  const model = module.initialize(engine, { kind: "gru", vocabSize: 27, blockSize: 16, nLabels: 30, options: {} }, 1);
  const of = (name) => model.tensors().get(name).data;
  const deviation = (data) => Math.sqrt(data.reduce((sum, each) => sum + each * each, 0) / data.length);
  assert(Math.abs(deviation(of("embedding.weight")) - 1) < 0.05);
  assert(Math.abs(deviation(of("cells.weight_hh_l0")) - 1 / Math.sqrt(3 * 128)) < 0.001); // of a uniform one
  assert(of("cells.weight_hh_l0").every((each) => Math.abs(each) <= 1 / Math.sqrt(128)));
  assert.deepEqual(of("embedding.weight").slice(27 * 64, 28 * 64), of("embedding.weight").slice(64, 128));
  assert.deepEqual(of("embedding.weight").slice(53 * 64, 54 * 64), of("embedding.weight").slice(64, 128)); // again from the first
  model.free();
}

function wrongTensorsAreRefused(engine) {
  const spec = specOf("gru");
  const model = module.initialize(engine, spec, 1);
  const tensors = model.tensors();
  const before = engine.memory.size;
  const without = new Map(tensors);
  without.delete("head.bias");
  assert.throws(() => module.makeModel(engine, spec, without), /lack the tensor head.bias/);
  assert.throws(() => module.makeModel(engine, spec, new Map([...tensors, ["more", tensors.get("start")]])), /unknown tensor more/);
  assert.throws(() => module.makeModel(engine, spec, new Map([...tensors, ["head.bias", tensors.get("start")]])), /head.bias is/);
  assert.throws(() => model.step(Int32Array.of(9), model.begin(1), Int32Array.of(0)), /no row 9/);
  assert.equal(engine.memory.size, before);
  model.free();
}

for (const engine of [await module.loadEngine(readFileSync(wasm)), await module.loadEngine(null)]) {
  for (const kind of KINDS) {
    overfitsOneBatch(engine, kind);
    sameSeedSameWeights(engine, kind);
    memoryDoesNotGrow(engine, kind);
    if (kind !== "bigram") labelsAreLearned(engine, kind);
  }
  initialWeightsAreAsSaid(engine);
  wrongTensorsAreRefused(engine);
  for (const kind of ["lstm", "bow", "wavenet"]) {
    const model = module.initialize(engine, specOf(kind), 1);
    assert.throws(() => module.makeTraining(engine, model, LINES, requestOf()), /cannot be trained/);
    model.free();
  }
}
assert.equal((await module.loadEngine(new ArrayBuffer(8))).kind, "js", "bytes that are no WebAssembly");
console.log("all of it holds");
