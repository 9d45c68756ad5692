/** Charts of several runs: those of a single run, taken apart to one series a chart, with one line a run. Pure. */
import { chartsOf } from "./catalog.js";

/** @typedef {import("./spec.js").ChartSpec} ChartSpec */
/** @typedef {{name: string, series: import("../types.js").Series[], source: number, colour: number}} Compared */

const NETWORKS = { g: "generator", d: "discriminator", real: "real", fake: "generated" };
/** Views that take many series a run: beside each other every series has a chart, and none of them is for everybody. */
const MANY = new Set(["heat", "slice"]);

/**
 * One line of a chart as a chart of its own.
 * @param {ChartSpec} chart
 * @param {ChartSpec["lines"][number]} line
 * @param {Compared} run
 * @returns {ChartSpec}
 */
function alone(chart, line, run) {
  const several = chart.lines.length > 1;
  const part = NETWORKS[/** @type {keyof typeof NETWORKS} */ (line.colour)] ?? line.label;
  const note = [chart.note, several && chart.id !== line.series ? part : ""].filter(Boolean).join(", ");
  return {
    ...chart,
    id: line.series,
    note,
    view: "lines",
    lines: [
      { ...line, dash: undefined, at: undefined, label: run.name, colour: `run-${run.colour}`, source: run.source },
    ],
  };
}

/** @param {Map<string, ChartSpec>} merged @param {ChartSpec[]} charts @param {Compared} run */
function merge(merged, charts, run) {
  for (const chart of charts) {
    for (const line of chart.lines) {
      if (line.dash || line.told) continue; // A reference, such as the real data's value: not what is compared.
      const one = alone(chart, line, run);
      const before = merged.get(one.id);
      if (before) before.lines.push(...one.lines);
      else merged.set(one.id, one);
    }
  }
}

/** @param {Compared[]} runs */
export function comparisonsOf(runs) {
  /** @type {Map<string, ChartSpec>} */ const core = new Map();
  /** @type {Map<string, ChartSpec>} */ const rest = new Map();
  for (const run of runs) {
    const charts = chartsOf(run.series);
    merge(
      core,
      charts.core.filter(({ view }) => !MANY.has(view)),
      run,
    );
    merge(rest, [...charts.core.filter(({ view }) => MANY.has(view)), ...charts.rest], run);
  }
  return { core: [...core.values()], rest: [...rest.values()] };
}
