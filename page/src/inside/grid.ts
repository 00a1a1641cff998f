// Grid: how the numbers of one position lie in a small field, and how its colours are painted.

import type { Stage } from "../contract";
import { isFlat, sizeOf, squashOf } from "./reading";

export interface Grid { columns: number; rows: number }

/** Two dimensions lie as they are; one is broken into rows, twice as wide as high. */
export function gridOf({ shape }: Stage): Grid {
  const [first, second] = shape as [number, number?];
  if (second !== undefined) return { rows: first, columns: second };
  const columns = Math.min(first, Math.ceil(Math.sqrt(2 * first)));
  return { columns, rows: Math.ceil(first / columns) };
}

export interface Colours { up: string; down: string; ground: string; mark: string; under: string }

/** Reads the colours of the theme that is on. */
export function coloursOf(element: Element): Colours {
  const style = getComputedStyle(element), of = (name: string): string => style.getPropertyValue(name).trim();
  return { up: of("--accent"), down: of("--alert"), ground: of("--raised"), mark: of("--text"), under: of("--ground") };
}

/** Paints the numbers of one position from (left, top) on, each unit so many pixels wide; saturated ones get a dot. */
export function paint(context: CanvasRenderingContext2D, stage: Stage, place: number, left: number, top: number, side: number, colours: Colours): void {
  const { columns, rows } = gridOf(stage), width = sizeOf(stage), squash = squashOf(stage.name), most = greatest(stage);
  context.globalAlpha = 1;
  context.fillStyle = colours.ground;
  context.fillRect(left, top, columns * side, rows * side);
  for (let unit = 0; unit < width; unit++) {
    const value = stage.data[place * width + unit]!, strength = Math.abs(value) / most;
    const x = left + (unit % columns) * side, y = top + Math.floor(unit / columns) * side;
    // Shares are mostly small: their roots can be told apart.
    context.globalAlpha = Math.min(1, squash === "share" ? Math.sqrt(strength) : strength);
    context.fillStyle = value < 0 ? colours.down : colours.up;
    context.fillRect(x, y, side, side);
    if (squash === "relu" || !isFlat(squash, value)) continue;
    context.globalAlpha = 1;
    context.fillStyle = strength > 0.5 ? colours.under : colours.mark;
    const dot = Math.max(1, side / 3);
    context.fillRect(x + (side - dot) / 2, y + (side - dot) / 2, dot, dot);
  }
}

/** The value that has the full colour: 1 for what is squashed, else the greatest there is. */
function greatest(stage: Stage): number {
  if (["tanh", "gate", "share"].includes(squashOf(stage.name))) return 1;
  return stage.data.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9);
}
