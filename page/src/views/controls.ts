// Labelled inputs. Each is a native element, so that keyboard and screen reader know it.

import { h, newId } from "./dom";

export interface Control<T> { root: HTMLElement; show(value: T): void }

/** A slider with its value in words beside it: `say(0.5)` is also what a screen reader hears. */
export function slider(
  label: string, range: { min: number; max: number; step: number }, say: (value: number) => string,
  changed: (value: number) => void, ends?: [string, string],
): Control<number> & { input: HTMLInputElement } {
  const id = newId(), output = h("output", { for: id });
  const input = h("input", { id, type: "range", ...range, oninput: () => { tell(); changed(input.valueAsNumber); } });
  const tell = (): void => {
    output.textContent = say(input.valueAsNumber);
    input.setAttribute("aria-valuetext", say(input.valueAsNumber));
  };
  const root = h("div", { class: "control" },
    h("label", { for: id }, label), output, input,
    ends && h("div", { class: "ends", "aria-hidden": "true" }, h("span", {}, ends[0]), h("span", {}, ends[1])));
  const show = (value: number): void => {
    input.value = String(value);
    tell();
  };
  return { root, input, show };
}

/** A line of text; its direction follows what is typed. */
export function text(label: string, changed: (value: string) => void, hint = ""): Control<string> & { input: HTMLInputElement } {
  const id = newId();
  const input = h("input", {
    id, type: "text", dir: "auto", autocomplete: "off", autocapitalize: "off", spellcheck: "false", maxlength: 200,
    placeholder: hint, oninput: () => changed(input.value),
  });
  const root = h("div", { class: "control" }, h("label", { for: id }, label), input);
  const show = (value: string): void => { if (input.value !== value) input.value = value; };
  return { root, input, show };
}

/** A whole or decimal number; an empty field is 0, which is "by itself". */
export function number(label: string, range: { min: number; max: number; step: number | "any" }, changed: (value: number) => void): Control<number> & { hint(text: string): void } {
  const id = newId();
  const input = h("input", {
    id, type: "number", inputmode: "decimal", ...range,
    onchange: () => changed(input.validity.valid && input.value !== "" ? input.valueAsNumber : 0),
  });
  const root = h("div", { class: "control" }, h("label", { for: id }, label), input);
  return {
    root,
    show: (value) => { if (document.activeElement !== input) input.value = value ? String(value) : ""; },
    hint: (written) => { input.placeholder = written; },
  };
}

/** A choice of few: [value, words] each. */
export function select(label: string, options: [string, string][], changed: (value: string) => void): Control<string> & { offer(options: [string, string][]): void } {
  const id = newId();
  const input = h("select", { id, onchange: () => changed(input.value) });
  const root = h("div", { class: "control" }, h("label", { for: id }, label), input);
  const offer = (some: [string, string][]): void => {
    const value = input.value;
    input.replaceChildren(...some.map(([key, words]) => h("option", { value: key }, words)));
    input.value = value;
  };
  offer(options);
  return { root, offer, show: (value) => { input.value = value; } };
}

/** A yes or no. */
export function check(label: string, changed: (value: boolean) => void): Control<boolean> {
  const input = h("input", { type: "checkbox", onchange: () => changed(input.checked) });
  const root = h("label", { class: "check" }, input, " ", label);
  return { root, show: (value) => { input.checked = value; } };
}

/** A button; `kind` is its look. */
export function button(words: string, pressed: () => void, kind: "main" | "quiet" | "" = ""): HTMLButtonElement {
  return h("button", { type: "button", class: kind, onclick: pressed }, words);
}
