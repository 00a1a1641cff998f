// SHA-256 (FIPS 180-4), written out: a page from the disk has no crypto.subtle in some browsers.

// The first 32 bits of the fractions of the cube roots of the first 64 primes, and of the square roots of 8.
const [ROUNDS, START] = constants();
const BLOCK = 64; // bytes

function constants(): [Uint32Array, Uint32Array] {
  const primes: number[] = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every((prime) => n % prime)) primes.push(n);
  return [
    Uint32Array.from(primes, (prime) => rootFraction(prime, 3n)),
    Uint32Array.from(primes.slice(0, 8), (prime) => rootFraction(prime, 2n)),
  ];
}

/** The first 32 bits behind the point of a root, exactly: the root of prime * 2^(32 * degree), by bisection. */
function rootFraction(prime: number, degree: bigint): number {
  const target = BigInt(prime) << (32n * degree);
  let low = 0n;
  let high = 1n << 40n;
  while (high - low > 1n) {
    const middle = (low + high) >> 1n;
    if (middle ** degree <= target) low = middle;
    else high = middle;
  }
  return Number(low & 0xffffffffn);
}

/** The digest of some bytes, as hexadecimal digits. */
export function sha256(bytes: Uint8Array): string {
  const state = START.slice();
  const whole = bytes.length - (bytes.length % BLOCK);
  const words = new Uint32Array(64);
  for (let at = 0; at < whole; at += BLOCK) mixBlock(state, words, bytes, at);
  // The rest, a bit 1, zeros, and the length in bits as 64 of them, in one block or two.
  const rest = bytes.subarray(whole);
  const last = new Uint8Array(rest.length + 9 > BLOCK ? 2 * BLOCK : BLOCK);
  last.set(rest);
  last[rest.length] = 0x80;
  const view = new DataView(last.buffer);
  view.setUint32(last.length - 8, Math.floor(bytes.length / 2 ** 29));
  view.setUint32(last.length - 4, (bytes.length << 3) >>> 0);
  for (let at = 0; at < last.length; at += BLOCK) mixBlock(state, words, last, at);
  return Array.from(state, (word) => word.toString(16).padStart(8, "0")).join("");
}

/** Mix a block of 64 bytes into the state, in place; `words` is room for 64 numbers. */
function mixBlock(state: Uint32Array, words: Uint32Array, bytes: Uint8Array, at: number): void {
  for (let i = 0; i < 16; i++, at += 4) {
    words[i] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
  }
  for (let i = 16; i < 64; i++) {
    const a = words[i - 15];
    const b = words[i - 2];
    const small0 = turned(a, 7) ^ turned(a, 18) ^ (a >>> 3);
    const small1 = turned(b, 17) ^ turned(b, 19) ^ (b >>> 10);
    words[i] = words[i - 16] + small0 + words[i - 7] + small1;
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let i = 0; i < 64; i++) {
    const big1 = turned(e, 6) ^ turned(e, 11) ^ turned(e, 25);
    const first = (h + big1 + ((e & f) ^ (~e & g)) + ROUNDS[i] + words[i]) | 0;
    const big0 = turned(a, 2) ^ turned(a, 13) ^ turned(a, 22);
    const second = (big0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + second) | 0];
  }
  const after = [a, b, c, d, e, f, g, h];
  for (let i = 0; i < 8; i++) state[i] += after[i];
}

/** Turn the 32 bits of a number to the right. */
function turned(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits));
}
