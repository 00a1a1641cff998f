// GRU: gates say how much of the state stays (makemore/models/gru.py).

import type { Tape, Value } from "../tape";
import { recurrent, RecurrentNetwork } from "./recurrent";

class GRU extends RecurrentNetwork {
  override readonly canLearn = true;

  protected cell(tape: Tape, layer: number, x: Value, [h]: [Value], after?: Value): Value[] {
    return [tape.gruCell(x, this.fromState(tape, layer, h), h, after)];
  }
}

export const gru = recurrent(3, ["start"], (...parts) => new GRU(...parts));
