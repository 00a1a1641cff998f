// Map of letters: what the model takes for alike lies near.

import { Scatter } from "../charts/scatter";
import type { MapsOverTime } from "../contract";
import type { App, Change, View } from "./app";
import { h } from "./dom";
import { MapHistory } from "./map_history";

export class MapView implements View {
  private readonly chart = new Scatter("Map of letters", 720);
  private readonly what = h("p", { class: "note" });
  private readonly history = new MapHistory(720); // of a run whose training kept maps
  private readonly none = h("p", { class: "note", hidden: true }, "This page has no maps of earlier steps: a training keeps them with --watch, and then makemore inspect makes a page with them.");
  private loaded: MapsOverTime | null = null;
  readonly root: HTMLElement;
  private waiting = false;

  constructor(private readonly app: App) {
    this.root = h("section", { class: "panel" }, h("h2", {}, "Map of letters"),
      h("p", { class: "note" }, "Letters that the model takes for alike lie near each other. Vowels are marked by a ring; ■ is the beginning and end of a line."),
      this.what, this.chart.root, this.history.root, this.none);
  }

  private load(maps: MapsOverTime): void {
    if (maps !== this.loaded) this.history.load(maps);
    this.loaded = maps;
  }

  update(change: Change | "shown"): void {
    if (change === "settings" || change === "kept" || change === "error" || this.waiting || !this.app.opened?.model) return;
    const { run, list, opened } = this.app, maps = (list === null && run?.maps) || null;
    this.history.root.hidden = !maps;
    this.chart.root.hidden = this.what.hidden = !!maps;
    this.none.hidden = !!maps || list !== null || opened.model?.kind === "ngram";
    if (maps) return this.load(maps);
    this.waiting = true;
    if (!this.what.textContent) this.what.textContent = "Asking the model …";
    const stop = this.app.client.send({ ask: "map" }, (answer) => {
      stop();
      this.waiting = false;
      if (answer.answer === "error") this.what.textContent = answer.message;
      if (answer.answer !== "map") return;
      this.chart.show(answer.symbols, answer.xy, answer.what);
      this.what.textContent = answer.what;
    });
  }
}
