// Trial: one training of an experiment, in a worker of its own. It goes on exactly as far as it is told, so that two
// of them stay at the same step, and are evaluated at the same steps.

import type { Ask, TrialPoint, TrialStart } from "../contract";
import { Diverged, initialize, loadEngine, makeTraining, meanNll, saturation, surprisals } from "../engine";
import { Batches } from "../engine/batches";
import { pointEvery } from "../experiments/setting";
import { drawLines } from "../sampling/sampler";
import { type Encoded, encode } from "./encoded";
import { specOf } from "./learned";
import { readList } from "./read_list";

const EVALUATED = 5; // points of a curve from one evaluation to the next
const MOST_LINES = 1000; // of each part that are evaluated
const LOOKED_AT = 256; // examples whose hidden values are looked at for saturation
const FRESH = 10; // lines drawn at each evaluation

export interface Trial {
  start: TrialStart;
  /** Learns up to a step, and tells how it went; evaluated before the first step, now and then, and after the last. */
  on(until: number): TrialPoint;
}

/** Reads the list, counts it, and makes the network with the weights that it starts from; "ngram" is the counts alone. */
export async function openTrial({ wasm, list, request }: Extract<Ask, { ask: "trial" }>): Promise<Trial> {
  const engine = await loadEngine(wasm), { kind, maxSteps, seed } = request;
  const { source, parts } = readList({ ...list, id: 0, ask: "read" }), { vocabulary, longest, known } = source;
  const train = encode(vocabulary, parts, "train"), val = some(encode(vocabulary, parts, "val")), own = some(train);
  const most = [...train.lines, ...val.lines].reduce((length, line) => Math.max(length, line.length), longest);
  const network = kind === "ngram" ? null : initialize(engine, specOf(request, vocabulary, most), seed), model = network ?? source.model;
  const training = network && makeTraining(engine, network, train.lines, request, train.labels);
  const symbols = network ? request.batchSize * (network.inputKind === "window" ? 1 : meanLength(train)) : 0; // of a step
  let step = 0, seconds = 0, diverged = false;

  /** Makes gradient steps; gives the sum of their batches' losses. Counts have learned all before. */
  function learn(until: number): number {
    const began = performance.now();
    let losses = 0;
    try {
      for (; step < until && !diverged; step++) losses += training?.step() ?? 0;
    } catch (error) {
      if (!(error instanceof Diverged)) throw error;
      diverged = true;
    }
    seconds += (performance.now() - began) / 1000;
    return losses;
  }

  function evaluate(): NonNullable<TrialPoint["exact"]> {
    const lines = surprisals(model, val.lines, val.labels);
    const drawn = { n: FRESH, seed: 1, conditions: { all: true, maxLength: 2 * longest }, filters: {}, known, longest };
    return {
      own: meanNll(model, own.lines, own.labels),
      nats: Float64Array.from(lines, (line) => line.reduce((sum, each) => sum + each, 0)), lengths: Int32Array.from(lines, ({ length }) => length),
      samples: diverged ? [] : [...drawLines(model, vocabulary, drawn)].flatMap((round) => round.lines.map(({ text }) => text)).filter(Boolean),
    };
  }

  return {
    start: {
      engine: engine.kind, parameters: model.nParameters, vocabSize: vocabulary.size,
      saturated: training && saturation(training.model, new Batches(training.model.inputKind, model.spec.blockSize, train.lines, train.labels, LOOKED_AT, seed).take()[0]!),
      counts: val.lines.length ? meanNll(source.model, val.lines, val.labels) : null,
    },
    on(until) {
      const from = step, losses = learn(Math.min(until, maxSteps));
      const isDue = step === maxSteps || step % (EVALUATED * pointEvery(maxSteps)) === 0 || diverged;
      return {
        step, seconds, symbols: Math.round(step * symbols), diverged, batches: step > from && training ? losses / (step - from) : null,
        ...(isDue && { exact: evaluate() }),
      };
    },
  };
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
