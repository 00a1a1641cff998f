// One name letter by letter: what was expected at each place, and composing a name by choosing from it.

import type { Answer } from "../contract";
import type { App, Change, View } from "./app";
import type { Stop } from "./client";
import { button, text } from "./controls";
import { fill, h, pointed, set } from "./dom";
import { line, oneIn, percent, symbolText, visible } from "./visible";

type Scored = Extract<Answer, { answer: "scores" }>["scores"][number];
type Next = Extract<Answer, { answer: "next" }>["symbols"];

const MOST_BARS = 24; // the likeliest symbols at a place
const MOST_PLACES = 80; // places of a name that are shown

export class LettersView implements View {
  private readonly name;
  private readonly places = h("div", { class: "places", role: "toolbar", "aria-label": "Places of the name", onkeydown: (event: KeyboardEvent) => this.key(event) });
  private readonly about = h("p", { class: "note" });
  private readonly heading = h("h3", {});
  private readonly bars = h("ul", { class: "bars" });
  private readonly rest = h("p", { class: "note" });
  readonly root: HTMLElement;
  private scored: Scored | null = null;
  private asked = "";
  private stopScore: Stop = () => undefined;
  private drawn = 0;
  private stopDraw: Stop = () => undefined;
  private stopNext: Stop = () => undefined;

  constructor(private readonly app: App) {
    this.name = text("A name", (name) => app.set({ name, place: Array.from(name).length }), "type one, or choose letters below");
    this.root = h("div", {}, h("section", { class: "panel" },
      h("h2", {}, "Letter by letter"),
      h("p", { class: "note" }, "A model reads a name from its beginning and says at each place what may follow. Press a bar to write that letter; ■ is the end."),
      h("div", { class: "row" }, this.name.root,
        button("Draw one", () => this.drawOne()),
        button("Begin anew", () => this.write("", 0)),
        button("Keep", () => this.keep())),
      pointed("places", this.places), this.about, this.heading, this.bars, this.rest));
  }

  update(change: Change | "shown"): void {
    if (change === "kept" || change === "progress" || change === "error") return;
    this.name.show(this.app.settings.name);
    this.ask();
    if (change === "shown" && !this.drawn && !this.app.settings.name) this.drawOne(true);
  }

  /** Takes a name that the model draws; first: to have something to see, unless a person has written since. */
  private drawOne(first = false): void {
    this.stopDraw();
    const { seed } = this.app.settings;
    this.stopDraw = this.app.client.send({ ask: "draw", n: 1, seed: seed + this.drawn++, conditions: {}, filters: {} }, (answer) => {
      if (answer.answer !== "drawn" || answer.done) this.stopDraw();
      const text = answer.answer === "drawn" ? answer.lines[0]?.text : undefined;
      if (text === undefined || (first && (this.app.settings.name || this.root.hidden))) return;
      this.write(text, 0);
      if (!first) this.app.say(visible(text, 60));
    });
  }

  private get symbols(): string[] {
    return Array.from(this.app.settings.name);
  }

  private get place(): number {
    return Math.min(this.app.settings.place, this.symbols.length);
  }

  private write(name: string, place: number): void {
    this.app.set({ name, place });
  }

  private keep(): void {
    const { name } = this.app.settings;
    if (name) this.app.toggleKept({ text: name, nll: this.scored?.nll ?? null, origin: this.scored?.known ? "known" : "new" });
  }

  private ask(): void {
    const { client, settings } = this.app, { name } = settings, { place } = this;
    const asked = JSON.stringify([name, place, this.app.generation]);
    if (asked === this.asked) return;
    this.asked = asked;
    this.stopScore();
    this.stopNext();
    this.stopScore = client.send({ ask: "score", lines: [name] }, (answer) => {
      this.stopScore();
      this.scored = answer.answer === "scores" ? answer.scores[0] ?? null : null;
      if (this.scored?.known) this.app.leaveOut(this.scored.text);
      this.showPlaces();
    });
    const prefix = this.symbols.slice(0, place).join("");
    this.stopNext = client.send({ ask: "next", prefix }, (answer) => {
      this.stopNext();
      if (answer.answer === "next") this.showBars(answer.symbols);
      else if (answer.answer === "error") this.showUnknown(answer.message);
    });
    this.showPlaces();
  }

  /** Draws a letter for each place, the higher its bar the more it was expected. */
  private showPlaces(): void {
    const focused = this.places.contains(document.activeElement);
    const { symbols, place } = this, each = this.scored?.text === this.app.settings.name ? this.scored.each : [];
    const cells = [...symbols, null].slice(0, MOST_PLACES).map((symbol, at) => {
      const nll = each[at]?.nll, p = nll === undefined ? null : Math.exp(-nll);
      const bar = h("span", { class: "column", "aria-hidden": "true" }, h("span", {}));
      bar.style.setProperty("--p", String(p ?? 0));
      return h("button", {
        type: "button", class: "place", tabindex: at === place ? 0 : -1, "aria-pressed": at === place ? "true" : "false",
        onclick: () => this.app.set({ place: at }),
      }, bar, h("bdi", { class: "letter" }, symbol === null ? "■" : symbolText(symbol)),
        h("span", { class: "hidden" }, symbol === null ? " the end," : ",", " expected with "), h("span", { class: "p" }, p === null ? "" : percent(p)));
    });
    fill(this.places, ...cells);
    if (focused) cells[place]?.focus();
    this.showAbout();
  }

  private showAbout(): void {
    const { scored } = this;
    if (!scored || scored.text !== this.app.settings.name) return;
    if (!scored.text) return fill(this.about, "Nothing is written yet: choose its first letter, or type a name.");
    const unknown = scored.unknown.map((symbol) => symbolText(symbol)).join(" ");
    fill(this.about, line(scored.text, 80), " is ", scored.known ? "in the list" : "new",
      unknown ? `; the list has no ${visible(unknown, 80)}` : scored.nll === null ? "" : `; likelihood as a whole ${oneIn(scored.nll)}`,
      this.symbols.length >= MOST_PLACES ? `; the first ${MOST_PLACES} places are shown` : "");
  }

  private showUnknown(message: string): void {
    fill(this.heading, "Nothing is expected here");
    fill(this.bars);
    this.rest.textContent = visible(message);
  }

  private showBars(next: Next): void {
    const focused = this.bars.contains(document.activeElement);
    const { symbols, place } = this, before = symbols.slice(0, place).join(""), chosen = symbols[place];
    fill(this.heading, before ? "After " : "At the beginning", before && line(before, 40), " the model expects");
    const shown = next.slice(0, MOST_BARS);
    const ends = place === symbols.length;
    fill(this.bars, ...shown.map(({ text, end, p }) => {
      const bar = h("span", { class: "fill", "aria-hidden": "true" });
      bar.style.setProperty("--p", String(p / Math.max(shown[0]?.p ?? 1, 1e-9)));
      const choice = h("button", { type: "button", class: "choice", onclick: () => this.choose(text, end) },
        h("bdi", { class: "letter" }, end ? "■ end" : symbolText(text)), h("span", { class: "track" }, bar), h("span", { class: "p" }, percent(p)));
      set(choice, "aria-pressed", (end ? ends : text === chosen) ? "true" : "false");
      return h("li", {}, choice);
    }));
    if (focused) this.bars.querySelector<HTMLElement>("button")?.focus();
    const others = next.slice(MOST_BARS).reduce((sum, { p }) => sum + p, 0);
    this.rest.textContent = next.length > MOST_BARS ? `The ${MOST_BARS} likeliest of ${next.length}; the others have ${percent(others)} together.` : "";
  }

  /** Writes a symbol at the open place; what followed is of another name, and goes. */
  private choose(symbol: string, end: boolean): void {
    const before = this.symbols.slice(0, this.place).join("");
    if (!end) return this.write(before + symbol, this.place + 1);
    this.write(before, this.place);
    this.app.say(`${visible(before, 60)} is finished: keep it, or go on`);
  }

  private key(event: KeyboardEvent): void {
    const last = Math.min(this.symbols.length, MOST_PLACES - 1);
    const to = { ArrowRight: this.place + 1, ArrowLeft: this.place - 1, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    if (to >= 0 && to <= last) this.app.set({ place: to });
  }
}
