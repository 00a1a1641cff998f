// Loads the kernels: WebAssembly where it is allowed, the same functions in JavaScript where not.

import type { Kernels } from "./kernels";
import { kernelsInJavaScript } from "./kernels_js";
import { type Growing, Memory } from "./memory";
import type { Recorder } from "./stages";

export interface Engine {
  readonly kind: "wasm" | "js";
  readonly kernels: Kernels;
  readonly memory: Memory;
  recorder: Recorder | null; // takes down what a forward pass notes, while somebody looks inside
}

const PAGE = 65536; // bytes: the unit in which a WebAssembly memory grows
const START = 64; // where blocks begin without WebAssembly: a pointer is never 0

/** Make an engine from the bytes of page.wasm, or from null without them: then in JavaScript. */
export async function loadEngine(wasm: ArrayBuffer | null): Promise<Engine> {
  if (wasm && typeof WebAssembly === "object") {
    try {
      return inWebAssembly(await WebAssembly.instantiate(wasm));
    } catch (error) {
      // What a policy without 'wasm-unsafe-eval', or a browser without SIMD, says to the bytes.
      if (!(error instanceof WebAssembly.CompileError)) throw error;
    }
  }
  return inJavaScript();
}

function inWebAssembly({ instance }: WebAssembly.WebAssemblyInstantiatedSource): Engine {
  const exports = instance.exports;
  const wasm = exports.memory as WebAssembly.Memory;
  const bytes: Growing = {
    get buffer() {
      return wasm.buffer as ArrayBuffer;
    },
    grow: (more) => void wasm.grow(Math.ceil(more / PAGE)),
  };
  const base = (exports.__heap_base as WebAssembly.Global).value as number;
  return { kind: "wasm", kernels: exports as unknown as Kernels, memory: new Memory(bytes, base), recorder: null };
}

function inJavaScript(): Engine {
  let buffer = new ArrayBuffer(PAGE);
  const bytes: Growing = {
    get buffer() {
      return buffer;
    },
    grow(more) {
      const larger = new ArrayBuffer(buffer.byteLength + Math.ceil(more / PAGE) * PAGE);
      new Uint8Array(larger).set(new Uint8Array(buffer));
      buffer = larger;
    },
  };
  const memory = new Memory(bytes, START);
  return { kind: "js", kernels: kernelsInJavaScript(memory), memory, recorder: null };
}
