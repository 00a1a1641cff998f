// Over every view of a served page: the run that is open, how far it is; and that the server is gone, if it is.

import type { Server } from "../server/server";
import type { App } from "./app";
import { button } from "./controls";
import { fill, h, write } from "./dom";
import { progressText, showShare, troubleText } from "./run_words";
import { line, quote } from "./visible";

/** Makes the bar. It tells screen readers what becomes of runs and of the server, each once. */
export function runBar(app: App, server: Server): HTMLElement {
  const gone = h("p", { class: "trouble", hidden: true }, "The server does not answer. It is tried again by itself; what is loaded here goes on working.");
  const name = h("span", {}), about = h("span", { class: "note" }), bar = h("progress", { "aria-label": "Steps of the open run" });
  const back = button("Back to your list", () => void (app.given && app.read(app.given)), "quiet");
  const open = h("div", { class: "row", hidden: true }, name, about, h("div", { class: "grow" }, bar), back);
  const root = h("section", { class: "run-bar", "aria-label": "The server", hidden: true }, gone, open);
  const states = new Map<string, string>();
  let shown = "";

  const update = (): void => {
    const run = app.following?.run;
    if (server.isGone === gone.hidden) app.say(`The server ${server.isGone ? "does not answer" : "answers again"}`);
    for (const each of server.runs.values()) {
      if ((states.get(each.id) ?? each.state) !== each.state) app.say(`${quote(each.name)}: ${each.state} ${troubleText(each)}`);
      states.set(each.id, each.state);
    }
    gone.hidden = !server.isGone;
    open.hidden = !run;
    root.hidden = !run && !server.isGone;
    back.hidden = !app.given;
    if (!run) return;
    if (shown !== run.name) fill(name, "Open: ", line(run.name, 60));
    shown = run.name;
    const waits = app.following!.isLoaded ? "" : " Its weights come with its next save.";
    write(about, `${troubleText(run) || run.state}; ${progressText(run)}.${waits}`);
    showShare(bar, run);
  };
  server.on(update);
  app.on(update);
  return root;
}
