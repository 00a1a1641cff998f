// About: the card of the model that is there, where it runs, and what stays in the browser.

import type { App, Change, View } from "./app";
import { button } from "./controls";
import { fill, h } from "./dom";
import { tourButton } from "./tour";
import { download } from "./download";
import { promise } from "../server/words";
import { visible, whole } from "./visible";

type Fact = [string, string | null | undefined];

export class AboutView implements View {
  private readonly card = h("div", {});
  readonly root: HTMLElement;

  constructor(private readonly app: App) {
    this.root = h("div", {}, this.card, h("section", { class: "panel" },
      h("h2", {}, "This page"),
      h("p", {}, "makemore reads a list, one thing a line, learns which letters follow which, and makes new lines like them. " + (app.server ? "Runs of the server learn there, and draw here. " : "All of it happens in this one file: it asks no server for anything. ") + promise(!!app.server)),
      h("p", {}, "A link to this page carries its settings (temperature, beginnings, the open view, a name that you look at letter by letter), never the list."),
      h("p", {}, "A new name is one that is not in the list. It may still be somebody's: look before you use it."),
      h("div", { class: "row" }, tourButton(app), button("Forget the list and kept lines", () => app.forget()))));
  }

  update(change: Change | "shown"): void {
    if (change === "settings" || change === "kept" || change === "error" || change === "progress") return;
    const { opened, list } = this.app;
    if (!opened) return;
    const own = list ? this.ofList() : this.ofRun();
    const facts: Fact[] = [
      ...own,
      ["model", opened.model ? modelText(opened.model) : null],
      ["parameters", opened.model ? whole(opened.parameters) : null],
      ["symbols", opened.model ? whole(opened.symbols.length) : null],
      ["computed by", opened.engine === "wasm" ? "WebAssembly" : "JavaScript (WebAssembly is refused here, which is slower)"],
    ];
    fill(this.card, opened.model && h("section", { class: "panel" }, h("h2", {}, "Model card"),
      h("dl", { class: "card" }, ...facts.filter(([, value]) => value).map(([what, value]) => h("div", {}, h("dt", {}, what), h("dd", {}, h("bdi", { dir: "auto" }, visible(value ?? "", 400)))))),
      list && h("div", { class: "row" }, button("Download the run (zip)", () => void this.zip())),
      list && h("p", { class: "note" }, "The zip holds the list and the weights; `makemore sample FILE.zip` draws from it.")));
  }

  private ofList(): Fact[] {
    const { list, progress } = this.app, best = progress.at(-1)?.best;
    return [
      ["learned from", `${list?.list.name ?? ""}, ${whole(list?.list.total ?? 0)} lines`],
      ["loss of the network on unseen lines", best != null ? `${best.toFixed(3)} nats a symbol` : null],
    ];
  }

  private ofRun(): Fact[] {
    const { run } = this.app;
    if (!run) return [];
    const { lines, losses, card } = run, nats = (value: number | null): string | null => (value === null ? null : `${value.toFixed(3)} nats a symbol`);
    return [
      ["learned from", `${run.name}: ${whole(lines.train)} lines; ${whole(lines.val)} to compare, ${whole(lines.test)} set apart`],
      ["digest of the list", card.digest],
      ["loss on its lines", nats(losses.train)],
      ["loss on unseen lines", nats(losses.val)],
      ["copies among raw draws", card.copies === null ? null : `${(100 * card.copies).toFixed(1)} %`],
      ["license", card.license],
      ["made", card.made],
      ["known lines", `${whole(run.known.count)}, as hashes: the lines themselves are not in this page`],
    ];
  }

  private async zip(): Promise<void> {
    try {
      const { bytes, name } = await this.app.client.ask({ ask: "zip" }, "zip");
      download(name, bytes, "application/zip");
    } catch (error) {
      this.app.fail(error);
    }
  }
}

function modelText(model: { kind: string; options: Record<string, unknown>; members?: { kind: string; options: Record<string, unknown> }[] }): string {
  if (model.members?.length) return `mixture of ${model.members.map(modelText).join("; ")}`;
  const options = Object.entries(model.options).filter(([, value]) => typeof value !== "object").slice(0, 8);
  return `${model.kind}${options.length ? ` (${options.map(([key, value]) => `${key} ${String(value)}`).join(", ")})` : ""}`;
}
