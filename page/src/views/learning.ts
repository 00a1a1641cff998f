// Learning: losses, fresh names and the map of letters while a network learns; play, pause, step.

import type { Answer, Progress } from "../contract";
import { LineChart, type Curve } from "../charts/lines";
import { kindOf, RECIPES, requestOf, stepsOf } from "../recipes";
import { NETWORKS, type NetworkKind, type Settings, SIZES, type Size } from "../state";
import type { App, Change, View } from "./app";
import type { Stop } from "./client";
import { button, number, select } from "./controls";
import { fill, h, pointed } from "./dom";
import { MapHistory } from "./map_history";
import { line, plural, whole } from "./visible";

const KINDS: Record<Exclude<NetworkKind, "">, (lists: number) => string> = {
  prior: (lists) => `Prior: has read ${whole(lists)} other lists`,
  gru: () => "GRU: reads letter by letter, remembers", mlp: () => "MLP: sees the last few letters",
  transformer: () => "Transformer: looks back at all letters", bigram: () => "Bigram: sees one letter",
};
const SHOW_EVERY = 120; // ms between two pictures
const MOST_POINTS = 300; // of a curve
const SAY_EVERY = 8000; // ms between sentences of progress for screen readers

export class LearningView implements View {
  private readonly kind = select("Network", [], (kind) => this.set({ kind: kind as NetworkKind }));
  private readonly size = select("Size", SIZES.map((size) => [size, size]), (size) => this.set({ size: size as Size }));
  private readonly steps = number("Steps", { min: 1, max: 1_000_000, step: 1 }, (steps) => this.set({ steps }));
  private readonly batch = number("Lines a step", { min: 1, max: 4096, step: 1 }, (batch) => this.set({ batch }));
  private readonly rate = number("Learning rate", { min: 0, max: 1, step: "any" }, (rate) => this.set({ rate }));
  private readonly start = number("Seed of the weights", { min: 0, max: 2 ** 31, step: 1 }, (start) => this.set({ start }));
  private readonly play = button("Play", () => this.toggle(), "main");
  private readonly one = button("One step", () => this.step());
  private readonly anew = button("Start over", () => this.reset());
  private readonly controls: HTMLElement;
  private readonly bar = h("progress", { max: 1, value: 0, "aria-label": "How much is done" });
  private readonly about = h("p", { class: "note" });
  private readonly verdict = h("p", { class: "verdict", hidden: true });
  private readonly draw = button("Draw names", () => this.app.set({ view: "names" }, true), "main");
  private readonly chart = new LineChart("Losses while learning", "steps", "nats a symbol, lower is better");
  private readonly samples = h("ul", { class: "lines fresh" });
  private readonly alone = h("p", { class: "note" }, "By the network alone. On the wall of names it draws together with the counts.");
  private readonly writes = h("section", { class: "panel", hidden: true }, h("h3", {}, "What the network writes now"), this.samples, this.alone);
  private readonly map = new MapHistory();
  readonly root: HTMLElement;
  private stopProgress: Stop = () => undefined;
  private shown = 0;
  private stopMap: Stop | null = null;

  constructor(private readonly app: App) {
    this.controls = h("div", {},
      h("div", { class: "row" }, this.kind.root, pointed("size", this.size.root)),
      h("details", {}, h("summary", {}, "Steps, rate, seed"), h("div", { class: "row" }, this.steps.root, this.batch.root, this.rate.root, this.start.root)),
      h("div", { class: "row" }, this.draw, pointed("play", this.play), this.one, this.anew, h("div", { class: "grow" }, this.bar)));
    this.root = h("div", {},
      h("section", { class: "panel" }, h("h2", {}, "Learning"), this.controls, this.about, this.verdict, this.chart.root),
      h("div", { class: "two" },
        this.writes,
        h("section", { class: "panel" }, h("h3", {}, "Letters find their places"), this.map.root)));
  }

  private set(some: Partial<Settings>): void {
    this.app.set(some);
  }

  update(change: Change | "shown"): void {
    const { app } = this, { list } = app, kind = kindOf(app.settings.kind, !!list?.prior), recipe = RECIPES[kind];
    const offered = NETWORKS.filter((each): each is keyof typeof KINDS => each !== "" && (each !== "prior" || !!list?.prior));
    this.kind.offer(offered.map((each) => [each, KINDS[each](list?.prior ?? 0)]));
    this.kind.show(kind);
    for (const key of ["size", "steps", "batch", "rate", "start"] as const) this[key].show(app.settings[key] as never);
    this.steps.hint(String(stepsOf(kind, list?.list.total ?? 0)));
    this.batch.hint(String(recipe.batchSize));
    this.rate.hint(String(recipe.learningRate));
    this.size.root.hidden = kind === "bigram" || kind === "prior";
    this.controls.hidden = app.list === null; // a run's page shows how it has learned, and learns no more
    this.play.textContent = app.phase === "playing" ? "Pause" : app.phase === "paused" ? "Go on" : app.progress.length ? "Learn again" : "Play";
    this.anew.hidden = app.progress.length === 0;
    this.draw.hidden = app.progress.at(-1)?.ended === undefined;
    this.play.classList.toggle("main", this.draw.hidden); // what one does next stands out
    if (change === "settings" || change === "kept" || change === "error") return;
    this.showProgress();
    if (change === "progress" || change === "shown") this.askMap();
  }

  private toggle(): void {
    const { app } = this;
    if (app.phase === "idle") this.begin();
    else {
      const ask = app.phase === "playing" ? "pause" : "play";
      app.phase = ask === "pause" ? "paused" : "playing";
      app.client.send({ ask }, () => undefined);
      app.say(ask === "pause" ? "Paused" : "Learning goes on");
      app.tell("progress");
    }
  }

  private step(): void {
    if (this.app.phase === "idle") this.begin(true);
    else {
      this.app.phase = "paused";
      this.app.client.send({ ask: "one-step" }, () => undefined);
      this.app.tell("progress");
    }
  }

  private begin(paused = false): void {
    const { app } = this;
    app.clearError();
    app.progress = [];
    app.phase = paused ? "paused" : "playing";
    this.stopProgress();
    this.stopProgress = app.client.send({ ask: "train", request: requestOf(app.settings, kindOf(app.settings.kind, !!app.list?.prior), app.list?.list.total ?? 0) }, (answer) => this.heard(answer));
    if (paused) {
      app.client.send({ ask: "pause" }, () => undefined);
      app.client.send({ ask: "one-step" }, () => undefined);
    }
    app.say("A network learns");
    app.tell("progress");
  }

  /** Ends the training and frees the network; counts stay. */
  private reset(): void {
    const { app } = this;
    this.stopProgress();
    app.phase = "idle";
    app.progress = [];
    void app.client.ask({ ask: "stop" }, "done").then(() => app.client.ask({ ask: "about" }, "opened")).then((opened) => {
      app.opened = opened;
      app.tell("model");
      app.tell("progress");
    }, (error: unknown) => app.fail(error));
  }

  private heard(answer: Answer): void {
    const { app } = this;
    if (answer.answer === "error") {
      this.stopProgress();
      app.phase = "idle";
      app.fail(new Error(answer.message));
      return;
    }
    if (answer.answer !== "progress") return;
    const { progress } = answer, { ended } = progress;
    this.remember(progress);
    if (ended) void this.ended(progress);
    else if (progress.waits) app.say(`First: ${progress.waits}`, SAY_EVERY);
    else app.say(`Step ${whole(progress.step)} of ${whole(progress.of)}, loss ${progress.train.toFixed(2)}`, SAY_EVERY);
    const now = performance.now(), isSingle = app.phase === "paused"; // a step that somebody asked for is shown
    if (!ended && !progress.samples && !isSingle && now - this.shown < SHOW_EVERY) return;
    this.shown = now;
    app.tell("progress");
  }

  /** Keeps as many points of the curves as can be seen. */
  private remember(progress: Progress): void {
    const all = this.app.progress, last = all.at(-1), before = all.at(-2);
    const isBetween = last && last.val === null && !last.samples && progress.step - (before?.step ?? 0) < progress.of / MOST_POINTS;
    if (isBetween) all.pop();
    all.push(progress);
  }

  private async ended(progress: Progress): Promise<void> {
    const { app } = this;
    this.stopProgress();
    app.phase = "idle";
    const why = progress.ended === "patience" ? ": it got no better on lines that it does not see" : "";
    app.say(`Learned after ${whole(progress.step)} steps${why}`);
    app.opened = await app.client.ask({ ask: "about" }, "opened");
    app.tell("model");
  }

  private showProgress(): void {
    const { progress, run, list } = this.app, last = progress.at(-1);
    const fresh = progress.filter(({ samples }) => samples?.length).at(-1)?.samples ?? [];
    this.writes.hidden = fresh.length === 0;
    fill(this.samples, ...fresh.map((each) => h("li", {}, line(each, 60))));
    this.alone.hidden = !list;
    this.bar.hidden = !last;
    const curves = last || list ? curvesOf(progress) : historyOf(run?.history ?? []);
    this.chart.show(curves, last?.of ?? run?.history.at(-1)?.step ?? 1);
    this.verdict.hidden = !last?.ended;
    if (!last) {
      this.about.textContent = list ? "Press Play: a network reads the lines again and again and guesses each next letter." : "How this page's model learned.";
      return;
    }
    if (last.waits) {
      this.bar.value = last.waited ?? 0;
      this.about.textContent = `First: ${last.waits}, ${whole(100 * (last.waited ?? 0))} %.`;
      return;
    }
    this.bar.value = last.step / last.of;
    this.about.textContent = aboutOf(last);
    this.verdict.textContent = verdictOf(last);
  }

  private askMap(): void {
    if (this.stopMap || !this.app.opened?.model) return;
    this.stopMap = this.app.client.send({ ask: "map" }, (answer) => {
      this.stopMap?.();
      this.stopMap = null;
      if (answer.answer !== "map") return;
      const evaluated = this.app.progress.filter(({ samples }) => samples).at(-1)?.step ?? 0;
      this.map.add(answer.step, answer.symbols, answer.xy, answer.what, evaluated);
    });
  }
}

function aboutOf({ step, of, seconds, train, best, ended }: Progress): string {
  const rate = seconds > 0 ? `, ${whole(step / seconds)} a second` : "";
  const left = seconds > 1 && step < of && !ended ? `, at most ${plural(Math.ceil(((of - step) * seconds) / step), "second")} left` : "";
  const unseen = best === null ? "" : `; best on unseen lines ${best.toFixed(3)}`;
  const why = ended === "patience" ? " It got no better on unseen lines, so it ended, with the best weights." : ended === "done" ? " It has learned." : "";
  const end = of > step || ended ? ` of ${whole(of)}` : ""; // one of a server may end by time
  return `Step ${whole(step)}${end}${rate}${left}; loss ${train.toFixed(3)}${unseen}.${why}`;
}

/** Says what a loss means: e to its power is the number of equally likely letters (perplexity). */
function verdictOf({ best, counts, together }: Progress): string {
  if (best === null) return "";
  const letters = (nll: number): string => Math.exp(nll).toFixed(1);
  const own = `On lines that it has not seen, the network is as unsure of each next letter as of ${letters(best)} equally likely ones`;
  const others = [counts != null && `counts as of ${letters(counts)}`, together !== undefined && `both together, which draw the names, as of ${letters(together)}`];
  return [own, ...others.filter(Boolean)].join("; ") + ".";
}

function curvesOf(progress: Progress[]): Curve[] {
  const last = progress.at(-1), level = last?.counts;
  const val = progress.filter((each): each is Progress & { val: number } => each.val !== null);
  return [
    { name: "its lines", look: "train", points: progress.filter(({ step }) => step > 0).map(({ step, train }) => [step, train]) },
    { name: "unseen lines", look: "val", points: val.map((each) => [each.step, each.val]) },
    { name: "counts", look: "level", points: level == null || !last ? [] : [[0, level], [last.of, level]] },
  ];
}

function historyOf(history: { step: number; train: number | null; val: number | null }[]): Curve[] {
  const points = (key: "train" | "val"): [number, number][] => history.flatMap((each) => (each[key] === null ? [] : [[each.step, each[key]] as [number, number]]));
  return [{ name: "its lines", look: "train", points: points("train") }, { name: "unseen lines", look: "val", points: points("val") }];
}
