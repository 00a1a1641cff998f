// Stages: what a network computes on its way from ids to logits, each by the name that makemore/analysis/trace.py gives it.

import type { Stage } from "../contract";
import type { Engine } from "./engine";
import type { Network } from "./network";

/** Takes down the values that a forward pass notes, one position after another or all at once. */
export class Recorder {
  private readonly noted: { name: string; shape: number[]; parts: Float32Array[] }[] = [];
  private at = 0;

  /** only: the one value that is taken down; without it, all are. */
  constructor(private readonly only: string | null = null) {}

  /** Begin another position: it notes the same values in the same order. */
  next(): void {
    this.at = 0;
  }

  /** Take a copy of a value; shape: of one position. */
  take(name: string, shape: number[], data: Float32Array): void {
    const entry = (this.noted[this.at++] ??= { name, shape, parts: [] });
    if (entry.name !== name) throw new Error(`a pass noted ${name} where the one before noted ${entry.name}`);
    // What has one name twice is told apart below: so `only` cannot be compared here.
    if (this.only === null || this.only.startsWith(name)) entry.parts.push(data.slice());
  }

  /** The stages in order; of those with one name, the first is "tanh 1", the next "tanh 2". */
  stages(): Stage[] {
    const names = this.noted.map(({ name }) => name);
    return this.noted.flatMap(({ name, shape, parts }, index) => {
      const before = names.slice(0, index + 1).filter((each) => each === name).length;
      const whole = names.lastIndexOf(name) === names.indexOf(name) ? name : `${name} ${before}`;
      return this.only !== null && whole !== this.only ? [] : [{ name: whole, shape, data: joined(parts) }];
    });
  }
}

/** Compute the stages of a line from its start: ids (T,) -> values (T, ...shape) each. only: one of them, by its name. */
export function stagesOf(network: Network, ids: Int32Array, only: string | null = null): Stage[] {
  const recorder = new Recorder(only);
  network.engine.recorder = recorder;
  try {
    network.walk(ids, () => recorder.next());
  } finally {
    network.engine.recorder = null;
  }
  const stages = recorder.stages(), last = stages.at(-1);
  if (only === null && last) stages.push(softmax(network.engine, last));
  return stages;
}

/** The probabilities of the last stage, which are its logits. */
function softmax({ kernels, memory }: Engine, { shape, data }: Stage): Stage {
  return memory.scope(() => {
    const [at, width] = [memory.take(data.length), shape[0]!];
    memory.f32.set(data, at >> 2);
    kernels.softmax(at, at, data.length / width, width);
    return { name: "softmax", shape, data: memory.floats(at, data.length).slice() };
  });
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
