// What every chart has: SVG with a title and a description, and its numbers as a table that opens.

import { fill, h, newId, s } from "../views/dom";

export interface Figure {
  root: HTMLElement;
  svg: SVGSVGElement;
  /** Width in pixels: charts are drawn at the size they have, so that text is never scaled. */
  width(): number;
  describe(text: string): void;
}

export interface TableOf { head: string[]; rows: string[][] }

/** Makes a figure. `table` is asked for the numbers when a person opens them; `resized` draws again. */
export function figure(title: string, table: () => TableOf, resized: () => void): Figure {
  const titleId = newId(), descId = newId(), desc = s("desc", { id: descId });
  const svg = s("svg", { role: "img", "aria-labelledby": titleId, "aria-describedby": descId }, s("title", { id: titleId }, title), desc);
  const { details } = tableBelow(title, table);
  const root = h("figure", { class: "chart" }, svg, details);
  let known = 0;
  new ResizeObserver(() => {
    const width = root.clientWidth;
    if (width && width !== known) {
      known = width;
      resized();
    }
  }).observe(root);
  return { root, svg, width: () => root.clientWidth || 320, describe: (text) => { desc.textContent = text; } };
}

/** Makes the numbers of a chart as a table that opens; `again` writes them anew where they are open. */
export function tableBelow(title: string, table: () => TableOf): { details: HTMLDetailsElement; again(): void } {
  const place = h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `${title}, as a table` });
  const again = (): void => { if (details.open) fill(place, makeTable(title, table())); else fill(place); };
  const details = h("details", { class: "numbers-of", ontoggle: again }, h("summary", {}, "As a table"), place);
  return { details, again };
}

function makeTable(title: string, { head, rows }: TableOf): HTMLElement {
  return h("table", {}, h("caption", { class: "hidden" }, title),
    h("thead", {}, h("tr", {}, ...head.map((each) => (each ? h("th", { scope: "col" }, h("bdi", {}, each)) : h("td", {}))))),
    h("tbody", {}, ...rows.map((row) => h("tr", {}, ...row.map((each, at) =>
      at ? h("td", {}, each) : h("th", { scope: "row" }, h("bdi", {}, each)))))));
}

/** Takes all but title and description out of a chart, and sets its size. */
export function clear(svg: SVGSVGElement, width: number, height: number): void {
  while (svg.childNodes.length > 2) svg.lastChild?.remove();
  svg.setAttribute("width", String(width));
  svg.setAttribute("height", String(height));
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
}

/** Rounds to tenths of a pixel: more digits cost memory and are not seen. */
export function px(value: number): string {
  return value.toFixed(1);
}
