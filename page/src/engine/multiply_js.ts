// The product of matrices in JavaScript, in tiles of 2 x 4 whose sums stay in local variables.

/**
 * c (m, n) += a (m, k) b (k, n), all in one memory f at indices. Element (i, j) of a is
 * f[a + i * aRow + j * aColumn], of b alike.
 */
export function multiply(
  f: Float32Array, a: number, aRow: number, aColumn: number, b: number, bRow: number, bColumn: number,
  c: number, m: number, n: number, k: number,
): void {
  const panel = new Float32Array(4 * k); // four columns of b side by side, read in order by each tile
  for (let j = 0; j < n; j += 4) {
    const columns = Math.min(4, n - j);
    for (let p = 0; p < k; p++) {
      for (let q = 0; q < columns; q++) panel[4 * p + q] = f[b + p * bRow + (j + q) * bColumn]!;
    }
    for (let i = 0; i < m; i += 2) {
      tile(f, a + i * aRow, i + 1 < m ? aRow : 0, aColumn, panel, c + i * n + j, n, columns, k);
    }
  }
}

// Two rows at a time; of a single last row the second is the first again, and is not stored.
function tile(
  f: Float32Array, a: number, aRow: number, aColumn: number, panel: Float32Array,
  c: number, cRow: number, columns: number, k: number,
): void {
  let s0 = 0, s1 = 0, s2 = 0, s3 = 0, t0 = 0, t1 = 0, t2 = 0, t3 = 0;
  for (let p = 0, at = a; p < 4 * k; p += 4, at += aColumn) {
    const first = f[at]!, second = f[at + aRow]!;
    const b0 = panel[p]!, b1 = panel[p + 1]!, b2 = panel[p + 2]!, b3 = panel[p + 3]!;
    s0 += first * b0;
    s1 += first * b1;
    s2 += first * b2;
    s3 += first * b3;
    t0 += second * b0;
    t1 += second * b1;
    t2 += second * b2;
    t3 += second * b3;
  }
  store(f, c, columns, s0, s1, s2, s3);
  if (aRow) store(f, c + cRow, columns, t0, t1, t2, t3);
}

function store(
  f: Float32Array, c: number, columns: number, s0: number, s1: number, s2: number, s3: number,
): void {
  f[c]! += s0;
  if (columns > 1) f[c + 1]! += s1;
  if (columns > 2) f[c + 2]! += s2;
  if (columns > 3) f[c + 3]! += s3;
}
