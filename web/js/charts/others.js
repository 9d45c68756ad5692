/** Charts of the series that have no place of their own. Pure. */
import { spec } from "./spec.js";

/** @typedef {import("../types.js").Series} Series */
/** @typedef {import("./spec.js").ChartSpec} ChartSpec */
/** @typedef {import("./spec.js").Colour} Colour */

const LINES_A_CHART = 8;

/** @param {string} name */
const parentOf = (name) => name.split("/").slice(0, -1).join("/");

/** Those that share all but the last part of the name, the unit and the kind. @param {Series[]} all */
function families(all) {
  /** @type {Map<string, Series[]>} */
  const found = new Map();
  for (const series of all) {
    const parent = parentOf(series.name);
    const isAlone = series.kind === "distribution" || !parent;
    const key = JSON.stringify([isAlone ? series.name : parent, series.unit, series.kind]);
    const family = found.get(key);
    if (family) family.push(series);
    else found.set(key, [series]);
  }
  return [...found.values()];
}

/** @param {Series[]} some @returns {ChartSpec} */
function chartOf(some) {
  const [first] = some;
  const isAlone = some.length === 1;
  const lines = some.map((series, i) => ({
    series: series.name,
    label: isAlone ? "" : (series.name.split("/").pop() ?? ""),
    colour: /** @type {Colour} */ (isAlone ? "other" : `run-${i}`),
    source: 0,
  }));
  const title = isAlone ? first.name : parentOf(first.name);
  return spec({ id: first.name, title, lines, scale: first.unit === "°" ? "log" : "linear" }, first);
}

/** @param {Series[]} all @returns {ChartSpec[]} */
export function chartsOfOthers(all) {
  return families(all).flatMap((family) => {
    const charts = Math.ceil(family.length / LINES_A_CHART);
    const edge = (/** @type {number} */ i) => Math.round((i * family.length) / charts);
    return Array.from({ length: charts }, (_, i) => chartOf(family.slice(edge(i), edge(i + 1))));
  });
}
