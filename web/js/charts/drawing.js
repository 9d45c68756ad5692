/** A figure in Plotly's terms: its traces, its layout, in the colours of the theme. Pure; what is made here is drawn by plot.js. */
import { boxTraces, heatTraces } from "./box_traces.js";
import { colourOf, faded } from "./colours.js";
import * as ticks from "./ticks.js";

/** @typedef {import("./figure.js").Figure} Figure */

const MARGIN = { l: 50, r: 14, t: 16, b: 38 };
const LETTER_PIXELS = 6.2;
/** The names of a heat map's rows take at most this share of its width. */
const NAMES_SHARE = 0.36;

/** What lies around the plot, in pixels. @param {Figure} figure @param {number} width */
export function marginOf(figure, width) {
  if (!figure.heat) return MARGIN;
  const longest = Math.max(0, ...figure.heat.names.map((name) => name.length));
  return { ...MARGIN, l: Math.round(Math.min(NAMES_SHARE * width, Math.max(30, 14 + LETTER_PIXELS * longest))) };
}

/** One closed outline for each unbroken stretch of a band. @param {import("./figure.js").Band} band */
function outline(band) {
  /** @type {(number | null)[]} */ const x = [];
  /** @type {(number | null)[]} */ const y = [];
  let from = 0;
  for (let i = 0; i <= band.x.length; i += 1) {
    if (i < band.x.length && band.low[i] !== null && band.high[i] !== null) continue;
    for (let k = from; k < i; k += 1) (x.push(band.x[k]), y.push(band.high[k]));
    for (let k = i - 1; k >= from; k -= 1) (x.push(band.x[k]), y.push(band.low[k]));
    if (i > from) (x.push(null), y.push(null));
    from = i + 1;
  }
  return { x, y };
}

/** @param {Figure} figure @param {CSSStyleDeclaration} style @param {number} width */
export function tracesOf(figure, style, width) {
  const margin = marginOf(figure, width);
  const quiet = { type: "scatter", hoverinfo: "skip", showlegend: false };
  const bands = figure.bands.map((band) => ({
    ...quiet,
    ...outline(band),
    meta: { series: band.series, part: "band" },
    mode: "lines",
    fill: "toself",
    fillcolor: faded(colourOf(style, band.colour), band.opacity),
    line: { width: 0 },
  }));
  const lines = figure.lines.flatMap((line) => {
    const colour = faded(colourOf(style, line.colour), line.opacity);
    const drawn = {
      ...quiet,
      x: line.x,
      y: line.y,
      meta: { series: line.series, part: line.part },
      mode: "lines",
      connectgaps: false,
      line: { color: colour, width: line.width, dash: line.dash ?? "solid", simplify: false },
    };
    if (!line.dots?.length) return [drawn];
    const dots = {
      ...quiet,
      x: line.dots.map((i) => line.x[i]),
      y: line.dots.map((i) => line.y[i]),
      meta: { series: line.series, part: `${line.part} dots` },
      mode: "markers",
      marker: { color: colour, size: line.part === "slice" ? 6 : 4.5 },
    };
    return [drawn, dots];
  });
  const flags = {
    ...quiet,
    x: figure.flags.map((flag) => flag.x),
    y: figure.flags.map(() => 0.035),
    meta: { part: "not finite" },
    yaxis: "y2",
    mode: "markers",
    cliponaxis: false,
    marker: { symbol: "x-thin", size: 8, line: { width: 2, color: colourOf(style, "turn") } },
  };
  const boxes = boxTraces(figure, style, width - margin.l - margin.r);
  return [...heatTraces(figure, style), ...bands, ...boxes, ...lines, flags];
}

/** @param {Figure} figure @param {CSSStyleDeclaration} style */
function shapesOf(figure, style) {
  const turn = colourOf(style, "turn");
  const shapes = figure.turns.map(({ x, kind, colour, faint }) => ({
    type: "line",
    xref: "x",
    yref: "paper",
    x0: x,
    x1: x,
    y0: 0,
    y1: 1,
    name: kind,
    layer: "above",
    line: {
      color: colour ? colourOf(style, colour) : turn,
      width: kind === "onset" && !faint ? 1.6 : 1,
      dash: colour ? "dash" : kind === "onset" && !faint ? "solid" : "dot",
    },
  }));
  const ceiling = figure.ceiling && {
    type: "line",
    xref: "paper",
    yref: "y",
    x0: 0,
    x1: 1,
    y0: figure.ceiling.value,
    y1: figure.ceiling.value,
    name: "ceiling",
    layer: "below",
    line: { color: style.getPropertyValue("--line-strong").trim(), width: 1, dash: "dash" },
  };
  return ceiling ? [...shapes, ceiling] : shapes;
}

/** @param {Figure} figure @param {CSSStyleDeclaration} style */
function notesOf(figure, style) {
  const [low, high] = figure.x.range;
  const notes = figure.turns
    .filter((turn) => turn.label && turn.x >= low && turn.x <= high)
    .map((turn) => {
      const right = turn.x > low + 0.8 * (high - low);
      return {
        x: turn.x,
        y: 1,
        yref: "paper",
        yanchor: "bottom",
        xanchor: right ? "right" : "left",
        xshift: right ? 3 : -3,
        text: turn.label,
        showarrow: false,
        font: { size: 11, color: colourOf(style, turn.colour ?? "turn") },
      };
    });
  const ceiling = figure.ceiling && {
    x: 1,
    xref: "paper",
    xanchor: "right",
    y: figure.ceiling.value,
    yanchor: "bottom",
    yshift: 1,
    text: figure.ceiling.label,
    showarrow: false,
    font: { size: 11, color: style.getPropertyValue("--ink-3").trim() },
  };
  return ceiling ? [...notes, ceiling] : notes;
}

/** @param {Figure} figure @param {number} width */
function acrossOf(figure, width) {
  const room = Math.max(2, Math.round(width / 62));
  if (figure.x.ticks) return ticks.some(figure.x.ticks, figure.x.range, Math.floor(width / 26));
  return (figure.x.title.startsWith("time") ? ticks.time : ticks.whole)(figure.x.range, room);
}

/** @param {Figure} figure @param {CSSStyleDeclaration} style @param {number} width @param {number} height */
export function layoutOf(figure, style, width, height) {
  const ink = style.getPropertyValue("--ink-3").trim();
  const margin = marginOf(figure, width);
  const tall = height - margin.t - margin.b;
  const across = acrossOf(figure, width - margin.l - margin.r);
  const up = figure.heat
    ? ticks.names(figure.heat.names, Math.floor(tall / 13), Math.floor((margin.l - 12) / LETTER_PIXELS))
    : (figure.y.log ? ticks.log : ticks.linear)(figure.y.range, Math.max(3, Math.round(tall / 44)));
  const axis = (/** @type {ticks.Tick[]} */ list) => ({
    tickmode: "array",
    tickvals: list.map((tick) => tick.value),
    ticktext: list.map((tick) => tick.text),
    zeroline: false,
    automargin: false,
    tickfont: { size: 11, color: ink },
  });
  return {
    width,
    height,
    margin,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, size: 11, color: ink },
    showlegend: false,
    hovermode: false,
    dragmode: figure.x.ticks || matchMedia("(pointer: coarse)").matches ? false : "zoom",
    xaxis: {
      ...axis(across),
      range: figure.x.range,
      showgrid: false,
      showline: true,
      linecolor: style.getPropertyValue("--line").trim(),
      ticks: "outside",
      ticklen: 4,
      tickcolor: style.getPropertyValue("--line").trim(),
      title: { text: figure.x.title, standoff: 5, font: { size: 11, color: ink } },
    },
    yaxis: {
      ...axis(up),
      type: figure.y.log ? "log" : "linear",
      range: figure.y.log ? figure.y.range.map(Math.log10) : figure.y.range,
      fixedrange: true,
      gridcolor: colourOf(style, "grid"),
      gridwidth: 1,
      showgrid: !figure.heat,
    },
    yaxis2: { overlaying: "y", range: [0, 1], visible: false, fixedrange: true },
    shapes: shapesOf(figure, style),
    annotations: notesOf(figure, style),
  };
}
