// The kinds of networks by name. A model of counts is in src/counts/, and so are ensembles.

import type { Kind } from "../network";
import { bigram } from "./bigram";
import { bow } from "./bow";
import { deepMLP } from "./deep_mlp";
import { gru } from "./gru";
import { lstm } from "./lstm";
import { mlp } from "./mlp";
import { rnn } from "./rnn";
import { transformer } from "./transformer";
import { wavenet } from "./wavenet";

export const KINDS: Record<string, Kind> = {
  bigram, mlp, deep_mlp: deepMLP, wavenet, bow, rnn, gru, lstm, transformer,
};
