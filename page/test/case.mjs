// A case that a test of Python wrote, and what was computed from it as JSON. Arrays of a model come as lists.

import { readFileSync } from "node:fs";

export const given = JSON.parse(readFileSync(process.argv[2], "utf8"));

export function tensorsOf(lists) {
  return new Map(Object.entries(lists).map(([name, list]) => [name, { shape: [list.length], data: Float64Array.from(list) }]));
}

/** JSON has neither infinities nor typed arrays. */
export function answer(value) {
  process.stdout.write(JSON.stringify(value, (_, part) => (ArrayBuffer.isView(part) ? Array.from(part) : part === -Infinity ? "-inf" : part)));
}
