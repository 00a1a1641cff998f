// N-gram: counts of what followed the last symbols, smoothed by what followed fewer of them (models/ngram.py).
// Every sum is made in the order of the Python file, so that the probabilities are the same.

import type { Model, ModelSpec, Table, Tensors } from "../contract";
import { appended } from "../growing";
import { countLevels } from "./levels";
import { NEW, PrefixTrie, START } from "./prefix_trie";
import { checkSorted, numbersOf, smallest } from "./integers";
import { discounts } from "./smoothing";
import { lowerBound } from "./sorted";
import { fits, tableOf } from "./ngram_table";

const MOST_ROWS = 2 ** 20; // probabilities that `step` keeps, in rows of V

export interface NGramOptions {
  order: number;
  smoothing: "kneser-ney" | "add-k";
  k: number;
}

/** The spec of an n-gram: what config.json has of one. */
export function ngramSpec(vocabSize: number, options: Partial<NGramOptions> = {}): ModelSpec {
  const all = { order: 6, smoothing: "kneser-ney", k: 1, ...options };
  return { kind: "ngram", vocabSize, blockSize: all.order - 1, nLabels: 0, options: all };
}

/**
 * Predicts the next symbol from counts of what followed the last order - 1 symbols.
 *
 * Contexts are the nodes of a prefix trie that is read backwards: node 0 is the empty context, and "em" is the
 * child of "m" by e. Node i + 1 has the code contexts[i]: its suffix's node * V + its first symbol.
 * ngrams: sorted codes, (node of the context) * V + the next symbol; counts: how often each, as smoothing goes.
 */
export class NGram implements Model {
  readonly spec: ModelSpec;
  readonly order: number;
  contexts = new Float64Array(0);
  ngrams = new Float64Array(0);
  counts = new Float64Array(0);
  /** Each context, the unseen one last: where its n-grams start, and the weight of the shorter context. */
  starts = new Int32Array(3);
  backoff = new Float64Array([1, 1]);
  symbols = new Int32Array(0); // of each n-gram: the next symbol
  weights = new Float64Array(0); // and what it adds to backoff * p(symbol | shorter context)
  private trie: PrefixTrie;
  private logsOf = new Map<number, Float64Array>(); // longest seen context -> its row of logs
  private shortest: Float64Array | null = null; // the probabilities of the empty context
  private allStates: Table | null = null;

  constructor(spec: ModelSpec) {
    this.spec = spec;
    this.order = Number(spec.options["order"] ?? 6);
    this.trie = new PrefixTrie(this.contexts, spec.vocabSize);
    this.hold(this.contexts, this.ngrams, this.counts);
  }

  /** Count the n-grams of lines up to `order`: ids one after another, line i from offsets[i] on. */
  static fit(spec: ModelSpec, ids: Int32Array, offsets: Int32Array): NGram {
    const model = new NGram(spec);
    const { contexts, ngrams, counts } = countLevels(ids, offsets, spec.vocabSize, model.order);
    const adjusted = model.adjust(contexts, ngrams, counts);
    model.hold(contexts, adjusted.ngrams, adjusted.counts);
    return model;
  }

  /** Load what `tensors` gives. Throws for arrays that are no n-grams: a file may be damaged. */
  static of(spec: ModelSpec, tensors: Tensors): NGram {
    const [contexts, ngrams, counts] = ["contexts", "ngrams", "counts"].map((name) => numbersOf(tensors.get(name), name));
    const model = new NGram(spec);
    checkSorted(contexts as Float64Array, "contexts");
    checkSorted(ngrams as Float64Array, "ngrams");
    const lengths = model.lengths(contexts as Float64Array);
    const last = (ngrams as Float64Array).at(-1) ?? 0;
    const whole = lengths.length === (contexts as Float64Array).length + 1 && last < lengths.length * spec.vocabSize;
    if (!whole || (counts as Float64Array).length !== (ngrams as Float64Array).length || (counts as Float64Array).includes(0)) {
      throw new Error("the tensors are no n-grams of this order");
    }
    model.hold(contexts as Float64Array, ngrams as Float64Array, counts as Float64Array);
    return model;
  }

  /**
   * Turn counts into those that smoothing goes by. A context is whole if nothing longer was counted: it has
   * order - 1 symbols or starts a line. Its n-grams keep their counts; for others Kneser-Ney counts the distinct
   * symbols that they came after.
   */
  private adjust(contexts: Float64Array, ngrams: Float64Array, counts: Float64Array): { ngrams: Float64Array; counts: Float64Array } {
    const V = this.spec.vocabSize;
    const lengths = this.lengths(contexts);
    const isWhole = (node: number): boolean =>
      lengths[node] === this.order - 1 || (node > 0 && (contexts[node - 1] as number) % V === 0);
    const kept = Uint8Array.from(ngrams, (code) => Number(isWhole(Math.floor(code / V))));
    if (this.spec.options["smoothing"] === "add-k") {
      return { ngrams: ngrams.filter((_, i) => kept[i]), counts: counts.filter((_, i) => kept[i]) };
    }
    const continued = new Float64Array(ngrams.length);
    for (const code of ngrams) {
      if (code < V) continue;
      // Its suffix is another n-gram: the suffix of the context, and the same next symbol.
      const context = contexts[Math.floor(code / V) - 1] as number;
      const suffix = lowerBound(ngrams, Math.floor(context / V) * V + (code % V));
      continued[suffix] = (continued[suffix] as number) + 1;
    }
    return { ngrams, counts: counts.map((count, i) => (kept[i] ? count : (continued[i] as number))) };
  }

  /** The length of each context in symbols, by the sorted codes; fewer entries if the codes form no tree. */
  lengths(contexts: Float64Array = this.contexts): Uint8Array {
    const bounds = [0, 1]; // where the contexts of each length start; node 0 is the empty one
    for (let length = 1; length < this.order; length++) {
      bounds.push(1 + lowerBound(contexts, (bounds.at(-1) as number) * this.spec.vocabSize));
    }
    const lengths = new Uint8Array(bounds.at(-1) as number);
    for (let length = 0; length < this.order; length++) lengths.fill(length, bounds[length], bounds[length + 1]);
    return lengths;
  }

  /** Store counts, and compute the weights that `extend` adds up. */
  private hold(contexts: Float64Array, ngrams: Float64Array, counts: Float64Array): void {
    const V = this.spec.vocabSize;
    const unseen = contexts.length + 1; // the node of a context that was never seen: no n-grams
    Object.assign(this, { contexts, ngrams, counts });
    this.trie = new PrefixTrie(contexts, V);
    const context = new Int32Array(ngrams.length);
    this.symbols = new Int32Array(ngrams.length);
    this.starts = new Int32Array(unseen + 2);
    const totals = new Float64Array(unseen + 1);
    for (let i = 0; i < ngrams.length; i++) { // a loop: so many calls take long in a page that has just been opened
      const code = ngrams[i] as number, node = Math.floor(code / V);
      context[i] = node;
      this.symbols[i] = code - node * V;
      this.starts[node + 1] = (this.starts[node + 1] as number) + 1;
      totals[node] = (totals[node] as number) + (counts[i] as number);
    }
    for (let node = 0; node <= unseen; node++) this.starts[node + 1] = (this.starts[node + 1] as number) + (this.starts[node] as number);
    this.backoff = new Float64Array(unseen + 1).fill(1); // 1 where nothing was counted
    if (this.spec.options["smoothing"] === "add-k") this.weighByK(context, totals);
    else this.weighByDiscounts(context, totals);
    this.logsOf.clear();
    this.allStates = this.shortest = null;
  }

  /** (count + k) / (total + k V) is count / total mixed with the uniform distribution. */
  private weighByK(context: Int32Array, totals: Float64Array): void {
    const k = Number(this.spec.options["k"] ?? 1);
    const V = this.spec.vocabSize;
    totals.forEach((total, node) => {
      if (total > 0) this.backoff[node] = k / (k + total / V);
    });
    this.weights = this.counts.map((count, i) => count / V / (k + (totals[context[i] as number] as number) / V));
  }

  /** All that a context's n-grams lose goes to the shorter one: the sum stays 1. */
  private weighByDiscounts(context: Int32Array, totals: Float64Array): void {
    const lengths = this.lengths();
    const each = new Uint8Array(context.length);
    for (let i = 0; i < context.length; i++) each[i] = lengths[context[i] as number] as number;
    const table = discounts(each, this.counts, this.order);
    const removed = new Float64Array(totals.length);
    this.weights = new Float64Array(context.length);
    for (let i = 0; i < context.length; i++) {
      const node = context[i] as number, count = this.counts[i] as number;
      const discount = (table[each[i] as number] as number[])[Math.min(count, 3)] as number;
      removed[node] = (removed[node] as number) + discount;
      this.weights[i] = (count - discount) / (totals[node] as number);
    }
    totals.forEach((total, node) => {
      if (total > 0) this.backoff[node] = (removed[node] as number) / total;
    });
  }

  /** Interpolate with a context one symbol longer, in place: the V probabilities from `first` on in rows. */
  extend(rows: Float64Array, first: number, node: number): void {
    const V = this.spec.vocabSize;
    const backoff = this.backoff[node] as number;
    for (let symbol = first; symbol < first + V; symbol++) rows[symbol] = (rows[symbol] as number) * backoff;
    for (let i = this.starts[node] as number; i < (this.starts[node + 1] as number); i++) {
      const at = first + (this.symbols[i] as number);
      rows[at] = (rows[at] as number) + (this.weights[i] as number);
    }
  }

  /** The probabilities of the empty context, which backs off to the uniform distribution. */
  noContext(): Float64Array {
    if (!this.shortest) {
      this.shortest = new Float64Array(this.spec.vocabSize).fill(1 / this.spec.vocabSize);
      this.extend(this.shortest, 0, START);
    }
    return this.shortest.slice();
  }

  /** The nodes of the last symbol before `end` in a window, the last two, and so on, up to `width`, as far as they were seen. */
  path(window: Int32Array, end: number, width: number): number[] {
    const path: number[] = [];
    for (let length = 1, node = START; length <= width; length++) {
      node = this.trie.step(node, window[end - length] as number);
      if (node === NEW) break;
      path.push(node);
    }
    return path;
  }

  /** Log-probabilities (V,) after the last symbols before `end` in a window, at most `width` of them. */
  private logsAfter(window: Int32Array, end: number, width: number): Float64Array {
    const path = this.path(window, end, width);
    const longest = path.at(-1) ?? START;
    let logs = this.logsOf.get(longest);
    if (logs === undefined) {
      const row = this.noContext();
      for (const node of path) this.extend(row, 0, node);
      logs = row.map(Math.log);
      if (this.logsOf.size * this.spec.vocabSize > MOST_ROWS) this.logsOf.clear();
      this.logsOf.set(longest, logs);
    }
    return logs;
  }

  /** The row of the context that follows these symbols; used where no batch is needed. */
  logs(context: Int32Array): Float64Array {
    return this.logsAfter(context, context.length, Math.min(context.length, this.order - 1));
  }

  begin(rows: number): Int32Array {
    return new Int32Array(rows * this.spec.blockSize); // windows, at first all the boundary
  }

  step(ids: Int32Array, state: unknown, from: Int32Array): { logits: Float64Array; state: Int32Array } {
    const width = this.spec.blockSize;
    const before = state as Int32Array;
    const windows = new Int32Array(ids.length * width);
    const logits = new Float64Array(ids.length * this.spec.vocabSize);
    ids.forEach((id, row) => {
      if (id < 0 || id >= this.spec.vocabSize) throw new RangeError(`the ids of inputs are 0 to ${this.spec.vocabSize - 1}`);
      const old = (from[row] as number) * width;
      windows.set(before.subarray(old + 1, old + width), row * width);
      if (width) windows[(row + 1) * width - 1] = id;
      logits.set(this.logsAfter(windows, (row + 1) * width, width), row * this.spec.vocabSize);
    });
    return { logits, state: windows };
  }

  append(state: unknown, rows: number, more: unknown): Int32Array {
    return appended(state as Int32Array, rows * this.spec.blockSize, more as Int32Array);
  }

  /** How many states its table has: the contexts, and the empty one. */
  get states(): number {
    return this.contexts.length + 1;
  }

  tabulates(): boolean {
    return fits(this.states, this.spec.vocabSize);
  }

  get tabulated(): boolean {
    return this.allStates !== null;
  }

  /** All states, computed once; null if they are too many. */
  table(): Table | null {
    this.allStates ??= tableOf(this, this.trie);
    return this.allStates;
  }

  get nParameters(): number {
    return this.ngrams.length;
  }

  tensors(): Tensors {
    return new Map([["contexts", smallest(this.contexts)], ["ngrams", smallest(this.ngrams)], ["counts", smallest(this.counts)]]);
  }
}
