// Plane: many numbers a symbol as two, from the side that shows most of them (principal components).

const ROUNDS = 60; // of the power iteration: enough for a picture

/** Projects rows (n, width) onto their first two principal components -> (n, 2). */
export function toPlane(rows: ArrayLike<number>, n: number, width: number): Float64Array {
  const centred = centre(rows, n, width);
  const xy = new Float64Array(2 * n);
  for (let axis = 0; axis < 2; axis++) {
    const direction = strongest(centred, n, width);
    for (let i = 0; i < n; i++) {
      const along = dot(centred, i * width, direction);
      xy[2 * i + axis] = along;
      for (let j = 0; j < width; j++) centred[i * width + j]! -= along * direction[j]!;
    }
  }
  return xy;
}

function centre(rows: ArrayLike<number>, n: number, width: number): Float64Array {
  const centred = Float64Array.from(rows);
  for (let j = 0; j < width; j++) {
    let mean = 0;
    for (let i = 0; i < n; i++) mean += centred[i * width + j]! / n;
    for (let i = 0; i < n; i++) centred[i * width + j]! -= mean;
  }
  return centred;
}

function dot(rows: Float64Array, from: number, direction: Float64Array): number {
  let sum = 0;
  for (let j = 0; j < direction.length; j++) sum += rows[from + j]! * direction[j]!;
  return sum;
}

/** The direction (width,) of the greatest variance, by power iteration on rows^T rows. */
function strongest(rows: Float64Array, n: number, width: number): Float64Array {
  let direction = Float64Array.from({ length: width }, (_, j) => 1 + Math.cos(j)); // no symmetry to be caught in
  for (let round = 0; round < ROUNDS; round++) {
    const next = new Float64Array(width);
    for (let i = 0; i < n; i++) {
      const along = dot(rows, i * width, direction);
      for (let j = 0; j < width; j++) next[j]! += along * rows[i * width + j]!;
    }
    const length = Math.hypot(...next);
    if (!(length > 0)) return new Float64Array(width); // all rows are equal
    direction = next.map((value) => value / length);
  }
  return direction;
}

/**
 * Turns (and mirrors) a picture (n, 2) onto the one before: components may change signs and places from one moment to
 * the next, which is no learning (orthogonal Procrustes in two dimensions).
 */
export function turnedTo(before: Float64Array, xy: Float64Array): Float64Array {
  let xx = 0, xY = 0, yx = 0, yy = 0;
  for (let i = 0; i < xy.length; i += 2) {
    xx += xy[i]! * before[i]!;
    xY += xy[i]! * before[i + 1]!;
    yx += xy[i + 1]! * before[i]!;
    yy += xy[i + 1]! * before[i + 1]!;
  }
  const rotation = Math.hypot(xx + yy, xY - yx), mirror = Math.hypot(xx - yy, xY + yx);
  const mirrored = mirror > rotation, length = Math.max(rotation, mirror);
  if (!(length > 0)) return xy;
  const cos = (mirrored ? xx - yy : xx + yy) / length, sin = (mirrored ? xY + yx : xY - yx) / length;
  const sign = mirrored ? -1 : 1;
  const turned = new Float64Array(xy.length);
  for (let i = 0; i < xy.length; i += 2) {
    const y = sign * xy[i + 1]!;
    turned[i] = cos * xy[i]! - sin * y;
    turned[i + 1] = sin * xy[i]! + cos * y;
  }
  return turned;
}
