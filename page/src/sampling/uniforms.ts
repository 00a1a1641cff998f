// Uniforms: the random numbers of draws, each computed from (seed, round, position, row) alone.
// SplitMix64 (Steele, Lea and Flood 2014), started at a BLAKE2b hash of the first three, as categorical.py does.

import { blake2b64 } from "./blake2b";

const GOLDEN_HIGH = 0x9e3779b9; // 2^64 over the golden ratio, the step of SplitMix64
const GOLDEN_LOW = 0x7f4a7c15;
const TO_HIGH = 2 ** -32;

// Streams beside those of the positions in a line: no line is so long, so no number is used twice.
export const LABEL_STREAM = 2 ** 32;
export const WEIGHTS_STREAM = 2 ** 32 + 1;
export const RESAMPLING_STREAM = 2 ** 33;

/** The random numbers of one round at one position: number `row` is that of the draw in this row. */
export class Stream {
  private readonly high: number;
  private readonly low: number;

  constructor(seed: number, round: number, position: number) {
    const bytes = new DataView(new ArrayBuffer(24));
    [seed, round, position].forEach((value, i) => bytes.setBigUint64(8 * i, BigInt.asUintN(64, BigInt(value)), true));
    const { low, high } = blake2b64(new Uint8Array(bytes.buffer));
    this.high = high;
    this.low = low;
  }

  /** A number in [0, 1) of 53 random bits. Written out, since it is the innermost loop of drawing. */
  at(row: number): number {
    const count = row + 1;
    let low = Math.imul(count, GOLDEN_LOW) >>> 0;
    let high = ((((count >>> 0) * GOLDEN_LOW - low) * TO_HIGH + 0.5) >>> 0) + Math.imul(count, GOLDEN_HIGH);
    const sum = low + this.low;
    low = sum >>> 0;
    high = (high + this.high + (sum >= 2 ** 32 ? 1 : 0)) | 0;
    low = (low ^ ((low >>> 30) | (high << 2))) >>> 0;
    high ^= high >>> 30;
    let product = Math.imul(low, 0x1ce4e5b9) >>> 0;
    high = ((((low * 0x1ce4e5b9 - product) * TO_HIGH + 0.5) >>> 0) + Math.imul(high, 0x1ce4e5b9) + Math.imul(low, 0xbf58476d)) | 0;
    low = product;
    low = (low ^ ((low >>> 27) | (high << 5))) >>> 0;
    high ^= high >>> 27;
    product = Math.imul(low, 0x133111eb) >>> 0;
    high = ((((low * 0x133111eb - product) * TO_HIGH + 0.5) >>> 0) + Math.imul(high, 0x133111eb) + Math.imul(low, 0x94d049bb)) | 0;
    low = product;
    low = (low ^ ((low >>> 31) | (high << 1))) >>> 0;
    high ^= high >>> 31;
    return ((high >>> 0) * 2 ** 21 + (low >>> 11)) * 2 ** -53;
  }
}

/** The streams of one seed; those of a round are kept, because all its draws take from them. */
export class Uniforms {
  private kept = new Map<number, Stream>();
  private round = -1;

  constructor(private readonly seed: number) {}

  stream(round: number, position: number): Stream {
    if (round !== this.round) {
      this.kept.clear();
      this.round = round;
    }
    let stream = this.kept.get(position);
    if (stream === undefined) this.kept.set(position, (stream = new Stream(this.seed, round, position)));
    return stream;
  }
}
