// Table drawer: draws lines of counts by looking up (sampling/table_decoder.py). Each draw is followed from its
// start to its end.

import type { Conditions, Vocabulary } from "../contract";
import { BOUNDARY } from "../text/vocabulary";
import { DEAD, type Automaton } from "./automaton";
import { pickByWeight } from "./filters";
import { isCanonical, NONE, type Drawer, type Finished, type Part, type Starts } from "./finished";
import type { Idle } from "./idle";
import type { SamplingTable } from "./sampling_table";
import { LABEL_STREAM, type Stream, type Uniforms } from "./uniforms";

/** Where draws begin: after a label and the prefix. */
interface Root {
  input: number;
  state: number;
  nll: number;
}

export class TableDrawer implements Drawer {
  private readonly roots: Root[];
  private readonly condition: number; // the automaton's state after the prefix
  private readonly ids: Int32Array; // of the line that is drawn now
  private streams: Stream[] = []; // of the round, by position; made when a draw comes there
  private round = -1;

  constructor(
    private readonly table: SamplingTable,
    private readonly automaton: Automaton,
    private readonly vocabulary: Vocabulary,
    private readonly uniforms: Uniforms,
    private readonly prefix: readonly number[],
    private readonly starts: Starts,
    private readonly conditions: Conditions,
  ) {
    this.ids = new Int32Array(automaton.maxLength + prefix.length + 1);
    this.ids.set(prefix);
    this.roots = starts.inputs.map((input) => this.rootOf(input));
    this.condition = prefix.reduce((state, symbol) => automaton.next[state * automaton.V + symbol] as number, 0);
  }

  private rootOf(input: number): Root {
    const { table } = this;
    let state = table.start(input);
    let nll = 0;
    for (const symbol of this.prefix) {
      const row = table.rowOf(state);
      nll -= table.log(row, symbol);
      state = table.after(row, symbol);
    }
    return { input, state, nll };
  }

  draw(part: Part, idle: Idle): Finished[] {
    if (part.round !== this.round) this.streams = [];
    this.round = part.round;
    const { shares } = this.starts;
    const label = shares.length > 1 ? this.uniforms.stream(part.round, LABEL_STREAM) : null; // one needs no numbers
    const finished: Finished[] = [];
    for (let i = 0; i < part.rows && !idle.isOver; i++) {
      const which = label ? pickByWeight(shares, 0, shares.length, label.at(part.first + i)) : 0;
      const line = this.drawOne(part.first + i, i, this.roots[which] as Root, idle);
      if (line) finished.push(line);
    }
    return finished;
  }

  /** Draw the line of one place in the round; null where it is refused. */
  private drawOne(place: number, draw: number, root: Root, idle: Idle): Finished | null {
    const { automaton, table, ids } = this;
    let { state, nll } = root;
    let condition = this.condition;
    for (let position = this.prefix.length; position <= automaton.maxLength; position++) {
      idle.spend(1);
      const row = table.rowOf(state);
      const stream = (this.streams[position] ??= this.uniforms.stream(this.round, position));
      const symbol = table.pick(row, stream.at(place));
      const cut = position === automaton.maxLength && symbol !== BOUNDARY && automaton.cuts && this.conditions.all === true;
      if (symbol === BOUNDARY || cut) {
        nll -= table.log(row, BOUNDARY);
        return automaton.mayEnd(position, condition) ? this.line(ids.subarray(0, position), nll, root.input, cut, draw) : null;
      }
      condition = automaton.after(position, condition, symbol);
      if (condition === DEAD) return null;
      nll -= table.log(row, symbol);
      state = table.after(row, symbol);
      ids[position] = symbol;
    }
    return null;
  }

  private line(ids: Int32Array, nll: number, label: number, capped: boolean, draw: number): Finished {
    const text = this.vocabulary.decode(ids);
    const draws = [draw];
    return { text, nll, label, capped, draws, ancestors: draws, logWeight: 0, node: NONE, canonical: isCanonical(this.vocabulary, text, () => ids) };
  }
}
