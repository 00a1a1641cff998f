// Runs: what the server trains and has trained; open one, stop it, compare some, or begin another.

import { type Curve, LineChart } from "../charts/lines";
import { pointsOf } from "../server/curve";
import type { Run } from "../server/messages";
import type { Server } from "../server/server";
import type { App, Change, View } from "./app";
import { fill, h, s } from "./dom";
import { RunCard } from "./run_card";
import { trainHere } from "./train_here";
import { line, visible } from "./visible";

const LOOKS = 6; // of curves

export class RunsView implements View {
  readonly #cards = new Map<string, RunCard>();
  readonly #chosen = new Map<string, boolean>(); // for the chart, where a person has said so
  readonly #about = h("p", {});
  readonly #list = h("ul", { class: "run-cards" });
  readonly #chart = new LineChart("Losses of runs", "steps", "nats a symbol, lower is better", false);
  readonly #legend = h("ul", { class: "numbers" });
  readonly #compared = h("section", { class: "panel", hidden: true }, h("h2", {}, "Side by side"), this.#legend, this.#chart.root);
  readonly #app: App;
  readonly #train;
  readonly root: HTMLElement;
  #arranged = false; // the runs of the start have their places
  #drawn = ""; // the curves that the chart shows

  constructor(app: App) {
    const { server } = (this.#app = app);
    this.#train = server && trainHere(app, server, (id) => this.#open(id));
    this.root = h("div", {}, h("section", { class: "panel" }, h("h2", {}, "Runs"), this.#about, this.#list), this.#compared, this.#train?.root);
    server?.on(() => { if (!this.root.hidden) this.#show(server); });
  }

  update(change: Change | "shown"): void {
    if (this.#app.server && change !== "progress") this.#show(this.#app.server);
  }

  #show(server: Server): void {
    const runs = [...server.runs.values()], { isThere } = server.token, open = this.#app.following?.run;
    this.#about.textContent = isThere ? runs.length ? "" : "There is no run yet."
      : "This tab came without the server's token: it may look, but not open, start or stop a run. Open the link that makemore serve printed when it started.";
    for (const run of runs) this.#card(run).update(run, isThere, run === open, this.#isCharted(run));
    this.#arranged ||= runs.length > 0;
    this.#train?.update();
    this.#compare(server, runs);
  }

  /** In the chart are those that a person chose; by itself, what trains and what is open. */
  #isCharted({ id, state }: Run): boolean {
    return this.#chosen.get(id) ?? (state === "training" || id === this.#app.following?.run?.id);
  }

  #card(run: Run): RunCard {
    const found = this.#cards.get(run.id);
    if (found) return found;
    const card = new RunCard(run, {
      open: (id) => this.#open(id),
      turn: (of) => void this.#turn(of),
      charted: (id, is) => { this.#chosen.set(id, is); this.#app.server?.tell(); },
    });
    this.#cards.set(run.id, card);
    if (this.#arranged) this.#list.prepend(card.root); // one that has just begun comes first; others as the server has them
    else this.#list.append(card.root);
    return card;
  }

  #open(id: string): void {
    void this.#app.following?.open(id);
  }

  async #turn({ id, state }: Run): Promise<void> {
    this.#app.clearError();
    await this.#app.server?.change(state === "training" ? "stop" : "train", { run: id }).catch((error: unknown) => this.#app.fail(error));
  }

  #compare(server: Server, runs: Run[]): void {
    const curves = runs.flatMap((run, at): (Curve & { model: string })[] => { // a run keeps its look while others come and go
      const { id, name, model } = run, curve = this.#isCharted(run) && server.curve(id);
      if (!curve) return [];
      const val = pointsOf(curve, "val"), points = val.length ? val : pointsOf(curve, "train"); // without unseen lines, those that it learns
      return points.length ? [{ name: visible(name, 40), model, look: `run${at % LOOKS}`, points }] : [];
    });
    this.#compared.hidden = curves.length === 0;
    const drawn = JSON.stringify(curves);
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    fill(this.#legend, ...curves.map(({ look, name, model, points }) => h("li", {},
      s("svg", { width: 30, height: 10, "aria-hidden": "true" }, s("line", { class: `curve ${look}`, x2: 30, y1: 5, y2: 5 })), " ",
      line(name), ` ${visible(model, 40)}: ${points.at(-1)![1].toFixed(3)}`)));
    this.#chart.show(curves, Math.max(...curves.map(({ points }) => points.at(-1)![0])));
  }
}
