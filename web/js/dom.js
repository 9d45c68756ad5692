/**
 * Elements from code. Text only ever enters the page as text nodes: what a run is called can never become markup.
 *
 * @typedef {Node | string | number | null | undefined | false} Child
 * @typedef {Record<string, unknown> & {on?: Record<string, (event: any) => void>, part?: string}} Props
 */

const SVG = "http://www.w3.org/2000/svg";

/** @param {Element} element @param {Props} props */
function assign(element, props) {
  for (const [key, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "on")
      for (const [type, listener] of Object.entries(/** @type {any} */ (value)))
        element.addEventListener(type, listener);
    else if (key === "part") element.setAttribute("data-part", String(value));
    else element.setAttribute(key, value === true ? "" : String(value));
  }
}

/** @param {string} tag @param {Props} [props] @param {...Child} children @returns {any} */
export function el(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  assign(element, props);
  element.append(
    ...children
      .filter((child) => child !== null && child !== undefined && child !== false)
      .map((child) => (child instanceof Node ? child : String(child))),
  );
  return element;
}

/** @param {string} tag @param {Props} [props] @param {...Node} children @returns {any} */
export function svg(tag, props = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  assign(element, props);
  element.append(...children);
  return element;
}

/** A small stroked picture for a button. @param {string} path */
export const picture = (path) => svg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, svg("path", { d: path }));

/**
 * Text from outside: isolated, so that its direction cannot turn what stands beside it.
 * @param {string} text
 * @param {Props} [props]
 */
export const foreign = (text, props = {}) => el("bdi", { dir: "auto", ...props }, printable(text));

/** Text from outside that may have several lines. @param {string} text */
export const foreignLines = (text) =>
  el("bdi", { dir: "auto", class: "lines" }, text.replace(/\r\n?/g, "\n").split("\n").map(printable).join("\n"));

/**
 * Control and direction-override characters as visible signs: a name must not be able to look like another.
 * @param {string} text
 */
export function printable(text) {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code < 0x20 ? String.fromCodePoint(0x2400 + code) : "\ufffd";
  });
}

/**
 * Changes text only where it differs, so that a screen reader hears news and nothing else.
 * @param {Node} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** @param {Element} root @param {...Child} children */
export function replace(root, ...children) {
  root.replaceChildren(
    .../** @type {Node[]} */ (children.filter((child) => child !== null && child !== undefined && child !== false)),
  );
}
