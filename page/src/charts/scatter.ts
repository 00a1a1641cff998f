// Symbols as points of a plane: what the model takes for alike lies near.

import { s, set } from "../views/dom";
import { symbolText } from "../views/visible";
import { apart } from "./apart";
import { clear, type Figure, figure, px } from "./frame";

const EDGE = 22;
const NEAR = 25; // pixels between two letters at least, where there is room

export class Scatter {
  private readonly figure: Figure;
  private symbols: string[] = [];
  private xy: ArrayLike<number> = [];
  private groups: SVGGElement[] = [];
  private size = 0;

  constructor(title: string, private readonly most: number) {
    this.figure = figure(title, () => this.table(), () => this.draw());
  }

  get root(): HTMLElement {
    return this.figure.root;
  }

  /** Shows points (symbol i at xy[2 i], xy[2 i + 1]); symbols that were there move to their new places. */
  show(symbols: string[], xy: ArrayLike<number>, what: string): void {
    const same = symbols.length === this.symbols.length && symbols.every((symbol, at) => symbol === this.symbols[at]);
    this.symbols = symbols;
    this.xy = xy;
    this.figure.describe(`${symbols.length} symbols in two dimensions. ${what}`);
    if (!same || !this.groups.length) this.draw();
    else this.place();
  }

  private table(): { head: string[]; rows: string[][] } {
    return { head: ["symbol", "x", "y"], rows: this.symbols.map((symbol, at) => [symbol === "" ? "■" : symbolText(symbol), (this.xy[2 * at] ?? 0).toFixed(2), (this.xy[2 * at + 1] ?? 0).toFixed(2)]) };
  }

  private draw(): void {
    this.size = Math.min(this.figure.width(), this.most);
    clear(this.figure.svg, this.size, this.size);
    this.groups = this.symbols.map((symbol) => s("g", { class: `point ${looks(symbol)}` },
      s("circle", { r: 14 }), s("text", { y: 5 }, symbol === "" ? "■" : symbolText(symbol))));
    for (const group of this.groups) this.figure.svg.append(group);
    this.place();
  }

  private place(): void {
    let most = 1e-9;
    for (let at = 0; at < 2 * this.symbols.length; at++) most = Math.max(most, Math.abs(this.xy[at] ?? 0));
    const half = this.size / 2, scale = (half - EDGE) / most;
    const places = Float64Array.from({ length: 2 * this.symbols.length }, (_, at) => half + (at % 2 ? -scale : scale) * (this.xy[at] ?? 0));
    const near = Math.min(NEAR, (0.7 * this.size) / Math.sqrt(Math.max(1, this.symbols.length)));
    const seen = apart(places, near, this.size, EDGE);
    this.groups.forEach((group, at) => {
      const x = seen[2 * at] ?? 0, y = seen[2 * at + 1] ?? 0;
      // By CSSOM, not an attribute: a transition moves it, and the policy allows it.
      group.style.setProperty("transform", `translate(${px(x)}px,${px(y)}px)`);
      set(group, "data-symbol", at);
    });
  }
}

/** Vowels stand out: that a model finds them is the first thing to see. */
function looks(symbol: string): string {
  if (symbol === "") return "end";
  const base = symbol.normalize("NFD").charAt(0).toLowerCase();
  return "aeiouyаеёиоуыэюяαεηιουω".includes(base) ? "vowel" : "";
}
