/** The head and the words that every chart has: title, unit, what it shows, and the buttons for its scale and width. */
import { wordsOf } from "../charts/spec.js";
import { el, foreign, picture, printable } from "../dom.js";

/** @typedef {import("../charts/spec.js").ChartSpec} ChartSpec */

const ABOUT = "M8 7.2v4M8 4.8v.01M14 8a6 6 0 1 1-12 0 6 6 0 0 1 12 0";
const GROW = "M9.5 2.5h4v4M13.5 2.5l-4.5 4.5M6.5 13.5h-4v-4M2.5 13.5l4.5-4.5";

/** @typedef {Pick<ChartSpec, "title" | "note" | "unit" | "help" | "direction">} Titled */

/** @param {Titled} chart */
function titleOf(chart) {
  const unit = chart.unit && el("span", { class: "unit" }, chart.unit === "°" ? "degrees" : printable(chart.unit));
  return el("h3", {}, foreign(chart.title), chart.note && el("span", { class: "note" }, foreign(chart.note)), unit);
}

/** @param {string} colour */
export const variableOf = (colour) => `var(--${colour.startsWith("run-") ? colour : `chart-${colour}`})`;

/** @param {ChartSpec["lines"][number]} line */
export const swatchOf = (line) =>
  el("i", {
    class: line.told ? "swatch none" : line.dash ? "swatch dashed" : "swatch",
    style: `--swatch: ${variableOf(line.colour)}`,
    "aria-hidden": "true",
  });

export class CardHead {
  /**
   * @param {Titled} chart
   * @param {HTMLElement} card
   * @param {(() => void) | null} toggleScale Null where there is no other scale.
   */
  constructor(chart, card, toggleScale) {
    this.card = card;
    this.scale = el(
      "button",
      {
        type: "button",
        class: "quiet scale",
        "aria-label": "Logarithmic axis",
        title: "Logarithmic axis",
        on: { click: () => toggleScale?.() },
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
    const { what, good } = wordsOf(chart);
    this.element = el(
      "div",
      { class: "chart-head" },
      titleOf(chart),
      el("div", { class: "tools" }, (what || good) && this.about, toggleScale && this.scale, this.grow),
    );
    this.words = el(
      "figcaption",
      { dir: "auto" },
      what && el("p", {}, printable(what)),
      good && el("p", {}, printable(good)),
    );
  }

  #toggleWords() {
    this.about.setAttribute("aria-expanded", String(this.card.classList.toggle("told")));
  }

  #toggleWidth() {
    const wide = this.card.classList.toggle("wide");
    this.grow.setAttribute("aria-pressed", String(wide));
  }
}
