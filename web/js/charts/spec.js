/**
 * What a chart shows and how, before there are any points. Pure.
 *
 * @typedef {import("../types.js").Series} Series
 * @typedef {"metric" | "g" | "d" | "real" | "fake" | "other" | `run-${number}`} Colour
 *
 * @typedef {object} Line
 * @property {string} series
 * @property {string} label
 * @property {Colour} colour
 * @property {string} [error] The series of its standard error.
 * @property {string} [dash]
 * @property {number} source Which of the page's runs it is from.
 * @property {boolean} [told] Only said in the readout, not drawn.
 * @property {number} [at] Where it stands in a slice, and what is written there.
 * @property {string} [tick]
 *
 * @typedef {object} ChartSpec
 * @property {string} id
 * @property {string} title
 * @property {string} note What tells this chart from its neighbours: a judge, a cadence.
 * @property {string} unit
 * @property {"linear" | "log" | "auto"} scale `auto`: logarithmic once the greatest value would flatten all others.
 * @property {"scalar" | "distribution"} kind
 * @property {"lines" | "boxes" | "heat" | "slice"} view How it is drawn: over training as lines, as boxes, as rows of
 *   colours; or at one step, across what the last part of the series' names counts.
 * @property {string} across What a slice counts, and the short form before its number.
 * @property {string} acrossShort
 * @property {Line[]} lines
 * @property {string} help
 * @property {"higher" | "lower" | "none"} direction
 * @property {[number, number] | null} bounds Shown whole where both ends are known and mean something.
 * @property {{value: number, label: string} | null} ceiling
 */

/**
 * @param {Partial<ChartSpec> & Pick<ChartSpec, "id" | "title" | "lines">} known
 * @param {Series} first
 * @returns {ChartSpec}
 */
export function spec(known, first) {
  return {
    note: "",
    unit: first.unit,
    scale: "linear",
    kind: first.kind,
    view: "lines",
    across: "",
    acrossShort: "",
    help: first.help,
    direction: first.direction,
    bounds: null,
    ceiling: null,
    ...known,
  };
}

/** What a chart shows, and what good looks like. @param {Pick<ChartSpec, "help" | "direction">} chart */
export function wordsOf({ help, direction }) {
  const at = help.indexOf("Good: ");
  if (at >= 0) return { what: help.slice(0, at).trim(), good: help.slice(at) };
  return { what: help, good: { higher: "Good: higher.", lower: "Good: lower.", none: "" }[direction] };
}
