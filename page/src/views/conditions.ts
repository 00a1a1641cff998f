// What a drawn name must be like: the controls above the wall.

import type { Conditions, Filters } from "../contract";
import { MODELS, type Settings } from "../state";
import type { App } from "./app";
import { faultOf, UnfinishedPattern } from "../sampling/pattern/parse";
import { check, type Control, number, select, slider, text } from "./controls";
import { h, newId, pointed, set as setAttribute, write } from "./dom";
import { visible } from "./visible";

/** Says a temperature in words. */
function temper(value: number): string {
  const words = value < 0.65 ? "tidy" : value < 0.95 ? "rather tidy" : value <= 1.05 ? "as learned" : value < 1.4 ? "rather wild" : "wild";
  return `${value.toFixed(2)}, ${words}`;
}

export class ConditionControls {
  readonly root: HTMLElement;
  private readonly shown: [keyof Settings, Control<never>][] = [];
  private readonly shortest;
  private readonly longest;
  private readonly label;
  private readonly pattern;
  private readonly patternNote = h("p", { id: newId(), class: "note" });

  constructor(private readonly app: App) {
    const set = (some: Partial<Settings>): void => app.set(some);
    const off = (value: number): string => (value ? `${value} letters` : "any length");
    this.shortest = slider("At least", { min: 0, max: 20, step: 1 }, off, (shortest) => set({ shortest }));
    this.longest = slider("At most", { min: 0, max: 20, step: 1 }, off, (longest) => set({ longest }));
    this.pattern = text("Pattern", (pattern) => set({ pattern }), "[AEIOU].*a");
    this.label = select("Label", [], (label) => set({ label }));
    const of = (key: keyof Settings, control: Control<never>): HTMLElement => {
      this.shown.push([key, control]);
      return control.root;
    };
    this.root = h("section", { class: "panel conditions", "aria-label": "Conditions" },
      h("div", { class: "row" },
        pointed("temperature", of("temperature", slider("Temperature", { min: 0.3, max: 1.7, step: 0.05 }, temper, (temperature) => set({ temperature }), ["tidy", "wild"]))),
        of("begins", text("Begins with", (begins) => set({ begins }))), of("label", this.label)),
      h("details", { open: matchMedia("(min-width: 600px)").matches }, h("summary", {}, "Length and letters"), h("div", { class: "row" },
        of("shortest", this.shortest), of("longest", this.longest),
        of("contains", text("Contains", (contains) => set({ contains }))),
        of("ends", text("Ends with", (ends) => set({ ends }))))),
      h("details", {}, h("summary", {}, "More conditions"), h("div", { class: "row" },
        of("without", text("Without these symbols", (without) => set({ without }))),
        of("pattern", this.pattern),
        of("model", select("Drawn by", MODELS.map((model) => [model, MODEL_WORDS[model]]), (model) => set({ model: model as Settings["model"] }))),
        of("minp", slider("Leave out the unlikely", { min: 0, max: 0.3, step: 0.01 }, (value) => (value ? `below ${value.toFixed(2)} of the likeliest` : "no"), (minp) => set({ minp }))),
        of("seed", number("Seed", { min: 0, max: 2 ** 31, step: 1 }, (seed) => set({ seed }))),
        of("known", check("Show names that are in the list, too", (known) => set({ known })))),
        this.patternNote));
    setAttribute(this.pattern.input, "aria-describedby", this.patternNote.id);
  }

  /** Shows the settings, and offers what this model knows. */
  update(): void {
    const { settings, opened, list } = this.app;
    const longest = String(Math.min(60, Math.max(12, (list?.list.longest ?? 20) + 4, settings.longest, settings.shortest)));
    for (const each of [this.shortest, this.longest]) each.input.max = longest;
    const labels = opened?.labels ?? [];
    this.label.root.hidden = labels.length === 0;
    this.label.offer([["", "any"], ...labels.map((label): [string, string] => [label, visible(label, 40)])]);
    for (const [key, control] of this.shown) control.show(settings[key] as never);
    this.tellPattern(settings.pattern);
  }

  /** Says what a pattern lacks. One that is only unfinished is no mistake: somebody is typing it. */
  private tellPattern(pattern: string): void {
    const fault = faultOf(pattern), isWrong = fault !== null && !(fault instanceof UnfinishedPattern);
    const words = fault ? `${isWrong ? "" : "Not used yet: "}${fault.message}; ${fault.fix}.` : PATTERN_NOTE;
    if (fault && words !== this.patternNote.textContent) this.app.say(words);
    write(this.patternNote, words);
    setAttribute(this.pattern.input, "aria-invalid", isWrong ? "true" : null);
  }
}

const PATTERN_NOTE = "A pattern is a regular expression of the whole name, as makemore sample --pattern has it: . any letter, [abc] one of these, * as often as you like, (x|y) one or the other.";
const MODEL_WORDS: Record<Settings["model"], string> = {
  mixed: "all that has learned", counts: "counts alone", network: "the network alone",
};

/** The conditions of a draw, by the settings. */
export function conditionsOf(settings: Settings): Conditions {
  const { begins, contains, ends, without, label, pattern, known, shortest, longest } = settings;
  return {
    ...(begins && { prefix: begins }), ...(contains && { contains }), ...(ends && { suffix: ends }),
    ...(without && { exclude: without }), ...(label && { label }), ...(pattern && { pattern }), ...(known && { all: true }),
    ...(shortest && { minLength: shortest }), ...(longest && { maxLength: longest }),
  };
}

/** The filters of a draw, by the settings. */
export function filtersOf({ temperature, minp }: Settings): Filters {
  return { ...(temperature !== 1 && { temperature }), ...(minp && { minP: minp }) };
}
