// Kept lines: what a person has chosen, to take away as text, CSV or JSON; and the run as zip.

import type { App, Change, View } from "./app";
import { Told } from "../told";
import { button } from "./controls";
import { fill, h } from "./dom";
import { download } from "./download";
import { asCsv, asJson, asText } from "../run";
import { promise } from "../server/words";
import { line, oneIn, plural, quote } from "./visible";
import { originText } from "./wall";

export class KeptView implements View {
  private readonly lines = h("ul", { class: "kept" });
  private readonly empty = h("p", { class: "note" }, "Nothing is kept yet: press a name on the wall.");
  private readonly copied = h("p", { class: "note" });
  private readonly exports: HTMLElement;
  readonly root: HTMLElement;

  constructor(private readonly app: App) {
    this.exports = h("div", { class: "row" },
      button("Download as text", () => download("names.txt", asText(app.kept), "text/plain"), "main"),
      button("as CSV", () => download("names.csv", asCsv(app.kept), "text/csv")),
      button("as JSON", () => download("names.jsonl", asJson(app.kept), "application/jsonl")),
      "clipboard" in navigator && button("Copy", () => void this.copy()));
    this.root = h("section", { class: "panel" }, h("h2", { tabindex: -1 }, "Kept"), this.exports, this.copied, this.empty, this.lines,
      h("p", { class: "note" }, `Kept lines and your list stay in this browser until you forget them. ${app.server ? promise(true) : "They go nowhere else."}`),
      h("div", { class: "row" }, button("Forget the list and kept lines", () => this.forget())));
  }

  update(change: Change | "shown"): void {
    if (change !== "kept" && change !== "shown") return;
    const { kept } = this.app;
    this.copied.textContent = "";
    this.exports.hidden = kept.length === 0;
    this.empty.hidden = kept.length > 0;
    fill(this.lines, ...kept.map((each, at) => h("li", {}, h("span", { class: "name" }, line(each.text)),
      h("span", { class: "note" }, originText(each.origin), each.nll === null ? "" : `, ${oneIn(each.nll)}`),
      this.remover(at))));
  }

  private async copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(asText(this.app.kept));
      this.copied.textContent = `${plural(this.app.kept.length, "line")} copied`;
      this.app.say(this.copied.textContent);
    } catch {
      this.app.fail(new Told("the browser does not let this page copy", "download them as text"));
    }
  }

  private remover(at: number): HTMLElement {
    const each = this.app.kept[at];
    const remove = button("Remove", () => {
      if (each) this.app.toggleKept(each);
      const buttons = this.lines.querySelectorAll<HTMLElement>("button");
      (buttons[Math.min(at, buttons.length - 1)] ?? this.root.querySelector("h2"))?.focus();
    }, "quiet");
    remove.setAttribute("aria-label", `Remove ${quote(each?.text ?? "")}`);
    return remove;
  }

  private forget(): void {
    this.app.forget();
  }
}
