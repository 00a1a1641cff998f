// node engine.mjs BUNDLE FOLDER WASM: compares both engines with Python's cases in FOLDER.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { compareCase, readCases, tooFar } from "./engine_cases.mjs";

const [bundle, folder, wasm] = process.argv.slice(2);
const module = await import(pathToFileURL(bundle));
const bytes = readFileSync(join(folder, "cases.bin"));
const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
const cases = readCases(JSON.parse(readFileSync(join(folder, "cases.json"), "utf8")), buffer);

let failed = 0;
for (const engine of [await module.loadEngine(readFileSync(wasm)), await module.loadEngine(null)]) {
  for (const test of cases) {
    const { kind, blockSize, nLabels } = test.spec;
    const found = compareCase(module, engine, test);
    const figures = Object.entries(found).map(([what, most]) => `${what} ${most.toExponential(1)}`);
    const bad = tooFar(found);
    failed += bad ? 1 : 0;
    console.log(`${bad ? "FAR " : "ok  "}${engine.kind.padEnd(5)}${kind} block ${blockSize} labels ${nLabels}: ${figures.join(", ")}`);
  }
}
if (failed) throw new Error(`${failed} cases are too far from Python`);
