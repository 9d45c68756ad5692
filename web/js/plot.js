/** The only module that touches Plotly: it draws a figure, tells of zooming and pointing, and knows nothing of runs. */
import { layoutOf, marginOf, tracesOf } from "./charts/drawing.js";

/** @typedef {import("./charts/figure.js").Figure} Figure */
/**
 * @typedef {{onZoom: (range: [number, number] | null) => void, onPoint: (x: number | null, y: number | null) => void, onPick: (x: number) => void}} Listeners
 */

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

export class Plot {
  /** Whether the axis that was last drawn is logarithmic; null before the first. @type {boolean | null} */ #log = null;
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
    host.addEventListener("pointermove", (event) => listeners.onPoint(this.#under(event), this.#beside(event)));
    host.addEventListener("pointerleave", () => listeners.onPoint(null, null));
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
      // An axis that changes its kind is drawn anew, so that no label of the linear one is placed on a logarithm.
      const anew = this.#log !== figure.y.log;
      this.#log = figure.y.log;
      await (anew ? Plotly.newPlot : Plotly.react)(
        this.canvas,
        tracesOf(figure, style, this.host.clientWidth),
        layoutOf(figure, style, this.host.clientWidth, this.host.clientHeight),
        { displayModeBar: false, doubleClick: false, showTips: false },
      );
      this.#own = false;
      if (anew) this.#listen();
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

  /** Where the plot begins and how wide it is, in pixels. @param {Figure} figure */
  #frame(figure) {
    const width = this.host.clientWidth;
    const { l, r } = marginOf(figure, width);
    return { left: l, width: width - l - r };
  }

  /** The x under the pointer; null outside the plot. @param {PointerEvent} event */
  #under(event) {
    if (!this.#figure) return null;
    const { left, width } = this.#frame(this.#figure);
    const share = (event.clientX - this.host.getBoundingClientRect().left - left) / width;
    const [low, high] = this.#figure.x.range;
    return share < 0 || share > 1 ? null : low + share * (high - low);
  }

  /** How far down in the plot the pointer is, from 0 to 1; null outside. @param {PointerEvent} event */
  #beside(event) {
    if (!this.#figure) return null;
    const { t, b } = marginOf(this.#figure, this.host.clientWidth);
    const down = (event.clientY - this.host.getBoundingClientRect().top - t) / (this.host.clientHeight - t - b);
    return down < 0 || down > 1 ? null : down;
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
    const { left, width } = this.#frame(/** @type {Figure} */ (this.#figure));
    const share = (x - range[0]) / (range[1] - range[0]);
    this.pointer.style.transform = `translateX(${left + share * width}px)`;
    this.pointer.style.setProperty("--share", String(share));
    this.pointer.dataset.at = label;
  }

  dispose() {
    this.sizes.disconnect();
    if (this.#log !== null) /** @type {any} */ (window).Plotly.purge(this.canvas);
  }
}
