// BLAKE2b (RFC 7693) of a message of at most one block, with 8 bytes of digest. Called once for each stream of
// random numbers, so plain BigInt is quick enough.

const IV = [
  0x6a09e667f3bcc908n, 0xbb67ae8584caa73bn, 0x3c6ef372fe94f82bn, 0xa54ff53a5f1d36f1n,
  0x510e527fade682d1n, 0x9b05688c2b3e6c1fn, 0x1f83d9abfb41bd6bn, 0x5be0cd19137e2179n,
];
// Which words of the message each round mixes; rounds 10 and 11 are as 0 and 1.
const SIGMA = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
  [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4], [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
  [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13], [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
  [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11], [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
  [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5], [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
];
// Columns, then diagonals, of the 4 x 4 state.
const STEPS = [
  [0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15],
  [0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14],
];

const rotated = (x: bigint, bits: bigint): bigint => BigInt.asUintN(64, (x >> bits) | (x << (64n - bits)));

/** Hash up to 128 bytes to 64 bits, read as a little-endian integer. */
export function blake2b64(message: Uint8Array): bigint {
  if (message.length > 128) throw new RangeError("a message of more than one block");
  const block = new DataView(new ArrayBuffer(128));
  message.forEach((byte, i) => block.setUint8(i, byte));
  const words = Array.from({ length: 16 }, (_, i) => block.getBigUint64(8 * i, true));
  const h0 = (IV[0] as bigint) ^ 0x01010000n ^ 8n; // fanout and depth 1, no key, 8 bytes of digest
  const v = [h0, ...IV.slice(1), ...IV];
  v[12] = (v[12] as bigint) ^ BigInt(message.length);
  v[14] = BigInt.asUintN(64, ~(v[14] as bigint)); // the last block
  for (let round = 0; round < 12; round++) {
    const order = SIGMA[round % 10] as number[];
    STEPS.forEach(([a, b, c, d], i) => mixFour(v, [a, b, c, d] as Four, words[order[2 * i] as number] as bigint, words[order[2 * i + 1] as number] as bigint));
  }
  return h0 ^ (v[0] as bigint) ^ (v[8] as bigint);
}

type Four = [number, number, number, number];

function mixFour(v: bigint[], [a, b, c, d]: Four, x: bigint, y: bigint): void {
  const get = (i: number): bigint => v[i] as bigint;
  for (const [word, first, second] of [[x, 32n, 24n], [y, 16n, 63n]] as const) {
    v[a] = BigInt.asUintN(64, get(a) + get(b) + word);
    v[d] = rotated(get(d) ^ get(a), first);
    v[c] = BigInt.asUintN(64, get(c) + get(d));
    v[b] = rotated(get(b) ^ get(c), second);
  }
}
