/**
 * One chart with its title, what it says under the pointer, and what it means.
 *
 * @typedef {import("../charts/spec.js").ChartSpec} ChartSpec
 * @typedef {import("../charts/figure.js").Turn} Turn
 * @typedef {import("../state/feed.js").Feed} Feed
 * @typedef {import("../state/axis.js").Axis} Axis
 *
 * @typedef {object} Stage What the charts of a page share.
 * @property {{feed: Feed, axis: Axis}[]} sources
 * @property {import("../state/cursor.js").Cursor} cursor
 * @property {() => [number, number]} range What is shown.
 * @property {() => [number, number]} whole What there is.
 * @property {() => Turn[]} turns
 * @property {(range: [number, number] | null) => void} zoom
 * @property {(x: number) => void} pick
 * @property {(chart: string) => "linear" | "log" | null} scaleOf What the user chose, if anything.
 * @property {(chart: string, scale: "linear" | "log") => void} setScale
 */
import { figureOf, flattens, nearest } from "../charts/figure.js";
import { goodIs } from "../charts/spec.js";
import { el, foreign, picture, printable, setText } from "../dom.js";
import { plural } from "../format.js";
import { Plot } from "../plot.js";
import { PART } from "../selectors.js";
import { whenVisible } from "../visibility.js";

const ABOUT = "M8 7.2v4M8 4.8v.01M14 8a6 6 0 1 1-12 0 6 6 0 0 1 12 0";
const GROW = "M9.5 2.5h4v4M13.5 2.5l-4.5 4.5M6.5 13.5h-4v-4M2.5 13.5l4.5-4.5";

/** @param {ChartSpec} chart */
function titleOf(chart) {
  const unit = chart.unit && el("span", { class: "unit" }, chart.unit === "°" ? "degrees" : printable(chart.unit));
  return el("h3", {}, foreign(chart.title), chart.note && el("span", { class: "note" }, foreign(chart.note)), unit);
}

export class ChartCard {
  /** @type {import("../charts/figure.js").Figure | null} */ #figure = null;
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
    this.scale = el(
      "button",
      {
        type: "button",
        class: "quiet scale",
        "aria-label": "Logarithmic axis",
        title: "Logarithmic axis",
        on: { click: () => this.#toggleScale() },
      },
      "log",
    );
    this.grow = el(
      "button",
      {
        type: "button",
        class: "quiet icon",
        "aria-pressed": "false",
        "aria-label": "Wide chart",
        title: "Wide chart",
        on: { click: () => this.#toggleWidth() },
      },
      picture(GROW),
    );
    this.flagged = el("p", { class: "flagged" });
    this.about = el(
      "button",
      {
        type: "button",
        class: "quiet icon",
        "aria-expanded": "false",
        "aria-label": "What this shows",
        title: "What this shows",
        on: { click: () => this.#toggleWords() },
      },
      picture(ABOUT),
    );
    const words = [printable(chart.help), goodIs(chart)].filter(Boolean).join(" ");
    this.element = el(
      "figure",
      { class: "panel chart", part: PART.chart, "data-chart": chart.id },
      el(
        "div",
        { class: "chart-head" },
        titleOf(chart),
        el("div", { class: "tools" }, words && this.about, this.scale, this.grow),
      ),
      this.#readout(),
      this.plotHost,
      el("figcaption", { dir: "auto" }, words),
      this.flagged,
      this.spoken,
    );
    this.plot = new Plot(this.plotHost, {
      onZoom: stage.zoom,
      onPoint: (x) => stage.cursor.move(x),
      onPick: stage.pick,
    });
    this.subscriptions = stage.sources.map(({ feed }, source) => {
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
    const items = this.chart.lines.map((line) => {
      const value = el("span", { class: "value number" });
      this.#values.push(value);
      const swatch = el("i", {
        class: line.dash ? "swatch dashed" : "swatch",
        style: `--swatch: var(--${line.colour.startsWith("run-") ? line.colour : `chart-${line.colour}`})`,
        "aria-hidden": "true",
      });
      return el(
        "li",
        {},
        swatch,
        (compares || this.chart.lines.length > 1) && line.label && foreign(line.label, { class: "label" }),
        value,
      );
    });
    return el(
      "ul",
      {
        class: compares
          ? "readout runs"
          : items.length > 2 || (items.length === 2 && this.chart.lines[0].colour.startsWith("run-"))
            ? "readout many"
            : "readout",
        part: PART.readout,
      },
      ...items,
    );
  }

  /** @param {boolean} visible */
  #setVisible(visible) {
    this.#shown = visible;
    for (const { feed, subscription } of this.subscriptions) feed.setVisible(subscription, visible);
    if (visible) this.draw();
  }

  /** @param {import("../charts/spec.js").Line} line @param {string} name */
  #columns = (line, name) => this.stage.sources[line.source].feed.columns(name);

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
    const view = { log: this.log, range: this.stage.range(), title: sources[0].axis.title, turns: this.stage.turns() };
    const figure = figureOf(
      this.chart,
      this.#columns,
      (line, step, time) => sources[line.source].axis.x(step, time),
      view,
    );
    this.#figure = figure;
    this.scale.setAttribute("aria-pressed", String(view.log));
    setText(this.flagged, this.#flags(figure));
    this.#point(this.stage.cursor.x, false);
    void this.plot.draw(figure).then(() => this.#point(this.stage.cursor.x, false));
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

  /** @param {number | null} x @param {boolean} spoken */
  #point(x, spoken) {
    const figure = this.#figure;
    if (!figure || !this.#shown) return;
    const texts = figure.readables.map((readable, i) => {
      const at = x === null ? readable.x.length - 1 : nearest(readable.x, x);
      const text = at < 0 ? "" : x === null ? readable.now(at) : readable.text(at);
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
    if (event.key === "Escape") (cursor.move(null), this.stage.zoom(null));
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

  #toggleWords() {
    this.about.setAttribute("aria-expanded", String(this.element.classList.toggle("told")));
  }

  #toggleWidth() {
    const wide = this.element.classList.toggle("wide");
    this.grow.setAttribute("aria-pressed", String(wide));
  }

  dispose() {
    cancelAnimationFrame(this.#frame);
    this.unwatch();
    this.uncursor();
    for (const { feed, subscription } of this.subscriptions) feed.unsubscribe(subscription);
    this.plot.dispose();
  }
}
