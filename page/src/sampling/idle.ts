// Idle: the work since the last new line, and its bound. A person waits for these draws: lines of a thousand symbols, or
// of ten thousand different ones, would be drawn for a minute before as many draws are in vain as the policy gives them.

const MOST_MS = 5000;
const MOST_SYMBOLS = 2 ** 23; // as many as 50,000 draws of 160 symbols

export class Idle {
  private symbols = 0; // that were drawn
  private ms = 0; // of the parts before
  private began = 0;

  /** Begin a part of a round. */
  begin(): void {
    this.began = performance.now();
  }

  spend(symbols: number): void {
    this.symbols += symbols;
  }

  /** End a part; found: whether it had a new line. */
  end(found: boolean): void {
    if (found) this.restart();
    else this.ms += performance.now() - this.began;
    this.began = Infinity;
  }

  restart(): void {
    this.symbols = this.ms = 0;
  }

  /** Whether all of it was in vain for too long. */
  get isOver(): boolean {
    const ms = this.ms + Math.max(0, performance.now() - this.began);
    return this.symbols >= MOST_SYMBOLS || ms >= MOST_MS;
  }
}
