// Pair: two trials, each in a worker of its own, that are always at the same step.

import type { GivenList, TrialPoint, TrialStart } from "../contract";
import type { Client } from "../views/client";
import { type Outcome, unseenOf } from "./seen";
import { pointEvery, requestOf, type Setting } from "./setting";

/** What one of both has told so far. */
export interface Side { client: Client; curve: { step: number; batches: number | null; unseen: number | null }[]; outcome?: Outcome; samples: string[] }

export interface Pair {
  readonly of: number; // steps
  readonly sides: readonly Side[]; // A and B
  step: number;
  goal: number; // the step that both are on the way to
  ended: boolean;
  /** Both go on to a step; to one that is behind: they pause. */
  go(goal: number): void;
  /** Ends both workers: their memory is given back at once. What was told stays. */
  end(): void;
}

/** Starts two workers, which read the list. `heard` is told of each point of the curves, `failed` of what ends them. */
export function startPair(
  start: () => Client, wasm: ArrayBuffer | null, list: GivenList, settings: readonly Setting[], of: number,
  heard: () => void, failed: (error: unknown) => void,
): Pair {
  let isBusy = false;
  const open = (side: Side, at: number): Promise<void> => side.client.ask({ ask: "trial", wasm, list, request: requestOf(settings[at]!, of) }, "trial")
    .then(({ start: began, point }) => note(side, point, began, of));
  /** A side that exploded stays where it is; the faster one waits. */
  const goOn = (until: number) => async (side: Side): Promise<void> => {
    if (!side.outcome?.diverged) note(side, (await side.client.ask({ ask: "trial-on", until }, "trial-on")).point);
  };
  const pair: Pair = {
    of, sides: settings.map(() => ({ client: start(), curve: [], samples: [] })), step: 0, goal: 0, ended: false,
    go(goal) {
      pair.goal = goal;
      if (!isBusy) void run();
    },
    end() {
      pair.ended = true;
      for (const { client } of pair.sides) client.end();
    },
  };

  async function run(): Promise<void> {
    const { sides } = pair, every = pointEvery(of);
    isBusy = true;
    try {
      if (!sides[0]!.outcome) await Promise.all(sides.map(open));
      while (pair.step < pair.goal && !pair.ended) {
        const until = Math.min(pair.goal, (Math.floor(pair.step / every) + 1) * every);
        await Promise.all(sides.map(goOn(until)));
        pair.step = until;
        if (until === of || sides.every(({ outcome }) => outcome?.diverged)) pair.end();
        heard();
      }
    } catch (error) {
      pair.end();
      failed(error);
    }
    isBusy = false;
  }
  return pair;
}

/** Takes down what a trial tells: with `start` its first word. */
function note(side: Side, { exact, ...point }: TrialPoint, start?: TrialStart, of = 0): void {
  const unseen = exact?.nats.length ? unseenOf(exact) : null;
  side.curve.push({ step: point.step, batches: point.batches, unseen });
  if (!exact) return;
  const before = start ? { start, of, first: unseen ?? exact.own } : side.outcome!;
  side.samples = exact.samples;
  side.outcome = { ...before, ...point, ...exact, batches: side.curve.flatMap(({ batches }) => batches ?? []) };
}
