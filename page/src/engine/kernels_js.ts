// The kernels in JavaScript, where WebAssembly is refused: the names, arguments and results of
// engine/kernels.c, which says what each of them does. Sums are float64 here, results float32.

import { logSum } from "../log_sum";
import { attend, attention, attentionBackward, softmaxRow } from "./attention_js";
import { gruCell, gruCellBackward, lstmCell, sigmoid } from "./cells_js";
import type { Kernels } from "./kernels";
import type { Memory } from "./memory";
import { multiply } from "./multiply_js";

// erf: a polynomial of x^2 below 1; above, 1 - exp(-x^2) / x times one of 1 / x^2 (Cephes erff).
const NEAR = [
  7.853861353153693e-5, -8.010193625184903e-4, 5.188327685732524e-3, -2.685381193529856e-2,
  1.128358514861418e-1, -3.7612625824233e-1, 1.12837916572671,
];
const FAR = [
  2.326819970068386e-2, -1.387039388740657e-1, 3.687424674597105e-1, -5.824733027278666e-1,
  6.210004621745983e-1, -4.944515323274145e-1, 3.404879937665872e-1, -2.741127028184656e-1,
  5.638259427386472e-1,
];

function polynomial(coefficients: number[], x: number): number {
  let sum = 0;
  for (const each of coefficients) sum = sum * x + each;
  return sum;
}

function erf(x: number): number {
  const size = Math.abs(x);
  if (size < 1) return x * polynomial(NEAR, x * x);
  const far = 1 - (Math.exp(-x * x) / size) * polynomial(FAR, 1 / (x * x));
  return x < 0 ? -far : far;
}

/** The share of a normal distribution below x. */
function phi(x: number): number {
  return 0.5 * (1 + erf(x * Math.SQRT1_2));
}

// scale, or 0 where the number at this place is dropped.
function kept(place: number, seed: number, dropped: number, scale: number): number {
  let bits = Math.imul(place, 0x9e3779b9) + seed;
  bits = Math.imul(bits ^ (bits >>> 16), 0x7feb352d);
  bits = Math.imul(bits ^ (bits >>> 15), 0x846ca68b);
  return (bits ^ (bits >>> 16)) >>> 0 >= dropped ? scale : 0;
}

/** The mean of a row, and 1 / the deviation around it. */
function meanAndScale(f: Float32Array, x: number, width: number): [number, number] {
  let sum = 0;
  for (let j = 0; j < width; j++) sum += f[x + j]!;
  const mean = sum / width;
  let squares = 0;
  for (let j = 0; j < width; j++) squares += (f[x + j]! - mean) ** 2;
  return [mean, 1 / Math.sqrt(squares / width + 1e-5)];
}

/** Make the kernels over a memory; pointers are bytes, and every number has four. */
export function kernelsInJavaScript(memory: Memory): Kernels {
  return { ...linears(memory), ...numbers(memory), ...rowwise(memory), ...sequences(memory), ...optimizers(memory) };
}

type Some<K extends keyof Kernels> = Pick<Kernels, K>;

function linears(memory: Memory): Some<"linear" | "linear_backward" | "gather" | "gather_backward"> {
  return {
    linear(x, w, bias, y, rows, inn, out) {
      const f = memory.f32;
      for (let i = 0; i < rows; i++) {
        const to = (y >> 2) + i * out;
        if (bias) f.copyWithin(to, bias >> 2, (bias >> 2) + out);
        else f.fill(0, to, to + out);
      }
      multiply(f, x >> 2, inn, 1, w >> 2, 1, inn, y >> 2, rows, out, inn);
    },
    linear_backward(x, w, dy, dx, dw, dbias, rows, inn, out) {
      const f = memory.f32;
      if (dx) multiply(f, dy >> 2, out, 1, w >> 2, inn, 1, dx >> 2, rows, inn, out);
      multiply(f, dy >> 2, 1, out, x >> 2, inn, 1, dw >> 2, out, inn, rows);
      if (!dbias) return;
      for (let i = 0, from = dy >> 2; i < rows; i++) {
        for (let j = 0; j < out; j++, from++) f[(dbias >> 2) + j]! += f[from]!;
      }
    },
    gather(table, ids, y, rows, width) {
      for (let i = 0; i < rows; i++) {
        const from = (table >> 2) + memory.i32[(ids >> 2) + i]! * width;
        memory.f32.copyWithin((y >> 2) + i * width, from, from + width);
      }
    },
    gather_backward(ids, dy, dtable, rows, width) {
      const f = memory.f32;
      for (let i = 0; i < rows; i++) {
        const to = (dtable >> 2) + memory.i32[(ids >> 2) + i]! * width;
        for (let j = 0; j < width; j++) f[to + j]! += f[(dy >> 2) + i * width + j]!;
      }
    },
  };
}

type Numbers =
  | "add" | "accumulate" | "tanh" | "tanh_backward" | "relu" | "relu_backward"
  | "gelu" | "gelu_backward" | "dropout" | "running_mean";

function numbers(memory: Memory): Some<Numbers> {
  // y = of(x) for each number; and dx += of(x, dy).
  const each = (x: number, y: number, n: number, of: (x: number) => number) => {
    const f = memory.f32;
    for (let i = 0; i < n; i++) f[(y >> 2) + i] = of(f[(x >> 2) + i]!);
  };
  const back = (x: number, dy: number, dx: number, n: number, of: (x: number) => number) => {
    const f = memory.f32;
    for (let i = 0; i < n; i++) f[(dx >> 2) + i]! += f[(dy >> 2) + i]! * of(f[(x >> 2) + i]!);
  };
  return {
    add(a, b, y, n) {
      const f = memory.f32;
      for (let i = 0; i < n; i++) f[(y >> 2) + i] = f[(a >> 2) + i]! + f[(b >> 2) + i]!;
    },
    accumulate(x, y, n) {
      const f = memory.f32;
      for (let i = 0; i < n; i++) f[(y >> 2) + i]! += f[(x >> 2) + i]!;
    },
    tanh: (x, y, n) => each(x, y, n, Math.tanh),
    tanh_backward: (y, dy, dx, n) => back(y, dy, dx, n, (value) => 1 - value * value),
    relu: (x, y, n) => each(x, y, n, (value) => (value > 0 ? value : 0)),
    relu_backward: (y, dy, dx, n) => back(y, dy, dx, n, (value) => (value > 0 ? 1 : 0)),
    gelu: (x, y, n) => each(x, y, n, (value) => value * phi(value)),
    gelu_backward(x, dy, dx, n) {
      const density = (value: number) => Math.exp(-0.5 * value * value) / Math.sqrt(2 * Math.PI);
      back(x, dy, dx, n, (value) => phi(value) + value * density(value));
    },
    dropout(x, y, n, dropped, scale, seed) {
      const f = memory.f32;
      for (let i = 0; i < n; i++) f[(y >> 2) + i]! += f[(x >> 2) + i]! * kept(i, seed, dropped, scale);
    },
    running_mean(x, total, y, n, count) {
      const f = memory.f32;
      for (let i = 0; i < n; i++) {
        f[(total >> 2) + i]! += f[(x >> 2) + i]!;
        f[(y >> 2) + i] = f[(x >> 2) + i]! + f[(total >> 2) + i]! / count;
      }
    },
  };
}

type Rowwise = "layernorm" | "layernorm_backward" | "softmax" | "log_softmax" | "cross_entropy" | "gate";

function rowwise(memory: Memory): Some<Rowwise> {
  return {
    layernorm(x, gain, bias, y, rows, width) {
      const f = memory.f32;
      for (let i = 0, from = x >> 2, to = y >> 2; i < rows; i++, from += width, to += width) {
        const [mean, scale] = meanAndScale(f, from, width);
        for (let j = 0; j < width; j++) {
          f[to + j] = (f[from + j]! - mean) * scale * f[(gain >> 2) + j]! + f[(bias >> 2) + j]!;
        }
      }
    },
    layernorm_backward(x, gain, dy, dx, dgain, dbias, rows, width) {
      for (let i = 0; i < rows; i++) {
        const row = i * width;
        layernormRowBackward(
          memory.f32, (x >> 2) + row, gain >> 2, (dy >> 2) + row, (dx >> 2) + row, dgain >> 2, dbias >> 2, width,
        );
      }
    },
    softmax(x, y, rows, width) {
      for (let i = 0; i < rows; i++) softmaxRow(memory.f32, (x >> 2) + i * width, (y >> 2) + i * width, width);
    },
    log_softmax(x, y, rows, width) {
      const f = memory.f32;
      for (let i = 0, from = x >> 2, to = y >> 2; i < rows; i++, from += width, to += width) {
        const shift = logSum(f, from, width);
        for (let j = 0; j < width; j++) f[to + j] = f[from + j]! - shift;
      }
    },
    cross_entropy(logits, targets, dlogits, _room, rows, width, scale) {
      const f = memory.f32;
      let loss = 0;
      for (let i = 0, from = logits >> 2; i < rows; i++, from += width) {
        const target = memory.i32[(targets >> 2) + i]!;
        if (target < 0) continue;
        const shift = logSum(f, from, width);
        loss += shift - f[from + target]!;
        if (!dlogits) continue;
        const to = (dlogits >> 2) + i * width;
        for (let j = 0; j < width; j++) f[to + j]! += Math.exp(f[from + j]! - shift) * scale;
        f[to + target]! -= scale;
      }
      return loss;
    },
    gate(x, z, rows, width) {
      const f = memory.f32;
      for (let i = 0, from = x >> 2, to = z >> 2; i < rows; i++, from += 2 * width, to += width) {
        for (let j = 0; j < width; j++) f[to + j] = Math.tanh(f[from + j]!) * sigmoid(f[from + width + j]!);
      }
    },
  };
}

function layernormRowBackward(
  f: Float32Array, x: number, gain: number, dy: number, dx: number, dgain: number, dbias: number, width: number,
): void {
  const [mean, scale] = meanAndScale(f, x, width);
  let first = 0, second = 0; // the means of dn, and of dn * n; n is the normalised x
  for (let j = 0; j < width; j++) {
    const n = (f[x + j]! - mean) * scale;
    const dn = f[dy + j]! * f[gain + j]!;
    first += dn / width;
    second += (dn * n) / width;
    f[dgain + j]! += f[dy + j]! * n;
    f[dbias + j]! += f[dy + j]!;
  }
  for (let j = 0; j < width; j++) {
    const n = (f[x + j]! - mean) * scale;
    f[dx + j]! += scale * (f[dy + j]! * f[gain + j]! - first - n * second);
  }
}

type Sequences = "attention" | "attention_backward" | "attend" | "gru_cell" | "gru_cell_backward" | "lstm_cell";

function sequences(memory: Memory): Some<Sequences> {
  return {
    attention: (qkv, w, y, ...sizes) => attention(memory.f32, qkv >> 2, w >> 2, y >> 2, ...sizes),
    attention_backward: (qkv, w, y, dy, dqkv, ...sizes) =>
      attentionBackward(memory.f32, qkv >> 2, w >> 2, y >> 2, dy >> 2, dqkv >> 2, ...sizes),
    attend: (qkv, cache, w, y, ...sizes) => attend(memory.f32, qkv >> 2, cache >> 2, w >> 2, y >> 2, ...sizes),
    gru_cell: (x, h, before, after, ...sizes) =>
      gruCell(memory.f32, x >> 2, h >> 2, before >> 2, after >> 2, ...sizes),
    gru_cell_backward: (x, h, before, dafter, dx, dh, dbefore, ...sizes) =>
      gruCellBackward(
        memory.f32, x >> 2, h >> 2, before >> 2, dafter >> 2, dx >> 2, dh >> 2, dbefore >> 2, ...sizes,
      ),
    lstm_cell: (x, h, cell, next, after, ...sizes) =>
      lstmCell(memory.f32, x >> 2, h >> 2, cell >> 2, next >> 2, after >> 2, ...sizes),
  };
}

function optimizers(memory: Memory): Some<"adamw"> {
  return {
    adamw(w, dw, mean, square, n, rate, beta1, beta2, decay, first, second) {
      const f = memory.f32;
      const [W, D, M, S] = [w >> 2, dw >> 2, mean >> 2, square >> 2];
      for (let i = 0; i < n; i++) {
        const d = f[D + i]!;
        f[M + i]! += (1 - beta1) * (d - f[M + i]!);
        f[S + i] = beta2 * f[S + i]! + (1 - beta2) * d * d;
        const size = Math.sqrt(f[S + i]! / second) + 1e-8;
        f[W + i] = f[W + i]! * (1 - rate * decay) - ((rate / first) * f[M + i]!) / size;
      }
    },
  };
}
