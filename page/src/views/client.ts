// The worker as the views see it: questions with an id, answers that bear it.

import { Told } from "../told";
import type { Answer, Ask } from "../contract";

type WithoutId<A> = A extends { id: number } ? Omit<A, "id"> : never;
export type Question = WithoutId<Ask>;
export type Stop = () => void;

export class Client {
  private last = 0;
  private readonly waiting = new Map<number, (answer: Answer) => void>();

  private constructor(private readonly worker: Worker) {
    worker.onmessage = (event: MessageEvent<Answer>) => this.waiting.get(event.data.id)?.(event.data);
    worker.onerror = (event) => {
      const message = `the worker stopped: ${event.message || "it could not start"}`;
      for (const [id, tell] of this.waiting) tell({ id, answer: "error", message, fix: "reload the page" });
    };
  }

  /** Starts a worker: the page's own script again, from the URL of its blob. Throws where a browser has none. */
  static start(url: string): Client {
    return new Client(new Worker(url));
  }

  /** Asks; `heard` gets every answer until the returned function is called. */
  send(question: Question, heard: (answer: Answer) => void, transfer: Transferable[] = []): Stop {
    const id = ++this.last;
    this.waiting.set(id, heard);
    this.worker.postMessage({ ...question, id }, transfer);
    return () => this.waiting.delete(id);
  }

  /** Asks for one answer. Throws Told if that is an error. */
  ask<A extends Answer["answer"]>(question: Question, kind: A, transfer: Transferable[] = []): Promise<Extract<Answer, { answer: A }>> {
    return new Promise((resolve, reject) => {
      const stop = this.send(question, (answer) => {
        stop();
        if (answer.answer === kind) resolve(answer as Extract<Answer, { answer: A }>);
        else if (answer.answer === "error") reject(new Told(answer.message, answer.fix));
        else reject(new Told(`the worker answered ${answer.answer}, not ${kind}`, "reload the page"));
      }, transfer);
    });
  }

  /** Ends the worker: its memory is given back at once. */
  end(): void {
    this.worker.terminate();
    this.waiting.clear();
  }
}
