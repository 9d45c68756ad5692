/**
 * How distributions are drawn: over training as boxes, or as bands where several runs share a chart. A box spans the
 * middle half of the samples, its whiskers 90 %, and the least and greatest are marks of their own. Pure.
 *
 * @typedef {import("../types.js").DistributionColumns} DistributionColumns
 * @typedef {import("./figure.js").Boxes} Boxes
 * @typedef {import("./figure.js").Figure} Figure
 * @typedef {import("./figure.js").Values} Values
 * @typedef {import("./spec.js").Line} LineSpec
 * @typedef {"whole" | "range" | "median"} Words How much is said of one: the more share the readout, the less.
 */
import { decode, number, quantity } from "../format.js";
import { dotsOf, drawable } from "./scalars.js";

const PARTS = /** @type {const} */ (["min", "p5", "p25", "p50", "p75", "p95", "max"]);

/** @param {DistributionColumns} columns @param {string} part @returns {Values} */
export const quantile = (columns, part) => (columns.quantiles[part] ?? []).map(decode);

/**
 * @param {DistributionColumns} columns
 * @param {string} unit
 * @param {Words} words
 * @returns {(i: number) => string}
 */
export function wordsOf(columns, unit, words) {
  const [p5, median, p95] = ["p5", "p50", "p95"].map((part) => quantile(columns, part));
  return (i) => {
    const middle = quantity(median[i], unit);
    const range = `${number(p5[i], 2)}…${number(p95[i], 2)}`;
    return { whole: `median ${middle}, 90 % in ${range}`, range: `${middle} (${range})`, median: middle }[words];
  };
}

/**
 * What a distribution says whichever way it is drawn.
 * @param {Figure} figure
 * @param {LineSpec} line
 * @param {DistributionColumns} columns
 * @param {number[]} x
 * @param {string} unit
 * @param {Words} words
 */
function tell(figure, line, columns, x, unit, words) {
  if (figure.y.log) figure.hidden += quantile(columns, "min").filter((value) => value !== null && value <= 0).length;
  quantile(columns, "p50").forEach((value, i) => {
    if (value !== null && !Number.isFinite(value))
      figure.flags.push({ x: x[i], text: quantity(value, ""), values: 1, within: false });
  });
  const text = wordsOf(columns, unit, words);
  figure.readables.push({ label: line.label, colour: line.colour, x, text, now: text });
}

/**
 * @param {Figure} figure
 * @param {LineSpec} line
 * @param {DistributionColumns} columns
 * @param {number[]} x
 * @param {string} unit
 * @param {Words} words
 */
export function addBands(figure, line, columns, x, unit, words) {
  const drawn = (/** @type {string} */ part) => drawable(quantile(columns, part), figure.y.log);
  const common = { series: line.series, x, colour: line.colour };
  figure.bands.push(
    { ...common, low: drawn("p5"), high: drawn("p95"), opacity: 0.14 },
    { ...common, low: drawn("p25"), high: drawn("p75"), opacity: 0.26 },
  );
  for (const part of ["min", "max"]) figure.lines.push({ ...common, part, y: drawn(part), width: 1, opacity: 0.38 });
  const middle = drawn("p50");
  figure.lines.push({ ...common, part: "median", y: middle, width: 1.7, opacity: 1, dots: dotsOf(middle) });
  tell(figure, line, columns, x, unit, words);
}

/**
 * @param {Figure} figure
 * @param {LineSpec} line
 * @param {DistributionColumns} columns
 * @param {number[]} x
 * @param {string} unit
 * @param {Words} words
 */
export function addBoxes(figure, line, columns, x, unit, words) {
  const parts = Object.fromEntries(PARTS.map((part) => [part, drawable(quantile(columns, part), figure.y.log)]));
  figure.boxes.push(/** @type {Boxes} */ ({ series: line.series, colour: line.colour, x, ...parts }));
  tell(figure, line, columns, x, unit, words);
}

/** @param {Values} values @param {(...all: number[]) => number} choose */
function extreme(values, choose) {
  const known = values.filter((value) => value !== null);
  return known.length ? choose(...known) : null;
}

/**
 * At most so many boxes as there is room for: each is the newest of those in its place, between the least and the
 * greatest value of them all.
 * @param {Boxes} boxes
 * @param {[number, number]} range
 * @param {number} room
 * @returns {Boxes}
 */
export function thinned(boxes, [low, high], room) {
  const width = (high - low) / Math.max(1, room);
  /** @type {Map<number, number[]>} */
  const places = new Map();
  boxes.x.forEach((x, i) => {
    if (x < low - width || x > high + width || boxes.p50[i] === null) return;
    const place = Math.floor((x - low) / width);
    places.set(place, [...(places.get(place) ?? []), i]);
  });
  const groups = [...places.values()];
  const newest = groups.map((group) => group[group.length - 1]);
  const kept = Object.fromEntries(PARTS.map((part) => [part, newest.map((i) => boxes[part][i])]));
  const over = (/** @type {"min" | "max"} */ part) =>
    groups.map((group) =>
      extreme(
        group.map((i) => boxes[part][i]),
        Math[part],
      ),
    );
  return /** @type {Boxes} */ ({
    ...boxes,
    ...kept,
    x: newest.map((i) => boxes.x[i]),
    min: over("min"),
    max: over("max"),
  });
}
