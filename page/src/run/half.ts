// Half precision (IEEE 754 binary16): 1 bit of sign, 5 of exponent, 10 of fraction.

const SUBNORMAL = 2 ** -24; // the smallest half above 0

/** Widen halves, as their 16 bits, to float32: every half is a float32, so nothing is rounded. */
export function widenHalves(halves: Uint16Array): Float32Array {
  const widened = new Float32Array(halves.length);
  const bits = new Uint32Array(widened.buffer);
  for (let i = 0; i < halves.length; i++) {
    const half = halves[i];
    const sign = (half & 0x8000) << 16;
    const exponent = (half >> 10) & 0x1f;
    const fraction = half & 0x3ff;
    if (exponent === 0) {
      // Without the implied leading 1; 0 itself, too, with its sign.
      widened[i] = (sign ? -1 : 1) * fraction * SUBNORMAL;
    } else {
      // The bias of the exponent is 127 in place of 15; infinity and NaN have the highest one.
      bits[i] = sign | ((exponent === 0x1f ? 0xff : exponent + 112) << 23) | (fraction << 13);
    }
  }
  return widened;
}
