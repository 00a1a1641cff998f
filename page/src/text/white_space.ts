// White space as Python's str.isspace and str.strip have it: more than JavaScript's trim takes (U+001C to U+001F,
// U+0085), and less (U+FEFF).

const SPACES = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const SPACE = new RegExp(`^[${SPACES}]$`);
const ENDS = new RegExp(`^[${SPACES}]+|[${SPACES}]+$`, "g");

export function isSpace(character: string): boolean {
  return SPACE.test(character);
}

/** Take white space off both ends of a line. */
export function strip(line: string): string {
  const first = line.charCodeAt(0);
  const last = line.charCodeAt(line.length - 1);
  // Most lines begin and end with ASCII signs that are no white space.
  if (first > 32 && first < 127 && last > 32 && last < 127) return line;
  return line.replace(ENDS, "");
}
