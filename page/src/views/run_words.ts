// Runs in words: how far one is, how it stands, how long it took.

import type { Run } from "../server/messages";
import { visible, whole } from "./visible";

/** Says how far a run is and how it stands: "step 1,200 of 5,000, 34 s; loss on unseen lines 2.031, best 2.029". */
export function progressText({ state, step, of, seconds, losses: { train, val, best } }: Run): string {
  const end = of !== null && of >= step ? ` of ${whole(of)}` : "";
  if (state === "training" && !step && !seconds) return "it begins";
  const losses = [nats("its lines", train), nats("unseen lines", val), nats("best", best)].filter(Boolean).join(", ");
  return `step ${whole(step)}${end}, ${duration(seconds)}${losses && `; loss: ${losses}`}`;
}

function nats(what: string, nll: number | null): string {
  return nll === null ? "" : `${what} ${nll.toFixed(3)}`;
}

/** Says what became of a run that is no more, or failed; "" of any other. */
export function troubleText({ state, message, fix }: Run): string {
  if (state === "gone") return "Its folder is gone from the server.";
  return state === "failed" ? [message ?? "the server does not say why", fix].filter(Boolean).map((text) => visible(text!, 400)).join("; ") : "";
}

/** Shows how much of a run is done; one that ends by time is on its way, nobody knows how far. */
export function showShare(bar: HTMLProgressElement, { step, of, state }: Run): void {
  bar.hidden = state !== "training" && state !== "stopped";
  if (of) bar.value = step / of;
  else bar.removeAttribute("value");
}

/** Writes a duration: 34 s, 2 min 10 s, 1 h 5 min. */
function duration(seconds: number): string {
  const s = Math.round(seconds), min = Math.floor(s / 60), h = Math.floor(min / 60);
  if (h) return `${h} h ${min % 60} min`;
  return min ? `${min} min ${s % 60} s` : `${s} s`;
}
