// Requests to the server that this page came from, with the token; errors are those that the server words.

import { Told } from "../told";
import type { Token } from "./token";

/** The server's refusal: it answers, and says no. */
export class Refused extends Told {}

/** Asks the server; `body` makes it a POST of JSON. Throws Refused for an answer that is an error, Told where none comes. */
export async function request(token: Token, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  const response = await fetch(path, {
    cache: "no-store", headers: { ...token.headers, ...(body !== undefined && { "Content-Type": "application/json" }) },
    ...(body !== undefined && { method: "POST", body: JSON.stringify(body) }), ...(signal && { signal }),
  }).catch(() => {
    throw new Told("the server does not answer", "start it again with makemore serve");
  });
  if (response.ok) return response;
  if (response.status === 401) {
    token.forget();
    throw new Refused("the server has another token by now", "open the link that makemore serve printed when it started");
  }
  const { error } = (await response.json().catch(() => ({}))) as { error?: { message?: string; fix?: string } };
  throw new Refused(error?.message ?? `the server refused it (${response.status})`, error?.fix ?? "");
}
