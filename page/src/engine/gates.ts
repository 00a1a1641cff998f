// Gates: what the cells of a GRU, an LSTM and a WaveNet compute inside one kernel, one by one, for who looks inside.

import { sigmoid } from "./cells_js";
import type { Tape, Value } from "./tape";

type Column = (x: number, h: number) => number;

/** Note reset gate, update gate and candidate: x and h (rows, 3 * width), as gruCell takes them. */
export function noteGRU(tape: Tape, layer: number, x: Value, h: Value): void {
  if (!tape.engine.recorder) return;
  const name = `cells.${layer}`, width = x.width / 3;
  const r = noteGate(tape, `${name} r`, [x, h], 0, width);
  noteGate(tape, `${name} z`, [x, h], 1, width);
  let at = 0;
  noteGate(tape, `${name} n`, [x, h], 2, width, (fromX, fromH) => Math.tanh(fromX + r[at++]! * fromH));
}

/** Note forget and input gate, candidate, cell and output gate, in the order in which lstm.py computes them. */
export function noteLSTM(tape: Tape, layer: number, x: Value, h: Value, cell: Value): void {
  if (!tape.engine.recorder) return;
  const name = `cells.${layer}`, { width } = cell;
  noteGate(tape, `${name} f`, [x, h], 1, width);
  noteGate(tape, `${name} i`, [x, h], 0, width);
  noteGate(tape, `${name} g`, [x, h], 2, width, (fromX, fromH) => Math.tanh(fromX + fromH));
  tape.note(`${name} c`, cell);
  noteGate(tape, `${name} o`, [x, h], 3, width);
}

/** Note both factors of a gated convolution: x (rows, 2 * width), as the kernel `gate` takes it. */
export function noteGated(tape: Tape, layer: number, x: Value): void {
  if (!tape.engine.recorder) return;
  noteGate(tape, `layers.${layer} tanh`, [x], 0, x.width / 2, Math.tanh);
  noteGate(tape, `layers.${layer} sigmoid`, [x], 1, x.width / 2);
}

/** Note f of the columns of gate `index`: of x, and of h where there is one. */
function noteGate(
  tape: Tape, name: string, [x, h]: [Value, Value?], index: number, width: number, f: Column = (fromX, fromH) => sigmoid(fromX + fromH),
): Float32Array {
  const numbers = (value: Value): Float32Array => tape.engine.memory.floats(value.at, value.rows * value.width);
  const [fromX, fromH] = [numbers(x), h && numbers(h)];
  const values = Float32Array.from({ length: x.rows * width }, (_, i) => {
    const at = Math.floor(i / width) * x.width + index * width + (i % width);
    return f(fromX[at]!, fromH?.[at] ?? 0);
  });
  tape.engine.recorder?.take(name, [width], values);
  return values;
}
