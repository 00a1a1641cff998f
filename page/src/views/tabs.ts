// Tabs as the ARIA pattern has them: one is in the tab order, arrows move, the panel follows.

import { h, set } from "./dom";

export interface Tab { id: string; title: string; panel: HTMLElement }

export class Tabs {
  readonly root = h("div", { class: "tabs", role: "tablist", "aria-label": "Views", onkeydown: (event: KeyboardEvent) => this.key(event) });
  private open = "";
  private offered = "";
  private readonly buttons = new Map<string, HTMLButtonElement>();

  constructor(private readonly tabs: Tab[], private readonly chosen: (id: string) => void) {
    for (const { id, title, panel } of tabs) {
      const button = h("button", {
        type: "button", role: "tab", id: `tab-${id}`, "aria-controls": `panel-${id}`, onclick: () => this.chosen(id),
      }, title);
      this.buttons.set(id, button);
      this.root.append(button);
      for (const [key, value] of [["id", `panel-${id}`], ["role", "tabpanel"], ["aria-labelledby", `tab-${id}`], ["tabindex", "-1"]] as const) {
        panel.setAttribute(key, value);
      }
    }
  }

  /** Opens a tab; tabs that say nothing yet are left out. */
  show(id: string, there: (id: string) => boolean): void {
    const offered = this.tabs.filter((tab) => there(tab.id)).map((tab) => tab.id).join(" ");
    if (id === this.open && offered === this.offered) return; // it is asked at every move of a slider
    this.open = id;
    this.offered = offered;
    for (const tab of this.tabs) {
      const button = this.buttons.get(tab.id), open = tab.id === id;
      if (!button) continue;
      button.hidden = !there(tab.id);
      set(button, "aria-selected", open ? "true" : "false");
      button.tabIndex = open ? 0 : -1;
      tab.panel.hidden = !open;
    }
    // On a phone the row of tabs is wider than the screen.
    const open = this.buttons.get(id);
    if (open) this.root.scrollLeft = open.offsetLeft - (this.root.clientWidth - open.offsetWidth) / 2;
  }

  /** Writes a number behind a title: how many are kept. */
  count(id: string, title: string): void {
    const button = this.buttons.get(id);
    if (button) button.textContent = title;
  }

  private key(event: KeyboardEvent): void {
    const shown = [...this.buttons.values()].filter((button) => !button.hidden);
    const at = shown.findIndex((button) => button === document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: shown.length - 1 }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    const button = shown[(to + shown.length) % shown.length];
    button?.focus();
    button?.click();
  }
}
