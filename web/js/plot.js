/** The only module that touches Plotly: it draws a figure, tells of zooming and pointing, and knows nothing of runs. */
import * as ticks from "./charts/ticks.js";

/** @typedef {import("./charts/figure.js").Figure} Figure */
/** @typedef {{onZoom: (range: [number, number] | null) => void, onPoint: (x: number | null) => void, onPick: (x: number) => void}} Listeners */

const MARGIN = { l: 50, r: 14, t: 16, b: 38 };
const CLICK_PIXELS = 4;

/** @type {Promise<any> | null} */
let loading = null;

/** Plotly, fetched when the first chart needs it. @returns {Promise<any>} */
export function loadPlotly() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "/static/vendor/plotly.min.js";
    script.addEventListener("load", () => resolve(/** @type {any} */ (window).Plotly));
    script.addEventListener("error", () => {
      script.remove();
      loading = null;
      reject(new Error("The chart library could not be loaded."));
    });
    document.head.append(script);
  });
  return loading;
}

/** @param {CSSStyleDeclaration} style @param {string} colour */
const colourOf = (style, colour) => style.getPropertyValue(colour.startsWith("run-") ? `--${colour}` : `--chart-${colour}`).trim();

/** @param {string} hex @param {number} opacity */
function faded(hex, opacity) {
  const value = Number.parseInt(hex.slice(1), 16);
  return `rgba(${value >> 16}, ${(value >> 8) & 255}, ${value & 255}, ${opacity})`;
}

/** One closed outline for each unbroken stretch of a band. @param {import("./charts/figure.js").Band} band */
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

/** @param {Figure} figure @param {CSSStyleDeclaration} style */
function traces(figure, style) {
  const quiet = { type: "scatter", hoverinfo: "skip", showlegend: false };
  const bands = figure.bands.map((band) => ({ ...quiet, ...outline(band), meta: { series: band.series, part: "band" }, mode: "lines", fill: "toself", fillcolor: faded(colourOf(style, band.colour), band.opacity), line: { width: 0 } }));
  const lines = figure.lines.flatMap((line) => {
    const colour = faded(colourOf(style, line.colour), line.opacity);
    const drawn = { ...quiet, x: line.x, y: line.y, meta: { series: line.series, part: line.part }, mode: "lines", connectgaps: false, line: { color: colour, width: line.width, dash: line.dash ?? "solid", simplify: false } };
    if (!line.dots?.length) return [drawn];
    const dots = { ...quiet, x: line.dots.map((i) => line.x[i]), y: line.dots.map((i) => line.y[i]), meta: { series: line.series, part: `${line.part} dots` }, mode: "markers", marker: { color: colour, size: 4.5 } };
    return [drawn, dots];
  });
  const flags = { ...quiet, x: figure.flags.map((flag) => flag.x), y: figure.flags.map(() => 0.035), meta: { part: "not finite" }, yaxis: "y2", mode: "markers", cliponaxis: false, marker: { symbol: "x-thin", size: 8, line: { width: 2, color: colourOf(style, "turn") } } };
  return [...bands, ...lines, flags];
}

/** @param {Figure} figure @param {CSSStyleDeclaration} style */
function shapesOf(figure, style) {
  const turn = colourOf(style, "turn");
  const shapes = figure.turns.map(({ x, kind, colour, faint }) => ({ type: "line", xref: "x", yref: "paper", x0: x, x1: x, y0: 0, y1: 1, name: kind, layer: "above", line: { color: colour ? colourOf(style, colour) : turn, width: kind === "onset" && !faint ? 1.6 : 1, dash: colour ? "dash" : kind === "onset" && !faint ? "solid" : "dot" } }));
  const ceiling = figure.ceiling && { type: "line", xref: "paper", yref: "y", x0: 0, x1: 1, y0: figure.ceiling.value, y1: figure.ceiling.value, name: "ceiling", layer: "below", line: { color: style.getPropertyValue("--line-strong").trim(), width: 1, dash: "dash" } };
  return ceiling ? [...shapes, ceiling] : shapes;
}

/** @param {Figure} figure @param {CSSStyleDeclaration} style */
function notesOf(figure, style) {
  const font = { size: 11, color: colourOf(style, "turn") };
  const [low, high] = figure.x.range;
  const notes = figure.turns.filter((turn) => turn.label && turn.x >= low && turn.x <= high).map((turn) => {
    const right = turn.x > low + 0.8 * (high - low);
    return { x: turn.x, y: 1, yref: "paper", yanchor: "bottom", xanchor: right ? "right" : "left", xshift: right ? 3 : -3, text: turn.label, showarrow: false, font };
  });
  const ceiling = figure.ceiling && { x: 1, xref: "paper", xanchor: "right", y: figure.ceiling.value, yanchor: "bottom", yshift: -2, text: figure.ceiling.label, showarrow: false, font: { size: 11, color: style.getPropertyValue("--ink-3").trim() } };
  return ceiling ? [...notes, ceiling] : notes;
}

/** @param {Figure} figure @param {CSSStyleDeclaration} style @param {number} width @param {number} height */
function layoutOf(figure, style, width, height) {
  const ink = style.getPropertyValue("--ink-3").trim();
  const room = Math.max(2, Math.round((width - MARGIN.l - MARGIN.r) / 62));
  const kind = figure.x.title.startsWith("time") ? ticks.time : ticks.whole;
  const across = kind(figure.x.range, room);
  const tall = Math.max(3, Math.round((height - MARGIN.t - MARGIN.b) / 44));
  const up = figure.y.log ? ticks.log(figure.y.range, tall) : ticks.linear(figure.y.range, tall);
  const axis = (/** @type {ticks.Tick[]} */ list) => ({ tickmode: "array", tickvals: list.map((tick) => tick.value), ticktext: list.map((tick) => tick.text), zeroline: false, automargin: false, tickfont: { size: 11, color: ink } });
  return {
    width,
    height,
    margin: MARGIN,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, size: 11, color: ink },
    showlegend: false,
    hovermode: false,
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
    xaxis: { ...axis(across), range: figure.x.range, showgrid: false, showline: true, linecolor: style.getPropertyValue("--line").trim(), ticks: "outside", ticklen: 4, tickcolor: style.getPropertyValue("--line").trim(), title: { text: figure.x.title, standoff: 5, font: { size: 11, color: ink } } },
    yaxis: { ...axis(up), type: figure.y.log ? "log" : "linear", range: figure.y.log ? figure.y.range.map(Math.log10) : figure.y.range, fixedrange: true, gridcolor: colourOf(style, "grid"), gridwidth: 1 },
    yaxis2: { overlaying: "y", range: [0, 1], visible: false, fixedrange: true },
    shapes: shapesOf(figure, style),
    annotations: notesOf(figure, style),
  };
}

export class Plot {
  #drawn = false;
  #own = false;
  /** @type {Figure | null} */ #figure = null;
  /** @type {Promise<void>} */ #turn = Promise.resolve();

  /** @param {HTMLElement} host @param {Listeners} listeners */
  constructor(host, listeners) {
    this.host = host;
    this.canvas = document.createElement("div");
    this.pointer = document.createElement("div");
    this.pointer.className = "cursor";
    this.pointer.hidden = true;
    host.append(this.canvas, this.pointer);
    this.listeners = listeners;
    this.sizes = new ResizeObserver(() => this.#figure && this.draw(this.#figure));
    this.sizes.observe(host);
    host.addEventListener("pointermove", (event) => listeners.onPoint(this.#under(event)));
    host.addEventListener("pointerleave", () => listeners.onPoint(null));
    host.addEventListener("pointerdown", (event) => this.#press(event), { capture: true });
  }

  /** Draws the figure; where one is already being drawn, only the newest waits. @param {Figure} figure */
  draw(figure) {
    this.#figure = figure;
    this.#turn = this.#turn.then(async () => {
      if (this.#figure !== figure || !this.host.isConnected || !this.host.clientWidth) return;
      const Plotly = await loadPlotly();
      const style = getComputedStyle(this.host);
      this.#own = true;
      await Plotly.react(this.canvas, traces(figure, style), layoutOf(figure, style, this.host.clientWidth, this.host.clientHeight), { displayModeBar: false, doubleClick: false, showTips: false });
      this.#own = false;
      if (!this.#drawn) this.#listen();
      this.#drawn = true;
    });
    return this.#turn;
  }

  #listen() {
    const canvas = /** @type {any} */ (this.canvas);
    canvas.on("plotly_relayout", (/** @type {Record<string, number>} */ change) => {
      const [from, to] = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
      if (!this.#own && from !== undefined && to !== undefined) this.listeners.onZoom([from, to]);
    });
    canvas.on("plotly_doubleclick", () => this.listeners.onZoom(null));
  }

  /** @param {number} x */
  #pixel(x) {
    const [low, high] = /** @type {Figure} */ (this.#figure).x.range;
    return MARGIN.l + ((x - low) / (high - low)) * (this.host.clientWidth - MARGIN.l - MARGIN.r);
  }

  /** The x under the pointer; null outside the plot. @param {PointerEvent} event */
  #under(event) {
    if (!this.#figure) return null;
    const share = (event.clientX - this.host.getBoundingClientRect().left - MARGIN.l) / (this.host.clientWidth - MARGIN.l - MARGIN.r);
    const [low, high] = this.#figure.x.range;
    return share < 0 || share > 1 ? null : low + share * (high - low);
  }

  /** A press that ends where it began is a pick; one that moves is Plotly's zoom. @param {PointerEvent} down */
  #press(down) {
    const x = this.#under(down);
    if (x === null) return;
    const released = (/** @type {PointerEvent} */ up) => {
      if (Math.hypot(up.clientX - down.clientX, up.clientY - down.clientY) < CLICK_PIXELS) this.listeners.onPick(x);
    };
    window.addEventListener("pointerup", released, { once: true, capture: true });
  }

  /** @param {number | null} x @param {string} label What x is, said at the axis of the chart that is pointed at. */
  setCursor(x, label) {
    const range = this.#figure?.x.range;
    this.pointer.hidden = x === null || !range || x < range[0] || x > range[1];
    if (this.pointer.hidden || x === null || !range) return;
    this.pointer.style.transform = `translateX(${this.#pixel(x)}px)`;
    this.pointer.style.setProperty("--share", String((x - range[0]) / (range[1] - range[0])));
    this.pointer.dataset.at = label;
  }

  dispose() {
    this.sizes.disconnect();
    if (this.#drawn) /** @type {any} */ (window).Plotly.purge(this.canvas);
  }
}
