// Mixture weights: how much each member of an ensemble counts, by Newton's method (api/mixture_weights.py). The nll
// of a mixture of log-probabilities is convex in its weights, so there is one minimum. Where few validation symbols
// tell, a penalty holds the weights near equal ones.

import { MIN_LOG_PROBABILITY } from "./ensemble";

const MAX_NEWTON_STEPS = 50;
const NEWTON_TOLERANCE = 1e-10; // nats a symbol: a step that gains less is the last one
const MAX_HALVINGS = 30;
// Strengths of quadratic penalties, in symbols: of the weights for all prefixes towards the expected ones, and of
// those for known and for new prefixes towards these.
const STRENGTHS: readonly [number, number] = [10, 100];

const STRENGTHS_BESIDE_PRIOR: readonly [number, number] = [200, 200]; // these expected weights are known better
// The best weights for other lists (bench/line_kinds.py): of models that start from a prior, of other networks, of
// the longest counts, the shortest, and the others.
const FROM_PRIOR = 0.65;
const OTHER_NETWORKS = 0.1;
const LONGEST_COUNTS = 0.4;
const SHORTEST_COUNTS = -0.3;
const OTHER_COUNTS = 0.05;

export interface Member {
  fromPrior: boolean;
  counts: boolean;
  blockSize: number;
}

/** Guess the weights (K,) before validation lines are seen, and how sure that is: the strengths of the penalties. */
export function expectedWeights(members: readonly Member[]): { weights: Float64Array; strengths: readonly [number, number] } {
  const tuned = members.filter((member) => member.fromPrior).length;
  if (!tuned) return { weights: new Float64Array(members.length).fill(1 / members.length), strengths: STRENGTHS };
  const others = members.filter((member) => !member.fromPrior && !member.counts).length;
  const contexts = members.filter((member) => member.counts).map((member) => member.blockSize);
  const longest = members.findIndex((member) => member.counts && member.blockSize === Math.max(...contexts));
  const shortest = contexts.length > 1 ? members.findIndex((member) => member.counts && member.blockSize === Math.min(...contexts)) : -1;
  const weights = members.map((member, k) => {
    if (k === shortest) return SHORTEST_COUNTS;
    if (k === longest) return LONGEST_COUNTS;
    if (member.counts) return OTHER_COUNTS;
    return member.fromPrior ? FROM_PRIOR / tuned : OTHER_NETWORKS / Math.max(1, others);
  });
  return { weights: Float64Array.from(weights), strengths: STRENGTHS_BESIDE_PRIOR };
}

/**
 * Fit the weights (2, K) that maximize the likelihood of the symbols that followed.
 * logs: of each of K models (N, V); targets: (N,); isNew: (N,) whether no training line begins with the prefix.
 */
export function fitEnsembleWeights(logs: readonly Float32Array[], targets: Int32Array, isNew: Uint8Array, expected?: Float64Array, strengths = STRENGTHS): Float64Array {
  const K = logs.length;
  const near = K === 1 ? Float64Array.of(1) : (expected ?? new Float64Array(K).fill(1 / K));
  const N = targets.length;
  if (N === 0 || K === 1) return Float64Array.of(...near, ...near);
  const fit = new WeightFit(logs, targets);
  const every = Int32Array.from({ length: N }, (_, row) => row);
  const ofAll = fit.minimum(every, near, strengths[0]);
  const ofKnown = fit.minimum(every.filter((row) => !isNew[row]), ofAll, strengths[1]);
  return Float64Array.of(...ofKnown, ...fit.minimum(every.filter((row) => isNew[row]), ofAll, strengths[1]));
}

interface Point {
  nats: number; // nll plus penalty, a symbol
  p: Float64Array; // (n, V) probabilities of the mixture
}

class WeightFit {
  private readonly V: number;
  private readonly K: number;
  private readonly each: Float64Array; // (N, V, K) log-probabilities, no lower than MIN_LOG_PROBABILITY

  constructor(logs: readonly Float32Array[], private readonly targets: Int32Array) {
    const cells = (logs[0] as Float32Array).length;
    this.K = logs.length;
    this.V = cells / targets.length;
    this.each = new Float64Array(cells * this.K);
    logs.forEach((model, k) => model.forEach((log, cell) => (this.each[cell * this.K + k] = Math.max(log, MIN_LOG_PROBABILITY))));
  }

  /** Minimize the nll of the rows over the weights (K,), under a penalty that holds them near `near`. */
  minimum(rows: Int32Array, near: Float64Array, strength: number): Float64Array {
    if (!rows.length) return near;
    const pull = strength / rows.length;
    let weights = near;
    let here = this.at(rows, weights, near, pull);
    for (let times = 0; times < MAX_NEWTON_STEPS; times++) {
      const step = this.newtonStep(rows, weights, near, pull, here.p);
      let next = weights;
      let there = here;
      for (let halvings = 0; halvings < MAX_HALVINGS; halvings++) { // far from the minimum a whole step may go beyond it
        next = weights.map((weight, k) => weight - (step[k] as number) / 2 ** halvings);
        there = this.at(rows, next, near, pull);
        if (there.nats < here.nats) break;
      }
      if (there.nats > here.nats - NEWTON_TOLERANCE) break;
      weights = next;
      here = there;
    }
    return weights;
  }

  private at(rows: Int32Array, weights: Float64Array, near: Float64Array, pull: number): Point {
    const { V, K, each } = this;
    const p = new Float64Array(rows.length * V);
    let nats = 0;
    rows.forEach((row, n) => {
      let most = -Infinity;
      for (let v = 0; v < V; v++) {
        let sum = 0;
        for (let k = 0; k < K; k++) sum += (each[(row * V + v) * K + k] as number) * (weights[k] as number);
        p[n * V + v] = sum;
        most = Math.max(most, sum);
      }
      const target = (p[n * V + (this.targets[row] as number)] as number) - most;
      let total = 0;
      for (let v = 0; v < V; v++) total += p[n * V + v] = Math.exp((p[n * V + v] as number) - most);
      for (let v = 0; v < V; v++) p[n * V + v] = (p[n * V + v] as number) / total;
      nats += Math.log(total) - target;
    });
    const penalty = weights.reduce((sum, weight, k) => sum + (weight - (near[k] as number)) ** 2, 0);
    return { nats: nats / rows.length + (pull / 2) * penalty, p };
  }

  /** Hessian^-1 * gradient: E_p[log p_k] less log p_k of the target; covariance of the log p_k under p; means of n. */
  private newtonStep(rows: Int32Array, weights: Float64Array, near: Float64Array, pull: number, p: Float64Array): Float64Array {
    const { V, K, each } = this;
    const gradient = weights.map((weight, k) => pull * (weight - (near[k] as number)));
    const hessian = Array.from({ length: K }, (_, k) => new Float64Array(K).fill(0).map((_, j) => (j === k ? pull : 0)));
    rows.forEach((row, n) => {
      const mean = new Float64Array(K);
      const second = new Float64Array(K * K);
      for (let v = 0; v < V; v++) {
        const first = (row * V + v) * K;
        const share = p[n * V + v] as number;
        for (let k = 0; k < K; k++) mean[k] = (mean[k] as number) + share * (each[first + k] as number);
      }
      for (let v = 0; v < V; v++) {
        const first = (row * V + v) * K;
        const share = p[n * V + v] as number;
        for (let k = 0; k < K; k++) {
          const centred = share * ((each[first + k] as number) - (mean[k] as number));
          for (let j = 0; j <= k; j++) second[k * K + j] = (second[k * K + j] as number) + centred * ((each[first + j] as number) - (mean[j] as number));
        }
      }
      const target = (row * V + (this.targets[row] as number)) * K;
      for (let k = 0; k < K; k++) {
        gradient[k] = (gradient[k] as number) + ((mean[k] as number) - (each[target + k] as number)) / rows.length;
        for (let j = 0; j < K; j++) {
          const line = hessian[k] as Float64Array;
          line[j] = (line[j] as number) + (second[Math.max(k, j) * K + Math.min(k, j)] as number) / rows.length;
        }
      }
    });
    return solved(hessian, gradient);
  }
}

/** Solve matrix * x = right by Gaussian elimination with pivots; both are used up. */
function solved(matrix: Float64Array[], right: Float64Array): Float64Array {
  const K = right.length;
  const at = (row: number, column: number): number => (matrix[row] as Float64Array)[column] as number;
  for (let column = 0; column < K; column++) {
    let pivot = column;
    for (let row = column + 1; row < K; row++) if (Math.abs(at(row, column)) > Math.abs(at(pivot, column))) pivot = row;
    [matrix[column], matrix[pivot]] = [matrix[pivot] as Float64Array, matrix[column] as Float64Array];
    [right[column], right[pivot]] = [right[pivot] as number, right[column] as number];
    for (let row = column + 1; row < K; row++) {
      const factor = at(row, column) / at(column, column);
      for (let j = column; j < K; j++) (matrix[row] as Float64Array)[j] = at(row, j) - factor * at(column, j);
      right[row] = (right[row] as number) - factor * (right[column] as number);
    }
  }
  for (let row = K - 1; row >= 0; row--) {
    let sum = right[row] as number;
    for (let j = row + 1; j < K; j++) sum -= at(row, j) * (right[j] as number);
    right[row] = sum / at(row, row);
  }
  return right;
}
