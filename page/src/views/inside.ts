// Inside: every stage of what the network computes for the name that is open, and each number with its line of code.

import type { Answer } from "../contract";
import { coloursOf } from "../inside/grid";
import { saturation, shapeText, shownSymbol, sizeOf, squashOf, unitName, valueText, isFlat, type Line } from "../inside/reading";
import { sourceOf } from "../inside/sources";
import { type At, Strip } from "../inside/strip";
import { activeAfter, alongLine, looksAt } from "../inside/unit";
import type { App, Change, View } from "./app";
import type { Stop } from "./client";
import { button, select, text } from "./controls";
import { fill, h, write } from "./dom";
import { line as lineOf, percent, plural, visible } from "./visible";

type Inside = Extract<Answer, { answer: "inside" }>;

const LIVE = 400; // ms between two looks into a network that learns
const EXPECTED = 4; // symbols of which it is said how likely they come next

export class InsideView implements View {
  private readonly name = text("A name", (name) => this.app.set({ name, place: Array.from(name).length }), "type one");
  private readonly member = select("Member", [], (member) => this.app.set({ member: Number(member) }));
  private readonly places = h("div", { class: "places", role: "toolbar", "aria-label": "Positions", onkeydown: (event: KeyboardEvent) => this.key(event) });
  private readonly about = h("p", {});
  private readonly note = h("p", { class: "note" });
  private readonly stages = h("div", { class: "stages" });
  private readonly reading = h("div", { class: "reading", "aria-live": "polite", hidden: true });
  readonly root: HTMLElement;
  private strips: Strip[] = [];
  private answer: Inside | null = null;
  private built = ""; // of which stages there are strips
  private asked = "";
  private looked = 0; // when the network was looked into last
  private width = 0;
  private read: { strip: Strip; at: At } | null = null;
  private picked: { strip: Strip; unit: number; active: HTMLElement | null } | null = null;
  private stop: Stop = () => undefined;
  private stopDraw: Stop = () => undefined;
  private stopActive: Stop = () => undefined;

  constructor(private readonly app: App) {
    this.root = h("div", {}, h("section", { class: "panel" },
      h("h2", {}, "Inside"),
      h("p", { class: "note" }, "What the network computes for one name, from its letters to what it expects next. A column is a position: what has been read up to that letter. Each square is a number: green above zero, red below, and stronger the farther. Point at one, or go to it by Tab and arrows; press it to follow that unit along the name."),
      h("div", { class: "row" }, this.name.root, this.member.root, button("Draw one", () => this.drawOne())),
      this.places, this.about, this.note, this.stages), this.reading);
    new ResizeObserver(() => this.resized()).observe(this.stages);
    new MutationObserver(() => this.show()).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.show());
  }

  update(change: Change | "shown"): void {
    if (change === "kept" || change === "error") return;
    this.name.show(this.app.settings.name);
    if (change === "progress" && performance.now() - this.looked < LIVE) return;
    this.ask(change === "progress");
    if (change === "shown" && !this.app.settings.name) this.drawOne(true);
  }

  /** Takes a name that the model draws; first: to have something to look at, unless a person has written since. */
  private drawOne(first = false): void {
    this.stopDraw();
    this.stopDraw = this.app.client.send({ ask: "draw", n: 1, seed: this.app.settings.seed + Math.round(performance.now()), conditions: {}, filters: {} }, (answer) => {
      if (answer.answer !== "drawn" || answer.done) this.stopDraw();
      const name = answer.answer === "drawn" ? answer.lines[0]?.text : undefined;
      if (name !== undefined && !(first && (this.app.settings.name || this.root.hidden))) this.app.set({ name, place: Math.min(2, Array.from(name).length) });
    });
  }

  private ask(again: boolean): void {
    const { name, member, label } = this.app.settings, asked = JSON.stringify([name, member, label, this.app.generation]);
    if (asked === this.asked && !again) return this.show();
    this.asked = asked;
    this.looked = performance.now();
    this.stop();
    this.stop = this.app.client.send({ ask: "inside", text: name, member, label }, (answer) => {
      this.stop();
      if (answer.answer === "inside") this.heard(answer);
      else if (answer.answer === "error") this.failed(answer.message);
    });
  }

  private heard(answer: Inside): void {
    this.answer = answer;
    if (answer.known) this.app.leaveOut(answer.text);
    this.member.root.hidden = answer.members.length < 2;
    this.member.offer(answer.members.map(({ number, spec, weights }) => [String(number), `${number + 1}: ${spec.kind}, weight ${weights[1].toFixed(2)}`]));
    this.member.show(String(answer.member));
    this.build(answer);
    this.show();
    if (this.picked && !this.picked.active) this.follow();
  }

  private failed(message: string): void {
    this.answer = null;
    fill(this.places);
    fill(this.about, visible(message));
    write(this.note, "");
    this.stages.hidden = this.reading.hidden = true;
  }

  /** Makes a strip for each stage, where there are others than before. */
  private build({ spec, stages, member }: Inside): void {
    const built = JSON.stringify([spec.kind, member, stages.map(({ name, shape }) => [name, shape.length])]);
    if (built === this.built) return;
    this.built = built;
    this.read = this.picked = null;
    this.reading.hidden = true;
    const told = { read: (strip: Strip, at: At) => this.tell(strip, at), pick: (strip: Strip, at: At) => this.pick(strip, at) };
    this.strips = stages.flatMap((stage) => {
      const source = sourceOf(spec.kind, stage.name);
      return source ? [new Strip(stage, source, this.line, told)] : [];
    });
    fill(this.stages, ...this.strips.map(({ root }) => root));
  }

  private get line(): Line {
    return { inputs: this.answer?.inputs ?? [], symbols: this.app.opened?.symbols ?? [] };
  }

  private get place(): number {
    return Math.max(0, Math.min(this.app.settings.place, this.line.inputs.length - 1));
  }

  private resized(): void {
    if (this.stages.clientWidth === this.width || !this.stages.clientWidth) return;
    this.width = this.stages.clientWidth;
    this.show();
  }

  private show(): void {
    const { answer, line, place } = this;
    if (!answer || this.root.hidden) return;
    this.stages.hidden = false;
    this.showPlaces();
    this.showAbout(answer);
    const colours = coloursOf(this.stages), room = this.strips[0]?.room ?? 0, stages = new Map(answer.stages.map((stage) => [stage.name, stage]));
    for (const strip of this.strips) {
      const stage = stages.get(strip.stage.name);
      if (stage) strip.show(stage, line, place, room, colours, saturation(stage, place));
      fill(strip.below,
        strip.source.dims.endsWith("S") && looksAt(strip, place, line),
        this.picked?.strip === strip && alongLine(strip, this.picked.unit, place, line),
        this.picked?.strip === strip && this.picked.active);
    }
    if (this.read) this.tell(this.read.strip, this.read.at);
  }

  private showPlaces(): void {
    const focused = this.places.contains(document.activeElement), { place } = this;
    const cells = this.line.inputs.map((symbol, at) => h("button", {
      type: "button", class: "place", tabindex: at === place ? 0 : -1, "aria-pressed": at === place ? "true" : "false", onclick: () => this.app.set({ place: at }),
    }, h("bdi", { class: "letter" }, shownSymbol(symbol)), h("span", { class: "hidden" }, `, position ${at + 1}`)));
    fill(this.places, ...cells);
    if (focused) cells[place]?.focus();
  }

  private showAbout({ spec, stages, left }: Inside): void {
    const { inputs, symbols } = this.line, read = inputs.slice(1, this.place + 1).join(""), last = stages.at(-1);
    const width = symbols.length + 1, p = Array.from(last?.data.subarray(this.place * width, (this.place + 1) * width) ?? []);
    const likeliest = p.map((share, id) => ({ share, symbol: id ? symbols[id - 1] ?? "" : "" })).sort((a, b) => b.share - a.share).slice(0, EXPECTED);
    fill(this.about, read ? "After " : "At the beginning", read && lineOf(read, 60), ` the ${spec.kind} expects `,
      likeliest.map(({ share, symbol }) => `${shownSymbol(symbol)} ${percent(share)}`).join(", "), ".", this.lossOf(p));
    const squashed = stages.filter(({ name }) => ["tanh", "gate"].includes(squashOf(name)));
    write(this.note, [
      squashed.length ? "A dot marks what is saturated: a tanh beyond ±0.97, a gate nearer than 0.03 to 0 or 1; next to no gradient comes back through it." : "",
      left ? `The first ${plural(inputs.length, "position")} are shown.` : "",
    ].filter(Boolean).join(" "));
  }

  /** Says how likely what comes next in the name was, and the loss of that. */
  private lossOf(p: readonly number[]): string {
    const { inputs, symbols } = this.line, next = inputs[this.place + 1] ?? "", share = p[next ? symbols.indexOf(next) + 1 : 0];
    if (!share || this.answer?.left) return "";
    return ` ${next ? `“${shownSymbol(next)}”` : "The end"} comes: ${percent(share)}, a loss of −log ${share.toPrecision(2)} = ${(-Math.log(share)).toFixed(2)} nats.`;
  }

  /** Says of a number what it is, where it stands, and which line computes it. */
  private tell(strip: Strip, at: At): void {
    if (this.read && this.read.strip !== strip) this.read.strip.leave();
    this.read = { strip, at };
    const { stage, source } = strip, { line } = this, value = stage.data[at.place * sizeOf(stage) + at.unit];
    if (value === undefined) return;
    const read = line.inputs.slice(1, at.place + 1).join(""), flat = isFlat(squashOf(stage.name), value);
    this.reading.hidden = false;
    fill(this.reading,
      h("p", {}, h("strong", {}, valueText(stage, value)), ` ${source.title}, ${unitName(stage, source, at.unit, at.place, line)}, `,
        read ? "after " : "at the beginning", read && lineOf(read, 40), flat && (value === 0 ? "; it is off" : "; saturated")),
      h("p", { class: "note" }, `${stage.name} ${shapeText(stage, source)}, models/${source.file}: `, h("code", {}, source.line)));
  }

  private pick(strip: Strip, { place, unit }: At): void {
    this.picked = { strip, unit, active: null }; // shown once the worker has looked
    this.app.set({ place });
    this.follow();
  }

  /** Asks after which beginnings of lines the unit that was picked is most active. */
  private follow(): void {
    const { picked, app } = this;
    this.stopActive();
    if (!picked || picked.strip.stage.shape.length > 1 || squashOf(picked.strip.stage.name) === "share") return;
    const { member, label } = app.settings;
    this.stopActive = app.client.send({ ask: "active", stage: picked.strip.stage.name, unit: picked.unit, member, label }, (answer) => {
      this.stopActive();
      if (answer.answer !== "active" || this.picked !== picked) return;
      picked.active = activeAfter(answer, app.list === null);
      this.show();
    });
  }

  private key(event: KeyboardEvent): void {
    const last = this.line.inputs.length - 1;
    const to = { ArrowRight: this.place + 1, ArrowLeft: this.place - 1, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    if (to >= 0 && to <= last) this.app.set({ place: to });
  }
}
