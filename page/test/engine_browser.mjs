// What tests/web/test_engine.py opens in a browser: the checks of engine.mjs, the result as text.

import * as engine from "../src/engine/index";
import { compareCase, readCases, tooFar } from "./engine_cases.mjs";

const text = (id) => document.getElementById(id).textContent;
const bytes = (id) => Uint8Array.from(atob(text(id)), (each) => each.charCodeAt(0)).buffer;

async function compared(wasm, cases) {
  const loaded = await engine.loadEngine(wasm);
  const far = cases.filter((test) => tooFar(compareCase(engine, loaded, test)));
  return `${loaded.kind}: ${cases.length} cases, ${far.length} too far`;
}

try {
  const cases = readCases(JSON.parse(text("json")), bytes("bin"));
  const first = await compared(bytes("wasm"), cases);
  document.title = `${first}; ${await compared(null, cases)}`;
} catch (error) {
  document.title = String(error);
}
