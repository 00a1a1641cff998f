// File: lines that are drawn straight into the bytes of a file, so that many of them pass to the page at once.

import type { Answer, FileFormat } from "../contract";
import { asCsv, asJson, asText } from "../run";

type Drawing = Generator<Omit<Extract<Answer, { answer: "drawn" }>, "id">, void>;
type Filed = Omit<Extract<Answer, { answer: "file" }>, "id">;

const WRITERS = { text: asText, csv: asCsv, json: asJson };

/** Draws all lines; answers how many there are after each part, and at the end the bytes. */
export function* intoFile(drawing: Drawing, format: FileFormat): Generator<Filed, void> {
  const parts: Uint8Array<ArrayBuffer>[] = [], encoder = new TextEncoder();
  let found = 0;
  for (const { lines, seconds, done, shortfall } of drawing) {
    const text = WRITERS[format](lines);
    // The head of a CSV stands before the first part alone.
    parts.push(encoder.encode(format === "csv" && parts.length ? text.slice(text.indexOf("\n") + 1) : text));
    found += lines.length;
    yield { answer: "file", found, seconds, bytes: done ? joined(parts) : null, shortfall: shortfall ?? null };
  }
}

function joined(parts: Uint8Array[]): ArrayBuffer {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole.buffer;
}
