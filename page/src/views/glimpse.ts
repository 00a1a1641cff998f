// A glimpse of what the list's model draws: a few new names, before anybody has asked for any.

import type { Conditions } from "../contract";
import type { App } from "./app";
import type { Stop } from "./client";
import { button } from "./controls";
import { fill, h } from "./dom";
import { line, visible } from "./visible";

// Lines that are drawn for one that is shown. Known ones are left out here, not in the draw: where a list leaves nothing
// new, the search for it may take long, and nobody has asked for it.
const DRAWN = 5;

export class Glimpse {
  private readonly names = h("ul", { class: "glimpse" });
  readonly root: HTMLElement;
  private stop: Stop = () => undefined;
  private seed = 1;

  constructor(private readonly app: App, title: string, private readonly count: number, private readonly conditions: Conditions = {}) {
    this.root = h("section", { class: "panel" }, h("h3", {}, title), this.names,
      h("div", { class: "row" }, button("Others", () => this.others())));
  }

  private others(): void {
    this.seed++;
    this.draw(true);
  }

  /** Draws by the model that the worker has now; aloud: a screen reader is told the names. */
  draw(aloud = false): void {
    this.stop();
    const texts = new Set<string>();
    this.stop = this.app.client.send({ ask: "draw", n: DRAWN * this.count, seed: this.seed, conditions: { ...this.conditions, all: true }, filters: {} }, (answer) => {
      if (answer.answer !== "drawn") return this.stop();
      for (const { text, origin } of answer.lines) if (origin === "new" && text) texts.add(text);
      if (!answer.done) return;
      this.stop();
      const shown = [...texts].slice(0, this.count);
      this.root.hidden = shown.length === 0;
      fill(this.names, ...shown.map((text) => h("li", {}, line(text, 60))));
      if (aloud) this.app.say(shown.map((text) => visible(text, 60)).join(", "));
    });
  }
}
