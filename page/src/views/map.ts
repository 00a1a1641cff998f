// Map of letters: what the model takes for alike lies near.

import { Scatter } from "../charts/scatter";
import type { App, Change, View } from "./app";
import { h } from "./dom";

export class MapView implements View {
  private readonly chart = new Scatter("Map of letters", 720);
  private readonly what = h("p", { class: "note" });
  readonly root: HTMLElement;
  private waiting = false;

  constructor(private readonly app: App) {
    this.root = h("section", { class: "panel" }, h("h2", {}, "Map of letters"),
      h("p", { class: "note" }, "Letters that the model takes for alike lie near each other. Vowels are marked by a ring; ■ is the beginning and end of a line."),
      this.what, this.chart.root);
  }

  update(change: Change | "shown"): void {
    if (change === "settings" || change === "kept" || change === "error" || this.waiting || !this.app.opened?.model) return;
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
