// Sampler: draws lines from a model; by default new lines, each once (sampling/sampler.py). The random numbers of a
// draw depend on (seed, round, position, row) alone, so the first 5 lines of 50 are the 5 lines of 5.
// The strategies: rejection, exact and fast while most draws pass; without replacement, once most draws are refused;
// guided, where few lines satisfy the conditions. A model of counts is drawn from by a table, which gives the same lines.

import type { Conditions, Drawn, Filters, Model, Vocabulary } from "../contract";
import { compileConditions } from "./automaton";
import { Decoder } from "./decoder";
import type { Drawer, Finished, Part } from "./finished";
import { Guidance } from "./guidance";
import { Guided } from "./guided";
import { Idle } from "./idle";
import type { Known } from "./known";
import { ROUND, SamplingPolicy, type Shortfall } from "./policy";
import { asInList, encodePrefix, startsOf } from "./starts";
import { samplingTable } from "./sampling_table";
import { TableDrawer } from "./table_drawer";
import { PrefixCache } from "./prefix_cache";
import { Uniforms } from "./uniforms";
import { chooseByWeight, effectiveSize } from "./weighted";
import { WithoutReplacement } from "./without_replacement";

export interface DrawRequest {
  n: number; // lines that are wanted
  seed: number;
  conditions: Conditions;
  filters: Filters;
  relaxed?: Filters; // to go on with, once no line is left under `filters`
  known: Known; // lines that are no new ones
  longest: number; // symbols of the longest training line: a draw of twice that is given up
  roundSize?: number; // draws in a round at most; a run records it
  lookahead?: readonly string[]; // lines for the n-gram of guided draws; without them lines that the model draws
  labelShares?: ArrayLike<number>; // how often each label of the vocabulary is drawn
  answers?: PrefixCache; // of the model as it is now, from earlier draws
}

/** The lines of one round, or of a part of one, and all counts so far. */
export interface Batch {
  lines: Drawn[];
  draws: number;
  known: number; // draws that gave a line of the list
  repeated: number; // draws that gave a line again
  found: number;
  exact: boolean; // drawn from the model's own distribution over the lines that the conditions allow
  effective: number; // sample size of the guided draws; 0 where none was guided
  strict: number | null; // lines that were found before `relaxed` took effect
  done: boolean;
  shortfall: Shortfall | null; // why no more lines come; with `done`
}

const LOOKAHEAD_LINES = 2000; // drawn from the model where there are none of a list
const MOST_TOGETHER = 4096; // draws of one part: a page shows lines after each
const FIRST_TOGETHER = 24; // draws of the first part, where nothing is computed yet: first lines come at once
const WORTH_A_TABLE = 256; // draws of a part: for fewer, all states would take longer than those that are drawn
const MOST_SYMBOLS_TOGETHER = 2 ** 17; // of draws of the greatest length

/** Draw lines; yields after each part of a round. Throws ConditionError where no line can satisfy the conditions. */
export function* drawLines(model: Model, vocabulary: Vocabulary, request: DrawRequest): Generator<Batch, void, void> {
  yield* new Sampler(model, vocabulary, request).batches();
}

class Sampler {
  private readonly conditions: Conditions;
  private readonly uniforms: Uniforms;
  private readonly policy: SamplingPolicy;
  private readonly returned = new Set<string>();
  private readonly answers: PrefixCache;
  private readonly idle = new Idle();
  private decoder: Decoder;
  private byTable: boolean; // large parts are drawn from a table of all states
  private drawer: TableDrawer | null = null; // made for the first large part
  private filters: Filters;
  private relaxed: Filters | undefined;
  private strict: number | null = null;

  constructor(private readonly model: Model, private readonly vocabulary: Vocabulary, private readonly request: DrawRequest) {
    this.conditions = asInList(vocabulary, request.conditions);
    this.uniforms = new Uniforms(request.seed);
    this.filters = request.filters;
    this.relaxed = request.relaxed;
    this.answers = request.answers ?? new PrefixCache(model);
    const prefix = encodePrefix(vocabulary, this.conditions.prefix ?? "");
    // Without `all` only lines as they stand in a list are allowed: not empty, and no white space at their ends.
    const automaton = compileConditions(vocabulary, this.conditions, 2 * request.longest, !this.conditions.all);
    const starts = startsOf(vocabulary, this.conditions.label, request.labelShares);
    this.decoder = new Decoder(vocabulary, automaton, this.uniforms, prefix, starts, this.conditions, this.filters, this.answers);
    this.byTable = model.tabulates?.() ?? false;
    this.policy = new SamplingPolicy(vocabulary.size, request.roundSize ?? ROUND, this.byTable);
  }

  /** What draws a part of so many rows. A table gives the same lines as steps do, many of them sooner. */
  private drawerOf(rows: number): Drawer {
    if (!this.byTable || (rows < WORTH_A_TABLE && !this.model.tabulated)) return this.decoder;
    return (this.drawer ??= this.tableDrawer()) ?? this.decoder;
  }

  private tableDrawer(): TableDrawer | null {
    const table = this.model.table?.();
    if (!table) return null; // counts that are not those of lines
    const { automaton, prefix, starts } = this.decoder;
    return new TableDrawer(samplingTable(table, this.vocabulary.size, this.filters), automaton, this.vocabulary, this.uniforms, prefix, starts, this.conditions);
  }

  *batches(): Generator<Batch, void, void> {
    const { n } = this.request;
    const { tally } = this.policy;
    let round = 0;
    let row = 0;
    if (n <= 0) yield this.batch([], true, null);
    while (tally.found < n) {
      const size = this.policy.drawsOf(round);
      const part = { round, first: row, rows: this.rowsOf(size - row) };
      row += part.rows;
      tally.draws += part.rows;
      this.idle.begin();
      const lines = this.accept(part, this.drawerOf(part.rows).draw(part, this.idle), n - tally.found);
      this.idle.end(lines.length > 0);
      tally.found += lines.length;
      tally.foundInRound += lines.length;
      const enough = tally.found >= n;
      const last = row === size || this.idle.isOver;
      let shortfall: Shortfall | null = null;
      if (last && !enough) {
        // Decisions fall between whole rounds, so they do not depend on how these were split.
        tally.idle = tally.foundInRound ? 0 : tally.idle + size;
        shortfall = this.decide(size);
        tally.beginRound();
        round++;
        row = 0;
      }
      yield this.batch(lines, enough || shortfall !== null, shortfall);
      if (shortfall) return;
    }
  }

  /** How many draws are made together, of those that are left of a round. */
  private rowsOf(left: number): number {
    const { strategy } = this.decoder;
    if (!strategy.withReplacement || !strategy.exact) return left; // these learn from whole rounds
    const needed = this.policy.drawsNeeded(this.request.n) || left;
    const room = Math.ceil(MOST_SYMBOLS_TOGETHER / this.decoder.automaton.maxLength);
    const most = this.policy.tally.draws || !this.answers.isEmpty ? MOST_TOGETHER : FIRST_TOGETHER;
    return Math.min(left, needed, most, room);
  }

  /** Choose the strategy of the next rounds; what is wrong where no more lines come. */
  private decide(size: number): Shortfall | null {
    const { decoder, policy } = this;
    const left = decoder.massLeft();
    if (policy.isExhausted(left) || this.idle.isOver) {
      if (!this.relaxed) return policy.shortfall(this.request.n, left, this.conditions, this.filters);
      this.relax(this.relaxed);
      return null;
    }
    if (this.conditions.all) return null; // nothing is refused, so rejection always pays
    const decision = policy.decide(size);
    if (decision.withoutReplacement && decoder.strategy.withReplacement) this.drawOnce();
    if (decision.guided && decoder.strategy.exact && Guidance.fits(decoder.automaton)) {
      const guidance = new Guidance(decoder.automaton, this.vocabulary, this.request.lookahead ?? this.linesOfModel(), this.filters);
      decoder.use(new Guided(decoder.automaton, this.filters, guidance));
      this.byTable = false;
      policy.beginGuided(decoder.automaton.minLength, this.relaxed !== undefined);
    }
    return null;
  }

  /** From the next round on, no line is drawn twice. */
  private drawOnce(): void {
    const { decoder } = this;
    const strategy = decoder.strategy;
    if (strategy instanceof Guided) strategy.drawOnce();
    decoder.use(strategy instanceof Guided ? strategy : new WithoutReplacement(decoder.automaton, this.filters));
    this.byTable = false;
  }

  /** Go on with the same conditions and other filters, as if nothing had been drawn yet; returned lines stay refused. */
  private relax(filters: Filters): void {
    const { automaton, prefix, starts } = this.decoder;
    this.filters = filters;
    this.relaxed = undefined;
    this.strict = this.policy.tally.found;
    this.decoder = new Decoder(this.vocabulary, automaton, this.uniforms, prefix, starts, this.conditions, filters, this.answers);
    this.byTable = this.model.tabulates?.() ?? false;
    this.drawer = null;
    this.policy.restart();
    this.idle.restart();
  }

  /** Lines that the model draws, to count what follows what where there is no list. */
  private linesOfModel(): string[] {
    const request = { ...this.request, n: LOOKAHEAD_LINES, conditions: { all: true }, filters: {}, lookahead: [] };
    delete request.relaxed;
    delete request.answers; // those of these draws are in use
    return [...drawLines(this.model, this.vocabulary, request)].flatMap((batch) => batch.lines.map((line) => line.text)).filter(Boolean);
  }

  /** Choose the lines of a part: new ones in the order of their draws, at most `limit`. */
  private accept(part: Part, finished: Finished[], limit: number): Drawn[] {
    const { tally } = this.policy;
    const draws = finished.reduce((sum, line) => sum + line.draws.length, 0);
    if (this.conditions.all) return this.all(finished).slice(0, limit);
    const fresh = this.novel(finished);
    tally.novelInRound += fresh.length;
    const { exact } = this.decoder.strategy;
    let chosen: Finished[];
    if (exact) {
      tally.passed += draws;
      tally.passedInRound += draws;
      chosen = fresh.sort((a, b) => (a.draws[0] as number) - (b.draws[0] as number));
      this.decoder.strategy.markUsed(finished.map((line) => line.node));
    } else {
      tally.guided += draws;
      tally.effective += effectiveSize(fresh);
      chosen = chooseByWeight(fresh, this.uniforms, part.round);
      // A new line that was not chosen now may be drawn and chosen in a later round.
      const taken = new Set(chosen);
      const waiting = new Set(fresh.filter((line) => !taken.has(line)));
      this.decoder.strategy.markUsed(finished.filter((line) => !waiting.has(line)).map((line) => line.node));
    }
    chosen = chosen.slice(0, limit);
    for (const line of chosen) this.returned.add(line.text);
    return chosen.map((line) => this.drawn(line, "new"));
  }

  /** Every draw as a line, in order, with its origin. */
  private all(finished: Finished[]): Drawn[] {
    const lines = finished.flatMap((line) => line.draws.map((draw) => ({ draw, line })));
    return lines.sort((a, b) => a.draw - b.draw).map(({ line }) => this.drawn(line, this.request.known(line.text)));
  }

  /** The lines that are neither known nor returned before, each text once: as it was drawn first. */
  private novel(finished: Finished[]): Finished[] {
    const { tally } = this.policy;
    const first = new Map<string, Finished>();
    for (const line of finished) {
      const other = first.get(line.text);
      tally.repeated += line.draws.length - (other ? 0 : 1);
      if (!other || (line.draws[0] as number) < (other.draws[0] as number)) first.set(line.text, line);
    }
    return finished.filter((line) => {
      if (first.get(line.text) !== line || !line.canonical) return false;
      const known = this.request.known(line.text) !== "new";
      const before = !known && this.returned.has(line.text);
      tally.known += Number(known);
      tally.repeated += Number(before);
      return !known && !before;
    });
  }

  private drawn(line: Finished, origin: Drawn["origin"]): Drawn {
    const label = this.vocabulary.labels[line.label - this.vocabulary.size];
    return { text: line.text, nll: line.nll, origin, ...(label === undefined ? {} : { label }), ...(line.capped ? { capped: true } : {}) };
  }

  private batch(lines: Drawn[], done: boolean, shortfall: Shortfall | null): Batch {
    const { draws, known, repeated, found, effective } = this.policy.tally;
    return { lines, draws, known, repeated, found, exact: this.decoder.strategy.exact, effective, strict: this.strict, done, shortfall };
  }
}
