// Events of the server, read from a fetch (an EventSource could not send the token); it is opened again after it broke.
//
// A browser opens at most six connections to a server, for all tabs together: so a tab that is hidden gives its own back.

import { request } from "./http";
import type { ServerEvent } from "./messages";
import type { Token } from "./token";

const SOON = 500, LATE = 10_000; // ms until it is tried again: at first, and at most
const SILENCE = 45_000; // ms: the server says something every 15 s, or the line is dead

export interface Heard {
  opened(): void; // a stream begins
  event(event: ServerEvent): void;
  broken(error: unknown): void; // it could not begin, or broke off
}

/** Follows the events while the page can be seen. */
export function followEvents(token: Token, heard: Heard): void {
  let current: AbortController | undefined, again: ReturnType<typeof setTimeout> | undefined, failures = 0;

  async function follow(aborter: AbortController): Promise<void> {
    let error: unknown, silence: ReturnType<typeof setTimeout> | undefined;
    const listen = (): void => {
      clearTimeout(silence);
      silence = setTimeout(() => aborter.abort(), SILENCE);
    };
    try {
      const { body } = await request(token, "/api/events", undefined, aborter.signal);
      failures = 0;
      heard.opened();
      listen();
      for await (const event of eventsOf(body!, listen)) if (current === aborter) heard.event(event);
    } catch (thrown) {
      error = thrown;
    }
    clearTimeout(silence);
    if (current !== aborter) return; // another one has taken its place
    heard.broken(error);
    again = setTimeout(turn, Math.min(LATE, SOON * 2 ** failures++));
  }

  function turn(): void {
    clearTimeout(again);
    const before = current;
    current = undefined;
    before?.abort();
    if (document.visibilityState === "visible") void follow((current = new AbortController()));
  }
  document.addEventListener("visibilitychange", turn);
  turn();
}

/** Cuts a text/event-stream into events; `listen` is called for every piece that comes. */
async function* eventsOf(body: ReadableStream<Uint8Array<ArrayBuffer>>, listen: () => void): AsyncGenerator<ServerEvent> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    listen();
    const blocks = (text + value).replaceAll("\r\n", "\n").split("\n\n");
    text = blocks.pop()!; // an event that has not come whole yet
    for (const block of blocks) {
      const field = (name: string): string | undefined => block.match(new RegExp(`^${name}: ?(.*)$`, "m"))?.[1];
      const event = field("event"), data = field("data"); // a comment has neither
      if (event && data) yield { event, data: JSON.parse(data) } as ServerEvent;
    }
  }
}
