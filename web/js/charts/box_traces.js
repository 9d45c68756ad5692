/** Boxes and heat maps in Plotly's terms. Pure. */
import { colourOf, faded, HEAT } from "./colours.js";
import { thinned } from "./distributions.js";

/** @typedef {import("./figure.js").Figure} Figure */

const BOX_PIXELS = 9;
/** Between the boxes of one moment and those of the next. */
const APART_PIXELS = 9;
const QUIET = { hoverinfo: "skip", showlegend: false };

/** @param {Figure} figure @param {CSSStyleDeclaration} style @param {number} width Of the plot, in pixels. */
export function boxTraces(figure, style, width) {
  const [low, high] = figure.x.range;
  const pixel = (high - low) / Math.max(1, width);
  const groups = figure.boxes.length;
  const room = Math.floor(width / (groups * BOX_PIXELS + APART_PIXELS));
  return figure.boxes.flatMap((all, group) => {
    const boxes = figure.x.ticks ? all : thinned(all, figure.x.range, room);
    const colour = colourOf(style, boxes.colour);
    const x = boxes.x.map((at) => at + (group - (groups - 1) / 2) * (BOX_PIXELS + 1) * pixel);
    const known = x.map((_, i) => i).filter((i) => boxes.p50[i] !== null);
    const of = (/** @type {import("./figure.js").Values} */ values) => known.map((i) => values[i] ?? boxes.p50[i]);
    const at = known.map((i) => x[i]);
    const marks = { ...QUIET, type: "scatter", mode: "markers", x: at };
    const marker = { symbol: "circle", size: 2.6, color: faded(colour, 0.75) };
    return [
      {
        ...QUIET,
        type: "box",
        meta: { series: boxes.series, part: "boxes" },
        x: at,
        q1: of(boxes.p25),
        median: of(boxes.p50),
        q3: of(boxes.p75),
        lowerfence: of(boxes.p5),
        upperfence: of(boxes.p95),
        width: BOX_PIXELS * pixel,
        whiskerwidth: 0.5,
        line: { color: colour, width: 1.3 },
        fillcolor: faded(colour, 0.22),
      },
      { ...marks, meta: { series: boxes.series, part: "max" }, y: known.map((i) => boxes.max[i]), marker },
      { ...marks, meta: { series: boxes.series, part: "min" }, y: known.map((i) => boxes.min[i]), marker },
    ];
  });
}

/** A cell reaches from the moment before to its own: that is the time over which it was measured. @param {number[]} x */
const edges = (x) => [x.length > 1 ? Math.max(0, 2 * x[0] - x[1]) : x[0] - 1, ...x];

/** @param {Figure} figure @param {CSSStyleDeclaration} style */
export function heatTraces(figure, style) {
  if (!figure.heat?.x.length) return [];
  const { x, names, values, range } = figure.heat;
  const [low, high] = range.map(Math.log10);
  const colours = HEAT.map((name) => style.getPropertyValue(name).trim());
  return [
    {
      ...QUIET,
      type: "heatmap",
      meta: { part: "heat" },
      x: edges(x),
      y: names.map((_, i) => i),
      z: values.map((row) =>
        row.map((value) => (value === null || Number.isNaN(value) ? null : Math.log10(Math.max(value, range[0])))),
      ),
      zmin: low,
      zmax: high,
      colorscale: colours.map((colour, i) => [i / (colours.length - 1), colour]),
      showscale: false,
      xgap: 0,
      ygap: 1,
    },
  ];
}
