// The payload of a page: JSON and compressed bytes in script elements that no browser executes.
//
// The main thread reads them (`readPage`) and hands the arrays over to the worker, which makes tensors of them
// (`tensorsOf`). The ids of the elements stand in contract.ts, at PageArrays.

import type { PageArrays, PagePayload, PriorPayload, Tensor, Tensors } from "../contract";
import { inflated } from "./compressed";
import { widenHalves } from "./half";

/** What a page holds; each part is null where the page has none. */
export interface PageContents {
  run: PagePayload | null;
  runArrays: PageArrays | null;
  prior: PriorPayload | null;
  priorArrays: PageArrays | null;
  wasm: ArrayBuffer | null;
}

/** The part of a document that is read: so a test needs no browser. */
export interface ElementsById {
  getElementById(id: string): { textContent: string | null } | null;
}

/** Read all that a page holds. Throws an Error for a payload of a later format. */
export async function readPage(document: ElementsById): Promise<PageContents> {
  const run = readJson<PagePayload>(document, "run");
  const prior = readJson<PriorPayload>(document, "prior");
  // All at once: the browser inflates beside.
  const [wasm, runArrays, priorArrays] = await Promise.all([
    readBytes(document, "wasm"), run && readArrays(document, ""), prior && readArrays(document, "prior-"),
  ]);
  return { run, runArrays, prior, priorArrays, wasm };
}

/** Read the program of the worker. */
export async function readWorker(document: ElementsById): Promise<ArrayBuffer> {
  const program = await readBytes(document, "worker");
  if (!program) throw new Error("the page has no program for its worker");
  return program;
}

async function readArrays(document: ElementsById, prefix: string): Promise<PageArrays> {
  const [weights, known, lines] = await Promise.all(["weights", "known", "lines"].map((name) => readBytes(document, prefix + name)));
  return {
    weights: weights ?? new ArrayBuffer(0),
    known: known ?? new ArrayBuffer(0),
    lines: lines ? new TextDecoder().decode(lines) : null,
  };
}

function readText(document: ElementsById, id: string): string | null {
  return document.getElementById(id)?.textContent || null;
}

async function readBytes(document: ElementsById, id: string): Promise<ArrayBuffer | null> {
  const text = readText(document, id);
  return text === null ? null : inflated(text);
}

function readJson<T extends { format: number }>(document: ElementsById, id: string): T | null {
  const text = readText(document, id);
  if (text === null) return null;
  const payload = JSON.parse(text) as T; // our own `makemore export` has written it, in this file
  if (payload.format !== 1) throw new Error(`the page is of format ${payload.format}, its program knows 1`);
  return payload;
}

/** Cut the tensors of a payload out of the bytes beside it; halves become float32. */
export function tensorsOf(listed: PagePayload["tensors"], weights: ArrayBuffer): Tensors {
  const tensors: Tensors = new Map();
  for (const { name, shape, dtype, offset } of listed) {
    const length = shape.reduce((product, size) => product * size, 1);
    tensors.set(name, { shape, data: READERS[dtype](weights, offset, length) });
  }
  return tensors;
}

type Reader = (bytes: ArrayBuffer, offset: number, length: number) => Tensor["data"];

// Codes of counts come as what holds them exactly: 16 bits as Int32Array, 32 unsigned ones as Float64Array.
const READERS: Record<PagePayload["tensors"][number]["dtype"], Reader> = {
  F16: (bytes, offset, length) => widenHalves(new Uint16Array(bytes, offset, length)),
  F32: (bytes, offset, length) => new Float32Array(bytes, offset, length),
  F64: (bytes, offset, length) => new Float64Array(bytes, offset, length),
  I64: (bytes, offset, length) => new BigInt64Array(bytes, offset, length),
  I32: (bytes, offset, length) => new Int32Array(bytes, offset, length),
  U32: (bytes, offset, length) => Float64Array.from(new Uint32Array(bytes, offset, length)),
  U16: (bytes, offset, length) => Int32Array.from(new Uint16Array(bytes, offset, length)),
  U8: (bytes, offset, length) => new Uint8Array(bytes, offset, length),
};
