// Learning: one training in slices of time, so that questions are answered in between.

import type { Model, Progress, Tensors, TrainRequest } from "../contract";
import type { OwnedTraining } from "../engine";
import { meanNll } from "../engine/scores";
import type { Metric } from "../run";
import type { Encoded } from "./encoded";

const EVALUATIONS = 30; // of a training, about
const MOST_EVALUATING = 0.15; // of the time
const PATIENCE = 6; // evaluations without a better one
const STOPPED_BY_VAL = 300; // lines of a list from which on its validation lines tell when to stop
const MOST_VAL = 1000; // lines that are evaluated
const SMOOTH = 0.9; // of the loss that is shown: batches differ

export class Learning {
  step = 0;
  best: number | null = null;
  bestStep = 0;
  bestTensors: Tensors | null = null;
  readonly metrics: Metric[] = [];
  readonly samples: { step: number; line: string }[] = [];
  private seconds = 0;
  private evaluating = 0;
  private smoothed: number | null = null;
  private waited = 0;
  evaluated = 0; // the step of the last evaluation
  private symbols = 0;
  private readonly val: Encoded;
  private readonly stops: boolean;
  private readonly counts: number | null; // the loss of counts on the same lines: the line to beat

  /** val: lines that the network does not see; counts: what has learned the list already; fresh: draws some lines by the network as it is. */
  constructor(
    readonly training: OwnedTraining, readonly request: TrainRequest, val: Encoded, counts: Model, total: number,
    private readonly symbolsPerLine: number, private readonly fresh: () => string[],
  ) {
    this.val = { lines: val.lines.slice(0, MOST_VAL), ...(val.labels && { labels: val.labels.slice(0, MOST_VAL) }) };
    this.counts = this.lossOf(counts);
    this.stops = total >= STOPPED_BY_VAL && val.lines.length > 0;
  }

  /** Learns for about so many ms, at least one step; `one` for exactly one. */
  slice(ms: number, one = false): Progress {
    const began = performance.now();
    do this.learn();
    while (!one && this.step < this.request.maxSteps && !this.isDue() && performance.now() - began < ms);
    this.seconds += (performance.now() - began) / 1000;
    return this.isDue() || this.step >= this.request.maxSteps ? this.evaluate() : this.progress();
  }

  /** The loss of a model on the lines that the network does not see; null where there is none. */
  lossOf(model: Model): number | null {
    return this.val.lines.length ? meanNll(model, this.val.lines, this.val.labels) : null;
  }

  private learn(): void {
    const loss = this.training.step();
    this.step++;
    this.symbols += Math.round(this.request.batchSize * this.symbolsPerLine);
    this.smoothed = this.smoothed === null ? loss : SMOOTH * this.smoothed + (1 - SMOOTH) * loss;
  }

  private isDue(): boolean {
    const since = this.step - this.evaluated;
    return since >= Math.max(10, this.request.maxSteps / EVALUATIONS) && this.evaluating <= MOST_EVALUATING * this.seconds;
  }

  private evaluate(): Progress {
    const began = performance.now();
    this.evaluated = this.step;
    const val = this.val.lines.length ? this.training.evaluate(this.val.lines, this.val.labels) : null;
    this.record("batch", this.smoothed, this.request.learningRate);
    if (val !== null) this.record("val", val, null);
    this.judge(val);
    const samples = this.fresh();
    for (const line of samples.slice(0, 3)) this.samples.push({ step: this.step, line });
    this.evaluating += (performance.now() - began) / 1000;
    const ended = this.step >= this.request.maxSteps ? "done" : this.stops && this.waited >= PATIENCE ? "patience" : undefined;
    return { ...this.progress(), val, samples, ...(ended && { ended }) };
  }

  /** Keeps the weights that are the best for lines that the network does not see; of few lines the last ones. */
  private judge(val: number | null): void {
    if (this.stops && val !== null && this.best !== null && !(val < this.best)) {
      this.waited++;
      return;
    }
    this.waited = 0;
    this.best = val;
    this.bestStep = this.step;
    this.bestTensors = this.training.model.tensors(); // copies
  }

  private record(kind: Metric["kind"], nll: number | null, lr: number | null): void {
    this.metrics.push({ step: this.step, kind, nll, lr, symbols: this.symbols, seconds: this.seconds });
  }

  private progress(): Progress {
    return { step: this.step, of: this.request.maxSteps, seconds: this.seconds, train: this.smoothed ?? 0, val: null, best: this.best, counts: this.counts };
  }
}
