/**
 * One moment of a family of series, with a slider through the moments at which it was measured.
 *
 * @typedef {import("../charts/spec.js").ChartSpec} ChartSpec
 */
import { sliceOf, stepsOf } from "../charts/slices.js";
import { nearest } from "../charts/figure.js";
import { el, foreign, printable, setText } from "../dom.js";
import { plural } from "../format.js";
import { Plot } from "../plot.js";
import { PART } from "../selectors.js";
import { whenVisible } from "../visibility.js";
import { CardHead, swatchOf } from "./card.js";
import { StepSlider } from "./step_slider.js";

export class SliceCard {
  /** @type {import("../charts/figure.js").Figure | null} */ #figure = null;
  /** @type {HTMLElement[]} */ #values = [];
  #shown = false;
  #frame = 0;
  /** Where is pointed at, across. @type {number | null} */ #x = null;

  /** @param {ChartSpec} chart @param {import("./chart.js").Stage} stage */
  constructor(chart, stage) {
    this.chart = chart;
    this.stage = stage;
    const { moment } = stage;
    this.slider = new StepSlider(moment, { what: chart.title, place: (step) => this.#place(step) });
    this.where = el("span", { class: "number where" });
    this.slider.element.append(this.where);
    this.plotHost = el("div", {
      class: "plot",
      part: PART.plot,
      tabindex: "0",
      role: "group",
      "aria-roledescription": "chart",
      "aria-label": `${printable(chart.title)}. Arrow keys read the values; the slider above chooses the step.`,
      on: { keydown: (/** @type {KeyboardEvent} */ event) => this.#key(event), blur: () => this.#point(null) },
    });
    this.spoken = el("span", { class: "hidden-text", "aria-live": "polite" });
    this.flagged = el("p", { class: "flagged" });
    this.element = el("figure", { class: "panel chart slice", part: PART.chart, "data-chart": chart.id });
    this.head = new CardHead(chart, this.element, () => this.#toggleScale());
    this.element.append(
      this.head.element,
      this.slider.element,
      this.#readout(),
      this.plotHost,
      this.head.words,
      this.flagged,
      this.spoken,
    );
    this.plot = new Plot(this.plotHost, {
      onZoom: () => {},
      onPoint: (x) => this.#point(x),
      onPick: () => {},
    });
    const names = chart.lines.map((line) => line.series);
    this.feed = stage.sources[0].moments;
    this.subscription = this.feed.subscribe(names, () => this.draw());
    this.unwatch = whenVisible(this.element, (visible) => this.#setVisible(visible));
    this.unfollow = moment.subscribe(() => this.draw());
  }

  #readout() {
    const groups = [...Map.groupBy(this.chart.lines, (line) => line.label).values()];
    const items = groups.map(([line]) => {
      const value = el("span", { class: "value number" });
      this.#values.push(value);
      return el("li", {}, swatchOf(line), line.label && foreign(line.label, { class: "label" }), value);
    });
    return el("ul", { class: "readout", part: PART.readout }, ...items);
  }

  /** @param {number} step */
  #place(step) {
    const { axis } = this.stage.sources[0];
    return axis.format(axis.atStep(step));
  }

  /** @param {boolean} visible */
  #setVisible(visible) {
    this.#shown = visible;
    this.feed.setVisible(this.subscription, visible);
    if (visible) this.draw();
  }

  get log() {
    return (this.stage.scaleOf(this.chart.id) ?? this.chart.scale) !== "linear";
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
    const columnsOf = (/** @type {string} */ name) => this.feed.columns(name);
    const steps = stepsOf(this.chart, columnsOf);
    this.slider.show(steps, this.stage.onset());
    const { at } = this.slider;
    this.element.classList.toggle("empty", at < 0);
    if (at < 0) return;
    setText(this.where, this.#place(steps[at]));
    this.#figure = sliceOf(this.chart, columnsOf, steps[at], this.log);
    this.head.scale.setAttribute("aria-pressed", String(this.log));
    const { flags, hidden } = this.#figure;
    const said = [
      flags.length ? `${plural(flags.length, "value is", "values are")} not finite.` : "",
      hidden ? `${plural(hidden, "place")} at or below zero, which a logarithmic axis cannot show.` : "",
    ];
    setText(this.flagged, said.filter(Boolean).join(" "));
    this.#point(this.#x);
    void this.plot.draw(this.#figure);
  }

  /** @param {number | null} x @param {boolean} [spoken] */
  #point(x, spoken = false) {
    this.#x = x;
    const figure = this.#figure;
    if (!figure) return;
    const ticks = figure.x.ticks ?? [];
    const tick =
      x === null
        ? null
        : ticks[
            nearest(
              ticks.map(({ value }) => value),
              x,
            )
          ];
    const texts = figure.readables.map((readable, i) => {
      const at = tick ? readable.x.indexOf(tick.value) : -1;
      const text = at < 0 ? "" : readable.text(at);
      setText(this.#values[i], text);
      return `${readable.label} ${text}`;
    });
    this.plot.setCursor(tick?.value ?? null, tick ? `${this.chart.acrossShort}${tick.text}` : "");
    if (spoken && tick) setText(this.spoken, `${this.chart.acrossShort}${tick.text}: ${printable(texts.join(", "))}`);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const ticks = (this.#figure?.x.ticks ?? []).map(({ value }) => value);
    const at = this.#x === null ? -1 : nearest(ticks, this.#x);
    const to = { ArrowLeft: Math.max(0, at - 1), ArrowRight: at + 1, Home: 0, End: ticks.length - 1 }[event.key];
    if (event.key === "Escape") this.#point(null);
    else if (to === undefined || !ticks.length) return;
    else this.#point(ticks[Math.min(ticks.length - 1, to)], true);
    event.preventDefault();
  }

  #toggleScale() {
    this.stage.setScale(this.chart.id, this.log ? "linear" : "log");
    this.draw();
  }

  dispose() {
    cancelAnimationFrame(this.#frame);
    this.unwatch();
    this.unfollow();
    this.feed.unsubscribe(this.subscription);
    this.plot.dispose();
  }
}
