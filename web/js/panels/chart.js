/**
 * One chart with its title, what it says under the pointer, and what it means.
 *
 * @typedef {import("../charts/spec.js").ChartSpec} ChartSpec
 * @typedef {import("../charts/figure.js").Turn} Turn
 * @typedef {import("../state/feed.js").Feed} Feed
 * @typedef {import("../state/axis.js").Axis} Axis
 *
 * @typedef {object} Stage What the charts of a page share.
 * @property {{feed: Feed, moments: Feed, axis: Axis}[]} sources Of a run its points, those of what is drawn moment by
 *   moment (boxes, colours, slices: fewer), and its axis.
 * @property {import("../state/moment.js").Moment} moment
 * @property {() => number | null} onset The step at which the run turned.
 * @property {import("../state/cursor.js").Cursor} cursor
 * @property {() => [number, number]} range What is shown.
 * @property {() => [number, number]} whole What there is.
 * @property {() => Turn[]} turns
 * @property {(range: [number, number] | null) => void} zoom
 * @property {(x: number) => void} pick
 * @property {(chart: string) => "linear" | "log" | null} scaleOf What the user chose, if anything.
 * @property {(chart: string, scale: "linear" | "log") => void} setScale
 * @property {() => number} smoothing From 0 (none) to 1.
 */
import { figureOf, flattens, nearest } from "../charts/figure.js";
import { el, foreign, printable, replace, setText } from "../dom.js";
import { number, plural, quantity } from "../format.js";
import { Plot } from "../plot.js";
import { PART } from "../selectors.js";
import { whenVisible } from "../visibility.js";
import { CardHead, swatchOf } from "./card.js";

/** More runs than these stand in two columns. */
export const LISTED = 4;

export class ChartCard {
  /** @type {import("../charts/figure.js").Figure | null} */ #figure = null;
  /** The row of a heat map that is pointed at. @type {number | undefined} */ #row = undefined;
  #shown = false;
  #frame = 0;
  /** @type {HTMLElement[]} */ #values = [];

  /** @param {ChartSpec} chart @param {Stage} stage */
  constructor(chart, stage) {
    this.chart = chart;
    this.stage = stage;
    this.plotHost = el("div", {
      class: "plot",
      part: PART.plot,
      tabindex: "0",
      role: "group",
      "aria-roledescription": "chart",
      "aria-label": `${printable(chart.title)}. Arrow keys move along the line, plus and minus zoom, Escape shows all.`,
      on: { keydown: (/** @type {KeyboardEvent} */ event) => this.#key(event) },
    });
    this.spoken = el("span", { class: "hidden-text", "aria-live": "polite" });
    this.flagged = el("p", { class: "flagged" });
    this.ramp = chart.view === "heat" ? el("div", { class: "ramp number" }) : null;
    this.element = el("figure", { class: `panel chart ${chart.view}`, part: PART.chart, "data-chart": chart.id });
    this.head = new CardHead(chart, this.element, chart.view === "heat" ? null : () => this.#toggleScale());
    this.element.append(this.head.element, this.#readout(), this.plotHost, this.head.words, this.flagged, this.spoken);
    this.plot = new Plot(this.plotHost, {
      onZoom: stage.zoom,
      onPoint: (x, down) => this.#pointAt(x, down),
      onPick: stage.pick,
    });
    this.subscriptions = stage.sources.map((of, source) => {
      const feed = chart.view === "lines" ? of.feed : of.moments;
      const names = chart.lines
        .filter((line) => line.source === source)
        .flatMap((line) => [line.series, ...(line.error ? [line.error] : [])]);
      return { feed, subscription: feed.subscribe(names, () => this.draw()) };
    });
    this.unwatch = whenVisible(this.element, (visible) => this.#setVisible(visible));
    this.uncursor = stage.cursor.subscribe((x, spoken) => this.#point(x, spoken));
  }

  #readout() {
    const compares = this.stage.sources.length > 1;
    if (this.ramp) return this.#heatReadout(this.ramp);
    const items = this.chart.lines.map((line) => {
      const value = el("span", { class: "value number" });
      this.#values.push(value);
      return el(
        "li",
        {},
        swatchOf(line),
        (compares || this.chart.lines.length > 1) && line.label && foreign(line.label, { class: "label" }),
        value,
      );
    });
    return el(
      "ul",
      {
        class: compares
          ? `readout runs${items.length > LISTED ? " dense" : ""}`
          : items.length > 3 || (items.length > 1 && this.chart.lines[0].colour.startsWith("run-"))
            ? "readout many"
            : items.length === 3
              ? "readout three"
              : "readout",
        part: PART.readout,
      },
      ...items,
    );
  }

  /** What is pointed at, and which values the colours stand for. @param {HTMLElement} ramp */
  #heatReadout(ramp) {
    const value = el("span", { class: "value number" });
    this.#values.push(value);
    return el("div", { class: "readout", part: PART.readout }, value, ramp);
  }

  /** @param {boolean} visible */
  #setVisible(visible) {
    this.#shown = visible;
    for (const { feed, subscription } of this.subscriptions) feed.setVisible(subscription, visible);
    if (visible) this.draw();
  }

  /** @param {import("../charts/spec.js").Line} line @param {string} name */
  #columns = (line, name) => this.subscriptions[line.source].feed.columns(name);

  get log() {
    const scale = this.stage.scaleOf(this.chart.id) ?? this.chart.scale;
    return scale === "log" || (scale === "auto" && flattens(this.chart, this.#columns));
  }

  /** However often it is asked for, once a frame. */
  draw() {
    if (!this.#shown || this.#frame) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw() {
    const { sources } = this.stage;
    const { smoothing, range, turns } = this.stage;
    const title = sources[0].axis.title;
    const view = { log: this.log, smoothing: smoothing(), range: range(), title, turns: turns() };
    const figure = figureOf(
      this.chart,
      this.#columns,
      (line, step, time) => sources[line.source].axis.x(step, time),
      view,
    );
    this.#figure = figure;
    this.head.scale.setAttribute("aria-pressed", String(view.log));
    setText(this.flagged, this.#flags(figure));
    if (this.ramp && figure.heat) this.#showRamp(this.ramp, figure.heat.range);
    this.#point(this.stage.cursor.x, false);
    void this.plot.draw(figure).then(() => this.#point(this.stage.cursor.x, false));
  }

  /** @param {HTMLElement} ramp @param {[number, number]} range */
  #showRamp(ramp, [low, high]) {
    const unit = this.chart.unit === "°" ? "°" : "";
    replace(ramp, number(low, 2), el("i", { "aria-hidden": "true" }), quantity(Number(high.toPrecision(2)), unit));
  }

  /** @param {import("../charts/figure.js").Figure} figure */
  #flags(figure) {
    const parts = [];
    if (figure.flags.length) {
      const values = figure.flags.reduce((sum, flag) => sum + flag.values, 0);
      const kinds = [...new Set(figure.flags.map((flag) => flag.text))].filter(Boolean).join(", ");
      const first = figure.flags.reduce((one, flag) => (flag.x < one.x ? flag : one));
      const where = `${first.within ? "by" : "at"} ${this.stage.sources[0].axis.format(first.x)}`;
      parts.push(
        values === 1
          ? `1 value is not finite${kinds && ` (${kinds})`}, ${where}.`
          : `${plural(values, "value")} are not finite${kinds && ` (${kinds})`}, the first ${where}.`,
      );
    }
    if (figure.hidden)
      parts.push(`${plural(figure.hidden, "place")} at or below zero, which a logarithmic axis cannot show.`);
    return parts.join(" ");
  }

  /** @param {number | null} x @param {number | null} down */
  #pointAt(x, down) {
    const rows = this.#figure?.heat?.names.length;
    const row = rows && down !== null ? Math.min(rows - 1, Math.floor(down * rows)) : undefined;
    const moved = row !== this.#row;
    this.#row = row;
    if (x === this.stage.cursor.x && moved) this.#point(x, false);
    this.stage.cursor.move(x);
  }

  /** @param {number | null} x @param {boolean} spoken */
  #point(x, spoken) {
    const figure = this.#figure;
    if (!figure || !this.#shown) return;
    const texts = figure.readables.map((readable, i) => {
      const at = x === null ? readable.x.length - 1 : nearest(readable.x, x);
      const text = at < 0 ? "" : x === null ? readable.now(at) : readable.text(at, this.#row);
      setText(this.#values[i], text);
      return `${readable.label} ${text}`;
    });
    this.plot.setCursor(x, x === null ? "" : this.stage.sources[0].axis.format(x));
    if (spoken && x !== null && document.activeElement === this.plotHost)
      setText(this.spoken, `${this.stage.sources[0].axis.format(x)}: ${printable(texts.join(", "))}`);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const xs = this.#figure?.readables[0]?.x ?? [];
    const { cursor } = this.stage;
    const at = cursor.x === null ? xs.length : nearest(xs, cursor.x);
    const stride = event.shiftKey ? 10 : 1;
    const to = { ArrowLeft: at - stride, ArrowRight: at + stride, Home: 0, End: xs.length - 1 }[event.key];
    const rows = this.#figure?.heat?.names.length ?? 0;
    const down = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (rows && down) {
      this.#row = Math.min(rows - 1, Math.max(0, (this.#row ?? (down > 0 ? -1 : rows)) + down));
      if (cursor.x === null) cursor.move(xs[xs.length - 1], true);
      else this.#point(cursor.x, true);
    } else if (event.key === "Escape") (cursor.move(null), this.stage.zoom(null));
    else if (event.key === "+" || event.key === "-") this.#zoomBy(event.key === "+" ? 0.5 : 2);
    else if (event.key === "Enter" && cursor.x !== null) this.stage.pick(cursor.x);
    else if (to === undefined || !xs.length) return;
    else cursor.move(xs[Math.min(xs.length - 1, Math.max(0, to))], true);
    event.preventDefault();
  }

  /** Around what is pointed at, else around the middle; never beyond what there is. @param {number} factor */
  #zoomBy(factor) {
    const [low, high] = this.stage.range();
    const at = this.stage.cursor.x ?? (low + high) / 2;
    const from = at - (at - low) * factor;
    const to = at + (high - at) * factor;
    const [first, last] = this.stage.whole();
    this.stage.zoom(from <= first && to >= last ? null : [Math.max(first, from), Math.min(last, to)]);
  }

  #toggleScale() {
    this.stage.setScale(this.chart.id, this.log ? "linear" : "log");
    this.draw();
  }

  dispose() {
    cancelAnimationFrame(this.#frame);
    this.unwatch();
    this.uncursor();
    for (const { feed, subscription } of this.subscriptions) feed.unsubscribe(subscription);
    this.plot.dispose();
  }
}
