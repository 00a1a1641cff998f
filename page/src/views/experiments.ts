// Experiments: two trainings of the list beside each other, at the same step, and what their difference says.

import { type Curve, LineChart } from "../charts/lines";
import { type Pair, type Side, startPair } from "../experiments/pair";
import { pairOf, presetOf, PRESETS, variant } from "../experiments/presets";
import { type Outcome, seen, unseenOf } from "../experiments/seen";
import { type Setting, stepsOf, writeSetting } from "../experiments/setting";
import type { App, View } from "./app";
import { button, check } from "./controls";
import { fill, h, set, write } from "./dom";
import { settingForm } from "./setting_form";
import { line, percent, whole } from "./visible";

const SAY_EVERY = 8000; // ms between sentences of progress for screen readers
const CEILING = 2; // times log V: losses above are drawn at the upper edge
const NAMES = ["A", "B"] as const;

/** Makes the view. Its pair ends when it is stopped, when a setting changes, and when another list is read. */
export function experimentsView(app: App): View {
  let pair: Pair | null = null, of = "", all = false; // of: both settings, as a link has them
  const presets = PRESETS.map((preset) => button(preset.title, () => {
    const [a, b] = preset.pair.map((value) => writeSetting(variant(preset, value)));
    app.set({ a: a!, b: b! }, true);
  }));
  const look = h("p"), about = h("p", { class: "note" }), verdict = h("p", { class: "verdict" });
  const forms = NAMES.map((name, at) => settingForm(name, (setting) => app.set({ [at ? "b" : "a"]: writeSetting(setting) })));
  const every = check("All settings", (open) => { all = open; update(); });
  const play = button("", () => {
    const on = begun();
    on.go(isPlaying() ? 0 : on.of);
    show();
  }, "main");
  const stop = button("Stop", () => { pair?.end(); app.say("Stopped"); show(); });
  const bar = h("progress", { max: 1, value: 0, "aria-label": "Steps done by both" });
  const chart = new LineChart("Losses of A and B", "steps", "nats a letter, lower is better");
  const figures = h("table", { class: "figures" }), samples = h("div", { class: "two" });
  const results = h("div", { class: "panel" }, verdict, chart.root, figures, samples,
    h("p", { class: "note" }, "Solid: A; dashed: B. log V is the loss of all letters being equally likely; what is far above is drawn at the upper edge. Another seed gives slightly other numbers."));
  const root = h("div", {}, h("section", { class: "panel" }, h("h2", {}, "Experiments"),
    h("div", { class: "row choices", role: "group", "aria-label": "Experiment" }, ...presets), look,
    h("div", { class: "two" }, ...forms.map((each) => each.root)),
    h("div", { class: "row" }, play, button("One step", () => { const on = begun(); on.go(on.step + 1); }), stop, every.root, h("div", { class: "grow" }, bar)), about), results);

  const isPlaying = (): boolean => pair !== null && !pair.ended && pair.goal > pair.step;
  const settings = (): [Setting, Setting] => pairOf(app.settings.a, app.settings.b);

  /** The pair that is on, or a new one of the settings. */
  function begun(): Pair {
    if (pair && !pair.ended) return pair;
    const both = settings();
    app.clearError();
    app.say("Both read the list");
    return (pair = startPair(app.newWorker, app.wasm, app.given!, both, stepsOf(both), heard, (error) => { app.fail(error); show(); }));
  }

  function heard(): void {
    if (!pair) return;
    if (pair.ended) app.say(`Both are done. ${sentences()}`);
    else app.say(`Step ${whole(pair.step)} of ${whole(pair.of)}`, SAY_EVERY);
    show();
  }

  function drop(): void {
    pair?.end();
    pair = null;
  }

  const outcomes = (): Outcome[] => (pair?.sides ?? []).flatMap(({ outcome }) => outcome ?? []);

  function sentences(): string {
    const [a, b] = outcomes();
    return a && b ? seen(a, b).join(" ") : "";
  }

  function update(): void {
    const both = settings(), preset = presetOf(both), wanted = both.map(writeSetting).join();
    if (wanted !== of) drop();
    of = wanted;
    presets.forEach((each, at) => set(each, "aria-pressed", String(PRESETS[at] === preset)));
    write(look, preset?.look ?? "Your own two settings: what differs between them is what is tested.");
    forms.forEach((form, at) => form.show(both[at]!, all ? undefined : preset?.field));
    every.root.hidden = !preset;
    show();
  }

  function show(): void {
    const both = outcomes(), [a] = both;
    play.textContent = isPlaying() ? "Pause" : pair?.step && !pair.ended ? "Go on" : "Play both";
    stop.disabled = !pair || pair.ended;
    bar.value = pair ? pair.step / pair.of : 0;
    results.hidden = both.length < 2;
    const slow = a?.start.engine === "js" ? " This browser allows no WebAssembly here: both compute in JavaScript, which is slower." : "";
    write(about, !pair ? "Two trainings of your list, from the beginning, in the same steps." : results.hidden ? "Both read the list." : `Step ${whole(pair.step)} of ${whole(pair.of)}.${slow}`);
    verdict.hidden = isPlaying();
    if (pair && a && both.length > 1) showResults(pair, both, Math.log(a.start.vocabSize));
  }

  function showResults({ sides, of: last }: Pair, both: Outcome[], nothing: number): void {
    chart.show([...sides.flatMap(curvesOf), { name: "log V", look: "level b", points: [[0, nothing], [last, nothing]] }], last, CEILING * nothing);
    fill(figures, h("caption", { class: "hidden" }, "Figures of A and B"), ...tableOf(both));
    fill(samples, ...sides.map((side, at) => h("section", {}, h("h3", {}, `${NAMES[at]} writes`),
      h("ul", { class: "lines" }, ...side.samples.map((each) => h("li", {}, line(each, 60)))))));
    write(verdict, sentences());
  }

  // Also while another view is open: a training of a list that is gone must not go on.
  app.on((change) => { if (change === "list") drop(); });
  return { root, update };
}

function curvesOf({ curve }: Side, at: number): Curve[] {
  return (["batches", "unseen"] as const).map((key, which) => ({
    name: `${NAMES[at]}: ${which ? "unseen" : "its lines"}`, look: `${which ? "val" : "train"}${at ? " b" : ""}` as Curve["look"],
    points: curve.flatMap((point): [number, number][] => (Number.isFinite(point[key]) ? [[point.step, point[key]!]] : [])),
  }));
}

function tableOf(both: Outcome[]): HTMLElement[] {
  const row = (title: string, cell: (side: Outcome) => string): HTMLElement =>
    h("tr", {}, h("th", { scope: "row" }, title), ...both.map((each) => h("td", {}, cell(each))));
  const nats = (value: number): string => (Number.isFinite(value) ? value.toFixed(3) : "–");
  const { start: { vocabSize, counts } } = both[0]!, step = Math.max(...both.map((each) => each.step)); // one may have exploded
  return [
    h("thead", {}, h("tr", {}, h("td"), ...NAMES.map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {},
      row("Parameters", ({ start }) => whole(start.parameters)),
      row(`First loss (log V = ${nats(Math.log(vocabSize))})`, ({ first }) => nats(first)),
      row("Saturated at first", ({ start: { saturated } }) => (saturated === null ? "–" : percent(saturated))),
      row(`Loss on its lines, step ${whole(step)}`, ({ own }) => nats(own)),
      row(`Loss on unseen lines${counts === null ? "" : ` (counts: ${nats(counts)})`}`, (side) => nats(unseenOf(side))),
      row("Letters read", ({ symbols }) => (symbols ? whole(symbols) : "–")),
      row("Seconds", ({ symbols, seconds }) => (symbols ? seconds.toFixed(1) : "–"))),
  ];
}
