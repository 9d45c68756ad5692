/** Everything a run logs that has no place of its own: folded away, found by name, drawn when opened. */
import { el, printable, setText } from "../dom.js";
import { plural } from "../format.js";
import { PART } from "../selectors.js";
import { Board } from "./board.js";

/** @typedef {import("../charts/spec.js").ChartSpec} ChartSpec */

const PAGE = 24;

export class RestOfCharts {
  /** @type {ChartSpec[]} */ #charts = [];
  #limit = PAGE;
  #wasOpened = false;

  /** @param {import("./chart.js").Stage} stage */
  constructor(stage) {
    this.board = new Board(stage, "Everything else");
    this.title = el("h2", {});
    this.summary = el("span", { class: "muted number" });
    this.filter = el("input", {
      type: "search",
      placeholder: "Filter by name",
      "aria-label": "Filter charts by name",
      on: { input: () => this.#refilter() },
    });
    this.more = el("button", { type: "button", hidden: true, on: { click: () => this.#showMore() } }, "Show more");
    this.element = el(
      "details",
      { class: "rest", part: PART.rest, hidden: true, on: { toggle: () => this.#update() } },
      el("summary", {}, this.title, this.summary),
      el("div", { class: "rest-tools" }, this.filter),
      this.board.element,
      this.more,
    );
  }

  /** @param {ChartSpec[]} charts @param {boolean} alone Whether there is nothing else to see. */
  show(charts, alone = false) {
    this.#charts = charts;
    this.element.hidden = charts.length === 0;
    setText(this.title, alone ? "Series" : "Everything else");
    if (alone && charts.length && !this.#wasOpened) this.element.open = this.#wasOpened = true;
    setText(
      this.summary,
      plural(
        charts.reduce((n, chart) => n + chart.lines.length, 0),
        "series",
        "series",
      ),
    );
    this.#update();
  }

  #refilter() {
    this.#limit = PAGE;
    this.#update();
  }

  #showMore() {
    this.#limit += PAGE;
    this.#update();
  }

  #update() {
    if (!this.element.open) return;
    const text = this.filter.value.trim().toLowerCase();
    const matching = text
      ? this.#charts.filter((chart) => chart.lines.some((line) => printable(line.series).toLowerCase().includes(text)))
      : this.#charts;
    this.more.hidden = matching.length <= this.#limit;
    this.board.show(matching.slice(0, this.#limit));
  }

  draw() {
    if (this.element.open) this.board.draw();
  }

  dispose() {
    this.board.dispose();
  }
}
