// What an empty page shows: an example beside what is made of it, drawn here and now.

import type { App } from "./app";
import type { Stop } from "./client";
import { button } from "./controls";
import { fill, h, pointed, set } from "./dom";
import { EXAMPLES, type Example } from "./example";
import { Glimpse } from "./glimpse";
import { line, whole } from "./visible";

const SHOWN = 12; // lines of an example, and names made of it
const SHORTEST = 4; // letters of a name that shows something: of so few lines many short ones are pieces of longer ones

export class Demonstration {
  private readonly given = h("ul", { class: "glimpse" });
  private readonly title = h("h3", {});
  private readonly more = h("p", { class: "note" });
  private readonly made: Glimpse;
  private readonly choices = EXAMPLES.map((each) => button(each.name, () => this.show(each)));
  readonly root: HTMLElement;
  private shown: Example = EXAMPLES[0]!;

  constructor(private readonly app: App, chosen: (example: Example) => void) {
    this.made = new Glimpse(app, "New ones, made up just now", SHOWN, { minLength: SHORTEST });
    this.root = h("section", { class: "panel demonstration", hidden: true },
      h("h2", {}, "For example"),
      h("div", { class: "row choices", role: "group", "aria-label": "Examples" }, ...this.choices,
        pointed("list", button("Play with this list", () => chosen(this.shown)))),
      h("div", { class: "two" }, h("section", { class: "panel given" }, this.title, this.given, this.more), this.made.root));
  }

  /** Lets the worker learn an example. The page itself takes no notice: a list of the person's own takes its place. */
  show(example: Example = this.shown): void {
    this.shown = example;
    this.root.hidden = false;
    const lines = example.lines.split("\n"), every = Math.floor(lines.length / SHOWN); // from all of the alphabet
    this.title.textContent = `A list of ${whole(lines.length)} ${example.what}`;
    fill(this.given, ...lines.filter((_, at) => at % every === 0).slice(0, SHOWN).map((each) => h("li", {}, line(each))));
    this.more.textContent = `and ${whole(lines.length - SHOWN)} more`;
    this.choices.forEach((choice, at) => set(choice, "aria-pressed", EXAMPLES[at] === example ? "true" : "false"));
    const stop: Stop = this.app.client.send({ ask: "read", name: example.name, text: example.lines }, () => stop());
    this.made.draw();
  }

  hide(): void {
    this.root.hidden = true;
  }
}
