// Encoding: the bytes of a file as text. What is no text (an archive, a picture) is refused, as file_kinds.py does.

import { ListError } from "./errors";
import { fromWindows1252 } from "./windows_1252";

const UNPACK = "unpack it and give a text file";
const PICTURE = "give a text file, one thing a line";
const AS_TEXT = "open it, save it as CSV or plain text (UTF-8), and give that file";
// First bytes of files that people give by mistake: what they are, and what to do.
const MAGIC: readonly [string, string, string][] = [
  ["\x1f\x8b", "gzip", UNPACK], ["BZh", "bzip2", UNPACK], ["\xfd7zXZ", "xz", UNPACK], ["\x28\xb5\x2f\xfd", "zstd", UNPACK],
  ["Rar!\x1a", "a RAR archive", UNPACK], ["7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK],
  ["PK\x03\x04", "a zip archive, or a document or spreadsheet (docx, xlsx, odt)", AS_TEXT],
  ["\x89PNG", "a PNG picture", PICTURE], ["\xff\xd8\xff", "a JPEG picture", PICTURE], ["GIF8", "a GIF picture", PICTURE],
  ["%PDF", "a PDF", "copy the list out of it into a text file, one thing a line"],
  ["\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel or Word file", AS_TEXT], ["{\\rtf", "a document (RTF)", AS_TEXT],
  ["SQLite format 3\0", "an SQLite database", "export the table as CSV, and give that file"], ["ID3", "an MP3 file", PICTURE],
];

/** A text, and the encoding that it was read in. */
export interface Decoded {
  text: string;
  encoding: string;
}

/** Decode the bytes of a file: by its byte order mark, else as UTF-8, else as what Windows writes in the West. */
export function decode(bytes: Uint8Array): Decoded {
  const head = String.fromCharCode(...bytes.subarray(0, 16));
  const kind = MAGIC.find(([magic]) => head.startsWith(magic));
  if (kind) throw new ListError(`the file looks like ${kind[1]}`, kind[2]);
  if (head.startsWith("\xff\xfe\0\0") || head.startsWith("\0\0\xfe\xff")) throw new ListError("the file is UTF-32", "save it as UTF-8, and give that file");
  if (head.startsWith("\xff\xfe")) return { text: read(bytes, "utf-16le") as string, encoding: "utf-16" };
  if (head.startsWith("\xfe\xff")) return { text: read(bytes, "utf-16be") as string, encoding: "utf-16" };
  if (bytes.includes(0)) throw new ListError("the file looks binary (it holds NUL bytes)", "give a text file");
  const text = read(bytes, "utf-8");
  if (text !== null) return { text, encoding: "utf-8" };
  return { text: fromWindows1252(bytes), encoding: "windows-1252" };
}

/** Read bytes in an encoding; null where they are not of it. A mark at the start is dropped. */
function read(bytes: Uint8Array, encoding: string): string | null {
  try {
    return new TextDecoder(encoding, { fatal: encoding === "utf-8" }).decode(bytes);
  } catch {
    return null;
  }
}
