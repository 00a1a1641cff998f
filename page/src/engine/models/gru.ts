// GRU: gates say how much of the state stays (makemore/models/gru.py).

import { noteGRU } from "../gates";
import type { Tape, Value } from "../tape";
import { recurrent, RecurrentNetwork } from "./recurrent";

class GRU extends RecurrentNetwork {
  override readonly canLearn = true;
  protected readonly torchName = "gru";

  protected cell(tape: Tape, layer: number, x: Value, [h]: [Value], after?: Value): Value[] {
    const fromState = this.fromState(tape, layer, h);
    noteGRU(tape, layer, x, fromState);
    return [tape.gruCell(x, fromState, h, after)];
  }
}

export const gru = recurrent(3, ["start"], (...parts) => new GRU(...parts));
