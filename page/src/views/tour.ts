// The tour: a box beside the page, which stays as it is and can be used. Where it stands is in the link.

import type { App, Change } from "./app";
import { button } from "./controls";
import { h, write } from "./dom";
import { stepsOf, type TourStep } from "./tour_steps";

/** A button that begins the tour. */
export function tourButton(app: App): HTMLButtonElement {
  return button("Show me around", () => app.set({ tour: 1 }, true));
}

export class Tour {
  private readonly title = h("h2", { id: "tour-title", tabindex: -1 });
  private readonly count = h("p", { class: "note" });
  private readonly says = h("p", {});
  private readonly task = h("p", { class: "task" });
  private readonly back = button("← Back", () => this.go(-1));
  private readonly next = button("Next →", () => this.go(1), "main");
  readonly root = h("section", { class: "tour", role: "dialog", "aria-labelledby": "tour-title", hidden: true, onkeydown: (event: KeyboardEvent) => this.key(event) },
    h("div", { "aria-live": "polite" }, this.count, this.title, this.says, this.task),
    h("div", { class: "row" }, this.back, this.next, button("Go to it", () => this.point(true)), button("End", () => this.end(), "quiet")));
  private shown: TourStep | null = null;
  private first: unknown; // what the reader is to change, as it was
  private opener: Element | null = null;
  private target: HTMLElement | null = null;
  private isLearning = false; // an example is read because somebody pressed Next

  constructor(private readonly app: App) {
    addEventListener("keydown", (event) => { if (event.key === "Escape" && this.shown && !event.defaultPrevented) this.end(); });
    app.on((change) => this.update(change));
  }

  private get steps(): TourStep[] {
    return stepsOf(this.app);
  }

  /** The step that the link names; without a model there is nothing to show but the first. */
  private get at(): number {
    const { settings, opened } = this.app;
    return opened?.model ? Math.min(Math.floor(settings.tour), this.steps.length) : Math.min(settings.tour, 1);
  }

  update(change: Change): void {
    if (this.isLearning && this.app.list && change === "settings") { // the list is read, and its view has opened
      this.isLearning = false;
      return this.go(1);
    }
    const step = this.steps[this.at - 1] ?? null;
    if (step !== this.shown) this.open(step);
    if (step) this.tell(step);
  }

  private open(step: TourStep | null): void {
    const begins = !this.shown;
    this.shown = step;
    this.root.hidden = !step;
    document.body.classList.toggle("toured", !!step);
    if (!step) return this.close();
    if (begins) this.opener = document.activeElement;
    this.first = step.state(this.app);
    if (step.view !== this.app.settings.view) scrollTo(0, 0); // a browser goes back to where it was once a short view grows
    this.app.set({ view: step.view, ...step.settings?.(this.app) });
    write(this.count, `Step ${this.at} of ${this.steps.length}`);
    write(this.title, step.title);
    this.back.disabled = this.at === 1;
    write(this.next, this.at === this.steps.length ? "Done" : "Next →");
    if (begins) this.title.focus({ preventScroll: true });
    requestAnimationFrame(() => this.point(false)); // the view has to be laid out
  }

  private close(): void {
    this.target?.removeAttribute("data-toured");
    if (this.opener instanceof HTMLElement && this.opener.isConnected && !this.opener.closest("[hidden]")) this.opener.focus();
    else document.querySelector<HTMLElement>('[role="tab"][aria-selected="true"]')?.focus();
  }

  /** Says what to do, or, once that is done, what came of it. */
  private tell(step: TourStep): void {
    const isDone = step.state(this.app) !== this.first || (step.target === "list" && this.app.list !== null);
    write(this.says, step.says(this.app));
    write(this.task, isDone ? `✓ ${step.seen}` : step.doIt);
    this.task.classList.toggle("done", isDone);
  }

  /** Shows the control; focus: and takes the keyboard there. */
  private point(focus: boolean): void {
    const { shown } = this;
    if (!shown) return;
    if (focus) this.app.set({ view: shown.view });
    this.target?.removeAttribute("data-toured");
    const found = [...document.querySelectorAll<HTMLElement>(`[data-tour=${shown.target}]`)].find((each) => each.offsetParent) ?? null;
    this.target = found;
    found?.setAttribute("data-toured", "");
    found?.scrollIntoView({ block: "start" }); // at once: what fills meanwhile would end a smooth motion
    if (focus) (found?.querySelector<HTMLElement>("input, select, [tabindex='0']") ?? found)?.focus();
  }

  private go(by: number): void {
    const example = this.at === 1 && by > 0 && !this.app.opened?.model ? this.target : null;
    if (example) {
      this.isLearning = true;
      example.click();
    } else {
      const to = this.at + by;
      this.app.set({ tour: to > this.steps.length ? 0 : to }, true);
    }
  }

  private end(): void {
    this.app.set({ tour: 0 }, true);
  }

  private key(event: KeyboardEvent): void {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (by === undefined || (by < 0 && this.at === 1)) return;
    event.preventDefault();
    this.go(by);
  }
}
