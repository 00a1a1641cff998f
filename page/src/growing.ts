// Growing arrays: numbers are written behind those that are there, and seldom copied.

type Numbers = Float32Array | Float64Array | Int32Array;

/** Write `more` behind the first `length` numbers of an array; gives it, or one of twice the room if it is too small. */
export function appended<T extends Numbers>(array: T, length: number, more: T): T {
  let room = array;
  if (length + more.length > array.length) {
    room = new (array.constructor as new (length: number) => T)(2 * (length + more.length));
    room.set(array.subarray(0, length));
  }
  room.set(more, length);
  return room;
}

/** Put arrays together, one behind another. */
export function concatenated<T extends Numbers>(arrays: readonly T[]): T {
  const first = arrays[0] as T;
  const all = new (first.constructor as new (length: number) => T)(arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const each of arrays) {
    all.set(each, at);
    at += each.length;
  }
  return all;
}
