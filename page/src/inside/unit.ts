// Unit: one unit of a stage along the line, and after which beginnings of lines it is most active.

import type { Answer } from "../contract";
import { fill, h } from "../views/dom";
import { line as lineOf, whole } from "../views/visible";
import { type Line, shownSymbol, sizeOf, unitName, valueText } from "./reading";
import type { Strip } from "./strip";

type Active = Extract<Answer, { answer: "active" }>;

/** Makes bars of a unit's values, one for each position. */
export function alongLine({ stage, source }: Strip, unit: number, place: number, line: Line): HTMLElement {
  const width = sizeOf(stage), values = line.inputs.map((_, at) => stage.data[at * width + unit]!);
  const most = values.reduce((greatest, value) => Math.max(greatest, Math.abs(value)), 1e-9);
  return h("div", { class: "unit" },
    h("h4", {}, `${source.title}: ${unitName(stage, source, unit, place, line)}`),
    h("ol", { class: "along" }, ...values.map((value, at) => {
      const bar = h("span", { class: value < 0 ? "fill less" : "fill", "aria-hidden": "true" });
      bar.style.setProperty("--p", String(Math.abs(value) / most));
      return h("li", {}, h("bdi", { class: "letter" }, shownSymbol(line.inputs[at]!)), h("span", { class: "track" }, bar), h("span", { class: "p" }, valueText(stage, value)));
    })));
}

/** Makes the list of the beginnings after which a unit is most and least active. */
export function activeAfter({ most, least, of }: Active, isRun: boolean): HTMLElement {
  const list = (words: string, some: Active["most"]): HTMLElement | null => some.length === 0 ? null : h("div", {}, h("h4", {}, words),
    h("ul", { class: "lines" }, ...some.map(({ text, value }) => h("li", {}, text ? lineOf(text, 40) : "the beginning", ` ${value.toFixed(2).replace("-", "−")}`))));
  const root = h("div", { class: "active" });
  fill(root, list("Greatest after", most), list("Least after", least),
    h("p", { class: "note" }, `Of ${whole(of)} beginnings of ${isRun ? "lines that the model draws" : "lines of the list"}.`));
  return root;
}

/** Makes the table of what each head looks at from one position. */
export function looksAt({ stage, source }: Strip, place: number, line: Line): HTMLElement {
  const [heads, T] = stage.shape as [number, number], seen = line.inputs.slice(0, place + 1);
  const words = `What each head looks at from “${shownSymbol(line.inputs[place] ?? "")}”, the letter that is picked above`;
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `${source.title}: ${words}` }, h("table", { class: "looks" },
    h("caption", { class: "note" }, `${words}.`),
    h("thead", {}, h("tr", {}, h("td", {}), ...seen.map((symbol) => h("th", { scope: "col" }, h("bdi", {}, shownSymbol(symbol)))))),
    h("tbody", {}, ...Array.from({ length: heads }, (_, head) => h("tr", {}, h("th", { scope: "row" }, `head ${head + 1}`), ...seen.map((_, at) => {
      const p = stage.data[(place * heads + head) * T + at] ?? 0, bar = h("span", { class: "fill", "aria-hidden": "true" });
      bar.style.setProperty("--p", String(p));
      return h("td", {}, valueText(stage, p), h("span", { class: "track" }, bar));
    }))))));
}
