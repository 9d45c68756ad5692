/** The names that scripts and tests find parts of the page by (`data-part="..."`), in one place. */
export const PART = {
  live: "live",
  theme: "theme",
  banner: "banner",
  filters: "filters",
  runsTable: "runs-table",
  runRow: "run-row",
  compareBar: "compare-bar",
  more: "more",
  verdict: "verdict",
  acknowledge: "acknowledge",
  stop: "stop",
  toolbar: "toolbar",
  charts: "charts",
  chart: "chart",
  readout: "readout",
  plot: "plot",
  rest: "rest",
  samples: "samples",
  extremes: "extremes",
  details: "details",
  picker: "picker",
};

/** @param {string} part */
export const find = (part, root = document) => /** @type {HTMLElement} */ (root.querySelector(`[data-part="${part}"]`));
