// The steps of the tour: each points at one control of the page, says what it is in two sentences, and what to do with it.

import { kindOf, RECIPES } from "../recipes";
import type { Settings, ViewId } from "../state";
import type { App } from "./app";

export interface TourStep {
  view: ViewId;
  target: string; // the control: its data-tour
  title: string;
  says(app: App): string;
  doIt: string;
  seen: string; // once it is done
  /** What the reader changes: the step is done when it is another value than at first. */
  state(app: App): unknown;
  settings?(app: App): Partial<Settings>; // without which the control would not be there
}

const HIDDEN = RECIPES.gru.sizes;

const STEPS: TourStep[] = [
  {
    view: "list", target: "list", title: "A list to learn from",
    says: () => "A model reads a list and learns what comes after what in its lines. That is all that it knows: from it, letter by letter, it makes new lines.",
    doIt: "Press this button, or Next.", seen: "It is read, and some new lines stand here already.",
    state: (app) => app.list !== null,
  },
  {
    view: "names", target: "temperature", title: "Temperature",
    says: () => "Before each letter the model has a chance for every letter, and then draws one, as with a loaded die. Temperature changes the die: tidy takes the likely letters nearly always, wild gives the unlikely ones more of a chance, and at 1 it is as learned.",
    doIt: "Move it to wild, and look at the names.", seen: "Other names, and stranger ones: nothing was learned anew, only the die is another.",
    state: (app) => app.settings.temperature,
  },
  {
    view: "letters", target: "places", title: "Context",
    says: () => "What the model has read so far when it guesses a letter is called its context: here, the letters before the place that is marked. Each bar says how much the letter was expected there, after these and no others. A model may look back a few letters only, or to the beginning.",
    doIt: "Press another letter of the name: below stands what may follow its context.", seen: "Another context, other chances: that is how names come to sound like the list.",
    state: (app) => app.settings.place,
  },
  {
    view: "learning", target: "size", title: "Hidden units",
    says: () => `From the context a network computes some numbers, anew for each letter, and guesses from these. The places of these numbers are its hidden units: one may be high after a vowel, another near the end of a name. Nobody says what each stands for, learning finds it; small has ${HIDDEN.small["n_hidden"]} of them, large ${HIDDEN.large["n_hidden"]}.`,
    doIt: "Choose another size.", seen: "More units can tell more contexts apart, and take longer to learn. Once it learns, the tab Inside shows each as a square; Experiments sets 1 against 300.",
    state: (app) => app.settings.size,
    settings: ({ settings, list }) => (["gru", "mlp"].includes(kindOf(settings.kind, !!list?.prior)) ? {} : { kind: "gru" }),
  },
  {
    view: "learning", target: "play", title: "Loss",
    says: ({ opened }) => {
      const choices = (opened?.symbols.length ?? 0) + 1;
      return `Loss is the network’s average surprise at the letter that really comes: −log of the chance that it gave it, 0 if it was sure, ${Math.log(choices).toFixed(1)} if all ${choices} choices (letters and the end) are alike to it. Each step changes its weights, the numbers that it computes with, so that the loss falls.`;
    },
    doIt: "Press Play, and watch the line.", seen: "It falls. Trust the thick curve: the loss on lines kept from the network, where knowing by heart does not help. Dashed: what counting letters reaches.",
    state: (app) => app.progress.some(({ step }) => step > 0),
  },
  {
    view: "names", target: "wall", title: "Yours",
    says: () => "Each of these was drawn letter by letter: from its context a chance for every letter, changed by the temperature. New means that it is not in the list.",
    doIt: "Press a name to keep it.", seen: "It is kept: the tab Kept lets you take it away.",
    state: (app) => app.kept.length,
  },
];

/** The steps that this page has: one that holds a run, and no list, teaches no network. */
export function stepsOf(app: App): TourStep[] {
  return app.run && !app.list ? STEPS.filter(({ view }) => view === "names" || view === "letters") : STEPS;
}
