// Presets: the experiments of the lectures. Each varies one field of a setting, and says what to look for.

import { type Field, readSetting, type Setting, settingOf, writeSetting } from "./setting";

export interface Preset {
  title: string;
  look: string; // what to look for
  field: Field; // what is varied
  base: Partial<Setting>; // what is not as by default
  pair: readonly [number | string, number | string]; // its two values to begin with
}

// Sizes and rates are those of the lectures and of `makemore sweep --preset`, in steps that a page makes within seconds.
export const PRESETS: readonly Preset[] = [
  { title: "Context", field: "context", base: {}, pair: [1, 4],
    look: "Look how far the loss on unseen lines falls when 4 letters back are seen and not 1; try up to 8." },
  { title: "Hidden units", field: "hidden", base: {}, pair: [1, 300],
    look: "Look how little one hidden unit can tell apart, and whether 300 learn lines by heart." },
  { title: "First weights", field: "start", base: { optimizer: "SGD" }, pair: ["naive", "calm"],
    look: "Look where the curves begin: who knows nothing should begin at log V, and must unlearn what is above." },
  { title: "Learning rate", field: "rate", base: { optimizer: "SGD" }, pair: [0.1, 10],
    look: "Look whether a curve creeps (try 0.001) or jumps (10): steps can be too small and too large." },
  { title: "Batch", field: "batch", base: { hidden: 100 }, pair: [1, 256],
    look: "Look how a step by one example jumps, and what a step by 256 takes in seconds." },
  { title: "Kind", field: "kind", base: {}, pair: ["GRU", "MLP"],
    look: "Look whether memory of the whole line (GRU) beats a window of three letters (MLP), or counts." },
];

/** The setting of a preset with a value of its field. */
export function variant({ field, base }: Preset, value: number | string): Setting {
  return settingOf({ ...base, [field]: value });
}

/** The two settings that a link names; what it does not name is as the first preset has it. */
export function pairOf(a: string, b: string): [Setting, Setting] {
  const [first] = PRESETS as [Preset];
  return [readSetting(a) ?? variant(first, first.pair[0]), readSetting(b) ?? variant(first, first.pair[1])];
}

/** The preset that both settings are of; none for a choice of one's own. */
export function presetOf(settings: readonly Setting[]): Preset | undefined {
  return PRESETS.find((preset) => settings.every((each) => writeSetting(variant(preset, each[preset.field])) === writeSetting(each)));
}
