// The engine for networks: what the other parts of the page use of it.

export { type Engine, loadEngine } from "./engine";
export { initialize, makeModel } from "./make";
export type { Network, Trainable } from "./network";
export { stagesOf } from "./stages";
export { meanNll, surprisals } from "./scores";
export { saturation } from "./saturation";
export { canLearn, Diverged, gradients, makeTraining, type OwnedTraining } from "./training";
