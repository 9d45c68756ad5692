/** The view is in the address: what one sees can be sent to somebody else, and survives a reload. */

/** @param {string} key */
export const read = (key) => new URLSearchParams(location.search).get(key);

/** @param {string} key */
export const readAll = (key) => new URLSearchParams(location.search).getAll(key);

/**
 * Replaces some parameters and leaves the others; null removes one.
 * @param {Record<string, string | string[] | null>} values
 */
export function write(values) {
  const url = new URL(location.href);
  for (const [key, value] of Object.entries(values)) {
    url.searchParams.delete(key);
    for (const one of Array.isArray(value) ? value : value === null || value === "" ? [] : [value])
      url.searchParams.append(key, one);
  }
  if (url.href !== location.href) history.replaceState(history.state, "", url);
}

/**
 * "from..to" as two numbers, the first smaller; null for anything else.
 * @param {string | null} text
 * @returns {[number, number] | null}
 */
export function parseRange(text) {
  const parts = (text ?? "").split("..");
  const range = parts.map(Number);
  return parts.length === 2 && parts.every(Boolean) && range.every(Number.isFinite) && range[0] < range[1]
    ? [range[0], range[1]]
    : null;
}

/** @param {[number, number] | null} range */
export const printRange = (range) => (range ? range.map((value) => Number(value.toPrecision(9))).join("..") : null);
