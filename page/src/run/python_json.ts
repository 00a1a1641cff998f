// JSON as Python writes it: a digest is of exact bytes, and a number's type is part of a run.

/** A number that Python reads as a float even where it is whole: 2.0, not 2. */
export class Float {
  constructor(readonly value: number) {}
}

export type Json = null | boolean | number | string | Float | Json[] | { [key: string]: Json };

/** JSON that a person can read, as makemore's files are. Throws for a number that is not finite. */
export function readableJson(value: Json): string {
  return `${written(value, { ascii: false, sorted: false }, "\n")}\n`;
}

/** A line of a log. */
export function logJson(value: Json): string {
  return written(value, { ascii: false, sorted: false }, null);
}

/** What json.dumps(value, sort_keys=True) gives: the manifest's digest is that of these bytes. */
export function canonicalJson(value: Json): string {
  return written(value, { ascii: true, sorted: true }, null);
}

interface Style {
  ascii: boolean; // every other character as \uXXXX
  sorted: boolean;
}

/** indent: what separates lines, with the spaces of this depth; null: all in one line. */
function written(value: Json, style: Style, indent: string | null): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number") return finite(value);
  if (value instanceof Float) return Number.isInteger(value.value) ? `${finite(value.value)}.0` : finite(value.value);
  if (typeof value === "string") return text(value, style.ascii);
  const deeper = indent === null ? null : `${indent} `;
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const items = Array.isArray(value)
    ? value.map((item) => written(item, style, deeper))
    : keysOf(value, style).map((key) => `${text(key, style.ascii)}: ${written(value[key], style, deeper)}`);
  if (!items.length) return open + close;
  if (indent === null) return open + items.join(", ") + close;
  return `${open}${deeper}${items.join(`,${deeper}`)}${indent}${close}`;
}

function keysOf(value: { [key: string]: Json }, style: Style): string[] {
  const keys = Object.keys(value);
  return style.sorted ? keys.sort() : keys; // by UTF-16: our keys are ASCII
}

function finite(value: number): string {
  if (!Number.isFinite(value)) throw new RangeError(`${value} is no number of JSON`);
  return String(value);
}

function text(value: string, ascii: boolean): string {
  const quoted = JSON.stringify(value);
  return ascii
    ? quoted.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
    : quoted;
}
