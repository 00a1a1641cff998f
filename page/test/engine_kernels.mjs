// node engine_kernels.mjs BUNDLE WASM: every kernel of C against its sibling in JavaScript, in sizes
// that no tile divides; and exp, tanh and erf against exact ones.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [bundle, wasm] = process.argv.slice(2);
const module = await import(pathToFileURL(bundle));
const engines = [await module.loadEngine(readFileSync(wasm)), await module.loadEngine(null)];

let seed = 1;
const unit = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32;

// The largest difference of all arrays after a kernel, relative to numbers above 1.
function difference(name, sizes, ints, order) {
  const arrays = sizes.map((size) => Float32Array.from({ length: size }, () => 4 * unit() - 2));
  const results = engines.map(({ memory, kernels }) => {
    const places = arrays.map((array) => memory.keep(array.length));
    arrays.forEach((array, i) => memory.f32.set(array, places[i] >> 2));
    const whole = ints && memory.keep(ints.length);
    if (ints) memory.i32.set(ints, whole >> 2);
    const given = order(...places, whole);
    const result = kernels[name](...given);
    const after = places.map((at, i) => memory.floats(at, sizes[i]).slice());
    for (const at of [...places, ...(ints ? [whole] : [])]) memory.drop(at);
    return { after, result };
  });
  let most = 0;
  results[0].after.forEach((array, i) => array.forEach((each, j) => {
    const other = results[1].after[i][j];
    most = Math.max(most, Math.abs(each - other) / Math.max(1, Math.abs(other)));
  }));
  if (results[0].result !== undefined) most = Math.max(most, Math.abs(results[0].result - results[1].result));
  return most;
}

function check(name, sizes, order, ints = null) {
  const most = difference(name, sizes, ints, order);
  assert(most < 2e-5, `${name}: C and JavaScript differ by ${most}`);
  return most;
}

for (const [R, I, O] of [[1, 1, 1], [3, 5, 7], [4, 8, 8], [5, 600, 9], [37, 13, 27], [33, 257, 17]]) {
  check("linear", [R * I, O * I, O, R * O], (x, w, b, y) => [x, w, b, y, R, I, O]);
  check("linear", [R * I, O * I, O, R * O], (x, w, _b, y) => [x, w, 0, y, R, I, O]);
  const sizes = [R * I, O * I, R * O, R * I, O * I, O];
  check("linear_backward", sizes, (...all) => [...all.slice(0, 6), R, I, O]);
  check("linear_backward", sizes, (x, w, dy, _dx, dw) => [x, w, dy, 0, dw, 0, R, I, O]);
}
const ids = Int32Array.of(2, 0, 4, 4, 1);
check("gather", [5 * 7, 5 * 7], (table, y, at) => [table, at, y, 5, 7], ids);
check("gather_backward", [5 * 7, 5 * 7], (dy, dtable, at) => [at, dy, dtable, 5, 7], ids);
for (const n of [1, 4, 15, 1001]) {
  for (const name of ["tanh", "relu", "gelu", "accumulate"]) check(name, [n, n], (x, y) => [x, y, n]);
  for (const name of ["tanh_backward", "relu_backward", "gelu_backward", "add"]) check(name, [n, n, n], (a, b, c) => [a, b, c, n]);
  check("running_mean", [n, n, n], (x, total, y) => [x, total, y, n, 3]);
  check("dropout", [n, n], (x, y) => [x, y, n, Math.round(0.3 * 2 ** 32), 1 / 0.7, 4000000007]);
  check("adamw", [n, n, n], (w, dw, mean) => [w, dw, mean, mean, n, 0, 0, 0, 0.1, 1, 1]);
}
for (const [R, W] of [[1, 1], [3, 5], [7, 64], [2, 27]]) {
  check("layernorm", [R * W, W, W, R * W], (x, g, b, y) => [x, g, b, y, R, W]);
  if (W > 1) check("layernorm_backward", [R * W, W, R * W, R * W, W, W], (...all) => [...all.slice(0, 6), R, W]);
  for (const name of ["softmax", "log_softmax"]) check(name, [R * W, R * W], (x, y) => [x, y, R, W]);
  check("gate", [2 * R * W, R * W], (x, z) => [x, z, R, W]);
  check("gru_cell", [3 * R * W, 3 * R * W, R * W, R * W], (...all) => [...all.slice(0, 4), R, W]);
  const back = [3 * R * W, 3 * R * W, R * W, R * W, 3 * R * W, 3 * R * W, R * W];
  check("gru_cell_backward", back, (...all) => [...all.slice(0, 7), R, W]);
  check("lstm_cell", [4 * R * W, 4 * R * W, R * W, R * W, R * W], (...all) => [...all.slice(0, 5), R, W]);
  const targets = Int32Array.from({ length: R }, (_, i) => (i === 1 ? -1 : W - 1));
  // The room for probabilities is no result: it is its own array, and overwritten in C alone.
  for (const gradient of [true, false]) {
    check("cross_entropy", [R * W, R * W], (x, dx, at) => {
      const { memory } = engines[0];
      return [x, at, gradient ? dx : 0, memory.size - 4096, R, W, 0.5];
    }, targets);
  }
}
for (const [L, T, H, D] of [[1, 1, 1, 1], [2, 5, 3, 5], [3, 16, 4, 16]]) {
  const [qkv, y, w] = [L * T * 3 * H * D, L * T * H * D, L * H * T * T];
  check("attention", [qkv, w, y], (...all) => [...all.slice(0, 3), L, T, H, D]);
  check("attention_backward", [qkv, w, y, y, qkv], (...all) => [...all.slice(0, 5), L, T, H, D]);
  const stride = 4 * H * D;
  const sizes = [L * 3 * H * D, L * (T + 1) * stride, T + 1, L * H * D];
  check("attend", sizes, (...all) => [...all.slice(0, 4), L, T, stride, 2 * H * D, H, D]);
}

// Cody and Waite's erf to double precision: a series below 2, a continued fraction above.
function erf(x) {
  const size = Math.abs(x);
  if (size > 2) {
    let fraction = 0;
    for (let k = 60; k > 0; k--) fraction = k / 2 / (size + fraction);
    return Math.sign(x) * (1 - Math.exp(-x * x) / Math.sqrt(Math.PI) / (size + fraction));
  }
  let [sum, term] = [x, x];
  for (let k = 1; k < 60; k++) sum += (term *= (-x * x) / k) / (2 * k + 1);
  return (2 / Math.sqrt(Math.PI)) * sum;
}

for (const { kind, kernels, memory } of engines) {
  const xs = Float32Array.from({ length: 20001 }, (_, i) => (i - 10000) / 1000);
  const [x, y] = [memory.keep(2 * xs.length), memory.keep(2 * xs.length)];
  const worst = (found, exact) => found.reduce((most, each, i) => Math.max(most, exact(xs[i]) === 0 ? Math.abs(each) : Math.abs(each / exact(xs[i]) - 1)), 0);
  memory.f32.set(xs, x >> 2);
  kernels.tanh(x, y, xs.length);
  const tanh = worst(memory.floats(y, xs.length), Math.tanh);
  kernels.gelu(x, y, xs.length);
  // Of the positive half: 1 + erf of a negative number has lost digits in torch, too.
  const gelu = worst(memory.floats(y, xs.length).map((each, i) => (xs[i] > 0 ? each : xs[i] * 0.5 * (1 + erf(xs[i] * Math.SQRT1_2)))), (v) => v * 0.5 * (1 + erf(v * Math.SQRT1_2)));
  // softmax of (x, 0) is exp(x) / (exp(x) + 1).
  xs.forEach((each, i) => memory.f32.set([each, 0], (x >> 2) + 2 * i));
  kernels.softmax(x, y, xs.length, 2);
  const exp = worst(Float32Array.from(xs, (_, i) => memory.f32[(y >> 2) + 2 * i]), (v) => 1 / (1 + Math.exp(-v)));
  console.log(`${kind}: relative errors of tanh ${tanh.toExponential(1)}, gelu ${gelu.toExponential(1)}, softmax ${exp.toExponential(1)}`);
  assert(Math.max(tanh, gelu, exp) < 1e-6);
  memory.drop(x);
  memory.drop(y);
}
