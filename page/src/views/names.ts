// Names: the wall answers every condition at once; a name that is picked tells more below.

import type { Answer, Drawn } from "../contract";
import { type Order, ORDERS, type Settings } from "../state";
import type { App, Change, View } from "./app";
import { Told } from "../told";
import type { Question, Stop } from "./client";
import { button, select } from "./controls";
import { ConditionControls, conditionsOf, filtersOf } from "./conditions";
import { fill, h, pointed } from "./dom";
import { faultOf } from "../sampling/pattern/parse";
import { ORDER_WORDS, ordered } from "./order";
import { line, oneIn, plural, quote, whole } from "./visible";
import { type DrawQuestion, SaveMany } from "./save_many";
import { originText, Wall } from "./wall";

type Answered = Extract<Answer, { answer: "drawn" }>;

const SLOW = 250; // ms after which it is said that something is on its way

/** The question that these settings put. */
function questionOf(settings: Settings): Question {
  const { like, seed, shown } = settings;
  return like ? { ask: "like", text: like, n: shown, seed } : drawOf(settings);
}

function drawOf(settings: Settings): DrawQuestion {
  const { seed, shown, model } = settings;
  return { ask: "draw", n: shown, seed, conditions: conditionsOf(settings), filters: filtersOf(settings), model };
}

export class NamesView implements View {
  private readonly controls: ConditionControls;
  private readonly wall: Wall;
  private readonly about = h("p", { class: "note drawn" });
  private readonly near = h("div", { class: "row near", hidden: true });
  private readonly picked = h("div", { class: "picked", role: "group", "aria-label": "The picked name", hidden: true });
  readonly root: HTMLElement;
  private asked = "";
  private failed = false; // the question before: its error goes with it
  private stop: Stop = () => undefined;
  private waits: ReturnType<typeof setTimeout> | undefined;
  private pickedName: Drawn | null = null;
  private readonly order = select("Order", ORDERS.map((order) => [order, ORDER_WORDS[order]]), (order) => this.setOrder(order as Order));
  private drawn: Drawn[] = []; // as they were drawn
  private shownBy = ""; // the order that they are shown in
  private pattern = ""; // the last one that was whole

  constructor(private readonly app: App) {
    this.controls = new ConditionControls(app);
    this.wall = new Wall("New names: press to keep", {
      picked: (drawn) => this.pick(drawn),
      toggled: (drawn) => app.toggleKept(drawn),
      kept: (text) => app.isKept(text),
    });
    this.root = h("div", {}, h("h2", { class: "hidden" }, "Names"), this.controls.root,
      h("div", { class: "row bar" },
        button("Other names", () => app.set({ seed: app.settings.seed + 1 }), "main"),
        button("More", () => app.set({ shown: Math.min(1000, app.settings.shown + 60) })),
        button("Set all back", () => app.set(CLEARED), "quiet"), this.order.root, this.about),
      this.near, pointed("wall", this.wall.root),
      h("p", { class: "note legend" }, "New: not in the list. 1 in 20K: of 20,000 names that the model writes, about one is this. Press a name to keep it."),
      this.picked, new SaveMany(app, () => drawOf(app.settings)).root);
  }

  update(change: Change | "shown"): void {
    if (change === "kept") {
      this.wall.mark();
      this.showPicked();
      return;
    }
    if (change === "progress" || change === "error") return;
    this.controls.update();
    // The worker draws for one question at a time: another view may have asked before this wall was whole.
    if (change === "shown" && this.wall.root.getAttribute("aria-busy") === "true") this.asked = "";
    this.order.show(this.app.settings.order);
    this.draw();
    if (this.shownBy !== this.orderNow) this.showNames(true);
  }

  private get orderNow(): string {
    const { order, near } = this.app.settings;
    return order === "near" ? `near ${near}` : order;
  }

  /** Orders the wall; the name that is picked then is the one that the others are ordered by. */
  private setOrder(order: Order): void {
    const near = order === "near" ? this.pickedName?.text ?? "" : "";
    this.app.set({ order, near });
    const by = order === "near" ? `nearest to ${quote(near || (this.drawn[0]?.text ?? ""))} first` : ORDER_WORDS[order];
    this.app.say(`${plural(this.wall.names.length, "name")}, ${by}`);
  }

  /** stay: the focus stays on its name. */
  private showNames(stay = false): void {
    const { order, near } = this.app.settings;
    this.shownBy = this.orderNow;
    this.wall.show(ordered(this.drawn, order, near || (this.drawn[0]?.text ?? "")), stay);
  }

  private draw(): void {
    // While a pattern is typed, the names of the one before stay.
    const { settings } = this.app;
    if (!faultOf(settings.pattern)) this.pattern = settings.pattern;
    const question = questionOf({ ...settings, pattern: this.pattern }), asked = JSON.stringify([question, this.app.generation]);
    if (asked === this.asked || !this.app.opened?.model) return;
    this.asked = asked;
    clearTimeout(this.waits);
    this.stop(); // answers to an older question are of no use any more
    if (this.failed) this.app.clearError();
    this.failed = false;
    const began = performance.now(), seen = new Set<string>();
    let drawn = 0;
    this.waits = setTimeout(() => { this.about.textContent = question.ask === "like" ? "Looking for names near it …" : "Drawing …"; }, SLOW);
    this.wall.root.setAttribute("aria-busy", "true");
    this.stop = this.app.client.send(question, (answer) => {
      if (answer.answer === "error") this.fail(answer.message, answer.fix);
      if (answer.answer !== "drawn") return;
      // Of a short list most draws are its own lines, again and again: the wall has each once.
      const lines = answer.lines.filter(({ text, label }) => seen.size < seen.add(`${label ?? ""}\n${text}`).size);
      this.drawn = [...this.drawn.slice(0, seen.size - lines.length), ...lines];
      this.showNames();
      drawn += answer.lines.length;
      if (drawn === answer.lines.length || answer.done) this.wall.root.dataset["ms"] = (performance.now() - began).toFixed(1);
      if (answer.done) this.done({ ...answer, repeated: answer.repeated + drawn - seen.size });
    });
    this.showNear();
  }

  private fail(message: string, fix: string): void {
    clearTimeout(this.waits);
    this.stop();
    this.failed = true;
    this.drawn = [];
    this.showNames();
    this.wall.root.setAttribute("aria-busy", "false");
    this.about.textContent = "";
    this.app.fail(new Told(message, fix));
  }

  private done(answer: Answered): void {
    this.stop();
    clearTimeout(this.waits);
    this.wall.root.dataset["seconds"] = answer.seconds.toFixed(4); // of the worker: bench/page_speed.py reads it
    this.wall.root.setAttribute("aria-busy", "false");
    const count = this.wall.names.length, { known, repeated } = answer;
    const left = [known && `${whole(known)} that the list has`, repeated && `${whole(repeated)} that came twice`].filter(Boolean).join(" and ");
    const few = answer.shortfall ? ` ${answer.shortfall.message}: ${answer.shortfall.fix}.` : "";
    const like = this.app.settings.like !== "";
    this.about.textContent = like ? `${plural(count, "name")}.` : `${plural(count, "name")}${left && `; left out ${left}`}.${few}`;
    this.app.say(`${plural(count, "name")}.${few}`, 1500);
  }

  private showNear(): void {
    const { like } = this.app.settings;
    this.near.hidden = !like;
    if (like) fill(this.near, h("p", {}, "Names like ", line(like, 60)), button("Back to all names", () => this.app.set({ like: "" }, true)));
  }

  private pick(drawn: Drawn): void {
    this.pickedName = drawn;
    if (drawn.origin !== "new") this.app.leaveOut(drawn.text);
    this.showPicked();
  }

  private showPicked(): void {
    const drawn = this.pickedName;
    this.picked.hidden = !drawn;
    if (!drawn) return;
    const { app } = this, kept = app.isKept(drawn.text);
    const again = document.activeElement instanceof HTMLElement && this.picked.contains(document.activeElement) ? document.activeElement.dataset["act"] : null;
    const act = (name: string, words: string, pressed: () => void): HTMLElement => {
      const made = button(words, pressed);
      made.dataset["act"] = name;
      made.setAttribute("aria-label", `${words}: ${quote(drawn.text)}`);
      return made;
    };
    fill(this.picked,
      h("p", { class: "big" }, line(drawn.text)),
      h("p", { class: "note" }, `${originText(drawn.origin)}, likelihood ${oneIn(drawn.nll)}`),
      h("div", { class: "row" },
        act("keep", kept ? "Let go" : "Keep", () => app.toggleKept(drawn)),
        act("letters", "Letter by letter", () => app.set({ view: "letters", name: drawn.text, place: 0 }, true)),
        act("near", "Nearest first", () => this.setOrder("near")),
        act("like", "More like this", () => app.set({ like: drawn.text }, true))));
    if (again) this.picked.querySelector<HTMLElement>(`[data-act="${again}"]`)?.focus();
  }
}

const CLEARED: Partial<Settings> = {
  temperature: 1, shortest: 0, longest: 0, begins: "", contains: "", ends: "", without: "", label: "", pattern: "",
  known: false, minp: 0, model: "mixed", seed: 1, shown: 60, like: "", order: "drawn", near: "",
};
