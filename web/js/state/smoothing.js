/** How much lines are smoothed, on all charts of the page: `?smooth=0.9`. */
import * as url from "./url.js";

const MOST = 0.99;

/** From 0 (not at all) to `MOST`. */
export function get() {
  const weight = Number(url.read("smooth"));
  return weight > 0 ? Math.min(MOST, weight) : 0;
}

/** @param {number} weight */
export const set = (weight) => url.write({ smooth: weight > 0 ? String(weight) : null });
