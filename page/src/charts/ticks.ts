// Round numbers along an axis.

/** Chooses about `count` round numbers between least and most. */
export function ticks(least: number, most: number, count: number): number[] {
  const span = most - least;
  if (!(span > 0)) return [least];
  const rough = span / count, ten = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * ten).find((each) => each >= rough) ?? rough;
  const all = [];
  for (let at = Math.ceil(least / step) * step; at <= most + 1e-9 * span; at += step) all.push(Number(at.toPrecision(12)));
  return all;
}
