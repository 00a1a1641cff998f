// Prior: a network that has read many lists, and from which the training on one more may start (api/prior_start.py).

import type { ModelSpec, PageArrays, PriorPayload, Tensor, Tensors, Vocabulary } from "../contract";
import { type Engine, makeModel } from "../engine";
import { surprisals } from "../engine/scores";
import { tensorsOf } from "../run";
import { PackedLines, vocabularyOf } from "../text";

const EMBEDDING = "embedding.weight";
const BY_SYMBOL = new Set([EMBEDDING, "head.weight", "head.bias"]); // tensors with a row for each symbol
const MOSTLY_KNOWN = 0.9; // of a list's symbols: with fewer a prior is of no use
// Lists that are compared, by so many lines of the new list each: all of them by a glance, then the best by more.
const LOOKS = [{ lines: 2, keep: 64 }, { lines: 10, keep: 8 }, { lines: 40, keep: 1 }];
const MOST_SYMBOLS = 12; // of a line that is compared
const TOGETHER = 64; // lines of a step: between two steps questions are answered

export class Prior {
  readonly known: PackedLines;
  private readonly vocabulary: Vocabulary;
  private read: Tensors | null = null; // half as wide in the file: made when they are used

  constructor(private readonly payload: PriorPayload, private readonly arrays: PageArrays) {
    this.known = new PackedLines(new Uint8Array(arrays.known));
    const { symbols, labels, rule } = payload.vocabulary;
    this.vocabulary = vocabularyOf(symbols, labels, rule);
  }

  get lists(): number {
    return this.payload.vocabulary.labels.length;
  }

  /** Whether it knows most symbols of these lines. */
  covers(lines: readonly string[]): boolean {
    let all = 0, known = 0;
    for (const line of lines) for (const id of this.vocabulary.encode(line)) {
      all++;
      known += Number(id >= 0);
    }
    return all > 0 && known / all >= MOSTLY_KNOWN;
  }

  /** The spec of the network that starts from it, for lines of up to `longest` symbols. */
  specFor(vocabulary: Vocabulary, longest: number, options: ModelSpec["options"]): ModelSpec {
    const { kind, options: own } = this.payload.model;
    return { kind, vocabSize: vocabulary.size, blockSize: longest + 1, nLabels: vocabulary.labels.length, options: { ...own, ...options } };
  }

  /**
   * The first weights of a network for another vocabulary. Symbols that the prior does not know start as those of the
   * other case, or as the mean. The list's own row, which is read first, is that of the nearest list of the prior: of
   * all of them the one under which the lines are the likeliest. Yields while it compares: how much of it is done.
   */
  *start(engine: Engine, spec: ModelSpec, vocabulary: Vocabulary, lines: readonly Int32Array[]): Generator<number, Tensors> {
    this.read ??= tensorsOf(this.payload.tensors, this.arrays.weights);
    const tensors: Tensors = new Map([...this.read].map(([name, tensor]) => [name, this.adapted(name, tensor, vocabulary, spec.blockSize)]));
    const rows = this.labelRows();
    const nearest = yield* this.nearest(engine, { ...spec, nLabels: this.lists }, tensors, rows, lines);
    const table = tensors.get(EMBEDDING)!, width = table.shape[1]!;
    const own = rows.subarray(nearest * width, (nearest + 1) * width);
    const data = new Float32Array((vocabulary.size + spec.nLabels) * width);
    data.set(table.data as Float32Array);
    data.set(own, 0);
    for (let label = 0; label < spec.nLabels; label++) data.set(own, (vocabulary.size + label) * width);
    tensors.set(EMBEDDING, { shape: [vocabulary.size + spec.nLabels, width], data });
    return tensors;
  }

  /** The rows of its lists (lists, width), which follow those of its symbols. */
  private labelRows(): Float32Array {
    const { data, shape } = this.read!.get(EMBEDDING)!;
    return (data as Float32Array).slice(this.vocabulary.size * shape[1]!);
  }

  /** Selects the rows of a tensor for another vocabulary, or for other positions. */
  private adapted(name: string, { shape, data }: Tensor, vocabulary: Vocabulary, blockSize: number): Tensor {
    const from = data as Float32Array, width = shape.length > 1 ? shape[1]! : 1;
    if (name === "position.weight") return rowsOf(from, width, Array.from({ length: blockSize }, (_, at) => Math.min(at, shape[0]! - 1)), shape);
    if (!BY_SYMBOL.has(name)) return { shape, data: from.slice() };
    const taken = rowsOf(from, width, [0, ...vocabulary.symbols.map((symbol) => Math.max(0, this.rowOf(symbol)))], shape);
    const mean = meanOf(from, width, this.vocabulary.size);
    vocabulary.symbols.forEach((symbol, at) => {
      if (this.rowOf(symbol) < 0) (taken.data as Float32Array).set(mean, (at + 1) * width);
    });
    return taken;
  }

  private rowOf(symbol: string): number {
    const id = this.vocabulary.encode(symbol)[0] ?? -1;
    const swapped = symbol === symbol.toLowerCase() ? symbol.toUpperCase() : symbol.toLowerCase();
    return id >= 0 ? id : (this.vocabulary.encode(swapped)[0] ?? -1);
  }

  private *nearest(engine: Engine, spec: ModelSpec, tensors: Tensors, rows: Float32Array, lines: readonly Int32Array[]): Generator<number, number> {
    const table = tensors.get(EMBEDDING)!, width = table.shape[1]!;
    const data = new Float32Array(table.data.length + rows.length);
    data.set(table.data as Float32Array);
    data.set(rows, table.data.length);
    const order = spread(lines);
    const judge = makeModel(engine, spec, new Map(tensors).set(EMBEDDING, { shape: [data.length / width, width], data }));
    try {
      let lists = Array.from({ length: this.lists }, (_, list) => list), done = 0;
      const all = LOOKS.reduce((sum, { lines: count }, at) => sum + Math.min(this.lists, LOOKS[at - 1]?.keep ?? Infinity) * Math.min(count, order.length), 0);
      for (const { lines: count, keep } of LOOKS) {
        const nats = new Float64Array(this.lists);
        const asked = lists.flatMap((list) => order.slice(0, count).map((line) => ({ list, line: line.slice(0, MOST_SYMBOLS) })));
        for (let at = 0; at < asked.length; at += TOGETHER) {
          const part = asked.slice(at, at + TOGETHER);
          const found = surprisals(judge, part.map(({ line }) => line), Int32Array.from(part, ({ list }) => spec.vocabSize + list));
          found.forEach((each, i) => { nats[part[i]!.list]! += each.reduce((sum, value) => sum + value, 0); });
          yield (done += part.length) / all;
        }
        lists = lists.sort((a, b) => nats[a]! - nats[b]! || a - b).slice(0, keep);
      }
      return lists[0] ?? 0;
    } finally {
      judge.free();
    }
  }
}

/** Lines in an order whose beginning is a sample of them all: a list may be sorted (steps of the golden ratio). */
function spread(lines: readonly Int32Array[]): Int32Array[] {
  const place = (at: number): number => (at * 0.6180339887498949) % 1;
  return lines.map((line, at) => ({ line, place: place(at) })).sort((a, b) => a.place - b.place).map(({ line }) => line);
}

function rowsOf(from: Float32Array, width: number, rows: readonly number[], shape: readonly number[]): Tensor {
  const data = new Float32Array(rows.length * width);
  rows.forEach((row, at) => data.set(from.subarray(row * width, (row + 1) * width), at * width));
  return { shape: [rows.length, ...shape.slice(1)], data };
}

/** The mean of the rows of all symbols, without the boundary's. */
function meanOf(from: Float32Array, width: number, V: number): Float32Array {
  const mean = new Float32Array(width);
  for (let row = 1; row < V; row++) for (let j = 0; j < width; j++) mean[j]! += from[row * width + j]! / (V - 1);
  return mean;
}
