// What all views share: settings, the list, the model, what is kept; and who is told when one changes.

import type { Answer, PagePayload, Progress } from "../contract";
import type { Keep, KeptList } from "../keep";
import type { KeptLine } from "../run";
import { Following } from "../server/following";
import type { Server } from "../server/server";
import { DEFAULTS, readHash, type Settings, writeHash } from "../state";
import { Told } from "../told";
import type { Client } from "./client";
import { quote } from "./visible";

export type Opened = Extract<Answer, { answer: "opened" }>;
export type ListRead = Extract<Answer, { answer: "list" }>;
export type Change = "settings" | "list" | "model" | "progress" | "kept" | "error";
/** idle: nothing learns; playing and paused: a network is on its way. */
export type Phase = "idle" | "playing" | "paused";

/** A part of the page under one tab. */
export interface View {
  readonly root: HTMLElement;
  /** Brings what is shown up to date; called when the tab opens and when something changes. */
  update(change: Change | "shown"): void;
}

export class App {
  settings: Settings = readHash(location.hash);
  opened: Opened | null = null; // a model is there: of the page's run, or of the list
  list: ListRead | null = null;
  given: KeptList | null = null; // the text that the list was read from
  wasm: ArrayBuffer | null = null; // of the page: each further worker gets a copy
  readonly following: Following | null; // which run of a server is open
  progress: Progress[] = [];
  generation = 0; // of the model: a view that shows an older one asks anew
  phase: Phase = "idle";
  kept: KeptLine[];
  error: { message: string; fix: string } | null = null;
  private readonly listeners: ((change: Change) => void)[] = [];
  private readonly speaker: HTMLElement;
  private spoken = 0;
  private readonly ofList = new Set<string>(); // lines that settings name and no link carries

  constructor(readonly client: Client, readonly keep: Keep, public run: PagePayload | null, speaker: HTMLElement, readonly newWorker: () => Client, readonly server: Server | null = null) {
    this.kept = keep.lines();
    this.following = server && new Following(this, server);
    this.speaker = speaker;
    addEventListener("hashchange", () => {
      this.settings = readHash(location.hash);
      this.tell("settings");
    });
  }

  /** Whether there is something to look into: of a list a network beside its counts, of a run any model. */
  get hasNetwork(): boolean {
    const kind = this.opened?.model?.kind;
    return kind !== undefined && (kind !== "ngram" || this.list === null || this.progress.some(({ step }) => step > 0));
  }

  on(listener: (change: Change) => void): void {
    this.listeners.push(listener);
  }

  tell(change: Change): void {
    if (change === "model" || change === "list") this.generation++;
    for (const listener of this.listeners) listener(change);
  }

  /** Changes settings and the URL's hash; `step` makes a step that the browser's Back undoes. */
  set(some: Partial<Settings>, step = false): void {
    this.settings = { ...this.settings, ...some };
    const hash = this.hash();
    if (hash !== location.hash) {
      if (step) history.pushState(null, "", hash);
      else history.replaceState(null, "", hash);
    }
    this.tell("settings");
  }

  private hash(): string {
    const { name, like, near } = this.settings;
    const without = (text: string): string => (this.ofList.has(text) ? "" : text);
    return writeHash({ ...this.settings, name: without(name), like: without(like), near: without(near) });
  }

  /** Keeps a line of the list out of the URL, also where it is the name that is open. */
  leaveOut(text: string): void {
    this.ofList.add(text);
    if (this.hash() !== location.hash) history.replaceState(null, "", this.hash());
  }

  /** Says a sentence to screen readers, politely; `every`: not again within so many ms. */
  say(text: string, every = 0): void {
    const now = performance.now();
    if (every && now - this.spoken < every) return;
    this.spoken = now;
    this.speaker.textContent = text;
  }

  fail(error: unknown): void {
    this.error = error instanceof Told
      ? { message: error.message, fix: error.fix }
      : { message: error instanceof Error ? error.message : String(error), fix: "reload the page" };
    this.tell("error");
  }

  clearError(): void {
    if (this.error === null) return;
    this.error = null;
    this.tell("error");
  }

  isKept(text: string): boolean {
    return this.kept.some((line) => line.text === text);
  }

  /** Keeps a line, or lets it go. */
  toggleKept(drawn: KeptLine): void {
    const has = this.isKept(drawn.text);
    this.kept = has
      ? this.kept.filter((line) => line.text !== drawn.text)
      : [...this.kept, { text: drawn.text, nll: drawn.nll, origin: drawn.origin }];
    const stays = this.keep.keepLines(this.kept);
    this.say(`${quote(drawn.text)} ${has ? "is no longer kept" : stays ? "kept" : "kept until the page is closed"}`);
    this.tell("kept");
  }

  /** Reads a list: counts learn it at once. Says whether the browser keeps it. */
  async read(list: KeptList): Promise<void> {
    this.clearError();
    try {
      // A copy goes to the worker: the list is read again with another column.
      const text = typeof list.text === "string" ? list.text : list.text.slice(0);
      const answer = await this.client.ask({ ask: "read", ...list, text }, "list", text instanceof ArrayBuffer ? [text] : []);
      this.list = answer;
      this.given = list;
      this.phase = "idle";
      this.progress = [];
      if (!this.keep.keepList(list)) this.say("The list is too long to be kept over a reload");
      this.opened = await this.client.ask({ ask: "about" }, "opened");
      this.tell("list");
      this.tell("model");
    } catch (error) {
      this.fail(error);
    }
  }

  /** Shows a run that the worker has loaded, with how it has learned so far, in place of the list. */
  showRun(run: PagePayload, opened: Opened, progress: Progress[]): void {
    this.run = run;
    this.opened = opened;
    this.list = null;
    this.phase = "idle";
    this.progress = progress;
    this.tell("model");
  }

  /** Forgets the list and kept lines, here and in the browser. */
  forget(): void {
    this.keep.forget();
    history.replaceState(null, "", writeHash(DEFAULTS));
    this.client.end();
    location.reload();
  }
}
