// Light, dark, or as the device is set.

import type { Keep } from "../keep";
import { h } from "./dom";

const NEXT: Record<string, string> = { "": "dark", dark: "light", light: "" };
const WORDS: Record<string, string> = { "": "Theme: device", dark: "Theme: dark", light: "Theme: light" };

/** Makes the button that goes from one theme to the next. */
export function themeSwitch(keep: Keep): HTMLElement {
  let theme = keep.theme();
  const show = (): void => {
    if (theme) document.documentElement.dataset["theme"] = theme;
    else delete document.documentElement.dataset["theme"];
    button.textContent = WORDS[theme] ?? "";
  };
  const button = h("button", { type: "button", class: "quiet theme", onclick: () => {
    theme = NEXT[theme] ?? "";
    keep.keepTheme(theme);
    show();
  } });
  show();
  return button;
}
