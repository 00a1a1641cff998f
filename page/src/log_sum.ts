/** Compute log(sum of exp) of `width` numbers from `at` on. */
export function logSum(values: ArrayLike<number>, at: number, width: number): number {
  let most = -Infinity;
  for (let j = 0; j < width; j++) most = Math.max(most, values[at + j]!);
  if (most === -Infinity) return most; // all are impossible
  let sum = 0;
  for (let j = 0; j < width; j++) sum += Math.exp(values[at + j]! - most);
  return most + Math.log(sum);
}
