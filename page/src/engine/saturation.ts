// Saturation: how many outputs of tanh lie at its flat ends, where next to no gradient passes.

import type { Trainable } from "./network";
import { Tape, type Value } from "./tape";
import type { Group } from "./batches";

const FLAT = 0.97; // |tanh| from which on an output counts as saturated, as in the lecture and in makemore.analysis

/** A tape that counts the outputs of every tanh, and those that are saturated. */
class WatchedTape extends Tape {
  outputs = 0;
  saturated = 0;

  override tanh(x: Value, y?: Value): Value {
    const made = super.tanh(x, y);
    const values = this.engine.memory.floats(made.at, made.rows * made.width);
    this.outputs += values.length;
    for (const value of values) if (Math.abs(value) > FLAT) this.saturated++;
    return made;
  }
}

/** Compute the share of a network's tanh outputs that are saturated for some inputs, 0 to 1; null without a tanh. */
export function saturation(model: Trainable, { inputs, lines }: Pick<Group, "inputs" | "lines">): number | null {
  return model.engine.memory.scope(() => {
    const tape = new WatchedTape(model.engine);
    model.forward(tape, inputs, lines);
    return tape.outputs ? tape.saturated / tape.outputs : null;
  });
}
