// Mend: makes a plain list of lines whose shape is another (makemore.text.mend).

import { repaired } from "./mojibake";
import { bare, BULLET, heading, NUMBER, separated, shapeOf, TAIL, unquoted, type ShapeKind } from "./shape";

const ROUNDS = 8; // one thing may be found under another: all in one line, numbered and quoted

/** Mend lines, stripped and not blank, until they are a plain list; a table stays, its column has to be chosen. */
export function mended(lines: readonly string[]): string[] {
  let now = [...lines];
  for (let round = 0; round < ROUNDS; round++) {
    const shape = shapeOf(now, "", false);
    if (!shape || shape.kind === "table") break;
    now = mendedOnce(shape.kind, now).filter((line) => line !== "");
  }
  return now;
}

function mendedOnce(kind: ShapeKind, lines: readonly string[]): string[] {
  if (kind === "one line") return thingsOf(lines[0] as string);
  if (kind === "broken letters") return lines.map(repaired);
  if (kind === "numbered list") {
    const items = lines.slice(heading(lines));
    const sign = BULLET.test(items.at(-1) as string) ? BULLET : NUMBER;
    return items.map((line) => line.replace(sign, ""));
  }
  const things = bare(lines);
  if (kind === "separated lines" || things.some((line) => TAIL.test(line))) return things.map((line) => line.replace(TAIL, ""));
  return things.map(unquoted);
}

/** Cut one line into the things in it; a JSON array has commas within quotes, too. */
function thingsOf(line: string): string[] {
  try {
    const listed: unknown = JSON.parse(line);
    if (Array.isArray(listed) && listed.length && listed.every((thing) => typeof thing === "string")) {
      return listed.map((thing: string) => thing.trim().split(/\s+/).join(" "));
    }
  } catch {
    // no JSON: cut at the signs
  }
  return separated(line)?.things ?? [line];
}
