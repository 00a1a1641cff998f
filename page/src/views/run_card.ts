// One run of the server: how far it is, how it stands, and what can be done with it.

import type { Run } from "../server/messages";
import { button, check } from "./controls";
import { fill, h, set, write } from "./dom";
import { progressText, showShare, troubleText } from "./run_words";
import { line, quote, visible } from "./visible";

export interface RunActions {
  open(id: string): void;
  turn(run: Run): void; // stops it, or lets it go on
  charted(id: string, is: boolean): void;
}

export class RunCard {
  readonly #name = h("h3", { tabindex: -1 });
  readonly #state = h("span", { class: "state" });
  readonly #about = h("p", { class: "note" });
  readonly #trouble = h("p", { class: "trouble" });
  readonly #bar = h("progress");
  readonly #open: HTMLButtonElement;
  readonly #turn: HTMLButtonElement;
  readonly #charted;
  readonly root: HTMLElement;
  #run: Run;

  constructor(run: Run, actions: RunActions) {
    this.#run = run;
    this.#open = button("Open", () => actions.open(this.#run.id), "main");
    this.#turn = button("", () => actions.turn(this.#run));
    this.#charted = check("In the chart", (is) => actions.charted(this.#run.id, is));
    this.root = h("li", {}, h("div", { class: "row" }, this.#name, this.#state), this.#about, this.#bar, this.#trouble,
      h("div", { class: "row" }, this.#open, this.#turn, this.#charted.root));
    fill(this.#name, line(run.name, 80));
    for (const each of [this.#bar, this.#charted.root.firstElementChild!]) set(each, "aria-label", `${each === this.#bar ? "Steps" : "In the chart"}: ${quote(run.name)}`);
  }

  /** hasToken: whether the server lets this page open and change runs; isOpen: its weights are the page's. */
  update(run: Run, hasToken: boolean, isOpen: boolean, isCharted: boolean): void {
    const { state } = (this.#run = run), trains = state === "training";
    write(this.#state, state);
    set(this.#state, "data-state", state);
    write(this.#about, [visible(run.model, 40), progressText(run)].filter(Boolean).join(", "));
    showShare(this.#bar, run);
    write(this.#trouble, troubleText(run));
    this.#charted.show(isCharted);
    set(this.#open, "aria-pressed", isOpen ? "true" : "false");
    this.#offer(this.#open, isOpen ? "Opened" : "Open", hasToken && state !== "gone");
    this.#offer(this.#turn, trains ? "Stop" : "Go on", hasToken && (trains ? run.ours : state === "stopped" || state === "failed"));
  }

  /** A button that goes while it has the focus hands it to the name of its run. */
  #offer(element: HTMLElement, words: string, is: boolean): void {
    if (!is && document.activeElement === element) this.#name.focus();
    element.hidden = !is;
    write(element, words);
    set(element, "aria-label", `${words}: ${quote(this.#run.name)}`);
  }
}
