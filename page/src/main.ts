// The page's script: it shows. What computes is another program, worker.ts, which stands compressed in the page.

import { Keep, type KeptList } from "./keep";
import { readPage, readWorker } from "./run";
import { Server } from "./server/server";
import { App } from "./views/app";
import { Client } from "./views/client";
import { h } from "./views/dom";
import { Page } from "./views/page";

void startPage();

async function startPage(): Promise<void> {
  const speaker = h("p", { id: "status", class: "hidden", role: "status", "aria-live": "polite" });
  let client: Client, url: string;
  try {
    // It stands before this script, so that it starts while the browser reads what comes after.
    url = URL.createObjectURL(new Blob([await readWorker(document)], { type: "text/javascript" })); // once: blobs are kept as long as the page
    client = Client.start(url);
  } catch (error) {
    document.body.replaceChildren(h("main", {}, h("h1", {}, "makemore"),
      h("p", {}, `This browser lets no page from here compute in the background: ${String(error)}`),
      h("p", {}, "Open the file in another browser, or from another place.")));
    return;
  }
  await parsed();
  const { run, runArrays, prior, priorArrays, wasm } = await readPage(document);
  const app = new App(client, new Keep(run ? run.card.digest : "page"), run, speaker, () => Client.start(url), Server.of(document));
  app.wasm = wasm?.slice(0) ?? null; // the first worker's is moved to it
  if (run && !location.hash) app.settings = { ...app.settings, view: "names" };
  const buffers = [wasm, runArrays?.weights, runArrays?.known, priorArrays?.weights, priorArrays?.known];
  const transfers = buffers.filter((each): each is ArrayBuffer => each instanceof ArrayBuffer); // moved, not copied
  const version = document.querySelector("meta[name=generator]")?.getAttribute("content")?.split(" ")[1] ?? "";
  // The worker loads the model while the views are made.
  const opening = client.ask({ ask: "open", version, page: run, arrays: runArrays, prior, priorArrays, wasm }, "opened", transfers);
  const page = new Page(app);
  page.mount(document.body, speaker);
  try {
    app.opened = await opening;
    app.tell("model");
  } catch (error) {
    app.fail(error);
  }
  const list = (app.server && (await startServed(app, app.server))) ?? app.keep.list();
  if (list) await page.listView.read(list, true);
  else page.listView.demonstrate();
}

/** Waits until the whole document is there: what the page holds stands behind its script. */
async function parsed(): Promise<void> {
  if (document.readyState === "loading") await new Promise((done) => { addEventListener("DOMContentLoaded", done, { once: true }); });
}

/** Asks the server for its runs; gives the list that it was started with, if it was just now, or no other is kept here. */
async function startServed(app: App, server: Server): Promise<KeptList | null> {
  const isPlain = !location.hash;
  try {
    await server.start();
    const file = server.offers?.file, kept = app.keep.list();
    if (isPlain && !file && !kept && server.runs.size) app.set({ view: "runs" });
    if (file && server.token.isThere && (server.token.isNew || !kept)) return { name: file.name, text: await server.list() };
  } catch (error) {
    app.fail(error);
  }
  return null;
}
