// Session: the list, or the page's run, and the models that have learned it.

import type { Answer, Ask, Drawn, Model, Progress, TrainRequest, Vocabulary } from "../contract";
import { type Engine, loadEngine } from "../engine";
import { nextSymbols } from "../sampling/next";
import { PrefixCache } from "../sampling/prefix_cache";
import { scoreLines } from "../sampling/scores";
import { draw } from "./drawing";
import { intoFile } from "./file";
import { Told } from "../told";
import { inside, mostActive } from "./inside";
import { alike } from "./like";
import { Learned } from "./learned";
import { free } from "./models";
import { ofRun, type Source } from "./source";
import { readList } from "./read_list";
import { pictureOf, type Picture } from "./map";
import { Prior } from "./prior";
import { frequencies, mostFrequent, pairs } from "./pairs";

type Of<K extends Ask["ask"]> = Extract<Ask, { ask: K }>;
export type Reply<K extends Answer["answer"]> = Omit<Extract<Answer, { answer: K }>, "id">;

const MOST_PAIRS = 40; // symbols of the heat map
const MOST_POINTS = 80; // symbols of the map
const LOOKED_AT = 300; // lines over which pairs are averaged

export class Session {
  private engine!: Engine;
  private source: Source | null = null; // what is drawn from: the list that was read last, or the run
  private learned: Learned | null = null; // a list's networks; null for a run
  private prior: Prior | null = null;
  private listed: readonly string[] = []; // the list as it was read, in its order
  private version = ""; // of makemore
  private picture: Picture | null = null; // the map before
  private answers: PrefixCache | null = null; // of the model that was drawn from last

  async open({ wasm, page, arrays, version, prior, priorArrays }: Of<"open">): Promise<void> {
    if (prior && priorArrays) this.prior = new Prior(prior, priorArrays);
    this.version = version;
    this.engine = await loadEngine(wasm);
    if (page && arrays) this.source = ofRun(this.engine, page, arrays);
  }

  /** Draws from a run from now on; the list and what learned it, or the run before, are given back. */
  show({ page, arrays }: Of<"weights">): void {
    const source = ofRun(this.engine, page, arrays); // throws before anything is lost
    if (this.learned) this.learned.free();
    else free(this.source?.model ?? null);
    this.learned = this.answers = null;
    this.source = source;
  }

  about(): Reply<"opened"> {
    const { source } = this, model = source && this.model("mixed");
    return {
      answer: "opened", model: model?.spec ?? null, parameters: model?.nParameters ?? 0, engine: this.engine.kind,
      symbols: source?.vocabulary.symbols ?? [], labels: source?.vocabulary.labels ?? [],
    };
  }

  /** Reads a list; counts learn it at once. What was learned before is given back. */
  read(ask: Of<"read">): Reply<"list"> {
    const { source, parts, lines, reply } = readList(ask);
    if (this.learned) this.learned.free();
    else free(this.source?.model ?? null);
    this.listed = lines;
    this.learned = new Learned(this.engine, source, parts, this.version, this.prior?.covers(parts.texts.train) ? this.prior : null);
    this.source = source;
    this.picture = this.answers = null;
    return { ...reply, prior: this.prior?.covers(parts.texts.train) ? this.prior.lists : 0 };
  }

  /** All lines of the list that was read, as they are learned. */
  lines(): Reply<"lines"> {
    return { answer: "lines", lines: [...this.listed] };
  }

  private get at(): { source: Source; vocabulary: Vocabulary } {
    if (!this.source) throw new Told("there is no model yet", "give a list first");
    return { source: this.source, vocabulary: this.source.vocabulary };
  }

  private model(which: "counts" | "network" | "mixed"): Model {
    const { source } = this.at;
    return this.learned?.model(which) ?? source.model;
  }

  draw(ask: Of<"draw">): Generator<Reply<"drawn">, void> {
    const { source, vocabulary } = this.at;
    const model = this.model(ask.model ?? "mixed");
    return draw(model, vocabulary, { ...source, answers: this.answersOf(model) }, ask, source.tidy);
  }

  file(ask: Of<"file">): Generator<Reply<"file">, void> {
    return intoFile(this.draw({ ...ask, ask: "draw" }), ask.format);
  }

  /** What makes later draws quicker, when there is nothing else to do: the table of counts takes a while. */
  prepare(): void {
    if (this.source && !this.learned?.isLearning) this.model("mixed").table?.();
  }

  /** What a model is known to answer: other filters and conditions ask mostly the same. A network that learns changes. */
  private answersOf(model: Model): PrefixCache {
    const { answers } = this;
    if (answers?.model === model && !answers.isFull && !this.learned?.isLearning) return answers;
    return (this.answers = new PrefixCache(model));
  }

  like(ask: Of<"like">): Generator<Reply<"drawn">, void> {
    const { source, vocabulary } = this.at;
    return alike(this.model("mixed"), this.learned && source.model, vocabulary, source, ask);
  }

  next({ prefix, filters }: Of<"next">): Reply<"next"> {
    return { answer: "next", symbols: nextSymbols(this.model("mixed"), this.at.vocabulary, prefix, filters, undefined, this.at.source.labelShares) };
  }

  score(lines: string[]): Reply<"scores"> {
    const { source, vocabulary } = this.at;
    return { answer: "scores", scores: scoreLines(this.model("mixed"), vocabulary, lines, source.known, source.labelShares) };
  }

  pairs(): Reply<"pairs"> {
    const { vocabulary } = this.at, lines = this.someLines();
    const chosen = mostFrequent(frequencies(lines, vocabulary.size), MOST_PAIRS);
    const p = pairs(this.model("mixed"), lines, chosen, this.first);
    return { answer: "pairs", symbols: this.textsOf(chosen), p, of: vocabulary.symbols.length };
  }

  map(): Reply<"map"> {
    const { vocabulary } = this.at, lines = this.someLines();
    const chosen = mostFrequent(frequencies(lines, vocabulary.size), MOST_POINTS);
    const picture = pictureOf(this.learned?.current ?? this.model("mixed"), chosen, () => pairs(this.model("mixed"), lines, chosen, this.first), this.picture);
    this.picture = picture;
    const cut = chosen.length - 1 < vocabulary.symbols.length ? ` The ${chosen.length - 1} most frequent of ${vocabulary.symbols.length} symbols.` : "";
    return { answer: "map", symbols: this.textsOf(chosen), xy: picture.xy, what: picture.what + cut, step: this.learned?.step ?? 0 };
  }

  inside({ text, member, label }: Of<"inside">): Reply<"inside"> {
    const { source, vocabulary } = this.at;
    return inside(this.looked, vocabulary, text, this.firstOf(label), member, source.known(text) !== "new");
  }

  active(ask: Of<"active">): Reply<"active"> {
    return mostActive(this.looked, this.at.vocabulary, this.someLines(), this.firstOf(ask.label), ask);
  }

  /** What is looked into: the network that learns, or what draws. */
  private get looked(): Model {
    return (this.learned?.isLearning && this.learned.current) || this.model("mixed");
  }

  /** The id that lines begin with: the boundary, or the first label. */
  private get first(): number {
    return this.firstOf("");
  }

  private firstOf(label = ""): number {
    const { labels, size } = this.at.vocabulary;
    return labels.length ? size + Math.max(0, labels.indexOf(label)) : 0;
  }

  private textsOf(ids: readonly number[]): string[] {
    return ids.map((id) => (id === 0 ? "" : this.at.vocabulary.symbols[id - 1]!));
  }

  /** Lines of the list, or of a run, which has none here, lines that it draws. */
  private someLines(): Int32Array[] {
    const { source, vocabulary } = this.at;
    source.looked ??= source.lines.length ? spread(source.lines, LOOKED_AT) : this.drawn(LOOKED_AT).map(({ text }) => text);
    return source.looked.map((line) => vocabulary.encode(line));
  }

  private drawn(n: number): Drawn[] {
    const ask = { id: 0, ask: "draw" as const, n, seed: 1, conditions: { all: true }, filters: {} };
    return [...this.draw(ask)].flatMap(({ lines }) => lines).filter(({ text }) => text !== "");
  }

  train(request: TrainRequest): void {
    if (!this.learned) throw new Told("there is no list to learn", "give a list first");
    this.learned.begin(request);
  }

  learn(ms: number, one: boolean): Progress {
    if (!this.learned) throw new Told("there is no list to learn", "give a list first");
    return this.learned.learn(ms, one);
  }

  endTraining(): void {
    this.learned?.end();
  }

  forgetNetwork(): void {
    this.learned?.free();
    this.picture = null;
  }

  zip(): Reply<"zip"> {
    if (!this.learned) throw new Told("there is no list to write", "give a list first");
    return { answer: "zip", ...this.learned.zip() };
  }
}

/** So many lines from all of a list: the first ones of a sorted list all begin with the same letter. */
function spread(lines: readonly string[], most: number): string[] {
  const every = Math.max(1, lines.length / most);
  return Array.from({ length: Math.min(most, lines.length) }, (_, at) => lines[Math.floor(at * every)]!);
}
