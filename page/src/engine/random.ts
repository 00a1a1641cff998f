// Random numbers of a training: initial weights, the order of lines, masks of dropout.
// They follow from the seed alone, and are not those of torch: a page's training is its own.

export class Random {
  private readonly state = new Uint32Array(4);
  private spare: number | null = null; // normal numbers come in pairs

  constructor(seed: number) {
    // The four words of the state from one seed of up to 53 bits (splitmix32).
    let word = (seed % 2 ** 32 ^ Math.imul(Math.floor(seed / 2 ** 32), 0x85ebca6b)) >>> 0;
    for (let i = 0; i < 4; i++) {
      word = (word + 0x9e3779b9) >>> 0;
      let bits = Math.imul(word ^ (word >>> 16), 0x21f0aaad);
      bits = Math.imul(bits ^ (bits >>> 15), 0x735a2d97);
      this.state[i] = bits ^ (bits >>> 15);
    }
  }

  /** 32 random bits (xoshiro128**; Blackman and Vigna 2018). */
  bits(): number {
    const s = this.state;
    const five = Math.imul(s[1]!, 5);
    const result = Math.imul((five << 7) | (five >>> 25), 9) >>> 0;
    const moved = s[1]! << 9;
    s[2]! ^= s[0]!;
    s[3]! ^= s[1]!;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= moved;
    s[3] = (s[3]! << 11) | (s[3]! >>> 21);
    return result;
  }

  /** A number in [0, 1). */
  unit(): number {
    return this.bits() / 2 ** 32;
  }

  /** A number of the standard normal distribution (Box and Muller 1958). */
  normal(): number {
    if (this.spare !== null) {
      const spare = this.spare;
      this.spare = null;
      return spare;
    }
    const length = Math.sqrt(-2 * Math.log(1 - this.unit()));
    const angle = 2 * Math.PI * this.unit();
    this.spare = length * Math.sin(angle);
    return length * Math.cos(angle);
  }

  /** Put the numbers 0 to count - 1 in a random order (Fisher and Yates). */
  order(count: number): Int32Array {
    const order = Int32Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const other = Math.floor(this.unit() * (i + 1));
      const here = order[i]!;
      order[i] = order[other]!;
      order[other] = here;
    }
    return order;
  }
}
