// RNN: h' = tanh(linear(x) + linear(h)) (makemore/models/rnn.py).

import type { Tape, Value } from "../tape";
import { recurrent, RecurrentNetwork } from "./recurrent";

class RNN extends RecurrentNetwork {
  override readonly canLearn = true;
  protected readonly torchName = "rnn_tanh";

  protected cell(tape: Tape, layer: number, x: Value, [h]: [Value], after?: Value): Value[] {
    return [tape.tanh(tape.add(x, this.fromState(tape, layer, h)), after)];
  }
}

export const rnn = recurrent(1, ["start"], (...parts) => new RNN(...parts));
