// A zip file of members that are stored as they are: weights hardly pack, and lists are short.

export interface ZipMember {
  name: string; // ASCII, with "/" between folders
  body: Uint8Array;
}

const LOCAL = 0x04034b50; // before each member
const CENTRAL = 0x02014b50; // of each member, in the list at the end
const END = 0x06054b50;
const VERSION = 20; // 2.0: folders in names
const FIRST_DAY = 0x21; // 1 January 1980: the same members give the same bytes on any day

/** Write a zip. The numbers are little-endian, as the format has them. */
export function writeZip(members: ZipMember[]): Uint8Array {
  const parts: Uint8Array[] = [];
  const list: Uint8Array[] = [];
  let offset = 0;
  for (const { name, body } of members) {
    const letters = new TextEncoder().encode(name);
    const sizes = [crc32(body), body.length, body.length] as const;
    const local = record(30, [LOCAL, 4], [VERSION, 2], [0, 6], [FIRST_DAY, 2], ...longs(sizes), [letters.length, 2]);
    list.push(
      record(
        46, [CENTRAL, 4], [VERSION, 2], [VERSION, 2], [0, 6], [FIRST_DAY, 2], ...longs(sizes), [letters.length, 2],
        [0, 12], [offset, 4],
      ),
      letters,
    );
    parts.push(local, letters, body);
    offset += local.length + letters.length + body.length;
  }
  const listSize = list.reduce((sum, part) => sum + part.length, 0);
  const end = record(
    22, [END, 4], [0, 4], [members.length, 2], [members.length, 2], [listSize, 4], [offset, 4],
  );
  return joined([...parts, ...list, end]);
}

type Field = [value: number, bytes: number];

function longs(values: readonly number[]): Field[] {
  return values.map((value) => [value, 4]);
}

/** Write fields one after the other, each number in its lowest bytes; what is left of `size` is 0. */
function record(size: number, ...fields: Field[]): Uint8Array {
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const [value, width] of fields) {
    for (let i = 0; i < Math.min(width, 4); i++) bytes[at + i] = value >>> (8 * i);
    at += width;
  }
  return bytes;
}

export function joined(parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

// The remainder of each byte by the polynomial of CRC-32, bits reversed.
const REMAINDERS = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0xedb88320 : rest >>> 1;
  return rest;
});

export function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) crc = REMAINDERS[(crc ^ bytes[i]) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
