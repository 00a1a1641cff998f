// LSTM: a hidden state and a cell, which gates update (makemore/models/lstm.py).

import { noteLSTM } from "../gates";
import type { Tape, Value } from "../tape";
import { recurrent, RecurrentNetwork } from "./recurrent";

class LSTM extends RecurrentNetwork {
  protected override readonly starts = ["start", "start_cell"];
  protected readonly torchName = "lstm";

  protected cell(tape: Tape, layer: number, x: Value, [h, cell]: [Value, Value]): Value[] {
    const { rows, width } = h;
    const [after, next] = [tape.value(rows, width), tape.value(rows, width)];
    const fromState = this.fromState(tape, layer, h);
    this.engine.kernels.lstm_cell(x.at, fromState.at, cell.at, next.at, after.at, rows, width);
    noteLSTM(tape, layer, x, fromState, next);
    return [after, next];
  }
}

export const lstm = recurrent(4, ["start", "start_cell"], (...parts) => new LSTM(...parts));
