// Moves points apart that would cover each other, so that each letter can be read.

const ROUNDS = 40;

/** Pushes points xy (n, 2) in pixels until they are `distance` apart, and keeps them between edge and size - edge. */
export function apart(xy: Float64Array, distance: number, size: number, edge: number): Float64Array {
  const moved = xy.slice(), n = xy.length / 2;
  for (let round = 0; round < ROUNDS; round++) {
    let any = false;
    for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) any = push(moved, i, j, distance) || any;
    for (let at = 0; at < moved.length; at++) moved[at] = Math.max(edge, Math.min(size - edge, moved[at]!));
    if (!any) break;
  }
  return moved;
}

/** Pushes two points by half of what they are too near, along the line between them. */
function push(xy: Float64Array, i: number, j: number, distance: number): boolean {
  const dx = xy[2 * j]! - xy[2 * i]!, dy = xy[2 * j + 1]! - xy[2 * i + 1]!, far = Math.hypot(dx, dy);
  if (far >= distance) return false;
  // Two on the same spot have no line between them: each pair takes a direction of its own.
  const [ux, uy] = far > 1e-6 ? [dx / far, dy / far] : [Math.cos(i + 3 * j), Math.sin(i + 3 * j)];
  const half = (distance - far) / 4; // half of the way to half of the distance: many neighbours push at once
  xy[2 * i]! -= half * ux;
  xy[2 * i + 1]! -= half * uy;
  xy[2 * j]! += half * ux;
  xy[2 * j + 1]! += half * uy;
  return true;
}
