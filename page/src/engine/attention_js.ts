// Attention in JavaScript; all places are indices into one memory f. The same as in kernels.c.

export function softmaxRow(f: Float32Array, x: number, y: number, width: number): void {
  let most = -Infinity;
  for (let j = 0; j < width; j++) most = Math.max(most, f[x + j]!);
  let sum = 0;
  for (let j = 0; j < width; j++) sum += f[y + j] = Math.exp(f[x + j]! - most);
  for (let j = 0; j < width; j++) f[y + j]! /= sum;
}

function dot(f: Float32Array, a: number, b: number, n: number): number {
  let sum = 0;
  for (let j = 0; j < n; j++) sum += f[a + j]! * f[b + j]!;
  return sum;
}

/** y = the mean of `count` values, weighted by softmax(q key / sqrt(size)); w gets the weights. */
export function look(
  f: Float32Array, q: number, keys: number, values: number, stride: number, count: number,
  w: number, y: number, size: number,
): void {
  const scale = 1 / Math.sqrt(size);
  for (let s = 0; s < count; s++) f[w + s] = dot(f, q, keys + s * stride, size) * scale;
  softmaxRow(f, w, w, count);
  f.fill(0, y, y + size);
  for (let s = 0; s < count; s++) {
    const weight = f[w + s]!;
    for (let j = 0, at = values + s * stride; j < size; j++) f[y + j]! += weight * f[at + j]!;
  }
}

export function attention(
  f: Float32Array, qkv: number, w: number, y: number, lines: number, T: number, heads: number, size: number,
): void {
  const C = heads * size;
  for (let line = 0; line < lines; line++, qkv += 3 * T * C, y += T * C) {
    for (let at = 0; at < C; at += size) {
      for (let t = 0; t < T; t++, w += T) {
        const [q, keys] = [qkv + t * 3 * C + at, qkv + C + at];
        look(f, q, keys, keys + C, 3 * C, t + 1, w, y + t * C + at, size);
      }
    }
  }
}

export function attentionBackward(
  f: Float32Array, qkv: number, w: number, y: number, dy: number, dqkv: number,
  lines: number, T: number, heads: number, size: number,
): void {
  const C = heads * size;
  const toGradient = dqkv - qkv;
  for (let line = 0; line < lines; line++, qkv += 3 * T * C, y += T * C, dy += T * C) {
    for (let at = 0; at < C; at += size) {
      for (let t = 0; t < T; t++, w += T) {
        const q = qkv + t * 3 * C + at;
        const place = t * C + at;
        lookBack(f, q, qkv + C + at, C, toGradient, t + 1, w, y + place, dy + place, size);
      }
    }
  }
}

// The gradients of one query, and of the keys and values that it looked at.
function lookBack(
  f: Float32Array, q: number, keys: number, C: number, toGradient: number, count: number,
  w: number, y: number, d: number, size: number,
): void {
  const scale = 1 / Math.sqrt(size);
  const mean = dot(f, d, y, size); // of the weights' gradients, by the weights
  for (let s = 0; s < count; s++) {
    const key = keys + s * 3 * C;
    const weight = f[w + s]!;
    const dscore = weight * (dot(f, d, key + C, size) - mean) * scale;
    for (let j = 0; j < size; j++) {
      f[key + C + toGradient + j]! += weight * f[d + j]!;
      f[q + toGradient + j]! += dscore * f[key + j]!;
      f[key + toGradient + j]! += dscore * f[q + j]!;
    }
  }
}

/** One new input of each line; its keys and values go to the last position of the cache. */
export function attend(
  f: Float32Array, qkv: number, cache: number, w: number, y: number,
  lines: number, past: number, stride: number, offset: number, heads: number, size: number,
): void {
  const C = heads * size;
  for (let line = 0; line < lines; line++, qkv += 3 * C, y += C) {
    const keys = cache + line * (past + 1) * stride + offset;
    f.copyWithin(keys + past * stride, qkv + C, qkv + 3 * C);
    for (let at = 0; at < C; at += size) {
      look(f, qkv + at, keys + at, keys + C + at, stride, past + 1, w, y + at, size);
    }
  }
}
