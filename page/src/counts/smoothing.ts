// Discounts of modified Kneser-Ney smoothing (Chen and Goodman 1998), as models/ngram.py estimates them.

const FALLBACK = [0.5, 1.0, 1.5]; // where too little was counted to estimate them, as in KenLM

/**
 * Estimate the discounts (order rows of 4) of counts 0, 1, 2, 3 or more, by the context's length.
 * From n1 to n4, how many n-grams of a length were counted once to four times:
 * discount(k) = k - (k + 1) * n1 / (n1 + 2 * n2) * n(k + 1) / n(k).
 */
export function discounts(lengths: ArrayLike<number>, counts: ArrayLike<number>, order: number): number[][] {
  const times = Array.from({ length: order }, () => new Float64Array(6)); // of count 0 to 5 and more
  for (let i = 0; i < counts.length; i++) {
    const row = times[lengths[i] as number] as Float64Array;
    const count = Math.min(counts[i] as number, 5);
    row[count] = (row[count] as number) + 1;
  }
  return times.map((row) => {
    const n = [row[1], row[2], row[3], row[4]] as [number, number, number, number];
    const scale = n[0] / (n[0] + 2 * n[1]);
    const estimate = [1, 2, 3].map((k) => k - ((k + 1) * scale * (n[k] as number)) / (n[k - 1] as number));
    // Usable ones are above 0 and at most the count: no probability is 0, and none is negative.
    const usable = [...n, ...estimate].every((value) => value > 0);
    return [0, ...(usable ? estimate : FALLBACK)];
  });
}
