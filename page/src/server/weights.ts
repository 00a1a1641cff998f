// The weights of a run as /api/weights sends them: the length of a head (4 bytes), the head as JSON, and the arrays.

import type { PageArrays } from "../contract";
import { Told } from "../told";
import type { WeightsHead } from "./messages";

const FORMAT = 1; // of a payload

/** Cuts an answer of /api/weights into its head and its arrays. Throws Told for one of a later format. */
export function cutWeights(bytes: ArrayBuffer): { head: WeightsHead; arrays: PageArrays } {
  const length = new DataView(bytes).getUint32(0, true), start = 4 + length;
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length))) as WeightsHead;
  if (head.payload.format !== FORMAT) throw new Told(`the server sends weights of format ${head.payload.format}, this page knows ${FORMAT}`, "reload the page");
  const end = start + head.weights;
  return { head, arrays: { weights: bytes.slice(start, end), known: bytes.slice(end, end + head.known), lines: null } };
}
