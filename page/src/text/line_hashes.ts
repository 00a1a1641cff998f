// Line hashes: 64 bits for each line's text, as makemore.text.line_hashes computes them.
// 64-bit integers are pairs of 32 bits; BigInt would take ten times as long.

const PACKED_BYTES = 5; // of a hash, enough to tell known lines: others have the same with 10^-7
const TO_HIGH = 2 ** -32;

/** The last 64 bits of a sum or product, as unsigned halves. One object is written again and again. */
export interface Pair {
  high: number;
  low: number;
}

/** Multiply two 64-bit integers, in place: the pair becomes pair * (high, low). */
export function multiply(pair: Pair, high: number, low: number): void {
  const product = Math.imul(pair.low, low) >>> 0;
  // The upper half of low * low: the product as a float is off by less than 2^12, far below 2^32.
  const carry = (((pair.low >>> 0) * (low >>> 0) - product) * TO_HIGH + 0.5) >>> 0;
  pair.high = (carry + Math.imul(pair.high, low) + Math.imul(pair.low, high)) >>> 0;
  pair.low = product;
}

/** Add a 64-bit integer, in place. */
export function add(pair: Pair, high: number, low: number): void {
  const sum = (pair.low >>> 0) + (low >>> 0);
  pair.high = (pair.high + high + (sum >= 2 ** 32 ? 1 : 0)) >>> 0;
  pair.low = sum >>> 0;
}

/** Scramble 64 bits, in place: SplitMix64's finaliser (Steele, Lea and Flood 2014). */
export function mix(pair: Pair): void {
  shiftXor(pair, 30);
  multiply(pair, 0xbf58476d, 0x1ce4e5b9);
  shiftXor(pair, 27);
  multiply(pair, 0x94d049bb, 0x133111eb);
  shiftXor(pair, 31);
}

/** x ^ (x >> bits) for bits below 32. */
function shiftXor(pair: Pair, bits: number): void {
  const { high, low } = pair;
  pair.low = (low ^ ((low >>> bits) | (high << (32 - bits)))) >>> 0;
  pair.high = (high ^ (high >>> bits)) >>> 0;
}

/** Hash a line: mix(length + the sum over positions j of mix(character j + j * 2^32)). */
export function hashLine(line: string): Pair {
  const sum = { high: 0, low: 0 };
  const mixed = { high: 0, low: 0 };
  let position = 0;
  for (let at = 0; at < line.length; position++) {
    const code = line.codePointAt(at) as number;
    at += code > 0xffff ? 2 : 1;
    mixed.high = position;
    mixed.low = code;
    mix(mixed);
    add(sum, mixed.high, mixed.low);
  }
  add(sum, 0, position);
  mix(sum);
  return sum;
}

/** The leading bytes of a hash as a number: what a packed set of lines keeps. */
export function leading(hash: Pair): number {
  return hash.high * 256 + (hash.low >>> 24);
}

/** A set of lines by the leading bytes of their hashes, sorted: the texts cannot be read out of it. */
export class PackedLines {
  private readonly sorted: Float64Array;

  /** packed: PACKED_BYTES bytes a line, big-endian, ascending, as `makemore.text.line_hashes.pack` writes them. */
  constructor(packed: Uint8Array) {
    this.sorted = new Float64Array(Math.floor(packed.length / PACKED_BYTES));
    for (let i = 0; i < this.sorted.length; i++) {
      let value = 0;
      for (let byte = 0; byte < PACKED_BYTES; byte++) value = value * 256 + (packed[i * PACKED_BYTES + byte] as number);
      this.sorted[i] = value;
    }
    this.sorted.sort();
  }

  static of(lines: Iterable<string>): PackedLines {
    return new PackedLines(packLines(lines));
  }

  get size(): number {
    return this.sorted.length;
  }

  has(line: string): boolean {
    const wanted = leading(hashLine(line));
    let low = 0;
    let high = this.sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.sorted[middle] as number) < wanted) low = middle + 1;
      else high = middle;
    }
    return this.sorted[low] === wanted;
  }
}

/** Pack lines: the distinct leading bytes of each line's hash, sorted, PACKED_BYTES each. */
export function packLines(lines: Iterable<string>): Uint8Array {
  const distinct = new Set<number>();
  for (const line of lines) distinct.add(leading(hashLine(line)));
  const sorted = Float64Array.from(distinct).sort();
  const packed = new Uint8Array(sorted.length * PACKED_BYTES);
  sorted.forEach((value, i) => {
    for (let byte = PACKED_BYTES - 1; byte >= 0; byte--) {
      packed[i * PACKED_BYTES + byte] = value % 256;
      value = Math.floor(value / 256);
    }
  });
  return packed;
}
