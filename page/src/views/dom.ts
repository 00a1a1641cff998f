// Elements without markup: text is always a text node, so a line of a list can never be HTML.

export type Child = Node | string | null | false | undefined;
type Value = string | number | boolean | null | undefined | ((event: never) => void);
export type Attributes = Record<string, Value> & { style?: never };

/** Makes an element: h("button", { class: "quiet", onclick: keep }, "Keep"). */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K, attributes: Attributes = {}, ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  setAll(element, attributes);
  add(element, children);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** Makes an element of SVG. */
export function s<K extends keyof SVGElementTagNameMap>(
  tag: K, attributes: Attributes = {}, ...children: Child[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS(SVG, tag);
  setAll(element, attributes);
  add(element, children);
  return element;
}

function setAll(element: Element, attributes: Attributes): void {
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key.slice(2), value as EventListener);
    else set(element, key, value);
  }
}

/** Sets an attribute; true is the empty one; false, null and undefined remove it. */
export function set(element: Element, key: string, value: Exclude<Value, (event: never) => void>): void {
  if (value === false || value === null || value === undefined) element.removeAttribute(key);
  else {
    const text = value === true ? "" : String(value);
    if (element.getAttribute(key) !== text) element.setAttribute(key, text); // a browser computes styles anew for the same, too
  }
}

function add(element: Element, children: Child[]): void {
  for (const child of children) if (child !== null && child !== false && child !== undefined) element.append(child);
}

/** Writes a text where it is another one: what stays need not be laid out again. */
export function write(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Replaces what is in an element. */
export function fill(element: Element, ...children: Child[]): void {
  element.replaceChildren();
  add(element, children);
}

/** Names what a step of the tour points at. */
export function pointed<E extends HTMLElement>(name: string, element: E): E {
  element.dataset["tour"] = name;
  return element;
}

let last = 0;
/** Makes an id that no other element of the page has. */
export function newId(): string {
  return `m${++last}`;
}
