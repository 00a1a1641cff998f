// The memory that all kernels work on: weights stay, what a step computes goes when it ends.
//
// Blocks that are kept (weights, gradients, averages of the optimizer) lie below, first fit. Above
// them lies the scratch of one step, taken by moving a pointer and given back all at once. So the
// memory is as large as the weights and the largest step, however many steps there are.

/** Where a block of numbers begins, in bytes. 0 is no block. */
export type Pointer = number;

const ALIGNED = 16; // bytes: four numbers, as the kernels read them

/** Bytes that can grow: WebAssembly.Memory, or an array of JavaScript. */
export interface Growing {
  readonly buffer: ArrayBuffer;
  grow(bytes: number): void;
}

export class Memory {
  f32!: Float32Array;
  i32!: Int32Array;
  private blocks: { at: Pointer; end: Pointer }[] = []; // kept, by place
  private scratch: Pointer;
  private depth = 0; // of scopes that are open

  constructor(private readonly bytes: Growing, private readonly base: Pointer) {
    this.scratch = round(base);
    this.view();
  }

  /** Keep a block of `count` numbers until `drop`. Its numbers are 0. */
  keep(count: number): Pointer {
    if (this.depth) throw new Error("a block is kept before a scope is opened, not inside it");
    const size = round(4 * Math.max(1, count));
    let at = round(this.base);
    let place = 0;
    for (; place < this.blocks.length && this.blocks[place]!.at - at < size; place++) {
      at = this.blocks[place]!.end;
    }
    this.blocks.splice(place, 0, { at, end: at + size });
    this.scratch = this.blocks.at(-1)!.end;
    this.reach(this.scratch);
    this.f32.fill(0, at >> 2, (at + size) >> 2);
    return at;
  }

  /** Give a block back that `keep` gave. */
  drop(at: Pointer): void {
    if (this.depth) throw new Error("a block is dropped after the scope is closed, not inside it");
    this.blocks = this.blocks.filter((block) => block.at !== at);
    this.scratch = this.blocks.at(-1)?.end ?? round(this.base);
  }

  /** Take a block for the rest of the scope. Its numbers are whatever was there before. */
  take(count: number): Pointer {
    if (!this.depth) throw new Error("scratch is taken inside a scope");
    const at = this.scratch;
    this.scratch = at + round(4 * count);
    this.reach(this.scratch);
    return at;
  }

  /** Do work whose scratch is given back at its end. Scopes may stand in each other. */
  scope<T>(work: () => T): T {
    const mark = this.scratch;
    this.depth++;
    try {
      return work();
    } finally {
      this.depth--;
      this.scratch = mark;
    }
  }

  get size(): number {
    return this.bytes.buffer.byteLength;
  }

  floats(at: Pointer, count: number): Float32Array {
    return this.f32.subarray(at >> 2, (at >> 2) + count);
  }

  private reach(end: Pointer): void {
    if (end <= this.size) return;
    // A quarter more than is needed: growing copies everything where it cannot extend.
    this.bytes.grow(Math.ceil(end * 1.25) - this.size);
    this.view();
  }

  // A memory that has grown is another buffer: views of the old one have length 0.
  private view(): void {
    this.f32 = new Float32Array(this.bytes.buffer);
    this.i32 = new Int32Array(this.bytes.buffer);
  }
}

function round(bytes: number): number {
  return Math.ceil(bytes / ALIGNED) * ALIGNED;
}
