// What the kernels are called, in C (engine/kernels.c) and in JavaScript (kernels_js.ts) alike.
// Arguments that name arrays are pointers: bytes from the start of the memory.

import type { Pointer as P } from "./memory";

export interface Kernels {
  linear(x: P, w: P, bias: P, y: P, rows: number, inn: number, out: number): void;
  linear_backward(x: P, w: P, dy: P, dx: P, dw: P, dbias: P, rows: number, inn: number, out: number): void;
  gather(table: P, ids: P, y: P, rows: number, width: number): void;
  gather_backward(ids: P, dy: P, dtable: P, rows: number, width: number): void;
  add(a: P, b: P, y: P, n: number): void;
  accumulate(x: P, y: P, n: number): void;
  tanh(x: P, y: P, n: number): void;
  tanh_backward(y: P, dy: P, dx: P, n: number): void;
  relu(x: P, y: P, n: number): void;
  relu_backward(y: P, dy: P, dx: P, n: number): void;
  gelu(x: P, y: P, n: number): void;
  gelu_backward(x: P, dy: P, dx: P, n: number): void;
  dropout(x: P, y: P, n: number, dropped: number, scale: number, seed: number): void;
  layernorm(x: P, gain: P, bias: P, y: P, rows: number, width: number): void;
  layernorm_backward(x: P, gain: P, dy: P, dx: P, dgain: P, dbias: P, rows: number, width: number): void;
  softmax(x: P, y: P, rows: number, width: number): void;
  log_softmax(x: P, y: P, rows: number, width: number): void;
  cross_entropy(logits: P, targets: P, dlogits: P, p: P, rows: number, width: number, scale: number): number;
  attention(qkv: P, w: P, y: P, lines: number, T: number, heads: number, size: number): void;
  attention_backward(qkv: P, w: P, y: P, dy: P, dqkv: P, lines: number, T: number, heads: number, size: number): void;
  attend(qkv: P, cache: P, w: P, y: P, lines: number, past: number, stride: number, offset: number, heads: number, size: number): void;
  gru_cell(x: P, h: P, before: P, after: P, rows: number, width: number): void;
  gru_cell_backward(x: P, h: P, before: P, dafter: P, dx: P, dh: P, dbefore: P, rows: number, width: number): void;
  lstm_cell(x: P, h: P, cell: P, next: P, after: P, rows: number, width: number): void;
  gate(x: P, z: P, rows: number, width: number): void;
  running_mean(x: P, total: P, y: P, n: number, count: number): void;
  adamw(w: P, dw: P, mean: P, square: P, n: number, rate: number, beta1: number, beta2: number, decay: number, first: number, second: number): void;
}
