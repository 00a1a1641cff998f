// Kept lines as files: text, CSV and JSON, as `makemore sample -o` writes them.

import type { Drawn } from "../contract";

/** A line that somebody kept. Its nll is of the whole line, in nats; null where it was typed, and not drawn. */
export interface KeptLine {
  text: string;
  nll: number | null;
  origin: Drawn["origin"];
}

// A spreadsheet takes a cell that begins with one of these for a formula, and runs it (OWASP).
const ACTIVE = ["=", "+", "-", "@", "\t", "\r"];

/** One line each, and nothing else. */
export function asText(lines: KeptLine[]): string {
  return lines.map(({ text }) => `${text}\n`).join("");
}

/** CSV by RFC 4180. A text that a spreadsheet would run has a ' before it: JSON has every text exactly. */
export function asCsv(lines: KeptLine[]): string {
  const rows = lines.map(({ text, nll, origin }) => [safe(text), nll === null ? "" : String(nll), origin]);
  return [["text", "nll", "origin"], ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

/** JSON Lines: an object a line. */
export function asJson(lines: KeptLine[]): string {
  return lines.map(({ text, nll, origin }) => `${JSON.stringify({ text, origin, nll })}\n`).join("");
}

function safe(text: string): string {
  return ACTIVE.some((character) => text.startsWith(character)) ? `'${text}` : text;
}

/** A cell, in quotes where it holds what would end it. */
function cell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
