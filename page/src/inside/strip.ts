// Strip: the numbers of one stage, a small field for each position of the line; keys and pointer read one of them.

import type { Stage } from "../contract";
import { tableBelow, type TableOf } from "../charts/frame";
import { fill, h, set } from "../views/dom";
import { type Colours, gridOf, paint } from "./grid";
import { type Line, shapeText, shownSymbol, sizeOf, unitName, valueText } from "./reading";
import type { Source } from "./sources";

const GAP = 6, LETTERS = 20; // pixels between fields, and of the letters above them
const LEAST = 56, MOST = 104; // width of a field

/** Where a number stands: at which position, and which of its units. */
export interface At { place: number; unit: number }

export interface Told { read(strip: Strip, at: At): void; pick(strip: Strip, at: At): void }

export class Strip {
  private readonly canvas = h("canvas", {
    tabindex: 0, role: "application", "aria-roledescription": "heat map, arrows move, Enter follows a unit",
    onkeydown: (event: KeyboardEvent) => this.key(event), onfocus: () => this.read(this.at),
    onpointermove: (event: PointerEvent) => this.point(event, false), onclick: (event: PointerEvent) => this.point(event, true),
  });
  private readonly cursor = h("span", { class: "unit-at", "aria-hidden": "true", hidden: true });
  private readonly field = h("div", { class: "strip" }, this.canvas, this.cursor);
  private readonly heading = h("h3", {});
  private readonly facts = h("p", { class: "note" });
  readonly below = h("div", { class: "below" }); // for what belongs to this stage alone
  private readonly table;
  readonly root: HTMLElement;
  private at: At = { place: 0, unit: 0 };
  private side = LEAST;

  constructor(public stage: Stage, readonly source: Source, private line: Line, private readonly told: Told) {
    this.heading.textContent = source.title;
    set(this.canvas, "aria-label", source.title);
    this.table = tableBelow(source.title, () => this.numbers());
    this.root = h("section", { class: "stage" }, h("div", { class: "what" }, this.heading, this.facts), this.field, this.below, this.table.details);
  }

  /** Pixels that there are for all positions. */
  get room(): number {
    return this.field.clientWidth;
  }

  /** Shows numbers of the stage; place: the position that is picked; words: what there is to say of it. */
  show(stage: Stage, line: Line, place: number, width: number, colours: Colours, words: string): void {
    this.stage = stage;
    this.line = line;
    fill(this.facts, h("code", {}, stage.name), ` ${shapeText(stage, this.source)}${words && `; ${words}`}`);
    this.draw(width, place, colours);
    this.table.again();
    if (this.at.place >= line.inputs.length) this.at = { place: 0, unit: 0 };
    this.move();
  }

  private get step(): number {
    return this.side + GAP;
  }

  private draw(width: number, place: number, colours: Colours): void {
    const { canvas, stage, line } = this, { columns, rows } = gridOf(stage), T = line.inputs.length, ratio = devicePixelRatio || 1;
    this.side = Math.max(LEAST, Math.min(MOST, Math.floor(width / T) - GAP));
    const unit = this.side / columns, high = LETTERS + rows * unit + 2, wide = T * this.step;
    canvas.width = Math.ceil(wide * ratio);
    canvas.height = Math.ceil(high * ratio);
    for (const [key, value] of [["width", wide], ["height", high]] as const) canvas.style.setProperty(key, `${value}px`);
    const context = canvas.getContext("2d");
    if (!context) return;
    context.scale(ratio, ratio);
    context.font = "600 14px system-ui, sans-serif";
    context.textAlign = "center";
    line.inputs.forEach((symbol, at) => {
      const left = at * this.step + 1;
      paint(context, stage, at, left, LETTERS, unit, colours);
      context.globalAlpha = 1;
      context.fillStyle = context.strokeStyle = at === place ? colours.up : colours.mark;
      context.fillText(shownSymbol(symbol), left + this.side / 2, 14, this.step);
      if (at === place) context.strokeRect(left - 0.5, LETTERS - 0.5, this.side + 1, rows * unit + 1);
    });
  }

  private numbers(): TableOf {
    const { stage, source, line } = this, width = sizeOf(stage);
    return {
      head: ["", ...line.inputs.map(shownSymbol)],
      rows: Array.from({ length: width }, (_, unit) => [
        unitName(stage, source, unit, line.inputs.length - 1, line),
        ...line.inputs.map((_, place) => valueText(stage, stage.data[place * width + unit]!)),
      ]),
    };
  }

  /** Puts the frame around the unit that is read. */
  private move(): void {
    const { columns } = gridOf(this.stage), unit = this.side / columns;
    const place = { left: this.at.place * this.step + 1 + (this.at.unit % columns) * unit, top: LETTERS + Math.floor(this.at.unit / columns) * unit, width: unit, height: unit };
    for (const [key, value] of Object.entries(place)) this.cursor.style.setProperty(key, `${value.toFixed(1)}px`);
  }

  private read(at: At): void {
    this.at = at;
    this.cursor.hidden = false;
    this.move();
    this.told.read(this, at);
  }

  /** The frame goes when another strip is read. */
  leave(): void {
    this.cursor.hidden = true;
  }

  private point(event: PointerEvent, picks: boolean): void {
    const box = this.canvas.getBoundingClientRect(), { columns } = gridOf(this.stage), unit = this.side / columns;
    const x = event.clientX - box.left - 1, y = event.clientY - box.top - LETTERS, place = Math.floor(x / this.step);
    if (place < 0 || place >= this.line.inputs.length) return;
    const column = Math.max(0, Math.min(columns - 1, Math.floor((x - place * this.step) / unit))), row = Math.max(0, Math.floor(y / unit));
    const at = { place, unit: Math.min(sizeOf(this.stage) - 1, row * columns + column) };
    this.read(at);
    if (picks) this.told.pick(this, at);
  }

  private key(event: KeyboardEvent): void {
    const { columns } = gridOf(this.stage), width = sizeOf(this.stage), last = this.line.inputs.length - 1;
    let { place, unit } = this.at;
    const column = unit % columns;
    switch (event.key) {
      case "Enter": case " ": event.preventDefault(); return this.told.pick(this, this.at);
      case "Home": place = 0; break;
      case "End": place = last; break;
      case "ArrowUp": unit -= columns; break;
      case "ArrowDown": unit += columns; break;
      // Beyond the edge of a field comes the same row of the next one.
      case "ArrowRight": if (column < columns - 1 && unit < width - 1) unit++; else { place++; unit -= column; } break;
      case "ArrowLeft": if (column > 0) unit--; else { place--; unit = Math.min(width - 1, unit + columns - 1); } break;
      default: return;
    }
    event.preventDefault();
    if (place >= 0 && place <= last && unit >= 0 && unit < width) this.read({ place, unit });
  }
}
