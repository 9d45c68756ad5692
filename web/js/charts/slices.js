/**
 * One moment of a family of series, across what the last part of their names counts: the length of a way, the depth of a
 * layer. Distributions are boxes, numbers are a line. Pure.
 *
 * @typedef {import("../types.js").Columns} Columns
 * @typedef {import("./spec.js").ChartSpec} ChartSpec
 * @typedef {import("./spec.js").Line} Line
 */
import { decode, quantity } from "../format.js";
import { quantile, wordsOf } from "./distributions.js";
import { emptyFigure, rangeOfY } from "./figure.js";
import { drawable } from "./scalars.js";

const PARTS = ["min", "p5", "p25", "p50", "p75", "p95", "max"];

/**
 * The steps at which anything of the chart was measured, ascending.
 * @param {ChartSpec} chart
 * @param {(name: string) => Columns | undefined} columnsOf
 */
export const stepsOf = (chart, columnsOf) =>
  [...new Set(chart.lines.flatMap((line) => columnsOf(line.series)?.step ?? []))].sort((a, b) => a - b);

/** Lines of one name belong together. @param {ChartSpec} chart @returns {Line[][]} */
const groupsOf = (chart) => [...Map.groupBy(chart.lines, (line) => line.label).values()];

/** @param {Columns | undefined} columns @param {number} step */
const indexOf = (columns, step) => columns?.step.indexOf(step) ?? -1;

/**
 * @param {ChartSpec} chart
 * @param {(name: string) => Columns | undefined} columnsOf
 * @param {number} step One of `stepsOf`.
 * @param {boolean} log
 * @returns {import("./figure.js").Figure}
 */
export function sliceOf(chart, columnsOf, step, log) {
  const places = [...new Map(chart.lines.map((line) => [line.at ?? 0, line.tick ?? ""]))].sort(([a], [b]) => a - b);
  const ticks = places.map(([value, text]) => ({ value, text }));
  const [first, last] = [ticks[0].value, ticks[ticks.length - 1].value];
  const pad = ticks.length > 1 ? (0.7 * (last - first)) / (ticks.length - 1) : 1;
  const figure = emptyFigure(chart, { range: [first - pad, last + pad], title: chart.across, ticks }, log, []);
  for (const lines of groupsOf(chart)) {
    const known = lines
      .filter((line) => indexOf(columnsOf(line.series), step) >= 0)
      .sort((a, b) => (a.at ?? 0) - (b.at ?? 0));
    const [{ label, colour }] = lines;
    const x = known.map((line) => line.at ?? 0);
    const say = (/** @type {number} */ i) => wordAt(columnsOf(known[i].series), step);
    figure.readables.push({ label, colour, x, text: say, now: say });
    if (!known.length) continue;
    const common = { series: lines[0].series, colour, x };
    const columns = known.map((line) => /** @type {Columns} */ (columnsOf(line.series)));
    if (chart.kind === "distribution") {
      const parts = PARTS.map((part) => [
        part,
        drawable(
          columns.map((one) => at(one, part, step)),
          log,
        ),
      ]);
      figure.boxes.push({ ...common, ...Object.fromEntries(parts) });
    } else {
      const y = drawable(
        columns.map((one) => at(one, "", step)),
        log,
      );
      figure.lines.push({
        ...common,
        part: "slice",
        y,
        width: 1.7,
        opacity: 1,
        dots: y.flatMap((value, i) => (value === null ? [] : [i])),
      });
    }
    const values = columns.map((one) => at(one, chart.kind === "distribution" ? "p50" : "", step));
    values.forEach((value, i) => {
      if (value !== null && !Number.isFinite(value))
        figure.flags.push({ x: x[i], text: quantity(value, ""), values: 1, within: false });
      else if (log && value !== null && value <= 0) figure.hidden += 1;
    });
  }
  figure.y.range = rangeOfY(figure, chart);
  return figure;
}

/** @param {Columns} columns @param {string} part @param {number} step */
const at = (columns, part, step) =>
  columns.kind === "distribution"
    ? quantile(columns, part)[indexOf(columns, step)]
    : decode(columns.last[indexOf(columns, step)]);

/** @param {Columns | undefined} columns @param {number} step */
function wordAt(columns, step) {
  if (!columns) return "";
  const i = indexOf(columns, step);
  return columns.kind === "distribution" ? wordsOf(columns, "", "range")(i) : quantity(decode(columns.last[i]), "");
}
