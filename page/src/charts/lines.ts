// Losses over steps: a line for each part of the list.

import { s } from "../views/dom";
import { clear, type Figure, figure, px } from "./frame";
import { ticks } from "./ticks";

/** What a curve is of; "b" is the second of two trainings, dashed. */
export type Look = "train" | "val" | "level" | `${"train" | "val" | "level"} b` | `run${number}`;
export interface Curve { name: string; look: Look; points: [number, number][] }

const HEIGHT = 260, LEFT = 44, RIGHT = 12, BOTTOM = 36;
const MOST_ROWS = 200; // of the table

export class LineChart {
  private readonly figure: Figure;
  private curves: Curve[] = [];
  private until = 1;
  private ceiling = Infinity;

  /** named: whether the chart says which curve is which; else what stands beside it does. */
  constructor(title: string, private readonly x: string, private readonly y: string, private readonly named = true) {
    this.figure = figure(title, () => this.table(), () => this.draw());
  }

  get root(): HTMLElement {
    return this.figure.root;
  }

  /** Shows curves over steps from 0 to `until`; what is above `ceiling` is drawn at the upper edge. */
  show(curves: Curve[], until: number, ceiling = Infinity): void {
    this.ceiling = ceiling;
    this.curves = curves.filter(({ points }) => points.length > 0);
    this.until = Math.max(1, until);
    this.draw();
  }

  private table(): { head: string[]; rows: string[][] } {
    const rows = new Map<number, (number | undefined)[]>();
    this.curves.forEach(({ points }, at) => {
      for (const [step, value] of points) {
        const row = rows.get(step) ?? [];
        row[at] = value;
        rows.set(step, row);
      }
    });
    const sorted = [...rows].sort(([a], [b]) => a - b), every = Math.ceil(sorted.length / MOST_ROWS);
    return {
      head: [this.x, ...this.curves.map(({ name }) => name)],
      rows: sorted.filter((_, at) => at % every === 0 || at === sorted.length - 1)
        .map(([step, values]) => [String(step), ...this.curves.map((_, at) => values[at]?.toFixed(3) ?? "")]),
    };
  }

  private draw(): void {
    const { svg } = this.figure, width = this.figure.width();
    clear(svg, width, HEIGHT);
    const values = this.curves.flatMap(({ points }) => points.map(([, value]) => value)).filter(Number.isFinite);
    if (!values.length) {
      svg.append(s("text", { x: width / 2, y: HEIGHT / 2, class: "empty" }, "nothing learned yet"));
      this.figure.describe("No losses yet.");
      return;
    }
    const least = Math.min(...values), most = Math.max(...values), room = Math.max(0.05, 0.06 * (most - least));
    const low = Math.max(0, least - room), high = Math.min(most + room, this.ceiling), { marks, top } = this.legend(width);
    const xOf = (step: number): number => LEFT + (step / this.until) * (width - LEFT - RIGHT);
    const yOf = (value: number): number => HEIGHT - BOTTOM - ((Math.min(value, high) - low) / (high - low)) * (HEIGHT - top - BOTTOM);
    this.axes(svg, width, low, high, xOf, yOf);
    for (const { look, points } of this.curves) {
      const path = points.map(([step, value], at) => `${at ? "L" : "M"}${px(xOf(step))} ${px(yOf(value))}`).join("");
      svg.append(s("path", { class: `curve ${look}`, d: path }));
    }
    svg.append(...marks);
    this.figure.describe(this.curves.map(({ name, look, points }) => look.startsWith("level") ? `${name}: ${points[0]?.[1].toFixed(2)}` : `${name}: from ${points[0]?.[1].toFixed(2)} to ${points.at(-1)?.[1].toFixed(2)}`).join("; "));
  }

  private axes(svg: SVGSVGElement, width: number, low: number, high: number, xOf: (v: number) => number, yOf: (v: number) => number): void {
    for (const value of ticks(low, high, 4)) {
      svg.append(s("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: px(yOf(value)), y2: px(yOf(value)) }),
        s("text", { class: "tick y", x: LEFT - 8, y: px(yOf(value) + 4) }, String(value)));
    }
    for (const value of ticks(0, this.until, width < 500 ? 3 : 6)) {
      const inside = Math.min(xOf(value), width - 24); // the last number would be cut
      svg.append(s("text", { class: "tick", x: px(inside), y: HEIGHT - BOTTOM + 16 }, value.toLocaleString("en")));
    }
    svg.append(s("text", { class: "axis", x: width - RIGHT, y: HEIGHT - 5 }, `${this.x}; ${this.y}`));
  }

  /** Names the curves above them, in as many rows as they need; `top` is the height at which the curves begin. */
  private legend(width: number): { marks: SVGElement[]; top: number } {
    if (!this.named) return { marks: [], top: 11 };
    let x = LEFT, y = 11;
    const marks = this.curves.flatMap(({ name, look }) => {
      const wide = 40 + name.length * 7;
      if (x > LEFT && x + wide - 17 > width) [x, y] = [LEFT, y + 18];
      x += wide;
      return [s("line", { class: `curve ${look}`, x1: x - wide, x2: x - wide + 18, y1: y, y2: y }), s("text", { class: "name", x: x - wide + 23, y: y + 4 }, name)];
    });
    return { marks, top: y + 15 };
  }
}
