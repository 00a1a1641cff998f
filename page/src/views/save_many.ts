// Save many: draws up to 100,000 lines under the wall's conditions straight into a file.

import type { FileFormat } from "../contract";
import type { App } from "./app";
import { Told } from "../told";
import type { Question, Stop } from "./client";
import { button, number, select } from "./controls";
import { h } from "./dom";
import { download } from "./download";
import { plural, whole } from "./visible";

export type DrawQuestion = Extract<Question, { ask: "draw" }>;

const MOST = 100_000; // lines: more make a file that few programs open
const FORMATS: [FileFormat, string, string, string][] = [
  ["text", "text", "names.txt", "text/plain"], ["csv", "CSV", "names.csv", "text/csv"], ["json", "JSON", "names.jsonl", "application/jsonl"],
];

export class SaveMany {
  private readonly told = h("p", { class: "note", role: "status" });
  private readonly save = button("Save", () => this.toggle());
  private format: FileFormat = "text";
  private count = 1000;
  private end: Stop | null = null; // of the drawing that is on its way
  readonly root: HTMLElement;

  /** question: what the wall asks for now. */
  constructor(private readonly app: App, private readonly question: () => DrawQuestion) {
    const count = number("How many", { min: 1, max: MOST, step: 1 }, (n) => { this.count = Math.min(MOST, Math.max(1, Math.round(n) || 1000)); count.show(this.count); });
    const format = select("As", FORMATS.map(([id, words]) => [id, words]), (id) => { this.format = id as FileFormat; });
    count.show(this.count);
    format.show(this.format);
    this.root = h("details", { class: "many" }, h("summary", {}, "Save many"), h("div", { class: "row" }, count.root, format.root, this.save), this.told);
  }

  private toggle(): void {
    if (this.end) this.finish("Stopped: nothing was saved.");
    else this.draw();
  }

  private draw(): void {
    const { client } = this.app, { format, count } = this;
    this.save.textContent = "Stop";
    this.told.textContent = "Drawing …";
    const stop = client.send({ ...this.question(), ask: "file", n: count, format }, (answer) => {
      if (answer.answer === "error") {
        this.finish("");
        this.app.fail(new Told(answer.message, answer.fix));
      }
      if (answer.answer !== "file") return;
      if (!answer.bytes) {
        this.told.textContent = `${whole(answer.found)} of ${whole(count)} drawn`;
        return;
      }
      const [, , name, type] = FORMATS.find(([id]) => id === format)!;
      download(name, answer.bytes, type);
      this.end = null; // it has ended by itself
      this.root.dataset["rate"] = (answer.found / answer.seconds).toFixed(0); // bench/page_speed.py reads it
      const few = answer.shortfall ? ` ${answer.shortfall.message}: ${answer.shortfall.fix}.` : "";
      this.finish(`${plural(answer.found, "name")} saved as ${name}, drawn in ${answer.seconds.toFixed(1)} seconds.${few}`);
    });
    this.end = () => {
      stop();
      client.send({ ask: "stop-file" }, () => undefined);
    };
  }

  private finish(words: string): void {
    this.end?.();
    this.end = null;
    this.save.textContent = "Save";
    this.told.textContent = words;
  }
}
