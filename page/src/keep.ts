// What survives a reload: the list, kept lines and the theme, in this browser's localStorage alone.

import type { KeptLine } from "./run";

const ORIGINS = ["train", "val", "test", "prior", "known", "new"];
export interface KeptList { name: string; text: string | ArrayBuffer; column?: string; labelColumn?: string; delimiter?: string; mend?: boolean; asIs?: boolean }

const MOST_LIST = 4_000_000; // characters: browsers allow 5 million in all

/** Storage of one page: pages from disk share one store, so each has a name of its own. */
export class Keep {
  constructor(private readonly page: string) {}

  /** Returns whether it could be kept; a browser may refuse, or have no room. */
  private write(what: string, value: unknown): boolean {
    try {
      localStorage.setItem(`makemore/${this.page}/${what}`, JSON.stringify(value));
      return true;
    } catch {
      return false;
    }
  }

  private read(what: string): unknown {
    try {
      return JSON.parse(localStorage.getItem(`makemore/${this.page}/${what}`) ?? "null") as unknown;
    } catch {
      return null;
    }
  }

  lines(): KeptLine[] {
    const read = this.read("kept");
    return Array.isArray(read) ? read.filter(isKeptLine) : [];
  }

  keepLines(lines: KeptLine[]): boolean {
    return this.write("kept", lines);
  }

  list(): KeptList | null {
    const read = this.read("list");
    if (typeof read !== "object" || read === null) return null;
    const { name, text, bytes, column, labelColumn, delimiter, mend, asIs } = read as Record<string, unknown>;
    if (typeof name !== "string") return null;
    const content = typeof text === "string" ? text : typeof bytes === "string" ? fromBase64(bytes) : null;
    if (content === null) return null;
    return { name, text: content, ...textsOf({ column, labelColumn, delimiter }), mend: mend === true, asIs: asIs === true };
  }

  keepList(list: KeptList): boolean {
    const { text, ...beside } = list;
    const content = typeof text === "string" ? { text } : { bytes: text.byteLength < MOST_LIST ? toBase64(text) : "" };
    const length = (content.text ?? content.bytes ?? "").length;
    if (length === 0 || length > MOST_LIST) {
      this.forgetList(); // an older list must not come back in place of this one
      return false;
    }
    return this.write("list", { ...beside, ...content });
  }

  theme(): string {
    const read = this.read("theme");
    return read === "light" || read === "dark" ? read : "";
  }

  keepTheme(theme: string): void {
    this.write("theme", theme);
  }

  private forgetList(): void {
    try {
      localStorage.removeItem(`makemore/${this.page}/list`);
    } catch { /* nothing was kept where storage is refused */ }
  }

  /** Forgets the list and the kept lines of this page. */
  forget(): void {
    this.forgetList();
    try {
      localStorage.removeItem(`makemore/${this.page}/kept`);
    } catch { /* as above */ }
  }
}

function isKeptLine(value: unknown): value is KeptLine {
  if (typeof value !== "object" || value === null) return false;
  const { text, nll, origin } = value as Record<string, unknown>;
  return typeof text === "string" && (nll === null || typeof nll === "number") && ORIGINS.includes(String(origin));
}

function textsOf(values: Record<string, unknown>): Record<string, string> {
  const texts = Object.entries(values).filter((each): each is [string, string] => typeof each[1] === "string");
  return Object.fromEntries(texts);
}

function toBase64(bytes: ArrayBuffer): string {
  let text = "";
  const all = new Uint8Array(bytes);
  for (let at = 0; at < all.length; at += 0x8000) text += String.fromCharCode(...all.subarray(at, at + 0x8000));
  return btoa(text);
}

function fromBase64(text: string): ArrayBuffer | null {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0)).buffer;
  } catch {
    return null;
  }
}
