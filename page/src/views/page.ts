// The page: a header, tabs, one view open at a time.

import { VIEWS, type ViewId } from "../state";
import { AboutView } from "./about";
import { promise } from "../server/words";
import type { App, Change, View } from "./app";
import { button } from "./controls";
import { fill, h } from "./dom";
import { experimentsView } from "./experiments";
import { InsideView } from "./inside";
import { KeptView } from "./kept";
import { LearningView } from "./learning";
import { LettersView } from "./letters";
import { ListView } from "./list";
import { MapView } from "./map";
import { NamesView } from "./names";
import { PairsView } from "./pairs";
import { runBar } from "./run_bar";
import { RunsView } from "./runs";
import { Tabs } from "./tabs";
import { themeSwitch } from "./theme";
import { Tour } from "./tour";
import { visible } from "./visible";

const TITLES: Record<ViewId, string> = {
  list: "List", runs: "Runs", names: "Names", letters: "Letters", inside: "Inside", learning: "Learning", experiments: "Experiments", map: "Map", pairs: "Pairs", kept: "Kept", about: "About",
};

export class Page {
  readonly listView: ListView;
  private readonly views: Record<ViewId, View>;
  private readonly tabs: Tabs;
  private readonly alert = h("div", { class: "alert", role: "alert" });
  private readonly tour: Tour;
  private shown: ViewId | null = null;

  constructor(private readonly app: App) {
    this.listView = new ListView(app);
    this.views = {
      list: this.listView, runs: new RunsView(app), names: new NamesView(app), letters: new LettersView(app), inside: new InsideView(app), learning: new LearningView(app), experiments: experimentsView(app),
      map: new MapView(app), pairs: new PairsView(app), kept: new KeptView(app), about: new AboutView(app),
    };
    const tabs = VIEWS.map((id) => ({ id, title: TITLES[id], panel: this.views[id].root }));
    this.tabs = new Tabs(tabs, (id) => app.set({ view: id as ViewId }, true));
    app.on((change) => this.changed(change));
    this.tour = new Tour(app); // after the page: its views are open by then
  }

  /** Puts the page into the document. */
  mount(body: HTMLElement, speaker: HTMLElement): void {
    const name = this.app.run?.name;
    body.replaceChildren(
      h("a", { class: "skip", href: "#panel", onclick: (event: Event) => { event.preventDefault(); this.focusPanel(); } }, "Skip to the view"),
      h("header", {},
        h("div", { class: "brand" }, h("h1", {}, "makemore"), name ? h("bdi", { class: "run", dir: "auto" }, visible(name, 60)) : null),
        themeSwitch(this.app.keep),
        h("p", { class: "promise" }, `Learns a list, makes more like it. ${promise(!!this.app.server)}`)),
      h("nav", {}, this.tabs.root),
      h("main", { id: "panel" }, this.alert, this.app.server && runBar(this.app, this.app.server), ...VIEWS.map((id) => this.views[id].root)),
      this.tour.root, speaker);
    this.changed("settings");
  }

  private focusPanel(): void {
    this.views[this.shown ?? "list"].root.focus();
  }

  /** Without a model there is nothing to see but the list and what the page is. */
  private there(id: ViewId): boolean {
    if (id === "runs") return this.app.server !== null;
    if (id === "learning") return this.app.list !== null || (this.app.run?.history.length ?? 0) > 0 || this.app.progress.length > 0;
    if (id === "inside") return this.app.hasNetwork;
    if (id === "experiments") return this.app.list !== null;
    return this.app.opened?.model != null || id === "list" || id === "about" || (id === "kept" && this.app.kept.length > 0);
  }

  private changed(change: Change): void {
    if (change === "error") this.showError();
    const wanted = this.app.settings.view, view = this.there(wanted) ? wanted : "list";
    this.tabs.count("kept", this.app.kept.length ? `Kept ${this.app.kept.length}` : "Kept");
    this.tabs.show(view, (id) => this.there(id as ViewId));
    const opens = view !== this.shown;
    this.shown = view;
    this.views[view].update(opens ? "shown" : change);
    if (opens) this.keepFocus();
  }

  /** A button that opened another view is hidden with its own: the keyboard goes on in the view that opened. */
  private keepFocus(): void {
    const { activeElement } = document;
    if (activeElement === null || activeElement === document.body || activeElement.closest("[hidden]")) this.focusPanel();
  }

  private showError(): void {
    const { error } = this.app;
    if (!error) fill(this.alert);
    else fill(this.alert, h("p", {}, visible(error.message, 500), error.fix ? ` — ${visible(error.fix, 500)}` : ""),
      button("Close", () => this.app.clearError(), "quiet"));
  }
}
