/**
 * From the columns of a points query to what is drawn. Pure, and without Plotly: lines, bands, boxes, flags and ticks in
 * data units.
 *
 * @typedef {import("../types.js").Columns} Columns
 * @typedef {import("../types.js").ScalarColumns} ScalarColumns
 * @typedef {import("../types.js").DistributionColumns} DistributionColumns
 * @typedef {import("./spec.js").ChartSpec} ChartSpec
 * @typedef {import("./spec.js").Line} LineSpec
 * @typedef {import("./ticks.js").Tick} Tick
 * @typedef {(number | null)[]} Values
 *
 * @typedef {object} DrawnLine
 * @property {string} series
 * @property {string} part What of the series it is: its mean, its greatest values, ...
 * @property {number[]} x
 * @property {Values} y
 * @property {string} colour
 * @property {number} width
 * @property {number} opacity
 * @property {string} [dash]
 * @property {number[]} [dots] The points that are drawn as dots too.
 *
 * @typedef {{series: string, x: number[], low: Values, high: Values, colour: string, opacity: number}} Band
 * @typedef {{series: string, colour: string, x: number[], min: Values, p5: Values, p25: Values, p50: Values, p75: Values, p95: Values, max: Values}} Boxes
 * @typedef {{x: number[], names: string[], values: Values[], range: [number, number]}} Heat A row of values for each
 *   name, and the least and greatest of them that are above zero.
 * @typedef {{x: number, text: string, values: number, within: boolean}} Flag Values that are not finite, marked on the
 *   axis; `text` is empty where their kind is not known. `within`: somewhere in a bucket that ends at x.
 * @typedef {{x: number, kind: "onset" | "detected" | "attempt", label: string, colour?: string, faint?: boolean}} Turn
 *
 * @typedef {object} Readable
 * @property {string} label
 * @property {string} colour
 * @property {number[]} x
 * @property {(i: number, row?: number) => string} text All that lies under a point, and in which row of a heat map.
 * @property {(i: number) => string} now The newest value alone.
 *
 * @typedef {object} Figure
 * @property {DrawnLine[]} lines
 * @property {Band[]} bands
 * @property {Boxes[]} boxes
 * @property {Heat | null} heat
 * @property {Flag[]} flags
 * @property {Readable[]} readables What the readout says at a point, line by line.
 * @property {Turn[]} turns
 * @property {{value: number, label: string} | null} ceiling
 * @property {{range: [number, number], title: string, ticks?: Tick[]}} x Without ticks of its own: steps, epochs or time.
 * @property {{range: [number, number], log: boolean}} y
 * @property {boolean} crowded Many lines: dots would hide what lies under them.
 * @property {number} smoothing How much of the average before a point weighs in its smoothed line, from 0 (none) to 1.
 * @property {number} hidden Values that a logarithmic axis cannot show.
 */
import { addBands, addBoxes } from "./distributions.js";
import { addHeat } from "./heat.js";
import { addScalar, readScalar } from "./scalars.js";

/** The greatest value over the median, from which on a linear axis shows nothing else. */
const FLATTENS = 300;
const BOX_WORDS = /** @type {const} */ (["whole", "range"]);

/** @param {Figure} figure @param {ChartSpec} chart @returns {[number, number]} */
export function rangeOfY(figure, chart) {
  let low = Infinity;
  let high = -Infinity;
  const include = (/** @type {number | null} */ value) => {
    if (value === null) return;
    low = Math.min(low, value);
    high = Math.max(high, value);
  };
  for (const line of figure.lines) line.y.forEach(include);
  for (const band of figure.bands) [band.low, band.high].forEach((edge) => edge.forEach(include));
  for (const { min, p5, p95, max } of figure.boxes) [min, p5, p95, max].forEach((edge) => edge.forEach(include));
  if (!figure.y.log && chart.bounds) chart.bounds.forEach(include);
  if (low > high) return figure.y.log ? [0.1, 10] : [0, 1];
  if (figure.y.log) {
    const factor = Math.min(10, Math.max(1.15, (high / low) ** 0.06));
    return [Math.max(low / factor, Number.MIN_VALUE), Math.min(high * factor, Number.MAX_VALUE)];
  }
  const pad = high > low ? (high - low) * 0.07 : Math.abs(high) * 0.1 || 1;
  const floor = low >= 0 && low - pad < 0 ? (chart.bounds ? -pad * 0.3 : 0) : low - pad;
  return [floor, high + pad];
}

/**
 * Whether a chart that chooses by itself needs a logarithmic axis.
 * @param {ChartSpec} chart
 * @param {(line: LineSpec, name: string) => Columns | undefined} columnsOf
 */
export function flattens(chart, columnsOf) {
  const columns = chart.lines.map((line) => columnsOf(line, line.series)).filter((found) => found?.kind === "scalar");
  const values = columns.flatMap(({ mean }) => mean.filter((value) => value !== null)).sort((a, b) => a - b);
  const least = Math.min(...columns.flatMap(({ min }) => min.map((value) => value ?? Infinity)));
  const most = Math.max(...columns.flatMap(({ max }) => max.map((value) => value ?? -Infinity)));
  return least > 0 && most > FLATTENS * values[values.length >> 1];
}

/**
 * @param {ChartSpec} chart
 * @param {Figure["x"]} x
 * @param {boolean} log
 * @param {Turn[]} turns
 * @returns {Figure}
 */
export const emptyFigure = (chart, x, log, turns) => ({
  lines: [],
  bands: [],
  boxes: [],
  heat: null,
  flags: [],
  readables: [],
  turns,
  ceiling: chart.ceiling,
  x,
  y: { range: [0, 1], log },
  crowded: chart.lines.length > 2,
  smoothing: 0,
  hidden: 0,
});

/**
 * @param {ChartSpec} chart
 * @param {(line: LineSpec, name: string) => Columns | undefined} columnsOf
 * @param {(line: LineSpec, step: number, time: number) => number} place
 * @param {{log: boolean, smoothing: number, range: [number, number], title: string, turns: Turn[]}} view
 * @returns {Figure}
 */
export function figureOf(chart, columnsOf, place, view) {
  /** @type {Figure} */
  const figure = emptyFigure(chart, { range: view.range, title: view.title }, view.log, view.turns);
  figure.smoothing = view.smoothing;
  if (chart.view === "heat") {
    addHeat(figure, chart, columnsOf, place);
    return figure;
  }
  // The title names the unit; only a sign that belongs to its number is repeated with it.
  const unit = chart.unit === "°" || chart.unit === "%" ? chart.unit : "";
  for (const line of chart.lines) {
    const columns = columnsOf(line, line.series);
    if (!columns) {
      figure.readables.push({ label: line.label, colour: line.colour, x: [], text: () => "", now: () => "" });
      continue;
    }
    const x = columns.step.map((step, i) => place(line, step, columns.time[i]));
    if (columns.kind === "scalar" && line.told) figure.readables.push(readScalar(line, columns, x, undefined, ""));
    else if (columns.kind === "scalar")
      addScalar(figure, line, columns, x, line.error ? columnsOf(line, line.error) : undefined, unit);
    else if (chart.view === "boxes")
      addBoxes(figure, line, columns, x, unit, BOX_WORDS[chart.lines.length - 1] ?? "median");
    else addBands(figure, line, columns, x, unit, chart.lines.length > 1 ? "range" : "whole");
  }
  figure.y.range = rangeOfY(figure, chart);
  if (view.log) figure.ceiling = null;
  return figure;
}

/**
 * The index of the entry of an ascending list that lies nearest to x; -1 for none.
 * @param {number[]} xs
 * @param {number} x
 */
export function nearest(xs, x) {
  let low = 0;
  let high = xs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (xs[middle] < x) low = middle + 1;
    else high = middle;
  }
  return low > 0 && (low === xs.length || x - xs[low - 1] <= xs[low] - x) ? low - 1 : low < xs.length ? low : -1;
}
