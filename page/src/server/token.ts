// The token of the server: it comes in the printed link, and stays in this browser for this address alone.

const KEY = "makemore/server/token";

export interface Token {
  readonly isThere: boolean; // good or not
  readonly isNew: boolean; // the printed link was followed just now, and no page loaded again
  readonly headers: Record<string, string>;
  /** Forgets it, since the server does not take it: it is of another start. */
  forget(): void;
}

const HERE = ["127.0.0.1", "[::1]", "localhost"]; // where the page itself needs no token

/** Takes the token out of the URL, where it would be copied with a link; or the one that was kept. */
export function takeToken(): Token {
  const { search, pathname, hash, hostname } = location, given = new URLSearchParams(search).get("token");
  if (search && HERE.includes(hostname)) history.replaceState(null, "", pathname + hash);
  if (given) keep(given);
  let text = given ?? kept();
  return {
    get isThere() { return text !== ""; },
    isNew: given !== null,
    get headers(): Record<string, string> { return text ? { Authorization: `Bearer ${text}` } : {}; },
    forget: () => keep((text = "")),
  };
}

function kept(): string {
  try {
    return localStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

function keep(text: string): void {
  try {
    localStorage.setItem(KEY, text);
  } catch { /* where storage is refused, it lasts as long as the page */ }
}
