// windows-1252, written out: not every TextDecoder has it right (node reads it as Latin-1).

const FROM_80 = "€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ"; // 0x80 to 0x9F; the others are Latin-1

/** The character of each byte. */
export const WINDOWS_1252: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x80 && byte < 0xa0 ? (FROM_80[byte - 0x80] as string) : String.fromCharCode(byte),
);

export function fromWindows1252(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += WINDOWS_1252[byte] as string;
  return text;
}
