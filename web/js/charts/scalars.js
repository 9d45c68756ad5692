/**
 * How numbers over training are drawn. No spike disappears: a bucket of several points is drawn from its least to its
 * greatest value, its edges as lines of their own, and a point without neighbours as a dot. Pure.
 *
 * @typedef {import("../types.js").Columns} Columns
 * @typedef {import("../types.js").ScalarColumns} ScalarColumns
 * @typedef {import("./figure.js").Figure} Figure
 * @typedef {import("./figure.js").Flag} Flag
 * @typedef {import("./figure.js").Values} Values
 * @typedef {import("./spec.js").Line} LineSpec
 */
import { decode, number, quantity } from "../format.js";

const DOTS_UP_TO = 60;
/** More points than this are a texture, and a thinner line shows it better. */
const DENSE = 300;

/** @param {Values} values @param {boolean} log */
export const drawable = (values, log) =>
  values.map((value) => (value === null || !Number.isFinite(value) || (log && value <= 0) ? null : value));

/**
 * Which points need a dot: all where there are few, else those that no line reaches.
 * @param {Values} y
 * @param {boolean} [crowded]
 */
export function dotsOf(y, crowded = false) {
  const some = y.length <= DOTS_UP_TO && !crowded;
  return y.flatMap((value, i) =>
    value !== null && (some || ((y[i - 1] ?? null) === null && (y[i + 1] ?? null) === null)) ? [i] : [],
  );
}

/**
 * Exponential average over what is drawn, as if its first value had always been the average of what came so far.
 * @param {Values} values
 * @param {number} weight
 */
export function smoothed(values, weight) {
  let sum = 0;
  let total = 0;
  return values.map((value) => {
    if (value === null) return null;
    sum = weight * sum + (1 - weight) * value;
    total = weight * total + (1 - weight);
    return sum / total;
  });
}

/**
 * @param {LineSpec} line
 * @param {ScalarColumns} columns
 * @param {number[]} x
 * @param {Columns | undefined} error
 * @param {string} unit
 */
export function readScalar(line, columns, x, error, unit) {
  const errors = error?.kind === "scalar" ? new Map(error.step.map((step, i) => [step, error.mean[i]])) : null;
  return {
    label: line.label,
    colour: line.colour,
    x,
    now: (/** @type {number} */ i) => {
      const spread = errors?.get(columns.step[i]);
      const last = decode(columns.last[i]);
      return spread && last !== null && Number.isFinite(last)
        ? `${quantity(last, "")} ± ${number(spread, 2)}${unit}`
        : quantity(last, last !== null && Number.isFinite(last) ? unit : "");
    },
    text: (/** @type {number} */ i) => {
      if (columns.non_finite[i] && columns.count[i] === columns.non_finite[i])
        return quantity(decode(columns.last[i]), "");
      const spread = errors?.get(columns.step[i]);
      const wide = columns.count[i] > 1 && columns.min[i] !== columns.max[i];
      const bad = columns.non_finite[i] ? `, ${columns.non_finite[i]} not finite` : "";
      if (wide) return `${number(columns.min[i])}…${quantity(columns.max[i], unit)}${bad}`;
      return spread
        ? `${quantity(columns.mean[i], "")} ± ${number(spread, 2)}${unit}`
        : quantity(columns.mean[i], unit) + bad;
    },
  };
}

/** @param {ScalarColumns} columns @param {number[]} x @returns {Flag[]} */
export function flagsOf(columns, x) {
  return columns.non_finite.flatMap((n, i) => {
    if (!n) return [];
    const last = decode(columns.last[i]);
    const text = last !== null && !Number.isFinite(last) ? quantity(last, "") : "";
    return [{ x: x[i], text, values: n, within: columns.count[i] > 1 }];
  });
}

/**
 * @param {Figure} figure
 * @param {LineSpec} line
 * @param {ScalarColumns} columns
 * @param {number[]} x
 * @param {Columns | undefined} error
 * @param {string} unit
 */
export function addScalar(figure, line, columns, x, error, unit) {
  const { log } = figure.y;
  const mean = drawable(columns.mean, log);
  const low = drawable(columns.min, log);
  const high = drawable(columns.max, log);
  const common = { series: line.series, x, colour: line.colour };
  if (!columns.exact) {
    figure.bands.push({ ...common, low, high, opacity: 0.16 });
    figure.lines.push(
      { ...common, part: "max", y: high, width: 1, opacity: 0.5, dots: dotsOf(high) },
      { ...common, part: "min", y: low, width: 1, opacity: 0.5 },
    );
  } else if (error?.kind === "scalar") {
    const spread = new Map(error.step.map((step, i) => [step, error.mean[i]]));
    const shift = (/** @type {number} */ sign) =>
      drawable(
        columns.mean.map((value, i) => (value === null ? null : value + sign * (spread.get(columns.step[i]) ?? 0))),
        log,
      );
    figure.bands.push({ ...common, low: shift(-1), high: shift(1), opacity: 0.22 });
  }
  const isSmoothed = figure.smoothing > 0 && !line.dash;
  figure.lines.push({
    ...common,
    part: "mean",
    y: mean,
    width: line.dash ? 1.4 : isSmoothed || (columns.exact && mean.length > DENSE) ? 1.1 : 1.7,
    opacity: isSmoothed ? 0.35 : 1,
    dash: line.dash,
    dots: line.dash ? [] : dotsOf(mean, figure.crowded || isSmoothed),
  });
  if (isSmoothed)
    figure.lines.push({ ...common, part: "smoothed", y: smoothed(mean, figure.smoothing), width: 1.9, opacity: 1 });
  figure.flags.push(...flagsOf(columns, x));
  figure.readables.push(readScalar(line, columns, x, error, unit));
  if (log)
    figure.hidden += columns.mean.reduce(
      (/** @type {number} */ n, value, i) => n + (value !== null && Number(columns.min[i]) <= 0 ? 1 : 0),
      0,
    );
}
