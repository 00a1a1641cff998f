// The wall: names as toggle buttons in a grid. One of them is in the tab order, arrows move among them.

import type { Drawn } from "../contract";
import { h, set, write } from "./dom";
import { oneIn, visible } from "./visible";

export interface WallEvents { picked(drawn: Drawn): void; toggled(drawn: Drawn): void; kept(text: string): boolean }

const LONG = 12; // letters that fit into the narrowest cell
const WIDEST = 20; // letters that a cell grows for: what is longer is broken
const MOST_SHOWN = 120; // characters of a name on the wall; the whole stands below it
const ORIGINS: Record<Drawn["origin"], string> = {
  new: "new", known: "in the list", train: "in the list", val: "in the list, unseen", test: "in the list, unseen", prior: "in the prior's lists",
};

/** Says where a line is known from, in words. */
export function originText(origin: Drawn["origin"]): string {
  return ORIGINS[origin];
}

/** Letters that cells have room for: nine of ten names are not broken in the middle of a word. */
function widthOf(drawn: readonly Drawn[]): number {
  const lengths = drawn.map(({ text }) => text.length).sort((a, b) => a - b);
  return Math.max(LONG, Math.min(WIDEST, lengths[Math.floor(0.9 * lengths.length)] ?? 0));
}

interface Cell { button: HTMLButtonElement; name: HTMLElement; mark: HTMLElement; likelihood: HTMLElement }

export class Wall {
  readonly root: HTMLElement;
  private readonly cells: Cell[] = [];
  private drawn: readonly Drawn[] = [];
  private at = 0;

  constructor(label: string, private readonly events: WallEvents) {
    this.root = h("div", {
      class: "wall", role: "group", "aria-label": label,
      onkeydown: (event: KeyboardEvent) => this.key(event),
      onfocusin: (event: FocusEvent) => this.focused(event),
      onclick: (event: MouseEvent) => this.clicked(event),
    });
  }

  /** Shows these names: buttons are used again, which is fast. stay: the focus goes with its name to another place. */
  show(drawn: readonly Drawn[], stay = false): void {
    const name = this.drawn[this.at], isFocused = this.root.contains(document.activeElement);
    this.drawn = drawn;
    for (let at = 0; at < drawn.length; at++) this.showOne(at);
    this.root.style.setProperty("--letters", String(widthOf(this.drawn)));
    for (const { button } of this.cells.splice(this.drawn.length)) button.remove();
    const to = stay && name ? drawn.indexOf(name) : -1;
    this.move(to < 0 ? Math.min(this.at, Math.max(0, drawn.length - 1)) : to, stay && isFocused);
  }

  get names(): readonly Drawn[] {
    return this.drawn;
  }

  /** Marks the names that are kept. */
  mark(): void {
    this.cells.forEach(({ button }, at) => set(button, "aria-pressed", this.events.kept(this.drawn[at]?.text ?? "") ? "true" : "false"));
  }

  private showOne(at: number): void {
    const drawn = this.drawn[at];
    if (!drawn) return;
    const cell = this.cells[at] ?? this.addCell();
    write(cell.name, visible(drawn.text, MOST_SHOWN) || "(nothing)");
    const known = drawn.origin !== "new";
    cell.button.classList.toggle("known", known);
    cell.mark.classList.toggle("known", known);
    write(cell.mark, originText(drawn.origin));
    write(cell.likelihood, oneIn(drawn.nll));
    set(cell.button, "aria-pressed", this.events.kept(drawn.text) ? "true" : "false");
  }

  private addCell(): Cell {
    const name = h("bdi", { class: "name", dir: "auto" }), mark = h("span", { class: "mark" }), likelihood = h("span");
    const button = h("button", { type: "button", class: "cell", tabindex: -1 }, name, h("span", { class: "facts" }, mark, " ", likelihood));
    const cell = { button, name, mark, likelihood };
    this.cells.push(cell);
    this.root.append(button);
    return cell;
  }

  private move(to: number, focus: boolean): void {
    this.cells.forEach(({ button }, at) => { set(button, "tabindex", at === to ? 0 : -1); });
    this.at = to;
    if (focus) this.cells[to]?.button.focus();
  }

  private placeOf(target: EventTarget | null): number {
    const button = target instanceof Element ? target.closest("button") : null;
    return this.cells.findIndex((cell) => cell.button === button);
  }

  private focused(event: FocusEvent): void {
    const at = this.placeOf(event.target), drawn = this.drawn[at];
    if (!drawn) return;
    this.move(at, false);
    this.events.picked(drawn);
  }

  private clicked(event: MouseEvent): void {
    const at = this.placeOf(event.target), drawn = this.drawn[at];
    if (!drawn) return;
    this.move(at, true); // Safari does not focus a button that is clicked
    this.events.picked(drawn);
    this.events.toggled(drawn);
  }

  /** Counts the names of the first row, as the grid has laid them out. */
  private get across(): number {
    const top = this.cells[0]?.button.offsetTop;
    const next = this.cells.findIndex(({ button }) => button.offsetTop !== top);
    return next < 0 ? this.cells.length : next;
  }

  private key(event: KeyboardEvent): void {
    const last = this.cells.length - 1;
    const to = {
      ArrowRight: this.at + 1, ArrowLeft: this.at - 1, ArrowDown: this.at + this.across, ArrowUp: this.at - this.across,
      Home: 0, End: last,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    if (to >= 0 && to <= last) this.move(to, true);
  }
}
