// A tape: the operations of a forward pass, written down so that their gradients go back in turn.
//
// Each operation takes values, computes one, and leaves on the tape how its gradient is passed on.
// A tape that does not record computes the same and writes nothing down: that is what a step is.
// Values live in the scratch of the scope in which the tape is used.

import type { Engine } from "./engine";
import type { Pointer } from "./memory";

/** A matrix (rows, width) and its gradient; without one, grad is 0. */
export interface Value {
  at: Pointer;
  grad: Pointer;
  rows: number;
  width: number;
}

export class Tape {
  private readonly backwards: (() => void)[] = [];
  private masks = 0; // of dropout so far

  /** records: whether `backward` will be called; then dropout is on, too, with masks of `seed`. */
  constructor(readonly engine: Engine, private readonly records = false, private readonly seed = 0) {}

  /** Make room for a value; its gradient is 0. */
  value(rows: number, width: number): Value {
    const { memory } = this.engine;
    const at = memory.take(rows * width);
    if (!this.records) return { at, grad: 0, rows, width };
    const grad = memory.take(rows * width);
    memory.f32.fill(0, grad >> 2, (grad >> 2) + rows * width);
    return { at, grad, rows, width };
  }

  /** Copy numbers in; no gradient goes back to them. */
  input(data: Float32Array, rows: number, width: number): Value {
    const at = this.engine.memory.take(rows * width);
    this.engine.memory.f32.set(data, at >> 2);
    return { at, grad: 0, rows, width };
  }

  /** Copy numbers out. */
  output(value: Value): Float32Array {
    return this.engine.memory.floats(value.at, value.rows * value.width).slice();
  }

  /** Tell who looks inside what this value is called; shape: of one row, by default its width. */
  note(name: string, value: Value, shape?: number[]): Value {
    const { memory, recorder } = this.engine;
    recorder?.take(name, shape ?? [value.width], memory.floats(value.at, value.rows * value.width));
    return value;
  }

  /** Look rows up: table (n, width), ids (rows) -> (rows, width). */
  gather(table: Value, ids: Int32Array): Value {
    const { kernels, memory } = this.engine;
    for (const id of ids) if (!(id >= 0 && id < table.rows)) throw new RangeError(`no row ${id} of ${table.rows}`);
    const at = memory.take(ids.length);
    memory.i32.set(ids, at >> 2);
    const y = this.value(ids.length, table.width);
    kernels.gather(table.at, at, y.at, y.rows, y.width);
    this.record(() => kernels.gather_backward(at, y.grad, table.grad, y.rows, y.width));
    return y;
  }

  /** x (rows, in) w^T + bias, w (out, in) -> (rows, out). */
  linear(x: Value, w: Value, bias: Value | null): Value {
    const { kernels } = this.engine;
    const y = this.value(x.rows, w.rows);
    kernels.linear(x.at, w.at, bias?.at ?? 0, y.at, x.rows, x.width, y.width);
    this.record(() =>
      kernels.linear_backward(x.at, w.at, y.grad, x.grad, w.grad, bias?.grad ?? 0, x.rows, x.width, y.width),
    );
    return y;
  }

  add(a: Value, b: Value): Value {
    const { kernels } = this.engine;
    const y = this.value(a.rows, a.width);
    const n = y.rows * y.width;
    kernels.add(a.at, b.at, y.at, n);
    this.record(() => {
      kernels.accumulate(y.grad, a.grad, n);
      kernels.accumulate(y.grad, b.grad, n);
    });
    return y;
  }

  /** tanh of each number; y: where to, without it a new value. */
  tanh(x: Value, y = this.value(x.rows, x.width)): Value {
    const { kernels } = this.engine;
    const n = x.rows * x.width;
    kernels.tanh(x.at, y.at, n);
    this.record(() => kernels.tanh_backward(y.at, y.grad, x.grad, n));
    return y;
  }

  relu(x: Value): Value {
    const { kernels } = this.engine;
    const y = this.value(x.rows, x.width);
    const n = x.rows * x.width;
    kernels.relu(x.at, y.at, n);
    this.record(() => kernels.relu_backward(y.at, y.grad, x.grad, n));
    return y;
  }

  gelu(x: Value): Value {
    const { kernels } = this.engine;
    const y = this.value(x.rows, x.width);
    const n = x.rows * x.width;
    kernels.gelu(x.at, y.at, n);
    this.record(() => kernels.gelu_backward(x.at, y.grad, x.grad, n));
    return y;
  }

  layernorm(x: Value, gain: Value, bias: Value): Value {
    const { kernels } = this.engine;
    const y = this.value(x.rows, x.width);
    kernels.layernorm(x.at, gain.at, bias.at, y.at, x.rows, x.width);
    this.record(() =>
      kernels.layernorm_backward(x.at, gain.at, y.grad, x.grad, gain.grad, bias.grad, x.rows, x.width),
    );
    return y;
  }

  /** Set a share of the numbers to 0 and scale the others, in training alone. */
  dropout(x: Value, share: number): Value {
    if (!this.records || !share) return x;
    const { kernels, memory } = this.engine;
    const seed = (Math.imul(this.seed, 0x9e3779b1) + Math.imul(++this.masks, 0x85ebca6b)) >>> 0;
    const [dropped, scale, n] = [Math.round(share * 2 ** 32), 1 / (1 - share), x.rows * x.width];
    const y = this.value(x.rows, x.width);
    memory.f32.fill(0, y.at >> 2, (y.at >> 2) + n);
    kernels.dropout(x.at, y.at, n, dropped, scale, seed);
    this.record(() => kernels.dropout(y.grad, x.grad, n, dropped, scale, seed));
    return y;
  }

  /** Attention over whole lines: qkv (lines * T, 3 * heads * size) -> (lines * T, heads * size). name: of its weights. */
  attention(qkv: Value, lines: number, heads: number, name: string): Value {
    const { kernels, memory } = this.engine;
    const [T, width] = [qkv.rows / lines, qkv.width / 3];
    const size = width / heads;
    const weights = memory.take(lines * heads * T * T);
    const y = this.value(qkv.rows, width);
    kernels.attention(qkv.at, weights, y.at, lines, T, heads, size);
    this.engine.recorder?.take(name, [heads, T], lookedAt(memory.floats(weights, heads * T * T), heads, T));
    this.record(() =>
      kernels.attention_backward(qkv.at, weights, y.at, y.grad, qkv.grad, lines, T, heads, size),
    );
    return y;
  }

  /** The state after a symbol: x and h (rows, 3 * width) -> `after` (rows, width). */
  gruCell(x: Value, h: Value, before: Value, after = this.value(before.rows, before.width)): Value {
    const { kernels } = this.engine;
    const { rows, width } = before;
    kernels.gru_cell(x.at, h.at, before.at, after.at, rows, width);
    this.record(() =>
      kernels.gru_cell_backward(x.at, h.at, before.at, after.grad, x.grad, h.grad, before.grad, rows, width),
    );
    return after;
  }

  /** Sum of -log p of the targets, in nats; a target of -1 does not count. scale: of the gradient. */
  crossEntropy(logits: Value, targets: Int32Array, scale: number): number {
    const { kernels, memory } = this.engine;
    const [at, room] = [memory.take(targets.length), memory.take(logits.width)];
    memory.i32.set(targets, at >> 2);
    return kernels.cross_entropy(logits.at, at, logits.grad, room, logits.rows, logits.width, scale);
  }

  /** Pass all gradients back, the last operation first. */
  backward(): void {
    for (let i = this.backwards.length; i-- > 0; ) this.backwards[i]!();
    this.backwards.length = 0;
  }

  private record(backward: () => void): void {
    if (this.records) this.backwards.push(backward);
  }
}

/** The weights of one line by position (T, heads, T); the kernel leaves what a position may not see unwritten. */
function lookedAt(weights: Float32Array, heads: number, T: number): Float32Array {
  return Float32Array.from(weights, (_, i) => {
    const [t, head, s] = [Math.floor(i / (heads * T)), Math.floor(i / T) % heads, i % T];
    return s > t ? 0 : weights[(head * T + t) * T + s]!;
  });
}

/** The same numbers as a matrix of another shape. */
export function reshaped(value: Value, rows: number, width: number): Value {
  return { ...value, rows, width };
}

/** Rows first to first + count of a value: a view. */
export function rowsOf(value: Value, first: number, count: number): Value {
  const bytes = 4 * first * value.width;
  return { at: value.at + bytes, grad: value.grad && value.grad + bytes, rows: count, width: value.width };
}
