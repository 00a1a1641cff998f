// Log-softmax, with sums in numpy's order, so that the last bits are those of Python.

/** numpy's pairwise sum of values[first], ..., values[first + n - 1]: eight sums side by side, halves above 128. */
export function pairwiseSum(values: Float64Array, first: number, n: number): number {
  if (n < 8) {
    let sum = 0;
    for (let i = first; i < first + n; i++) sum += values[i] as number;
    return sum;
  }
  if (n > 128) {
    const half = Math.floor(n / 2) - (Math.floor(n / 2) % 8);
    return pairwiseSum(values, first, half) + pairwiseSum(values, first + half, n - half);
  }
  const at = (i: number): number => values[first + i] as number;
  let [a, b, c, d, e, f, g, h] = [at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7)];
  const whole = n - (n % 8);
  for (let i = 8; i < whole; i += 8) {
    a += at(i), b += at(i + 1), c += at(i + 2), d += at(i + 3);
    e += at(i + 4), f += at(i + 5), g += at(i + 6), h += at(i + 7);
  }
  let sum = a + b + (c + d) + (e + f + (g + h));
  for (let i = whole; i < n; i++) sum += values[first + i] as number;
  return sum;
}

/** The largest of n values. */
export function largest(values: ArrayLike<number>, first: number, n: number): number {
  let most = -Infinity;
  for (let i = first; i < first + n; i++) most = Math.max(most, values[i] as number);
  return most;
}

let scratch = new Float64Array(0); // reused: a new array for each row would take longer than its sum

function room(V: number): Float64Array {
  if (scratch.length < V) scratch = new Float64Array(V);
  return scratch;
}

/** Normalise logits[first ...] to log-probabilities (V,) in nats, written to `out` from `to` on. */
export function logSoftmax(logits: ArrayLike<number>, first: number, V: number, out: Float64Array, to: number): void {
  const most = largest(logits, first, V); // it becomes 0: exp of a large number would be infinite
  const exps = room(V);
  for (let i = 0; i < V; i++) {
    out[to + i] = (logits[first + i] as number) - most;
    exps[i] = Math.exp(out[to + i] as number);
  }
  const log = Math.log(pairwiseSum(exps, 0, V));
  for (let i = 0; i < V; i++) out[to + i] = (out[to + i] as number) - log;
}
