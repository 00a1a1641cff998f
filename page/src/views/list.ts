// The list: paste, drop, choose a file or an example; then what is in it.

import { Columns } from "../charts/columns";
import type { KeptList } from "../keep";
import type { App, Change, View } from "./app";
import { button, select } from "./controls";
import { fill, h, newId, pointed } from "./dom";
import { Demonstration } from "./demonstration";
import { Glimpse } from "./glimpse";
import { tourButton } from "./tour";
import { line, plural, symbolText, whole } from "./visible";

const MOST_BYTES = 50 * 2 ** 20; // of a file: beyond it a browser's tab is the wrong place
const MOST_LAID_OUT = 20_000; // characters in the field: browsers take seconds to lay out a long list
const MOST_LENGTHS = 60; // columns; the last has all that are longer
const MOST_SYMBOLS = 120; // symbols that are shown

export class ListView implements View {
  private readonly textarea: HTMLTextAreaElement;
  private readonly facts = h("div", { class: "facts" });
  private readonly column = select("Column of the lines", [], (column) => this.again({ column, asIs: false }));
  private readonly labels = select("Column of labels", [], (labelColumn) => this.again({ labelColumn }));
  private readonly columns = h("div", { class: "row", hidden: true }, this.column.root, this.labels.root);
  private readonly lengths = new Columns("Lengths of lines", "symbols");
  private readonly heading = h("span", { class: "big" }, "Your list");
  private readonly input: HTMLDetailsElement;
  private readonly way = way();
  private readonly demonstration: Demonstration;
  private readonly glimpse: Glimpse;
  readonly root: HTMLElement;
  private source: KeptList | null = null;

  constructor(private readonly app: App) {
    const id = newId();
    this.textarea = h("textarea", {
      id, rows: 8, dir: "auto", spellcheck: "false", autocapitalize: "off", autocomplete: "off",
      placeholder: "Paste your list here, one thing a line:\nnames, words, places …", onpaste: (event: ClipboardEvent) => this.paste(event),
    });
    const file = h("input", {
      type: "file", class: "hidden", tabindex: -1, "aria-hidden": "true", accept: ".txt,.csv,.tsv,text/*",
      onchange: () => { if (file.files?.[0]) void this.readFile(file.files[0]); file.value = ""; },
    });
    this.input = h("details", { class: "panel input", open: true },
      h("summary", {}, this.heading),
      h("label", { for: id, class: "hidden" }, "Your list, one thing a line"),
      this.textarea,
      h("div", { class: "row" },
        button("Learn this list", () => this.readText(), "main"),
        button("Choose a file", () => file.click()), file),
      h("p", { class: "note" }, "Or drop a file anywhere: text or CSV. Hundreds of lines are good, thousands are better."));
    this.demonstration = new Demonstration(app, ({ name, lines }) => { this.textarea.value = lines; this.readText(name); });
    this.glimpse = new Glimpse(app, "New lines, made up just now", 12);
    this.root = h("div", {}, h("div", { class: "row shows" }, tourButton(app), h("p", { class: "note" }, "Six short steps: what a model is, by doing.")), this.way, this.input, this.demonstration.root, this.facts);
    this.listenToDrops();
  }

  /** Shows an example on an empty page, unless a list is on its way: a list that is read later takes its place in the worker. */
  demonstrate(): void {
    if (!this.source && !this.app.run) this.demonstration.show();
  }

  private listenToDrops(): void {
    const files = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;
    addEventListener("dragover", (event) => { if (files(event)) event.preventDefault(); });
    addEventListener("drop", (event) => {
      const file = event.dataTransfer?.files[0];
      if (!file) return;
      event.preventDefault();
      void this.readFile(file);
    });
  }

  private async readFile(file: File): Promise<void> {
    if (file.size > MOST_BYTES) {
      this.app.fail(new Error(`${file.name} has ${whole(file.size / 2 ** 20)} MB, more than ${MOST_BYTES / 2 ** 20}`));
      return;
    }
    this.textarea.value = "";
    await this.read({ name: file.name, text: await file.arrayBuffer() });
  }

  private readText(name = "your list"): void {
    const text = this.textarea.value;
    if (text.trim()) void this.read({ name, text });
    else {
      this.app.say("The list is empty: paste some lines first");
      this.textarea.focus();
    }
  }

  /** A list that is pasted into the empty field is learned at once; a long one is not laid out in it. */
  private paste(event: ClipboardEvent): void {
    const text = event.clipboardData?.getData("text/plain") ?? "";
    if (this.textarea.value !== "" || !text.trim().includes("\n")) return;
    event.preventDefault();
    if (text.length <= MOST_LAID_OUT) this.textarea.value = text;
    void this.read({ name: "your list", text });
  }

  private again(some: Partial<KeptList>): void {
    if (this.source) void this.read({ ...this.source, ...some }, true);
  }

  /** Reads a list; `stay` keeps the view that a link names. */
  async read(list: KeptList, stay = false): Promise<void> {
    this.source = list;
    await this.app.read(list);
    const { list: read, error } = this.app;
    if (error || !read) return;
    this.app.say(`${plural(read.list.total, "line")} read; counts have learned them`);
    if (stay) return;
    this.app.set({ view: "list", like: "", name: "", label: "" }, true);
    this.input.open = false;
    this.facts.querySelector<HTMLElement>("h2")?.focus();
  }

  update(change: Change | "shown"): void {
    if (change !== "list" && change !== "shown") return;
    const answer = this.app.list;
    this.facts.hidden = !answer; // a run of the server has taken its place
    if (this.app.run) this.demonstration.hide();
    if (!answer) return;
    const named = (answer.columns ?? []).map((name): [string, string] => [name, name]);
    this.heading.textContent = "Another list";
    this.way.hidden = true;
    this.demonstration.hide();
    this.columns.hidden = named.length < 2;
    this.column.offer(named);
    this.labels.offer([["", "none"], ...named]);
    this.column.show(this.source?.column ?? answer.column ?? named[0]?.[0] ?? "");
    this.labels.show(this.source?.labelColumn ?? "");
    const focused = document.activeElement;
    fill(this.facts, ...this.summary());
    this.glimpse.draw();
    if (focused instanceof HTMLElement && this.facts.contains(focused)) focused.focus(); // a choice of columns, put in again
    const { lengths } = answer.list;
    this.lengths.show(lengths.length > MOST_LENGTHS ? folded(lengths) : lengths, lengths.length > MOST_LENGTHS);
  }

  private summary(): HTMLElement[] {
    const list = this.app.list?.list;
    if (!list) return [];
    const { counts } = list, some = list.symbols.slice(0, MOST_SYMBOLS);
    const facts: [string, string][] = [
      ["lines to learn from", whole(list.total)],
      ["lines read", counts.read === list.total ? "" : whole(counts.read)],
      ["blank", counts.blank ? whole(counts.blank) : ""],
      ["copies, left out", counts.copies ? whole(counts.copies) : ""],
      ["too long, left out", counts.tooLong ? whole(counts.tooLong) : ""],
      ["different symbols", whole(list.symbols.length)],
      ["longest line", plural(list.longest, "symbol")],
    ];
    return [h("section", { class: "panel" },
      h("h2", { tabindex: -1 }, "What is in ", line(list.name, 80)),
      this.columns,
      h("dl", { class: "numbers" }, ...facts.filter(([, value]) => value).map(([what, value]) => h("div", {}, h("dt", {}, what), h("dd", {}, value)))),
      this.glimpse.root,
      this.next(),
      this.otherwise(),
      ...this.odd(list.odd),
      h("h3", {}, "Lengths"),
      this.lengths.root,
      h("h3", {}, "First lines"),
      h("ul", { class: "lines" }, ...list.first.map((each) => h("li", {}, line(each, 120)))),
      h("h3", {}, "Symbols"),
      h("p", { class: "symbols" }, ...some.map((symbol) => h("bdi", {}, symbolText(symbol)))),
      some.length < list.symbols.length && h("p", { class: "note" }, `the first ${MOST_SYMBOLS} of ${whole(list.symbols.length)}`))];
  }

  /** How else the text may be read: a numbered list without its numbers, a table by whole lines. */
  private otherwise(): HTMLElement | null {
    const { shape, columns } = this.app.list ?? {};
    const mends = shape && shape !== "table" && !this.source?.mend;
    if (!mends && !columns && !this.source?.mend && !this.source?.asIs) return null;
    const { column: _, labelColumn: __, ...plain } = this.source ?? { name: "", text: "" };
    const read = (some: Partial<KeptList>): void => void this.read({ ...plain, mend: false, asIs: false, ...some });
    return h("div", { class: "row" },
      mends ? button("Mend it: one thing a line", () => read({ mend: true })) : null,
      columns ? button("Learn whole lines", () => read({ asIs: true })) : null,
      this.source?.mend || this.source?.asIs ? button("Read it as before", () => read({})) : null);
  }

  private odd(odd: { what: string; lines: string[] }[]): HTMLElement[] {
    if (!odd.length) return [];
    return [h("h3", {}, "What looks odd"), h("ul", { class: "odd" }, ...odd.map(({ what, lines }) =>
      h("li", {}, lines.length ? what.replace(/\.$/, "") + ": " : what, ...lines.slice(0, 3).flatMap((each, at) => [at ? ", " : "", line(each, 60)]))))];
  }

  private next(): HTMLElement {
    return h("div", { class: "row" },
      pointed("list", button("Draw new lines", () => this.app.set({ view: "names" }, true), "main")),
      button("Let a network learn, too", () => this.app.set({ view: "learning" }, true)),
      h("p", { class: "note" }, "Counts have learned the list already. A network takes some seconds and hears further back."));
  }
}

/** What a person does here, in order. */
function way(): HTMLElement {
  const steps: [string, string][] = [
    ["Give a list", "one thing a line: names, places, plants, bands"],
    ["It learns at once", "which letters follow which, in this page alone"],
    ["Draw new ones", "shape them, keep what you like, take it away"],
  ];
  return h("ol", { class: "way" }, ...steps.map(([what, how]) => h("li", {}, h("strong", {}, what), h("span", {}, how))));
}

/** Adds up the lines that are too long for a column of their own. */
function folded(lengths: number[]): number[] {
  const rest = lengths.slice(MOST_LENGTHS - 1).reduce((sum, value) => sum + value, 0);
  return [...lengths.slice(0, MOST_LENGTHS - 1), rest];
}
