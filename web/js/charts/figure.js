/**
 * From the columns of a points query to what is drawn. Pure, and without Plotly: lines, bands, flags and ticks in data
 * units. No spike disappears: a bucket of several points is drawn from its least to its greatest value, its edges as
 * lines of their own, and a point without neighbours as a dot.
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
 * @typedef {{x: number, text: string, values: number, within: boolean}} Flag Values that are not finite, marked on the
 *   axis; `text` is empty where their kind is not known. `within`: somewhere in a bucket that ends at x.
 * @typedef {{x: number, kind: "onset" | "detected", label: string, colour?: string, faint?: boolean}} Turn
 *
 * @typedef {object} Readable
 * @property {string} label
 * @property {string} colour
 * @property {number[]} x
 * @property {(i: number) => string} text All that lies under a point.
 * @property {(i: number) => string} now The newest value alone.
 *
 * @typedef {object} Figure
 * @property {DrawnLine[]} lines
 * @property {Band[]} bands
 * @property {Flag[]} flags
 * @property {Readable[]} readables What the readout says at a point, line by line.
 * @property {Turn[]} turns
 * @property {{value: number, label: string} | null} ceiling
 * @property {{range: [number, number], title: string}} x
 * @property {{range: [number, number], log: boolean}} y
 * @property {boolean} crowded Many lines: dots would hide what lies under them.
 * @property {number} hidden Values that a logarithmic axis cannot show.
 */
import { decode, number, quantity } from "../format.js";

const DOTS_UP_TO = 60;
/** More points than this are a texture, and a thinner line shows it better. */
const DENSE = 300;
/** The greatest value over the median, from which on a linear axis shows nothing else. */
const FLATTENS = 300;

/** @param {Values} values @param {boolean} log */
const drawable = (values, log) =>
  values.map((value) => (value === null || !Number.isFinite(value) || (log && value <= 0) ? null : value));

/**
 * Which points need a dot: all where there are few, else those that no line reaches.
 * @param {Values} y
 * @param {boolean} [crowded]
 */
function dotsOf(y, crowded = false) {
  const some = y.length <= DOTS_UP_TO && !crowded;
  return y.flatMap((value, i) =>
    value !== null && (some || ((y[i - 1] ?? null) === null && (y[i + 1] ?? null) === null)) ? [i] : [],
  );
}

/**
 * @param {LineSpec} line
 * @param {ScalarColumns} columns
 * @param {number[]} x
 * @param {Columns | undefined} error
 * @param {string} unit
 */
function readScalar(line, columns, x, error, unit) {
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
function flagsOf(columns, x) {
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
function addScalar(figure, line, columns, x, error, unit) {
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
  figure.lines.push({
    ...common,
    part: "mean",
    y: mean,
    width: line.dash ? 1.4 : columns.exact && mean.length > DENSE ? 1.1 : 1.7,
    opacity: 1,
    dash: line.dash,
    dots: line.dash ? [] : dotsOf(mean, figure.crowded),
  });
  figure.flags.push(...flagsOf(columns, x));
  figure.readables.push(readScalar(line, columns, x, error, unit));
  if (log)
    figure.hidden += columns.mean.reduce(
      (/** @type {number} */ n, value, i) => n + (value !== null && Number(columns.min[i]) <= 0 ? 1 : 0),
      0,
    );
}

/**
 * @param {Figure} figure
 * @param {LineSpec} line
 * @param {DistributionColumns} columns
 * @param {number[]} x
 * @param {string} unit
 * @param {boolean} brief Among several, where a line has little room.
 */
function addDistribution(figure, line, columns, x, unit, brief) {
  /** @type {(field: string) => Values} */
  const values = (field) => (columns.quantiles[field] ?? []).map(decode);
  /** @type {(field: string) => Values} */
  const drawn = (field) => drawable(values(field), figure.y.log);
  const common = { series: line.series, x, colour: line.colour };
  figure.bands.push(
    { ...common, low: drawn("p5"), high: drawn("p95"), opacity: 0.14 },
    { ...common, low: drawn("p25"), high: drawn("p75"), opacity: 0.26 },
  );
  for (const part of ["min", "max"]) figure.lines.push({ ...common, part, y: drawn(part), width: 1, opacity: 0.38 });
  const median = values("p50");
  const [p5, p95] = [values("p5"), values("p95")];
  const middle = drawable(median, figure.y.log);
  figure.lines.push({ ...common, part: "median", y: middle, width: 1.7, opacity: 1, dots: dotsOf(middle) });
  if (figure.y.log) figure.hidden += values("min").filter((value) => value !== null && value <= 0).length;
  median.forEach((value, i) => {
    if (value !== null && !Number.isFinite(value)) figure.flags.push({ x: x[i], text: quantity(value, ""), values: 1, within: false });
  });
  const text = (/** @type {number} */ i) => {
    const range = `${number(p5[i], 2)}…${number(p95[i], 2)}`;
    return brief ? `${quantity(median[i], unit)} (${range})` : `median ${quantity(median[i], unit)}, 90 % in ${range}`;
  };
  figure.readables.push({ label: line.label, colour: line.colour, x, text, now: text });
}

/** @param {Figure} figure @param {ChartSpec} chart @returns {[number, number]} */
function rangeOfY(figure, chart) {
  let low = Infinity;
  let high = -Infinity;
  const include = (/** @type {number | null} */ value) => {
    if (value === null) return;
    low = Math.min(low, value);
    high = Math.max(high, value);
  };
  for (const line of figure.lines) line.y.forEach(include);
  for (const band of figure.bands) [band.low, band.high].forEach((edge) => edge.forEach(include));
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
 * @param {(line: LineSpec, name: string) => Columns | undefined} columnsOf
 * @param {(line: LineSpec, step: number, time: number) => number} place
 * @param {{log: boolean, range: [number, number], title: string, turns: Turn[]}} view
 * @returns {Figure}
 */
export function figureOf(chart, columnsOf, place, view) {
  /** @type {Figure} */
  const figure = {
    lines: [],
    bands: [],
    flags: [],
    readables: [],
    turns: view.turns,
    ceiling: chart.ceiling,
    x: { range: view.range, title: view.title },
    y: { range: [0, 1], log: view.log },
    crowded: chart.lines.length > 2,
    hidden: 0,
  };
  // The title names the unit; only a sign that belongs to its number is repeated with it.
  const unit = chart.unit === "°" || chart.unit === "%" ? chart.unit : "";
  for (const line of chart.lines) {
    const columns = columnsOf(line, line.series);
    if (!columns) {
      figure.readables.push({ label: line.label, colour: line.colour, x: [], text: () => "", now: () => "" });
      continue;
    }
    const x = columns.step.map((step, i) => place(line, step, columns.time[i]));
    if (columns.kind === "scalar")
      addScalar(figure, line, columns, x, line.error ? columnsOf(line, line.error) : undefined, unit);
    else addDistribution(figure, line, columns, x, unit, chart.lines.length > 1);
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
