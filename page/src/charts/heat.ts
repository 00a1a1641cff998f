// Pairs of symbols as a field: row, what stands; column, what follows; the stronger the colour, the likelier.

import { s, set } from "../views/dom";
import { percent, symbolText } from "../views/visible";
import { clear, type Figure, figure, px } from "./frame";

const EDGE = 26, MOST = 720;

export class HeatMap {
  private readonly figure: Figure;
  private symbols: string[] = [];
  private p: ArrayLike<number> = [];
  private side = 1;
  private at: [number, number] = [0, 0];
  private moved = false;
  private readonly mark = s("rect", { class: "cursor" });

  /** `told` gets what stands under the cursor, in words. */
  constructor(title: string, private readonly told: (words: string) => void) {
    this.figure = figure(title, () => this.table(), () => this.draw());
    const { svg } = this.figure;
    set(svg, "tabindex", 0);
    set(svg, "role", "application");
    set(svg, "aria-roledescription", "heat map, arrows move");
    svg.addEventListener("keydown", (event) => this.key(event));
    svg.addEventListener("focus", () => this.move(...this.at));
    svg.addEventListener("pointermove", (event) => this.point(event));
    svg.addEventListener("pointerdown", (event) => this.point(event));
  }

  get root(): HTMLElement {
    return this.figure.root;
  }

  /** Shows p (K, K): of column given row. The symbol "" is the beginning as a row, the end as a column. */
  show(symbols: string[], p: ArrayLike<number>): void {
    this.symbols = symbols;
    this.p = p;
    this.draw();
  }

  private words(row: number, column: number): string {
    const from = this.symbols[row] ?? "", to = this.symbols[column] ?? "";
    const share = percent(this.p[row * this.symbols.length + column] ?? 0);
    return `${from === "" ? "at the beginning" : `after ${symbolText(from)}`}, ${to === "" ? "the end" : symbolText(to)}: ${share}`;
  }

  private table(): { head: string[]; rows: string[][] } {
    const n = this.symbols.length, names = this.symbols.map((symbol) => (symbol === "" ? "■" : symbolText(symbol)));
    return { head: ["", ...names], rows: names.map((name, row) => [name, ...names.map((_, column) => percent(this.p[row * n + column] ?? 0))]) };
  }

  private draw(): void {
    const n = this.symbols.length, { svg } = this.figure, size = Math.min(this.figure.width(), MOST);
    clear(svg, size, size);
    if (!n) return;
    this.side = (size - EDGE) / n;
    svg.style.setProperty("--tick", `${Math.max(8, Math.min(12, this.side + 1)).toFixed(1)}px`); // names of rows must not touch
    const side = px(Math.max(0.5, this.side - 0.5));
    for (let row = 0; row < n; row++) {
      const name = this.symbols[row] ?? "", middle = EDGE + (row + 0.5) * this.side;
      svg.append(s("text", { class: "tick", x: EDGE / 2, y: px(middle + 4) }, name === "" ? "■" : symbolText(name)),
        s("text", { class: "tick", x: px(middle), y: 16 }, name === "" ? "■" : symbolText(name)));
      for (let column = 0; column < n; column++) {
        const p = this.p[row * n + column] ?? 0;
        if (p < 0.002) continue; // as light as the ground
        svg.append(s("rect", { class: "heat", x: px(EDGE + column * this.side), y: px(EDGE + row * this.side), width: side, height: side, "fill-opacity": Math.sqrt(p).toFixed(3) }));
      }
    }
    set(this.mark, "width", px(this.side));
    set(this.mark, "height", px(this.side));
    svg.append(this.mark);
    if (!this.moved) set(this.mark, "x", -size); // out of sight until somebody points
    const best = this.symbols.map((_, row) => this.likeliest(row));
    this.figure.describe(`The likeliest symbol after each: ${this.symbols.slice(0, 30).map((_, row) => this.words(row, best[row] ?? 0)).join("; ")}`);
  }

  private likeliest(row: number): number {
    const n = this.symbols.length;
    let best = 0;
    for (let column = 1; column < n; column++) if ((this.p[row * n + column] ?? 0) > (this.p[row * n + best] ?? 0)) best = column;
    return best;
  }

  private move(row: number, column: number): void {
    const n = this.symbols.length;
    if (!n) return;
    this.moved = true;
    this.at = [Math.max(0, Math.min(n - 1, row)), Math.max(0, Math.min(n - 1, column))];
    set(this.mark, "x", px(EDGE + this.at[1] * this.side));
    set(this.mark, "y", px(EDGE + this.at[0] * this.side));
    this.told(this.words(...this.at));
  }

  private point(event: PointerEvent): void {
    const box = this.figure.svg.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left - EDGE) / this.side), row = Math.floor((event.clientY - box.top - EDGE) / this.side);
    if (row >= 0 && column >= 0 && row < this.symbols.length && column < this.symbols.length) this.move(row, column);
  }

  private key(event: KeyboardEvent): void {
    const [row, column] = this.at;
    const to: [number, number] | undefined = ({
      ArrowRight: [row, column + 1], ArrowLeft: [row, column - 1], ArrowDown: [row + 1, column], ArrowUp: [row - 1, column],
    } as Record<string, [number, number]>)[event.key];
    if (!to) return;
    event.preventDefault();
    this.move(...to);
  }
}
