// Network: a model of weights in the engine's memory. Each kind is one file of models/.

import type { Model, ModelSpec, State, Tensor, Tensors } from "../contract";
import type { Engine } from "./engine";
import type { Random } from "./random";
import type { Tape, Value } from "./tape";

export type Options = Record<string, number | boolean>;

/** What a kind of network is: its options, its tensors by name as Python has them, how it is made. */
export interface Kind {
  /** Python's defaults: what a spec does not name. */
  defaults: Options;
  /** Shapes of all tensors, in the order of Python's `state_dict`; V counts symbols and the boundary. */
  shapes(options: Options, V: number, blockSize: number): Record<string, number[]>;
  /** The initial values of a tensor. */
  initial(name: string, shape: number[], options: Options, random: Random): Float32Array;
  make(engine: Engine, spec: ModelSpec, options: Options, tensors: Tensors): Network;
}

/** A network that can learn: `forward` over a tape gives the logits of a whole batch. */
export interface Trainable extends Network {
  readonly canLearn: true;
  forward(tape: Tape, inputs: Int32Array, lines: number): Value;
}

const ROWS = 128; // of a step that are computed at once: what they need stays in the caches

export abstract class Network implements Model {
  abstract readonly inputKind: "window" | "sequence";
  readonly canLearn: boolean = false;
  readonly nParameters: number;
  /** The weights by name, in the engine's memory. */
  protected readonly weights = new Map<string, Value>();
  private readonly block: number;

  /**
   * tensors: as Python's `tensors()` gives them. loaded: what is computed with, where that is
   * something else, as linears into which a BatchNorm was folded; then the network cannot learn.
   */
  constructor(
    readonly engine: Engine, readonly spec: ModelSpec, readonly options: Options,
    private readonly given: Tensors, private readonly loaded: Tensors = given,
  ) {
    this.nParameters = [...given].reduce((sum, [name, each]) => sum + (isLearned(name) ? each.data.length : 0), 0);
    const sizes = [...loaded.values()].map((each) => 4 * Math.ceil(each.data.length / 4));
    this.block = engine.memory.keep(sizes.reduce((sum, each) => sum + each, 0));
    let at = this.block;
    for (const [name, { shape, data }] of loaded) {
      engine.memory.f32.set(data as Float32Array, at >> 2);
      const width = shape.at(-1)!;
      this.weights.set(name, { at, grad: 0, rows: data.length / width, width });
      at += 16 * Math.ceil(data.length / 4);
    }
  }

  abstract begin(rows: number): State;

  /** What `step` does for so few rows that their scratch is small. */
  protected abstract stepRows(ids: Int32Array, state: State, from: Int32Array): { logits: Float32Array; state: State };

  /** How many inputs are read before the network starts again from the last half of them. */
  get longest(): number {
    return Infinity;
  }

  /** Read a line (T,) from its start, for who looks inside; `next` is called before each position. */
  walk(ids: Int32Array, next: () => void): void {
    let state = this.begin(1);
    for (const id of ids) {
      next();
      ({ state } = this.step(Int32Array.of(id), state, Int32Array.of(0)));
    }
  }

  /** Put the states of parts of a step together, row after row. */
  protected abstract joined(states: State[]): State;

  abstract append(state: State, rows: number, more: State): State | null;

  step(ids: Int32Array, state: State, from: Int32Array): { logits: Float32Array; state: State } {
    if (ids.length <= ROWS) return this.stepRows(ids, state, from);
    const logits = new Float32Array(ids.length * this.spec.vocabSize);
    const states: State[] = [];
    for (let first = 0; first < ids.length; first += ROWS) {
      const part = this.stepRows(ids.subarray(first, first + ROWS), state, from.subarray(first, first + ROWS));
      logits.set(part.logits, first * this.spec.vocabSize);
      states.push(part.state);
    }
    return { logits, state: this.joined(states) };
  }

  tensors(): Tensors {
    const copies: Tensors = new Map();
    for (const [name, { shape, data }] of this.given) {
      const weight = this.weights.get(name);
      const learns = weight && this.loaded === this.given;
      copies.set(name, { shape: [...shape], data: learns ? this.read(weight) : data.slice() });
    }
    return copies;
  }

  /** The learned weights by name: where a training puts gradients, and what it updates. */
  parameters(): Map<string, Value> {
    return this.weights;
  }

  /** Give the memory of the weights back. The network cannot be used any more. */
  free(): void {
    this.engine.memory.drop(this.block);
  }

  protected weight(name: string): Value {
    const weight = this.weights.get(name);
    if (!weight) throw new Error(`the network has no tensor ${name}`);
    return weight;
  }

  /** y = x w^T + bias, of the tensors name.weight and, where it has one, name.bias. norm: the BatchNorm folded into it. */
  protected linear(tape: Tape, name: string, x: Value, norm = ""): Value {
    const y = tape.linear(x, this.weight(`${name}.weight`), this.weights.get(`${name}.bias`) ?? null);
    return tape.note(norm && this.loaded !== this.given ? `${norm} batch_norm` : `${name} linear`, y);
  }

  private read(weight: Value): Float32Array {
    return this.engine.memory.floats(weight.at, weight.rows * weight.width).slice();
  }
}

// What a BatchNorm counts is no parameter: it follows from the batches.
function isLearned(name: string): boolean {
  return !/\.(running_mean|running_var|num_batches_tracked)$/.test(name);
}

/** Check tensors of a file: names and shapes, nothing more, nothing less. Gives them in order. */
export function checked(tensors: Tensors, shapes: Record<string, number[]>): Tensors {
  const ordered: Tensors = new Map();
  for (const [name, shape] of Object.entries(shapes)) {
    const found: Tensor | undefined = tensors.get(name);
    if (!found) throw new Error(`the weights lack the tensor ${name}`);
    if (String(found.shape) !== String(shape) || found.data.length !== shape.reduce((a, b) => a * b, 1)) {
      throw new Error(`the tensor ${name} is [${found.shape}], expected [${shape}]`);
    }
    ordered.set(name, found);
  }
  for (const name of tensors.keys()) if (!ordered.has(name)) throw new Error(`the weights hold an unknown tensor ${name}`);
  return ordered;
}
