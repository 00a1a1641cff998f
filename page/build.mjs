// Builds the page: checks types, bundles TypeScript and style, compiles the kernels.
//
//   node build.mjs            write src/makemore/web/static/{page.js,worker.js,page.css,page.wasm}
//   node build.mjs --check    build, and compare with what is committed there
//   node build.mjs --bundle ENTRY FILE    bundle one module, such as src/engine/index.ts, for a test
//
// The same sources give the same bytes on every machine. ZIG: the command of a zig compiler; without
// it `python3 -m ziglang` of package.json's "zig" version is called.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "..", "src", "makemore", "web", "static");
const { zig: wanted } = JSON.parse(readFileSync(join(here, "package.json"), "utf8"));

// No libc, no start function. Loops are not unrolled: a third smaller, and as fast.
const FLAGS = [
  "--target=wasm32-freestanding", "-std=c23", "-O3", "-msimd128", "-mnontrapping-fptoint", "-mbulk-memory",
  "-fno-math-errno", "-fno-builtin", "-fno-unroll-loops", "-Wall", "-Wextra", "-Werror", "-nostdlib",
  "-Wl,--no-entry", "-Wl,--export=__heap_base", "-Wl,--strip-all", "-Wl,-z,stack-size=16384",
];

function checkTypes() {
  const tsc = join(here, "node_modules", "typescript", "bin", "tsc");
  execFileSync(process.execPath, [tsc, "--project", here], { stdio: "inherit" });
}

function kernels() {
  const [command, ...first] = (process.env.ZIG ?? "python3 -m ziglang").split(" ");
  const found = execFileSync(command, [...first, "version"], { encoding: "utf8" }).trim();
  if (found !== wanted) throw new Error(`zig ${found} gives other bytes than zig ${wanted}: pip install ziglang==${wanted}`);
  const folder = mkdtempSync(join(tmpdir(), "makemore-page-"));
  try {
    const file = join(folder, "page.wasm");
    execFileSync(command, [...first, "cc", ...FLAGS, "-o", file, join(here, "engine", "kernels.c")], { stdio: "inherit" });
    return readFileSync(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function bundle(entry, options) {
  const result = await build({
    absWorkingDir: here, entryPoints: [entry], bundle: true, write: false, target: "es2022", charset: "utf8",
    legalComments: "none", logLevel: "warning", ...options,
  });
  return Buffer.from(result.outputFiles[0].contents);
}

async function files() {
  const found = { "page.wasm": kernels() };
  found["page.js"] = await bundle("src/main.ts", { minify: true, format: "iife" });
  found["worker.js"] = await bundle("src/worker.ts", { minify: true, format: "iife" });
  found["page.css"] = await bundle("style/page.css", { minify: true });
  return found;
}

function write(built) {
  mkdirSync(target, { recursive: true });
  for (const [name, bytes] of Object.entries(built)) {
    writeFileSync(join(target, name), bytes);
    console.log(`${name.padEnd(10)} ${bytes.length.toLocaleString("en")} bytes`);
  }
}

function compare(built) {
  const stale = Object.entries(built).filter(([name, bytes]) => {
    const file = join(target, name);
    return !existsSync(file) || !readFileSync(file).equals(bytes);
  });
  if (stale.length) throw new Error(`not what the sources give: ${stale.map(([name]) => name).join(", ")}; run \`make page\``);
  console.log("the committed files are what the sources give");
}

const [how, entry, file] = process.argv.slice(2);
if (how === "--bundle") {
  writeFileSync(file, await bundle(entry, { format: "esm" }));
} else {
  checkTypes();
  const built = await files();
  if (how === "--check") compare(built);
  else write(built);
}
