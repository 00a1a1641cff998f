// The worker: answers questions, and draws and learns in between. Nothing here touches the page.

import type { Answer, Ask } from "./contract";
import { Session } from "./work/session";
import { openTrial, type Trial } from "./work/trial";

type Body<A> = A extends { id: number } ? Omit<A, "id"> : never;
type Drawing = Generator<Body<Extract<Answer, { answer: "drawn" }>>, void>;

type Filing = Generator<Body<Extract<Answer, { answer: "file" }>>, void>;

/** What a worker's global object has; the types of a document and of a worker cannot both be loaded. */
interface Scope {
  onmessage: ((event: MessageEvent<Ask>) => void) | null;
  postMessage(answer: Answer, transfer?: Transferable[]): void;
}

const SLICE = 14; // ms of learning between two looks at the questions
const IDLE = 200; // ms after a draw in which nothing was asked
const TELL_EVERY = 100; // ms between two words about how it goes

class Server {
  private readonly session = new Session();
  private trial: Trial | null = null;
  private drawing: { id: number; lines: Drawing } | null = null;
  private filing: { id: number; parts: Filing } | null = null;
  private learning = 0; // the id of the question that a training answers; 0: none
  private playing = false;
  private told = 0; // when the training was told of last
  private before: Promise<void> = Promise.resolve();
  private readonly channel = new MessageChannel();
  private idle: ReturnType<typeof setTimeout> | undefined;
  private waiting = false; // for the next slice

  constructor(private readonly scope: Scope) {
    this.channel.port1.onmessage = () => {
      this.waiting = false;
      this.work();
    };
    // One question after another: a list has to be there before it is drawn from.
    scope.onmessage = ({ data }) => { this.before = this.before.then(() => this.handle(data)); };
  }

  private post(id: number, answer: Body<Answer>, transfer: Transferable[] = []): void {
    this.scope.postMessage({ ...answer, id } as Answer, transfer);
  }

  private fail(id: number, error: unknown): void {
    const { message, fix } = error as { message?: string; fix?: string };
    this.post(id, { answer: "error", message: message ?? String(error), fix: fix ?? "" });
  }

  private async handle(ask: Ask): Promise<void> {
    try {
      await this.answer(ask);
    } catch (error) {
      this.fail(ask.id, error);
    }
    this.schedule();
  }

  private async answer(ask: Ask): Promise<void> {
    const { session } = this, { id } = ask;
    switch (ask.ask) {
      case "open": await session.open(ask); return this.post(id, session.about());
      case "weights": this.stop(); session.show(ask); return this.post(id, session.about());
      case "lines": return this.post(id, session.lines());
      case "about": return this.post(id, session.about());
      case "read": this.stop(); return this.post(id, session.read(ask));
      // A newer question for lines takes the place of an older one, whose answer nobody waits for.
      case "draw": this.drawing = { id, lines: session.draw(ask) }; return;
      case "like": this.drawing = { id, lines: session.like(ask) }; return;
      case "file": this.filing = { id, parts: session.file(ask) }; return;
      case "stop-file": this.filing = null; return this.post(id, { answer: "done" });
      case "next": return this.post(id, session.next(ask));
      case "score": return this.post(id, session.score(ask.lines));
      case "pairs": return this.post(id, session.pairs());
      case "map": return this.post(id, session.map());
      case "inside": return this.post(id, session.inside(ask));
      case "active": return this.post(id, session.active(ask));
      case "zip": { const zip = session.zip(); return this.post(id, zip, [zip.bytes]); }
      case "trial": this.trial = await openTrial(ask); return this.post(id, { answer: "trial", start: this.trial.start, point: this.trial.on(0) });
      case "trial-on": if (this.trial) this.post(id, { answer: "trial-on", point: this.trial.on(ask.until) }); return;
      case "train": this.stop(); session.train(ask.request); this.learning = id; this.playing = true; return;
      case "play": this.playing = true; return this.post(id, { answer: "done" });
      case "pause": this.playing = false; return this.post(id, { answer: "done" });
      case "one-step": this.playing = false; this.learn(true); return this.post(id, { answer: "done" });
      case "stop": this.stop(); session.forgetNetwork(); return this.post(id, { answer: "done" });
    }
  }

  private stop(): void {
    this.drawing = this.filing = null;
    this.learning = 0;
    this.playing = false;
    this.session.endTraining();
  }

  private schedule(): void {
    if (this.waiting || !(this.drawing || this.filing || (this.learning && this.playing))) return;
    this.waiting = true;
    this.channel.port2.postMessage(null);
  }

  /** One round of draws, or else of those for a file, or else one slice of learning. */
  private work(): void {
    if (this.drawing) this.drawOn(this.drawing);
    else if (this.filing) this.fileOn(this.filing);
    else if (this.learning && this.playing) this.learn(false);
    this.schedule();
  }

  private drawOn({ id, lines }: { id: number; lines: Drawing }): void {
    try {
      const { value, done } = lines.next();
      if (done) {
        this.drawing = null;
        clearTimeout(this.idle);
        this.idle = setTimeout(() => { if (!this.drawing && !this.learning) this.session.prepare(); }, IDLE);
      } else this.post(id, value);
    } catch (error) {
      this.drawing = null;
      this.fail(id, error);
    }
  }

  private fileOn({ id, parts }: { id: number; parts: Filing }): void {
    try {
      const { value, done } = parts.next();
      if (done) this.filing = null;
      else this.post(id, value, value.bytes ? [value.bytes] : []);
    } catch (error) {
      this.filing = null;
      this.fail(id, error);
    }
  }

  private learn(one: boolean): void {
    const id = this.learning;
    if (!id) return;
    try {
      const progress = this.session.learn(SLICE, one);
      if (progress.ended) this.learning = 0;
      const now = performance.now(), isNews = one || progress.ended || progress.samples || progress.waits;
      if (!isNews && now - this.told < TELL_EVERY) return;
      this.told = now;
      this.post(id, { answer: "progress", progress });
    } catch (error) {
      this.stop();
      this.fail(id, error);
    }
  }
}

new Server(globalThis as unknown as Scope);
