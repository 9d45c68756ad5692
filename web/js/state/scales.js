/** Which charts were switched to another vertical scale: `?log=loss&linear=angle/epoch`. */
import * as url from "./url.js";

/** @typedef {"linear" | "log"} Scale */

/** @param {string} chart @returns {Scale | null} */
export function of(chart) {
  if (url.readAll("log").includes(chart)) return "log";
  return url.readAll("linear").includes(chart) ? "linear" : null;
}

/** @param {string} chart @param {Scale} scale */
export function set(chart, scale) {
  const without = (/** @type {string} */ key) => url.readAll(key).filter((one) => one !== chart);
  const other = scale === "log" ? "linear" : "log";
  url.write({ [scale]: [...without(scale), chart], [other]: without(other) });
}
