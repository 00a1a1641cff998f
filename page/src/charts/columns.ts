// How many of each: lengths of lines.

import { s } from "../views/dom";
import { clear, type Figure, figure, px } from "./frame";
import { ticks } from "./ticks";

const HEIGHT = 130, LEFT = 44, TOP = 10, BOTTOM = 34, WIDEST = 26;

export class Columns {
  private readonly figure: Figure;
  private values: number[] = [];
  private more = false;

  constructor(private readonly title: string, private readonly unit: string) {
    this.figure = figure(title, () => this.table(), () => this.draw());
  }

  get root(): HTMLElement {
    return this.figure.root;
  }

  /** Shows values[i], how many there are of i; more: the last is of that many and more. */
  show(values: number[], more: boolean): void {
    this.values = values;
    this.more = more;
    this.draw();
  }

  private name(at: number): string {
    return this.more && at === this.values.length - 1 ? `${at}+` : String(at);
  }

  private table(): { head: string[]; rows: string[][] } {
    const rows = this.values.flatMap((value, at) => (value ? [[this.name(at), value.toLocaleString("en")]] : []));
    return { head: [this.unit, "lines"], rows };
  }

  private draw(): void {
    const { svg } = this.figure, n = this.values.length, most = Math.max(1, ...this.values);
    const step = Math.min(WIDEST, (this.figure.width() - LEFT - 8) / Math.max(1, n)), width = LEFT + 8 + n * step;
    clear(svg, Math.max(width, 240), HEIGHT);
    const yOf = (value: number): number => HEIGHT - BOTTOM - (value / most) * (HEIGHT - TOP - BOTTOM);
    for (const value of ticks(0, most, 2)) {
      svg.append(s("line", { class: "grid", x1: LEFT, x2: px(width), y1: px(yOf(value)), y2: px(yOf(value)) }),
        s("text", { class: "tick y", x: LEFT - 8, y: px(yOf(value) + 4) }, value.toLocaleString("en")));
    }
    const every = Math.ceil(28 / step); // numbers that have room
    this.values.forEach((value, at) => {
      const x = LEFT + 4 + at * step;
      svg.append(s("rect", { class: "heat", x: px(x), y: px(yOf(value)), width: px(step - 2), height: px(HEIGHT - BOTTOM - yOf(value)) }));
      if (at % every === 0) svg.append(s("text", { class: "tick", x: px(x + step / 2 - 1), y: HEIGHT - BOTTOM + 15 }, this.name(at)));
    });
    svg.append(s("text", { class: "axis start", x: LEFT, y: HEIGHT - 4 }, `${this.unit} in a line`));
    const likeliest = this.values.indexOf(most);
    this.figure.describe(`${this.title}: most lines have ${this.name(likeliest)} ${this.unit}`);
  }
}
