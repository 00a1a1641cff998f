// Trial: one training of an experiment, in a worker of its own. It goes on exactly as far as it is told, so that two
// of them stay at the same step, and it is evaluated at the same steps.

import type { Ask, Model, TrainRequest, TrialPoint, TrialStart } from "../contract";
import { Diverged, initialize, loadEngine, makeTraining, type OwnedTraining, saturation, surprisals } from "../engine";
import { Batches } from "../engine/batches";
import { drawLines } from "../sampling/sampler";
import { type Encoded, encode } from "./encoded";
import { specOf } from "./learned";
import { readList } from "./read_list";
import type { Source } from "./source";

export const EVALUATIONS = 20; // of a trial
const MOST_LINES = 1000; // of each part that are evaluated
const LOOKED_AT = 256; // examples whose hidden values are looked at for saturation
const FRESH = 10; // lines drawn at each evaluation

interface Learner { source: Source; model: Model; training: OwnedTraining | null; own: Encoded; unseen: Encoded; symbolsPerStep: number }

export class Trial {
  private step = 0;
  private seconds = 0;
  private diverged = false;

  private constructor(private readonly learner: Learner, private readonly request: TrainRequest, readonly start: TrialStart) {}

  /** Reads the list, counts it, and makes the network with the weights that it starts from. */
  static async open({ wasm, list, request }: Extract<Ask, { ask: "trial" }>): Promise<Trial> {
    const engine = await loadEngine(wasm);
    const { source, parts } = readList({ ...list, id: 0, ask: "read" });
    const train = encode(source.vocabulary, parts, "train"), unseen = some(encode(source.vocabulary, parts, "val"));
    const learner: Learner = { source, model: source.model, training: null, own: some(train), unseen, symbolsPerStep: 0 };
    let saturated: number | null = null;
    if (request.kind !== "ngram") {
      const longest = train.lines.concat(unseen.lines).reduce((most, { length }) => Math.max(most, length), source.longest);
      const model = initialize(engine, specOf(request, source.vocabulary, longest), request.seed);
      const training = makeTraining(engine, model, train.lines, request, train.labels);
      Object.assign(learner, { model, training, symbolsPerStep: request.batchSize * (model.inputKind === "window" ? 1 : meanLength(train)) });
      const [first] = new Batches(model.inputKind, model.spec.blockSize, train.lines, train.labels, LOOKED_AT, request.seed).take();
      saturated = first ? saturation(training.model, first) : null;
    }
    const start: TrialStart = {
      engine: engine.kind, parameters: learner.model.nParameters, vocabSize: source.vocabulary.size, saturated,
      counts: unseen.lines.length ? mean(surprisals(source.model, unseen.lines, unseen.labels)) : null,
    };
    return new Trial(learner, request, start);
  }

  /** Learns up to a step, and tells how it went; evaluated EVALUATIONS times on the way to the last step, and before the first. */
  on(until: number): TrialPoint {
    const { maxSteps } = this.request, from = this.step;
    const losses = this.learn(Math.min(until, maxSteps));
    const point: TrialPoint = {
      step: this.step, seconds: this.seconds, symbols: Math.round(this.step * this.learner.symbolsPerStep), diverged: this.diverged,
      batches: this.step > from && this.learner.training ? losses / (this.step - from) : null,
    };
    const isDue = this.step === 0 || this.step === maxSteps || this.step % evaluateEvery(maxSteps) === 0 || this.diverged;
    return isDue ? { ...point, exact: this.evaluate() } : point;
  }

  /** Makes gradient steps; gives the sum of their batches' losses. Counts have learned all before. */
  private learn(until: number): number {
    const began = performance.now();
    let losses = 0;
    try {
      for (; this.step < until && !this.diverged; this.step++) losses += this.learner.training?.step() ?? 0;
    } catch (error) {
      if (!(error instanceof Diverged)) throw error;
      this.diverged = true;
    }
    this.seconds += (performance.now() - began) / 1000;
    return losses;
  }

  private evaluate(): NonNullable<TrialPoint["exact"]> {
    const { model, own, unseen } = this.learner;
    const perLine = surprisals(model, unseen.lines, unseen.labels);
    return {
      own: mean(surprisals(model, own.lines, own.labels)), unseen: perLine.length ? mean(perLine) : null,
      nats: Float64Array.from(perLine, sum), lengths: Int32Array.from(perLine, ({ length }) => length), samples: this.fresh(),
    };
  }

  /** Some lines that it writes now, by itself; the same random numbers each time. */
  private fresh(): string[] {
    const { model, source: { vocabulary, known, longest } } = this.learner;
    if (this.diverged) return [];
    const request = { n: FRESH, seed: 1, conditions: { all: true, maxLength: 2 * longest }, filters: {}, known, longest };
    return [...drawLines(model, vocabulary, request)].flatMap(({ lines }) => lines.map(({ text }) => text)).filter(Boolean);
  }
}

/** Steps between two evaluations of a trial of so many steps. */
export function evaluateEvery(maxSteps: number): number {
  return Math.max(1, Math.ceil(maxSteps / EVALUATIONS));
}

/** Lines from all of a part: the first ones of a sorted list all begin with the same letter. */
function some({ lines, labels }: Encoded): Encoded {
  const every = Math.max(1, lines.length / MOST_LINES);
  const rows = Array.from({ length: Math.min(MOST_LINES, lines.length) }, (_, at) => Math.floor(at * every));
  return { lines: rows.map((row) => lines[row]!), ...(labels && { labels: Int32Array.from(rows, (row) => labels[row]!) }) };
}

function meanLength({ lines }: Encoded): number {
  return lines.reduce((all, { length }) => all + length + 1, 0) / Math.max(1, lines.length);
}

function sum(numbers: Float64Array): number {
  return numbers.reduce((all, each) => all + each, 0);
}

/** The mean of the surprisals of lines, nats a symbol. */
function mean(lines: Float64Array[]): number {
  return lines.reduce((all, each) => all + sum(each), 0) / lines.reduce((all, { length }) => all + length, 0);
}
