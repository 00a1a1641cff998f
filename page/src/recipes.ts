// Recipes: sizes and steps of the networks that a page teaches within seconds.

import type { TrainRequest } from "./contract";
import type { NetworkKind, Settings, Size } from "./state";

interface Recipe { maxSteps: number; batchSize: number; learningRate: number; sizes: Record<Size, Record<string, number>> }

type Kind = Exclude<NetworkKind, "">;

export const RECIPES: Record<Kind, Recipe> = {
  prior: { maxSteps: 60, batchSize: 16, learningRate: 0.001, sizes: { small: {}, medium: {}, large: {} } },
  gru: {
    maxSteps: 600, batchSize: 32, learningRate: 0.008,
    sizes: { small: { n_embd: 16, n_hidden: 32 }, medium: { n_embd: 24, n_hidden: 64 }, large: { n_embd: 64, n_hidden: 128 } },
  },
  mlp: { // as in the lectures
    maxSteps: 6000, batchSize: 32, learningRate: 0.005,
    sizes: { small: { n_embd: 6, n_hidden: 60, block_size: 3 }, medium: { n_embd: 10, n_hidden: 200, block_size: 3 }, large: { n_embd: 16, n_hidden: 300, block_size: 6 } },
  },
  transformer: {
    maxSteps: 600, batchSize: 64, learningRate: 0.004,
    sizes: { small: { n_layer: 1, n_head: 2, n_embd: 16 }, medium: { n_layer: 2, n_head: 4, n_embd: 32 }, large: { n_layer: 4, n_head: 4, n_embd: 64 } },
  },
  bigram: { maxSteps: 500, batchSize: 64, learningRate: 0.1, sizes: { small: {}, medium: {}, large: {} } },
};

/** The network that a setting means: by itself from the prior, where the page has one that fits the list. */
export function kindOf(kind: NetworkKind, hasPrior: boolean): Kind {
  if (kind === "" || (kind === "prior" && !hasPrior)) return hasPrior ? "prior" : "gru";
  return kind;
}

const PRIOR_EPOCHS = 4; // of a training from the prior
const FEW_LINES = 300, MANY_LINES = 5_000;

/** The steps of a recipe for a list of so many lines: a short one is soon known by heart, a long one teaches for longer. */
export function stepsOf(kind: Kind, lines: number): number {
  const { maxSteps, batchSize } = RECIPES[kind];
  // What it has read helps until the list is known by heart, which is soon.
  if (kind === "prior") return Math.max(10, Math.min(maxSteps, Math.round((PRIOR_EPOCHS * lines) / batchSize)));
  return maxSteps * (lines < FEW_LINES ? 0.5 : lines < MANY_LINES ? 1 : 2);
}

/** The training that the settings ask for; what is 0 is as the recipe has it for a list of so many lines. */
export function requestOf({ size, steps, batch, rate, start }: Settings, kind: Kind, lines: number): TrainRequest {
  const recipe = RECIPES[kind];
  return {
    kind: kind === "prior" ? "transformer" : kind, ...(kind === "prior" && { prior: true }), options: recipe.sizes[size], seed: start,
    maxSteps: steps || stepsOf(kind, lines), batchSize: batch || recipe.batchSize, learningRate: rate || recipe.learningRate,
  };
}
