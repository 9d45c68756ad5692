/**
 * Many series that measure the same thing of different parts, such as the layers of a network: a row each, over training,
 * the value as a colour. Colours are logarithmic: what matters is by which factor a layer leapt. Pure.
 *
 * @typedef {import("../types.js").Columns} Columns
 * @typedef {import("./figure.js").Figure} Figure
 * @typedef {import("./spec.js").ChartSpec} ChartSpec
 */
import { quantity } from "../format.js";
import { flagsOf } from "./scalars.js";

/**
 * @param {Figure} figure
 * @param {ChartSpec} chart
 * @param {(line: import("./spec.js").Line, name: string) => Columns | undefined} columnsOf
 * @param {(line: import("./spec.js").Line, step: number, time: number) => number} place
 */
export function addHeat(figure, chart, columnsOf, place) {
  /** @type {Map<number, number>} */
  const times = new Map();
  const rows = chart.lines.map((line) => {
    const columns = columnsOf(line, line.series);
    if (columns?.kind !== "scalar") return new Map();
    columns.step.forEach((step, i) => times.set(step, columns.time[i]));
    figure.flags.push(
      ...flagsOf(
        columns,
        columns.step.map((step, i) => place(line, step, columns.time[i])),
      ),
    );
    // Of several points in one place the greatest counts: no leap disappears.
    return new Map(columns.step.map((step, i) => [step, columns.max[i]]));
  });
  const steps = [...times.keys()].sort((a, b) => a - b);
  const x = steps.map((step) => place(chart.lines[0], step, times.get(step) ?? 0));
  const values = rows.map((row) => steps.map((step) => row.get(step) ?? null));
  const positive = values.flat().filter((value) => value !== null && value > 0);
  const low = positive.reduce((least, value) => Math.min(least, value), Infinity);
  const high = positive.reduce((most, value) => Math.max(most, value), 0);
  figure.heat = {
    x,
    names: chart.lines.map((line) => line.label),
    values,
    range: low > high ? [1, 10] : low === high ? [low / 2, high * 2] : [low, high],
  };
  figure.y = { range: [chart.lines.length - 0.5, -0.5], log: false };
  const unit = chart.unit === "°" ? "°" : "";
  const most = (/** @type {number} */ i) =>
    values.reduce((best, row, at) => (Number(row[i] ?? -1) > Number(values[best][i] ?? -1) ? at : best), 0);
  const say = (/** @type {number} */ i, /** @type {number} */ row) =>
    `${chart.lines[row].label} ${quantity(values[row][i], values[row][i] === null ? "" : unit)}`;
  figure.readables.push({
    label: "",
    colour: "other",
    x,
    text: (i, row) => (row === undefined ? `most: ${say(i, most(i))}` : say(i, row)),
    now: (i) => `most: ${say(i, most(i))}`,
  });
}
