// Mojibake: letters broken as UTF-8 was once read in another encoding: BjÃ¶rn was Björn (makemore.text.mojibake).

import { WINDOWS_1252 } from "./windows_1252";

const MISREAD = ["windows-1252", "windows-1251", "macintosh"]; // the most frequent first
const USUAL = /[ÂÃÄÅâÐÑ]/; // what the first byte of a letter turns into in windows-1252
const BEYOND_ASCII = /[^\0-\x7f]/;

const tables = new Map<string, Map<string, number>>();

/** The byte of each character in an encoding of one byte each. */
function bytesIn(encoding: string): Map<string, number> {
  let table = tables.get(encoding);
  if (!table) {
    const every = Uint8Array.from({ length: 256 }, (_, i) => i);
    const characters = encoding === "windows-1252" ? WINDOWS_1252 : Array.from(new TextDecoder(encoding).decode(every));
    tables.set(encoding, (table = new Map(characters.map((character, byte) => [character, byte]))));
  }
  return table;
}

/** Read a line's letters as the UTF-8 that they were; a line that was never broken stays. */
export function repaired(line: string): string {
  for (let times = 0; times < 3; times++) { // broken twice: "BjÃƒÂ¶rn"
    const again = readAgain(line);
    if (again === line) break;
    line = again;
  }
  return line;
}

function readAgain(line: string): string {
  if (!BEYOND_ASCII.test(line)) return line;
  for (const encoding of MISREAD) {
    const table = bytesIn(encoding);
    const bytes = Array.from(line, (character) => table.get(character));
    if (bytes.includes(undefined)) continue;
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes as number[]));
    } catch {
      continue;
    }
  }
  return line;
}

/** The lines whose letters are broken, if most of those beyond ASCII are; else none. One alone is not enough. */
export function broken(lines: readonly string[]): string[] {
  const beyond = lines.filter((line) => BEYOND_ASCII.test(line));
  const found = beyond.filter((line) => repaired(line) !== line);
  const sure = found.length > 1 || found.some((line) => USUAL.test(line));
  return sure && 2 * found.length >= beyond.length ? found : [];
}
