// Reading: a number of a stage in words, its place and shape, and how many units are saturated.

import type { Stage } from "../contract";
import { percent, plural, symbolText } from "../views/visible";
import type { Source } from "./sources";

export const SATURATED = 0.97; // |tanh| beyond which next to no gradient comes back (analysis/diagnostics.py)

export type Squash = "tanh" | "gate" | "relu" | "share" | "";

/** What a stage's numbers can be: of -1 to 1, of 0 to 1, of 0 upwards, shares of 1, or anything. */
export function squashOf(name: string): Squash {
  const last = name.replace(/ \d+$/, "").split(" ").at(-1) ?? "";
  if (/^(tanh|rnn_tanh|n|g)$/.test(last)) return "tanh";
  if (/^(sigmoid|r|z|f|i|o)$/.test(last)) return "gate";
  if (/^(softmax|levels)$/.test(last)) return "share";
  return last === "relu" ? "relu" : "";
}

/** Whether a value passes next to no gradient back. */
export function isFlat(squash: Squash, value: number): boolean {
  if (squash === "tanh") return Math.abs(value) > SATURATED;
  if (squash === "gate") return value < 1 - SATURATED || value > SATURATED;
  return squash === "relu" && value === 0;
}

/** Says how many units are saturated at one position; "" where none can be. */
export function saturation(stage: Stage, place: number): string {
  const squash = squashOf(stage.name), width = sizeOf(stage);
  if (!squash || squash === "share") return "";
  const values = stage.data.subarray(place * width, (place + 1) * width);
  const flat = values.reduce((count, value) => count + Number(isFlat(squash, value)), 0);
  if (squash === "relu") return `${flat} of ${plural(width, "unit")} are 0`;
  if (squash === "tanh") return `${flat} of ${plural(width, "unit")} ${flat === 1 ? "is" : "are"} saturated`;
  const open = values.reduce((count, value) => count + Number(value > SATURATED), 0);
  return `of ${plural(width, "gate")} ${flat - open} ${flat - open === 1 ? "is" : "are"} shut, ${open} open`;
}

/** How many numbers a position has. */
export function sizeOf({ shape }: Stage): number {
  return shape.reduce((product, each) => product * each, 1);
}

/** Writes a symbol as it is read: ■ is the beginning or the end. */
export function shownSymbol(symbol: string): string {
  return symbol === "" ? "■" : symbolText(symbol);
}

/** What is known while a number is read: the line, and the symbols in the order of their ids. */
export interface Line { inputs: readonly string[]; symbols: readonly string[] }

/** Names the unit of a stage: "unit 17 of 200", "head 2 looks at “e”", "“a”". */
export function unitName(stage: Stage, { dims }: Source, unit: number, place: number, { inputs, symbols }: Line): string {
  const [rows, columns = 1] = stage.shape as [number, number?], [row, column] = [Math.floor(unit / columns), unit % columns];
  if (dims.endsWith("V")) return `“${shownSymbol(unit ? symbols[unit - 1] ?? "?" : "")}”`;
  if (dims.endsWith("S")) return `head ${row + 1} of ${rows} looks at “${shownSymbol(inputs[column] ?? "")}”${column === place ? ", itself" : ""}`;
  if (dims.includes("block_size")) {
    const back = rows - 1 - row;
    return `number ${column + 1} of ${columns}, of “${shownSymbol(inputs[place - back] ?? "")}”${back ? `, ${back} before` : ""}`;
  }
  if (dims.endsWith("order")) {
    if (!unit) return "each symbol alike, 1 / V";
    const context = Array.from({ length: unit - 1 }, (_, i) => shownSymbol(inputs[place - unit + 2 + i] ?? "")).join("");
    return unit === 1 ? "no symbol before" : `the last ${plural(unit - 1, "symbol")}, “${context}”`;
  }
  return `${dims.endsWith("n_hidden") || stage.name.endsWith("gelu") ? "unit" : "number"} ${unit + 1} of ${rows}`;
}

/** Writes a value: shares in percent, others with three digits behind the point. */
export function valueText(stage: Stage, value: number): string {
  return squashOf(stage.name) === "share" ? percent(value) : value.toFixed(3).replace("-", "−");
}

/** Writes the shape: "(T, n_embd) = (6, 64)". */
export function shapeText(stage: Stage, { dims }: Source): string {
  return `(${dims}) = (${[stage.data.length / sizeOf(stage), ...stage.shape].join(", ")})`;
}
