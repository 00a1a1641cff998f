// The order of the wall: as drawn, by likelihood, by the alphabet, or by nearness to a name.

import type { Drawn } from "../contract";
import { distance } from "../sampling/like";
import type { Order } from "../state";

export const ORDER_WORDS: Record<Order, string> = {
  drawn: "as drawn", likely: "likeliest first", alphabet: "by the alphabet", near: "nearest to the picked name",
};

const MOST_COMPARED = 60; // symbols of each name: of long lines the beginning says enough

/** Sorts names; what is equal stays as it was drawn. near: the name that others should be near to. */
export function ordered(names: readonly Drawn[], order: Order, near: string): readonly Drawn[] {
  if (order === "drawn" || names.length < 2) return names;
  if (order === "alphabet") {
    const { compare } = new Intl.Collator(undefined, { numeric: true });
    return [...names].sort((a, b) => compare(a.text, b.text));
  }
  const ranks = new Map(names.map((name) => [name, order === "likely" ? name.nll : distanceBetween(near, name.text)]));
  return [...names].sort((a, b) => (ranks.get(a) as number) - (ranks.get(b) as number));
}

function distanceBetween(a: string, b: string): number {
  return distance(Array.from(a).slice(0, MOST_COMPARED), Array.from(b).slice(0, MOST_COMPARED));
}
