// Pairs: which symbol follows which, as the model has it after one symbol alone.

import { HeatMap } from "../charts/heat";
import type { App, Change, View } from "./app";
import { h } from "./dom";
import { whole } from "./visible";

export class PairsView implements View {
  private readonly told = h("p", { class: "told", "aria-live": "polite" }, "Point at a field, or move by arrow keys.");
  private readonly chart = new HeatMap("Which letter follows which", (words) => { this.told.textContent = words; });
  private readonly cut = h("p", { class: "note" });
  readonly root: HTMLElement;
  private waiting = false;
  private seen = false;

  constructor(private readonly app: App) {
    this.root = h("section", { class: "panel" }, h("h2", {}, "Pairs of letters"),
      h("p", { class: "note" }, "A row is a letter, a column what the model expects after it, on the average over lines; the stronger the colour, the likelier. ■ is the beginning in rows, the end in columns."),
      this.told, this.cut, this.chart.root);
  }

  update(change: Change | "shown"): void {
    if (change === "settings" || change === "kept" || change === "error" || this.waiting || !this.app.opened?.model) return;
    this.waiting = true;
    if (!this.seen) this.cut.textContent = "Asking the model after some hundred lines …";
    const stop = this.app.client.send({ ask: "pairs" }, (answer) => {
      stop();
      this.waiting = false;
      if (answer.answer === "error") this.cut.textContent = answer.message;
      if (answer.answer !== "pairs") return;
      this.seen = true;
      this.chart.show(answer.symbols, answer.p);
      const shown = answer.symbols.length - 1;
      this.cut.textContent = shown < answer.of ? `The ${shown} most frequent of ${whole(answer.of)} symbols.` : "";
    });
  }
}
