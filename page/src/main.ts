// The page's one script. In the document it shows; started again in a worker, it computes.

import { Keep } from "./keep";
import { readPage } from "./run";
import { App } from "./views/app";
import { Client } from "./views/client";
import { h } from "./views/dom";
import { Page } from "./views/page";
import { serve } from "./worker";

if (typeof document === "undefined") serve();
else void startPage(document.getElementById("page")?.textContent ?? "");

async function startPage(script: string): Promise<void> {
  const speaker = h("p", { id: "status", class: "hidden", role: "status", "aria-live": "polite" });
  const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" })); // once: blobs are kept as long as the page
  let client: Client;
  try {
    client = Client.start(url);
  } catch (error) {
    document.body.replaceChildren(h("main", {}, h("h1", {}, "makemore"),
      h("p", {}, `This browser lets no page from here compute in the background: ${String(error)}`),
      h("p", {}, "Open the file in another browser, or from another place.")));
    return;
  }
  const { run, runArrays, prior, priorArrays, wasm } = await readPage(document);
  const app = new App(client, new Keep(run ? run.card.digest : "page"), run, speaker, () => Client.start(url));
  app.wasm = wasm?.slice(0) ?? null; // the first worker's is moved to it
  if (run && !location.hash) app.settings = { ...app.settings, view: "names" };
  const buffers = [wasm, runArrays?.weights, runArrays?.known, priorArrays?.weights, priorArrays?.known];
  const transfers = buffers.filter((each): each is ArrayBuffer => each instanceof ArrayBuffer); // moved, not copied
  const version = document.querySelector("meta[name=generator]")?.getAttribute("content")?.split(" ")[1] ?? "";
  const page = new Page(app);
  page.mount(document.body, speaker);
  try {
    app.opened = await client.ask({ ask: "open", version, page: run, arrays: runArrays, prior, priorArrays, wasm }, "opened", transfers);
    app.tell("model");
  } catch (error) {
    app.fail(error);
  }
  const list = app.keep.list();
  if (list) await page.listView.read(list, true);
  else page.listView.demonstrate();
}
