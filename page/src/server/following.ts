// Following: the run that is open, whose weights the page's engine draws from; new ones are loaded while it trains.

import type { App } from "../views/app";
import { progressOf } from "./curve";
import type { Run } from "./messages";
import type { Server } from "./server";

const EVERY = 2000; // ms between two loads
const TELL_EVERY = 250; // ms between two looks at the curves

export class Following {
  isLoaded = false; // the page draws from the run
  readonly #app: App;
  readonly #server: Server;
  #id: string | null = null;
  #loading = false;
  #last = -Infinity; // when weights were asked for last
  #again: ReturnType<typeof setTimeout> | undefined;
  #telling: ReturnType<typeof setTimeout> | undefined;

  constructor(app: App, server: Server) {
    this.#app = app;
    this.#server = server;
    server.on(() => this.#look());
    document.addEventListener("visibilitychange", () => this.#look());
    app.on((change) => { if (change === "list") this.#close(); });
  }

  /** The run that is open. */
  get run(): Run | undefined {
    return this.#server.runs.get(this.#id ?? "");
  }

  /** Opens a run: its weights take the place of the list's models. Those of one that has just begun are waited for. */
  async open(id: string): Promise<void> {
    this.#close();
    this.#app.clearError();
    this.#id = id;
    this.#server.tell();
    if (this.run && (this.run.generation || this.run.state !== "training")) await this.#load(true);
  }

  /** Leaves the run, since a list has taken its place. */
  #close(): void {
    clearTimeout(this.#again);
    this.#id = null;
    this.isLoaded = false;
  }

  #look(): void {
    const { run } = this;
    if (run && this.isLoaded) this.#tellSoon();
    if (!run || !this.#server.stale.has(run.id) || this.#server.isGone || this.#loading || document.visibilityState !== "visible") return;
    clearTimeout(this.#again);
    this.#again = setTimeout(() => void this.#load(false), Math.max(0, this.#last + EVERY - performance.now()));
  }

  /** aloud: what goes wrong is told; else the next weights are another try. */
  async #load(aloud: boolean): Promise<void> {
    const id = this.#id, { run } = this, app = this.#app;
    if (!id || !run || this.#loading) return;
    this.#loading = true;
    this.#last = performance.now();
    this.#server.stale.delete(id);
    try {
      const { head, arrays } = await this.#server.weights(id);
      if (this.#id !== id) return;
      const opened = await app.client.ask({ ask: "weights", page: head.payload, arrays }, "opened", [arrays.weights, arrays.known]);
      if (this.#id === id) {
        this.isLoaded = true;
        app.showRun(head.payload, opened, this.#progress());
      } else if (!this.#id && app.given) await app.read(app.given); // a list was read meanwhile, and the worker has the run
    } catch (error) {
      if (this.#id === id && aloud) app.fail(error);
    } finally {
      this.#loading = false;
      this.#look();
    }
  }

  #progress(): App["progress"] {
    const { run } = this, curve = run && this.#server.curve(run.id);
    return curve ? progressOf(curve, run) : [];
  }

  #tellSoon(): void {
    this.#telling ??= setTimeout(() => {
      this.#telling = undefined;
      const progress = this.#progress();
      if (!this.isLoaded || JSON.stringify(progress) === JSON.stringify(this.#app.progress)) return;
      this.#app.progress = progress;
      this.#app.tell("progress");
    }, TELL_EVERY);
  }
}
