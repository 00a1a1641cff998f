// Sorted integers in typed arrays: all that goes by prefixes looks up in these. A number is exact up to 2^53.

/** The index of the first entry of `codes` that is not below `wanted`; codes.length if all are. */
export function lowerBound(codes: Float64Array, wanted: number): number {
  let low = 0;
  let high = codes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((codes[middle] as number) < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The index of `wanted` among sorted codes, or -1. */
export function indexOf(codes: Float64Array, wanted: number): number {
  const at = lowerBound(codes, wanted);
  return at < codes.length && codes[at] === wanted ? at : -1;
}

/** A growing array of numbers: pushes into a typed array, which doubles when it is full. */
export class Numbers {
  private room = new Float64Array(1024);
  length = 0;

  push(value: number): void {
    if (this.length === this.room.length) {
      const larger = new Float64Array(2 * this.length);
      larger.set(this.room);
      this.room = larger;
    }
    this.room[this.length++] = value;
  }

  done(): Float64Array {
    return this.room.slice(0, this.length);
  }
}
