// The form that gives the list to the server: only its button does, and says so.

import type { Server } from "../server/server";
import { serverWords } from "../server/words";
import type { App } from "./app";
import { button, number, select, text } from "./controls";
import { fill, h, set } from "./dom";
import { line, visible } from "./visible";

const CHOOSES: [string, string] = ["", "let makemore choose"];
const ENDS: [string, string][] = [["30s", "30 seconds"], ["60s", "1 minute"], ["5m", "5 minutes"], ["1h", "1 hour"], ["steps", "so many steps"]];
const STEPS = 1000;

/** Makes the form. started: what to do with a run that has begun. */
export function trainHere(app: App, server: Server, started: (id: string) => void): { root: HTMLElement; update(): void } {
  let model = "", end = "60s", steps = 0, name = "", offered: unknown;
  const list = h("p", {}), about = h("p", { class: "note" });
  const models = select("Model", [], (chosen) => { model = chosen; update(); });
  const ends = select("Ends after", [...ENDS, CHOOSES], (chosen) => { end = chosen; update(); });
  const count = number("Steps", { min: 1, max: 1_000_000, step: 1 }, (typed) => { steps = typed; });
  const called = text("Name of the run", (typed) => { name = typed; });
  const go = button("Train on the server", () => void train(), "main");
  const form = h("div", { class: "row" }, models.root, ends.root, count.root, called.root);
  const root = h("section", { class: "panel" }, h("h2", {}, "Train on this list"), list, form, about, go);
  ends.show(end);
  count.hint(String(STEPS));

  async function train(): Promise<void> {
    set(go, "aria-disabled", "true");
    app.clearError();
    try {
      const { lines } = await app.client.ask({ ask: "lines" }, "lines");
      const stop = end === "steps" ? { options: { max_steps: steps || STEPS } } : end && { time: end };
      started((await server.change("train", { lines, name: name.trim() || app.given!.name, ...(model && { model }), ...(stop || {}) })).id);
      app.say("The server trains");
    } catch (error) {
      app.fail(error);
    }
    set(go, "aria-disabled", null);
  }

  function update(): void {
    const { given } = app, all = server.offers?.models ?? [];
    root.hidden = !server.token.isThere;
    if (offered !== server.offers) models.offer([CHOOSES, ...all.map((each): [string, string] => [each.name, each.name])]);
    offered = server.offers;
    models.show(model);
    form.hidden = go.hidden = !given;
    called.input.placeholder = given ? visible(given.name, 60) : "";
    count.root.hidden = end !== "steps";
    about.textContent = all.find((each) => each.name === model)?.about ?? "";
    fill(list, ...(given
      ? ["The button sends the lines of ", line(given.name, 60), ` to ${serverWords()}, which keeps them in the run.${given.labelColumn ? " Their labels stay here." : ""}`]
      : ["Give a list first, under List. What the server trains goes on when this page is closed."]));
  }
  return { root, update };
}
