// node inside.mjs BUNDLE FOLDER WASM: compares the stages of each network with Python's cases in FOLDER.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { readCases } from "./engine_cases.mjs";

const MOST = 1e-4; // largest difference of a value
const [bundle, folder, wasm] = process.argv.slice(2);
const module = await import(pathToFileURL(bundle));
const bytes = readFileSync(join(folder, "cases.bin"));
const cases = readCases(JSON.parse(readFileSync(join(folder, "cases.json"), "utf8")), bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));

function farthest(found, expected) {
  if (String(found.shape) !== String(expected.shape.slice(1)) || found.data.length !== expected.data.length) {
    throw new Error(`${found.name} is [${found.shape}] of ${found.data.length}, expected [${expected.shape}]`);
  }
  const differences = found.data.map((value, i) => Math.abs(value - expected.data[i]));
  const most = Math.max(...differences);
  return Number.isNaN(most) ? Infinity : most;
}

function compare(engine, { spec, tensors, ids, stages }) {
  const network = module.makeModel(engine, spec, new Map(Object.entries(tensors)));
  const found = module.stagesOf(network, ids.data);
  const [names, expected] = [found.map(({ name }) => name), Object.keys(stages)];
  if (names.join() !== expected.join()) throw new Error(`${spec.kind} has the stages ${names}, expected ${expected}`);
  const far = Math.max(...found.map((stage) => farthest(stage, stages[stage.name])));
  for (const stage of found.slice(0, -1)) { // one alone is the same; the last is made of the one before
    const [alone, ...others] = module.stagesOf(network, ids.data, stage.name);
    if (others.length || farthest(alone, { ...stages[stage.name], data: stage.data }) !== 0) throw new Error(`${stage.name} alone is another`);
  }
  if (engine.recorder !== null) throw new Error("the recorder is still on");
  network.free();
  return far;
}

let failed = 0;
for (const engine of [await module.loadEngine(readFileSync(wasm)), await module.loadEngine(null)]) {
  for (const test of cases) {
    const far = compare(engine, test);
    if (!(far <= MOST)) failed++;
    console.log(`${far <= MOST ? "ok  " : "FAR "}${engine.kind} ${test.spec.kind}: ${Object.keys(test.stages).length} stages, ${far.toExponential(1)}`);
  }
}
if (failed || !cases.length) throw new Error(`${failed} of ${cases.length} networks are too far from Python`);
