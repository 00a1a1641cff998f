// Learned: the models of a list. Counts are there at once; a network learns beside them; then both are mixed.

import type { Model, ModelSpec, Parts, Progress, TrainRequest, Vocabulary } from "../contract";
import { type Engine, initialize, makeModel, makeTraining, type Network, type OwnedTraining } from "../engine";
import { drawLines } from "../sampling/sampler";
import { knownLines } from "../sampling/known";
import { Told } from "../told";
import { Learning } from "./learning";
import { type Encoded, encode, type ListParts } from "./encoded";
import { Mixing } from "./mixture";
import type { Prior } from "./prior";
import type { Source } from "./source";
import { zipOf } from "./zip";
import { free } from "./models";

const FRESH = 12; // lines that show how a network draws
const FRESH_SYMBOLS = 60; // of such a line at most

export class Learned {
  private learning: Learning | null = null;
  private training: OwnedTraining | null = null;
  private network: Model | null = null; // learned, or on its way
  private mixed: Model | null = null;
  private meanwhile: { model: Model; step: number } | null = null; // a mixture with a network that is on its way
  private mixing: Mixing | null = null;
  private preparing: Generator<number, void> | null = null; // a start from a prior
  private request: TrainRequest | null = null;

  constructor(
    private readonly engine: Engine, private readonly source: Source, private readonly parts: ListParts, private readonly version: string,
    private readonly prior: Prior | null,
  ) {}

  model(which: "counts" | "network" | "mixed"): Model {
    if (which === "counts") return this.source.model;
    if (which === "network") return this.network ?? this.source.model;
    return this.mixed ?? this.mixedMeanwhile();
  }

  /** What is drawn by while a network learns: half of a network alone would draw worse than the counts that are there. */
  private mixedMeanwhile(): Model {
    const { network, learning } = this;
    if (!network || !learning?.evaluated) return this.source.model;
    if (this.meanwhile?.step !== learning.evaluated) this.meanwhile = { model: this.mix(network, true), step: learning.evaluated };
    return this.meanwhile.model;
  }

  private mix(network: Model, quick: boolean): Model {
    const { vocabSize, nLabels } = network.spec;
    this.mixing ??= new Mixing(vocabSize, nLabels, this.encoded("train"), this.encoded("val"));
    return this.mixing.mix(network, this.request?.prior === true, quick);
  }

  /** The network alone, if there is one: its map moves while it learns. */
  get current(): Model | null {
    return this.network;
  }

  /** The step that its training has come to. */
  get step(): number {
    return this.learning?.step ?? 0;
  }

  /** Whether its network changes from step to step. */
  get isLearning(): boolean {
    return this.training !== null;
  }

  /** Begins a training; one from a prior first looks for the nearest list, which takes a while. */
  begin(request: TrainRequest): void {
    this.free();
    const { vocabulary } = this.source, longest = this.longestOfAll(this.source.longest);
    this.request = request;
    if (!request.prior) this.start(initialize(this.engine, specOf(request, vocabulary, longest), request.seed), request);
    else if (!this.prior) throw new Told("this page holds no prior", "choose another network");
    else this.preparing = this.prepare(this.prior, this.prior.specFor(vocabulary, longest, request.options), request);
  }

  private *prepare(prior: Prior, spec: ModelSpec, request: TrainRequest): Generator<number, void> {
    const tensors = yield* prior.start(this.engine, spec, this.source.vocabulary, this.encoded("train").lines);
    this.source.known = knownLines(this.parts.texts, prior.known); // what it has read is not new
    this.start(makeModel(this.engine, spec, tensors), request);
  }

  private start(model: Network, request: TrainRequest): void {
    const train = this.encoded("train");
    this.network = model;
    this.training = makeTraining(this.engine, model, train.lines, request, train.labels);
    const symbols = train.lines.reduce((sum, line) => sum + line.length + 1, 0) / Math.max(1, train.lines.length);
    const total = Object.values(this.parts.texts).reduce((sum, lines) => sum + lines.length, 0);
    this.learning = new Learning(this.training, request, this.encoded("val"), this.source.model, total, symbols, () => this.fresh(model));
  }

  learn(ms: number, one: boolean): Progress {
    if (this.preparing) return this.prepareOn(this.preparing);
    const { learning } = this;
    if (!learning) throw new Error("no network is learning");
    const progress = learning.slice(ms, one);
    if (!progress.ended) return progress;
    this.finish();
    const together = this.mixed && learning.lossOf(this.mixed);
    return { ...progress, ...(together != null && { together }) };
  }

  private prepareOn(preparing: Generator<number, void>): Progress {
    const { value, done } = preparing.next();
    if (done) this.preparing = null;
    const waits = `comparing the list with ${this.prior?.lists.toLocaleString("en")} others that the prior has read`;
    return { step: 0, of: this.request?.maxSteps ?? 1, seconds: 0, train: 0, val: null, best: null, waits, waited: value ?? 1 };
  }

  /** Ends a training where it is: the best weights so far are the network's. */
  end(): void {
    if (this.training) this.finish();
    else if (this.preparing) this.free();
  }

  private finish(): void {
    const { training, learning } = this;
    if (!training || !learning) return;
    training.free();
    this.training = null;
    if (!learning.bestTensors) { // it ended before anything was learned
      this.free();
      return;
    }
    const { spec } = training.model;
    free(this.network);
    this.network = makeModel(this.engine, spec, learning.bestTensors);
    this.meanwhile = null;
    this.mixed = this.mix(this.network, false);
  }

  /** Gives back the network and all that it has taken; counts stay. */
  free(): void {
    this.training?.free();
    free(this.network);
    this.preparing?.return();
    this.training = this.network = this.learning = this.mixed = this.meanwhile = this.preparing = null;
  }

  zip(): { bytes: ArrayBuffer; name: string } {
    const model = this.mixed ?? this.source.model;
    return zipOf(this.source, model, this.parts, this.learning, this.version);
  }

  private longestOfAll(least: number): number {
    const { vocabulary } = this.source, { val, test } = this.parts.texts;
    return [...val, ...test].reduce((most, line) => Math.max(most, vocabulary.encode(line).length), least);
  }

  private encoded(part: keyof Parts): Encoded {
    return encode(this.source.vocabulary, this.parts, part);
  }

  private fresh(model: Model): string[] {
    const { vocabulary, longest } = this.source;
    const request = {
      n: FRESH, seed: this.learning?.step ?? 0, conditions: { all: true, maxLength: Math.min(FRESH_SYMBOLS, 2 * longest) },
      filters: {}, known: this.source.known, longest,
    };
    return [...drawLines(model, vocabulary, request)].flatMap(({ lines }) => lines.map(({ text }) => text)).filter(Boolean);
  }
}

/** The spec of the network that a request asks for, for lines of up to `longest` symbols. */
export function specOf({ kind, options }: TrainRequest, vocabulary: Vocabulary, longest: number): ModelSpec {
  const nLabels = vocabulary.labels.length;
  const blockSize = kind === "mlp" ? (options["block_size"] ?? 3) + Number(nLabels > 0) : longest + 1;
  return { kind, vocabSize: vocabulary.size, blockSize, nLabels, options };
}
