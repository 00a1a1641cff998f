// Calls parts of page/src/run for tests/web: node run.mjs BUNDLE TASK [OUT] < JSON > JSON

import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [bundle, task, out] = process.argv.slice(2);
const run = await import(pathToFileURL(bundle).href);
const given = JSON.parse(readFileSync(0, "utf8"));
const ARRAYS = { Float32Array, Float64Array, Int32Array, BigInt64Array, Uint8Array };

/** Tensors that JSON held: {name: {kind, shape, data}}. */
function tensorsOf(listed) {
  return new Map(
    Object.entries(listed).map(([name, { kind, shape, data }]) => [
      name,
      { shape, data: ARRAYS[kind].from(data, kind === "BigInt64Array" ? BigInt : Number) },
    ]),
  );
}

/** A page's elements by their ids, cut out of its HTML as a browser would. */
function documentOf(html) {
  return {
    getElementById(id) {
      const match = new RegExp(`<script [^>]*id="${id}">([\\s\\S]*?)</script>`).exec(html);
      return match && { textContent: match[1] };
    },
  };
}

const TASKS = {
  zip: ({ tensors, ...rest }) => writeFileSync(out, run.writeRunZip({ ...rest, tensors: tensorsOf(tensors) })),
  sha256: (texts) => texts.map((text) => run.sha256(Buffer.from(text, "base64"))),
  halves: (bits) => Array.from(run.widenHalves(Uint16Array.from(bits)), (x) => (Number.isFinite(x) ? x : String(x))),
  canonical: (values) => values.map((value) => run.canonicalJson(value)),
  kept: (lines) => ({ txt: run.asText(lines), csv: run.asCsv(lines), json: run.asJson(lines) }),
  names: (names) => names.map((name) => run.folderName(name)),
  page: async ({ file }) => {
    const page = await run.readPage(documentOf(readFileSync(file, "utf8")));
    const tensors = (payload, arrays) =>
      payload &&
      Object.fromEntries(
        [...run.tensorsOf(payload.tensors, arrays.weights)].map(([name, { shape, data }]) => [
          name,
          { kind: data.constructor.name, shape, data: Array.from(data, Number) },
        ]),
      );
    return {
      run: page.run,
      tensors: tensors(page.run, page.runArrays),
      known: page.runArrays && Buffer.from(page.runArrays.known).toString("hex"),
      lines: page.runArrays && page.runArrays.lines,
      prior: page.prior && { ...page.prior, tensors: undefined },
      priorTensors: page.prior && Object.keys(tensors(page.prior, page.priorArrays)),
      wasm: page.wasm && page.wasm.byteLength,
    };
  },
};

const result = await TASKS[task](given);
if (result !== undefined) process.stdout.write(JSON.stringify(result));
