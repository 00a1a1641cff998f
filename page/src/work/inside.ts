// Inside: what a model computes for one line, stage by stage, and where one unit of it is most active.

import type { Answer, Model, Stage, Vocabulary } from "../contract";
import { Ensemble } from "../counts/ensemble";
import { levelShares } from "../counts/level_shares";
import { logSoftmax } from "../counts/log_softmax";
import { NGram } from "../counts/ngram";
import { PerLabelCounts } from "../counts/per_label";
import { stagesOf } from "../engine";
import { Network } from "../engine/network";
import { cut } from "../text/vocabulary";
import { Told } from "../told";

type Reply<K extends Answer["answer"]> = Omit<Extract<Answer, { answer: K }>, "id">;
type Prefix = Reply<"active">["most"][number];

const MOST_PLACES = 48; // positions that are shown
const MOST = 6, LEAST = 3; // prefixes where a unit is most and least active

/** Which of a model's members is looked into: the one that is asked for, else the network that weighs most. */
export function memberOf(model: Model, wanted: number): { model: Model; number: number } {
  if (!(model instanceof Ensemble)) return { model, number: 0 };
  const chosen = model.mixed.find(({ number }) => number === wanted);
  if (chosen) return chosen;
  const weight = ({ number }: { number: number }): number => Math.abs(model.weightsOf(number)[1]);
  const heaviest = [...model.mixed].sort((a, b) => Number(b.model instanceof Network) - Number(a.model instanceof Network) || weight(b) - weight(a))[0];
  if (!heaviest) throw new Told("no member of this mixture has a weight", "let it learn on");
  return heaviest;
}

/** The stages of a line. first: the id that lines begin with; known: whether the line is in the list. */
export function inside(whole: Model, vocabulary: Vocabulary, text: string, first: number, member: number, known: boolean): Reply<"inside"> {
  const { model, number } = memberOf(whole, member);
  const all = idsOf(vocabulary, text, first);
  const ids = all.subarray(0, Math.min(all.length, MOST_PLACES, model instanceof Network ? model.longest : Infinity));
  const symbols = cut(text, vocabulary.rule);
  return {
    answer: "inside", spec: model.spec, text, known, member: number,
    members: whole instanceof Ensemble ? whole.mixed.map((each) => ({ number: each.number, spec: each.model.spec, weights: whole.weightsOf(each.number) })) : [],
    inputs: Array.from(ids, (id, at) => (at ? symbols[at - 1]! : nameOf(vocabulary, id))), left: all.length - ids.length,
    stages: stagesIn(model, ids),
  };
}

/** The beginnings of lines after which a unit of a stage has its greatest and its least values. */
export function mostActive(whole: Model, vocabulary: Vocabulary, lines: readonly Int32Array[], first: number, ask: { member: number; stage: string; unit: number }): Reply<"active"> {
  const { model } = memberOf(whole, ask.member);
  if (!(model instanceof Network)) throw new Told("counts have no units", "choose a network");
  const values = new Map<string, number>();
  for (const line of lines) {
    const ids = Int32Array.of(first, ...line).subarray(0, Math.min(MOST_PLACES, model.longest));
    const [stage] = stagesOf(model, ids, ask.stage);
    if (!stage) throw new Told(`there is no stage ${ask.stage}`, "choose another");
    const width = stage.data.length / ids.length;
    for (let at = 0; at < ids.length; at++) values.set(vocabulary.decode(line.subarray(0, at)), stage.data[at * width + ask.unit]!);
  }
  const sorted: Prefix[] = [...values].map(([text, value]) => ({ text, value })).sort((a, b) => b.value - a.value);
  return { answer: "active", stage: ask.stage, unit: ask.unit, most: sorted.slice(0, MOST), least: sorted.slice(MOST).slice(-LEAST).reverse(), of: sorted.length };
}

function idsOf(vocabulary: Vocabulary, text: string, first: number): Int32Array {
  const ids = Int32Array.of(first, ...vocabulary.encode(text));
  const unknown = ids.indexOf(-1);
  if (unknown > 0) throw new Told(`the model does not know “${cut(text, vocabulary.rule)[unknown - 1]}”`, "use symbols of the list");
  return ids;
}

/** What stands before a line: nothing, or its label. */
function nameOf(vocabulary: Vocabulary, id: number): string {
  return id ? vocabulary.labels[id - vocabulary.size] ?? "" : "";
}

function stagesIn(model: Model, ids: Int32Array): Stage[] {
  if (model instanceof Network) return stagesOf(model, ids);
  const counts = model instanceof PerLabelCounts ? model.tables[ids[0]! - model.spec.vocabSize] : model;
  const shares = counts instanceof NGram ? [levelShares(counts, ids.map((id, at) => (at ? id : 0)))] : [];
  return [...shares, probabilities(model, ids)];
}

function probabilities(model: Model, ids: Int32Array): Stage {
  const V = model.spec.vocabSize, data = new Float32Array(ids.length * V), row = new Float64Array(V);
  let state = model.begin(1);
  ids.forEach((id, at) => {
    const after = model.step(Int32Array.of(id), state, Int32Array.of(0));
    logSoftmax(after.logits, 0, V, row, 0);
    data.set(row.map(Math.exp), at * V);
    state = after.state;
  });
  return { name: "softmax", shape: [V], data };
}
