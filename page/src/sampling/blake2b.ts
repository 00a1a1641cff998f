// BLAKE2b (RFC 7693) of a message of at most one block, with 8 bytes of digest. A word of 64 bits is two of 32, the
// low one first: BigInt would take ten times as long, and each stream of random numbers begins here.

// The first 64 bits of the fractions of the square roots of 2, 3, 5, ..., 19, as in SHA-512.
const IV = Uint32Array.of(
  0xf3bcc908, 0x6a09e667, 0x84caa73b, 0xbb67ae85, 0xfe94f82b, 0x3c6ef372, 0x5f1d36f1, 0xa54ff53a,
  0xade682d1, 0x510e527f, 0x2b3e6c1f, 0x9b05688c, 0xfb41bd6b, 0x1f83d9ab, 0x137e2179, 0x5be0cd19,
);
// Which words of the message each round mixes; rounds 10 and 11 are as 0 and 1.
const SIGMA = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
  [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4], [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
  [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13], [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
  [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11], [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
  [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5], [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
] as number[][];
// Columns, then diagonals, of the 4 x 4 state.
const STEPS = [
  [0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15],
  [0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14],
] as [number, number, number, number][];
const FANOUT_AND_DEPTH = 0x01010000, DIGEST_BYTES = 8; // no key

const v = new Uint32Array(32); // the state, 16 words
const words = new Uint32Array(32); // the message

/** Hash up to 128 bytes to 64 bits, read as a little-endian integer: its halves. */
export function blake2b64(message: Uint8Array): { low: number; high: number } {
  if (message.length > 128) throw new RangeError("a message of more than one block");
  const block = new DataView(new ArrayBuffer(128));
  for (let i = 0; i < message.length; i++) block.setUint8(i, message[i] as number);
  for (let i = 0; i < 32; i++) words[i] = block.getUint32(4 * i, true);
  v.set(IV);
  v.set(IV, 16);
  v[0] = (v[0] as number) ^ FANOUT_AND_DEPTH ^ DIGEST_BYTES;
  const [low, high] = [v[0] as number, v[1] as number];
  v[24] = (v[24] as number) ^ message.length;
  v[28] = ~(v[28] as number); // the last block
  v[29] = ~(v[29] as number);
  for (let round = 0; round < 12; round++) {
    const order = SIGMA[round % 10] as number[];
    for (let i = 0; i < 8; i++) {
      const [a, b, c, d] = STEPS[i] as (typeof STEPS)[number];
      halfMix(a, b, c, d, order[2 * i] as number, 32, 24);
      halfMix(a, b, c, d, order[2 * i + 1] as number, 16, 63);
    }
  }
  return { low: (low ^ (v[0] as number) ^ (v[16] as number)) >>> 0, high: (high ^ (v[1] as number) ^ (v[17] as number)) >>> 0 };
}

/** a += b + word; d = (d ^ a) >>> first; c += d; b = (b ^ c) >>> second. */
function halfMix(a: number, b: number, c: number, d: number, word: number, first: number, second: number): void {
  add(a, v[2 * b] as number, v[2 * b + 1] as number);
  add(a, words[2 * word] as number, words[2 * word + 1] as number);
  turn(d, a, first);
  add(c, v[2 * d] as number, v[2 * d + 1] as number);
  turn(b, c, second);
}

function add(to: number, low: number, high: number): void {
  const sum = (v[2 * to] as number) + low;
  v[2 * to] = sum;
  v[2 * to + 1] = (v[2 * to + 1] as number) + high + Number(sum >= 2 ** 32);
}

/** Word x becomes x ^ y, rotated to the right by 1 to 63 bits. */
function turn(x: number, y: number, bits: number): void {
  let low = (v[2 * x] as number) ^ (v[2 * y] as number), high = (v[2 * x + 1] as number) ^ (v[2 * y + 1] as number);
  if (bits >= 32) [low, high] = [high, low];
  const rest = bits % 32;
  v[2 * x] = rest ? (low >>> rest) | (high << (32 - rest)) : low;
  v[2 * x + 1] = rest ? (high >>> rest) | (low << (32 - rest)) : high;
}
