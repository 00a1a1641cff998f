// Training: batches, gradients and AdamW or SGD, one step at a time (makemore/training/trainer.py).

import type { Training, TrainRequest } from "../contract";
import { Batches, type Group } from "./batches";
import type { Engine } from "./engine";
import type { Pointer } from "./memory";
import type { Network, Trainable } from "./network";
import { meanNll } from "./scores";
import { Tape, type Value } from "./tape";

const BETAS = [0.9, 0.99] as const; // of AdamW, as in makemore
const DECAY = 0.01; // of matrices; embeddings, biases and norms do not decay

/** A loss that is no number any more: the steps were too large. */
export class Diverged extends Error {}

/** Whether a network has gradients: those with a BatchNorm, and some kinds, can only be used. */
export function canLearn(model: Network): model is Trainable {
  return model.canLearn;
}

/** A training that can give back what it keeps beside the weights. */
export interface OwnedTraining extends Training {
  readonly model: Trainable;
  readonly steps: number; // so far
  free(): void;
}

/**
 * Train a network of this engine on lines of ids, without boundaries. The learning rate falls from
 * its peak to 0 over request.maxSteps. labels: the id (V + i) of each line's label.
 */
export function makeTraining(
  engine: Engine, model: Network, lines: readonly Int32Array[], request: TrainRequest, labels?: Int32Array,
): OwnedTraining {
  if (!canLearn(model)) throw new Error(`a ${model.spec.kind} with these options cannot be trained here`);
  return new NetworkTraining(engine, model, lines, request, labels);
}

/**
 * Add the gradients of a batch to those of the parameters; gives its nll, nats a symbol.
 * Groups are computed one after another: each weighs as many symbols as it has.
 */
export function gradients(engine: Engine, model: Trainable, groups: readonly Group[], seed = 0): number {
  const symbols = groups.reduce((sum, { targets }) => sum + targets.reduce((n, id) => n + (id >= 0 ? 1 : 0), 0), 0);
  let loss = 0;
  groups.forEach(({ inputs, targets, lines }, index) => {
    engine.memory.scope(() => {
      const tape = new Tape(engine, true, seed * groups.length + index);
      loss += tape.crossEntropy(model.forward(tape, inputs, lines), targets, 1 / symbols);
      tape.backward();
    });
  });
  return loss / symbols;
}

class NetworkTraining implements OwnedTraining {
  steps = 0;
  private readonly batches: Batches;
  /** Gradients, and the running averages of them and of their squares, in the order of parameters. */
  private readonly kept: { grad: Pointer; mean: Pointer; square: Pointer };
  private readonly parameters: [string, Value][];
  private readonly size: number;

  constructor(
    private readonly engine: Engine, readonly model: Trainable, lines: readonly Int32Array[],
    private readonly request: TrainRequest, labels?: Int32Array,
  ) {
    this.parameters = [...model.parameters()];
    this.size = this.parameters.reduce((sum, [, each]) => sum + each.rows * each.width, 0);
    const { memory } = engine;
    this.kept = { grad: memory.keep(this.size), mean: memory.keep(this.size), square: memory.keep(this.size) };
    let at = this.kept.grad;
    for (const [, parameter] of this.parameters) {
      parameter.grad = at;
      at += 4 * parameter.rows * parameter.width;
    }
    this.batches = new Batches(model.inputKind, model.spec.blockSize, lines, labels, request.batchSize, request.seed);
  }

  step(): number {
    const { memory } = this.engine;
    memory.f32.fill(0, this.kept.grad >> 2, (this.kept.grad >> 2) + this.size);
    const loss = gradients(this.engine, this.model, this.batches.take(), this.request.seed + 1 + this.steps);
    if (!Number.isFinite(loss)) throw new Diverged(`training diverged at step ${this.steps + 1}: give a smaller learning rate`);
    // Linear to 0, as Python's default schedule; a step after the last does not move any more.
    const rate = this.request.learningRate * Math.max(0, 1 - this.steps / this.request.maxSteps);
    this.steps++;
    this.update(rate);
    return loss;
  }

  evaluate(lines: Int32Array[], labels?: Int32Array): number {
    return meanNll(this.model, lines, labels);
  }

  free(): void {
    for (const at of Object.values(this.kept)) this.engine.memory.drop(at);
    for (const [, parameter] of this.parameters) parameter.grad = 0;
  }

  private update(rate: number): void {
    if (this.request.sgd) return this.descend(rate);
    const [first, second] = BETAS.map((beta) => 1 - beta ** this.steps) as [number, number];
    let at = 0;
    for (const [name, { at: weight, grad, rows, width }] of this.parameters) {
      const { mean, square } = this.kept;
      this.engine.kernels.adamw(
        weight, grad, mean + at, square + at, rows * width, rate, ...BETAS, decays(name) ? DECAY : 0, first, second,
      );
      at += 4 * rows * width;
    }
  }

  /** Plain gradient descent (SGD), as in the lectures: against the gradient, nothing averaged, no decay. */
  private descend(rate: number): void {
    const { memory } = this.engine;
    for (const [, { at, grad, rows, width }] of this.parameters) {
      const weights = memory.floats(at, rows * width), slopes = memory.floats(grad, rows * width);
      for (let i = 0; i < weights.length; i++) weights[i]! -= rate * slopes[i]!;
    }
  }
}

// Matrices that multiply: not tables of rows, not the vectors of biases, norms and start states.
function decays(name: string): boolean {
  if (/^(table|embedding|position)\.|norm/.test(name)) return false;
  return /\.weight(_ih_l\d+|_hh_l\d+)?$/.test(name);
}
