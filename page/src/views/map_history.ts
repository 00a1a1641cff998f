// Map history: where symbols lay at each evaluation of a training, on a slider, and played back.

import { Scatter } from "../charts/scatter";
import type { MapsOverTime } from "../contract";
import { button, slider } from "./controls";
import { h } from "./dom";
import { whole } from "./visible";

interface Snapshot { step: number; xy: Float32Array }

const MOST = 60; // snapshots; of more, every other one goes
const EVERY = 450; // ms of a snapshot that is played back

export class MapHistory {
  private readonly map: Scatter;
  private readonly steps = slider("Step of the map", { min: 0, max: 1, step: 1 }, (at) => this.words(at), (at) => this.choose(at));
  private readonly play = button("From the start", () => this.toggle());
  private readonly bar = h("div", { class: "row", hidden: true }, this.steps.root, this.play);
  private readonly note = h("p", { class: "note" });
  readonly root: HTMLElement;
  private snapshots: Snapshot[] = [];
  private symbols: string[] = [];
  private what = "";
  private at = 0;
  private evaluated = -1; // the step of the evaluation that was kept last
  private isLive = false; // whether the newest snapshot is between two evaluations: the next one takes its place
  private follows = true; // shows the newest, until somebody goes back
  private timer = 0;

  /** most: pixels of the map's side. */
  constructor(most = 420) {
    this.map = new Scatter("Map of letters while learning", most);
    this.root = h("div", {}, this.map.root, this.bar, this.note);
  }

  /** Shows the maps of a training that has ended, the last one first. */
  load({ symbols, steps, xy, what }: MapsOverTime): void {
    this.clear();
    this.symbols = symbols;
    this.what = what;
    this.snapshots = steps.map((step, at) => ({ step, xy: Float32Array.from(xy[at] ?? []) }));
    this.bar.hidden = steps.length < 2;
    this.steps.input.max = String(steps.length - 1);
    this.show(steps.length - 1);
  }

  /**
   * Shows a map; the first after each evaluation is kept. evaluated: the step of the last one, 0 before the first.
   * Maps come turned onto the one before, so that places can be compared from step to step.
   */
  add(step: number, symbols: string[], xy: Float64Array, what: string, evaluated: number): void {
    const before = this.snapshots.at(-1)?.step ?? 0;
    // Another list or network, or a training from the beginning: places that cannot be compared.
    if (step < before || what !== this.what || symbols.join("\n") !== this.symbols.join("\n")) this.clear();
    this.symbols = symbols;
    this.what = what;
    const isKept = evaluated !== this.evaluated;
    if (this.isLive || this.snapshots.at(-1)?.step === step) this.snapshots.pop();
    this.snapshots.push({ step, xy: Float32Array.from(xy) });
    this.isLive = !isKept;
    this.evaluated = evaluated;
    if (this.snapshots.length > MOST) this.thin();
    this.bar.hidden = this.snapshots.length < 2;
    this.steps.input.max = String(this.snapshots.length - 1);
    if (this.follows) this.show(this.snapshots.length - 1);
    else this.steps.show(this.at);
  }

  /** Forgets all maps. */
  clear(): void {
    this.stop();
    this.snapshots = [];
    this.at = 0;
    this.evaluated = -1;
    this.isLive = false;
    this.follows = true;
    this.bar.hidden = true;
  }

  /** Every other snapshot goes; the one that is shown stays near. */
  private thin(): void {
    const last = this.snapshots.length - 1;
    this.snapshots = this.snapshots.filter((_, at) => at % 2 === 0 || at === last);
    this.at = Math.floor(this.at / 2);
  }

  private words(at: number): string {
    return whole(this.snapshots[at]?.step ?? 0);
  }

  private choose(at: number): void {
    this.stop();
    this.follows = at === this.snapshots.length - 1;
    this.show(at);
  }

  private show(at: number): void {
    const snapshot = this.snapshots[at];
    if (!snapshot) return;
    this.at = at;
    this.steps.show(at);
    this.map.show(this.symbols, snapshot.xy, this.what);
    this.note.textContent = this.what;
  }

  private toggle(): void {
    if (this.timer) return this.stop();
    this.follows = false;
    this.play.textContent = "Stop here";
    this.show(0);
    this.timer = window.setInterval(() => {
      this.show(this.at + 1);
      if (this.at < this.snapshots.length - 1) return;
      this.follows = true;
      this.stop();
    }, EVERY);
  }

  private stop(): void {
    clearInterval(this.timer);
    this.timer = 0;
    this.play.textContent = "From the start";
  }
}
