// Bigram: a table of logits, one row for each symbol (makemore/models/bigram.py).

import type { State } from "../../contract";
import { constant } from "../initial";
import { type Kind, Network } from "../network";
import { Tape, type Value } from "../tape";

const NOTHING = {}; // to remember: the last symbol is the next step's input

class Bigram extends Network {
  readonly inputKind = "sequence";
  override readonly canLearn = true;

  forward(tape: Tape, inputs: Int32Array): Value {
    return tape.note("table embedding", tape.gather(this.weight("table.weight"), inputs));
  }

  begin(): State {
    return NOTHING;
  }

  protected stepRows(ids: Int32Array): { logits: Float32Array; state: State } {
    const logits = this.engine.memory.scope(() => {
      const tape = new Tape(this.engine);
      return tape.output(this.forward(tape, ids));
    });
    return { logits, state: NOTHING };
  }

  protected joined(): State {
    return NOTHING;
  }

  append(): State {
    return NOTHING;
  }
}

export const bigram: Kind = {
  defaults: {},
  // Python adds the labels to the rows alone.
  shapes: (_options, V) => ({ "table.weight": [V, V] }),
  initial: (_name, shape) => constant(shape, 0), // uniform: the first loss is log V
  make: (...parts) => new Bigram(...parts),
};
