// Cells with a state, in JavaScript; all places are indices into one memory f. See kernels.c.

export function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

export function gruCell(
  f: Float32Array, x: number, h: number, before: number, after: number, rows: number, width: number,
): void {
  for (let i = 0; i < rows; i++, x += 3 * width, h += 3 * width) {
    for (let j = 0; j < width; j++, before++, after++) {
      const [Z, N] = [width + j, 2 * width + j];
      const r = sigmoid(f[x + j]! + f[h + j]!);
      const z = sigmoid(f[x + Z]! + f[h + Z]!);
      const n = Math.tanh(f[x + N]! + r * f[h + N]!);
      f[after] = (1 - z) * n + z * f[before]!;
    }
  }
}

export function gruCellBackward(
  f: Float32Array, x: number, h: number, before: number, dafter: number,
  dx: number, dh: number, dbefore: number, rows: number, width: number,
): void {
  for (let i = 0; i < rows; i++, x += 3 * width, h += 3 * width, dx += 3 * width, dh += 3 * width) {
    for (let j = 0; j < width; j++, before++, dafter++, dbefore++) {
      const [Z, N] = [width + j, 2 * width + j];
      const r = sigmoid(f[x + j]! + f[h + j]!);
      const z = sigmoid(f[x + Z]! + f[h + Z]!);
      const n = Math.tanh(f[x + N]! + r * f[h + N]!);
      const d = f[dafter]!;
      const dn = d * (1 - z) * (1 - n * n);
      const dz = d * (f[before]! - n) * z * (1 - z);
      const dr = dn * f[h + N]! * r * (1 - r);
      f[dx + j]! += dr;
      f[dh + j]! += dr;
      f[dx + Z]! += dz;
      f[dh + Z]! += dz;
      f[dx + N]! += dn;
      f[dh + N]! += dn * r;
      f[dbefore]! += d * z;
    }
  }
}

export function lstmCell(
  f: Float32Array, x: number, h: number, cell: number, next: number, after: number, rows: number, width: number,
): void {
  for (let i = 0; i < rows; i++, x += 4 * width, h += 4 * width) {
    for (let j = 0; j < width; j++, cell++, next++, after++) {
      const [F, G, O] = [width + j, 2 * width + j, 3 * width + j];
      const write = sigmoid(f[x + j]! + f[h + j]!) * Math.tanh(f[x + G]! + f[h + G]!);
      f[next] = sigmoid(f[x + F]! + f[h + F]!) * f[cell]! + write;
      f[after] = sigmoid(f[x + O]! + f[h + O]!) * Math.tanh(f[next]!);
    }
  }
}
