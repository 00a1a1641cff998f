// The server as the views see it: its runs, kept up to date by its events; what can be asked of it.

import type { PageArrays } from "../contract";
import { Told } from "../told";
import { addLoss, curveOf, type RunCurve } from "./curve";
import { followEvents } from "./events";
import { Refused, request } from "./http";
import type { Offers, Run, RunInFull, ServerEvent, TrainingWanted, WeightsHead } from "./messages";
import { takeToken } from "./token";
import { cutWeights } from "./weights";

const TOGETHER = 50; // ms in which events are told of as one

export class Server {
  readonly token = takeToken();
  readonly runs = new Map<string, Run>();
  offers: Offers | null = null;
  readonly stale = new Set<string>(); // runs with newer weights than those that were asked for
  isGone = false; // it answered nothing when it was asked last
  readonly #curves = new Map<string, RunCurve>();
  readonly #asked = new Set<string>(); // runs whose curves are on their way, or were refused
  readonly #listeners: (() => void)[] = [];
  #telling: ReturnType<typeof setTimeout> | undefined;

  /** The server that this page came from; null for a page that was opened as a file: then nothing is ever asked. */
  static of(document: Document): Server | null {
    return document.getElementById("server") && new Server();
  }

  on(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Tells everybody who shows runs that one has changed. */
  tell(): void {
    this.#telling ??= setTimeout(() => {
      this.#telling = undefined;
      for (const listener of this.#listeners) listener();
    }, TOGETHER);
  }

  /** Asks for all runs, and follows them from then on. Throws Told. */
  async start(): Promise<void> {
    try {
      await this.#refresh();
    } finally {
      followEvents(this.token, { opened: () => void this.#opened(), event: (event) => this.#heard(event), broken: (error) => this.#broken(error) });
    }
  }

  async #refresh(): Promise<void> {
    this.offers = await this.#get<Offers>("runs");
    const { runs } = this.offers;
    for (const run of this.runs.values()) if (!runs.some(({ id }) => id === run.id)) run.state = "gone";
    for (const run of runs) this.runs.set(run.id, run);
    this.tell();
  }

  /** After a stream began: what was said while none was open has to be asked for. */
  async #opened(): Promise<void> {
    const again = this.isGone;
    this.isGone = false;
    this.#asked.clear();
    const before = [...this.#curves.keys()].map((id) => this.runs.get(id)!);
    try {
      if (again) await this.#refresh();
      await Promise.all(before.map(async ({ id, generation }) => {
        if ((await this.#ask(id)).generation !== generation) this.stale.add(id);
      }));
    } catch (error) {
      this.#broken(error);
    }
    this.tell();
  }

  #broken(error: unknown): void {
    // A stream that broke is opened again at once; only where that fails does nothing answer.
    if (error instanceof Told && !(error instanceof Refused)) this.isGone = true;
    this.tell();
  }

  #heard({ event, data }: ServerEvent): void {
    this.isGone = false;
    this.tell();
    if (event === "run") return void this.#put(data);
    const run = this.runs.get(data.run), curve = this.#curves.get(data.run);
    if (event === "preview" && curve) curve.preview = data;
    if (event === "weights") this.stale.add(data.run);
    if (event !== "metric") return;
    if (run) Object.assign(run, { step: Math.max(run.step, data.step), seconds: data.seconds });
    if (curve) addLoss(curve, data.step, data.kind, data.nll);
  }

  #put(run: Run): Run {
    const before = this.runs.get(run.id);
    this.runs.set(run.id, run);
    const goesOn = before && before.state !== "training" && run.state === "training";
    if (goesOn && this.#curves.has(run.id)) void this.#ask(run.id).catch(() => undefined); // its log was cut back
    this.tell();
    return run;
  }

  async #get<T>(what: string): Promise<T> {
    return (await request(this.token, `/api/${what}`)).json() as Promise<T>;
  }

  async #ask(id: string): Promise<Run> {
    const full = await this.#get<RunInFull>(`run?run=${encodeURIComponent(id)}`);
    this.#curves.set(id, curveOf(full));
    this.runs.set(id, full);
    this.tell();
    return full;
  }

  /** The losses of a run, as far as they have come; they are asked for where they are not there. */
  curve(id: string): RunCurve | null {
    if (!this.#curves.has(id) && !this.#asked.has(id)) {
      this.#asked.add(id);
      this.#ask(id).catch(() => undefined); // of a run that is gone there is none
    }
    return this.#curves.get(id) ?? null;
  }

  /** The weights of a run as they are now. Throws Told. */
  async weights(id: string): Promise<{ head: WeightsHead; arrays: PageArrays }> {
    const response = await request(this.token, `/api/weights?run=${encodeURIComponent(id)}`).catch((error: unknown) => {
      this.#broken(error);
      if (this.isGone) this.stale.add(id); // for when it is back
      throw error;
    });
    return cutWeights(await response.arrayBuffer());
  }

  /** The lines of the file that the server was started with. Throws Told. */
  async list(): Promise<string> {
    return (await request(this.token, "/api/list")).text();
  }

  /** Starts a training, lets one go on, or stops it. Throws Told. */
  async change(how: "train" | "stop", wanted: TrainingWanted | { run: string }): Promise<Run> {
    const response = await request(this.token, `/api/${how}`, wanted).finally(() => this.tell());
    return this.#put(((await response.json()) as { run: Run }).run);
  }
}
