/** A grid of charts that follows a list of specifications: what is already shown stays, what is new is added. */
import { el } from "../dom.js";
import { PART } from "../selectors.js";
import { ChartCard } from "./chart.js";
import { SliceCard } from "./slice.js";

/** @typedef {import("../charts/spec.js").ChartSpec} ChartSpec */

export class Board {
  /** @type {Map<string, {card: ChartCard | SliceCard, key: string}>} */ #cards = new Map();

  /**
   * @param {import("./chart.js").Stage} stage
   * @param {string} label
   * @param {{after: number, elements: HTMLElement[]} | null} [guests] Other panels, placed after the first charts.
   */
  constructor(stage, label, guests = null) {
    this.stage = stage;
    this.guests = guests;
    this.element = el("div", { class: "board", part: PART.charts, role: "group", "aria-label": label });
  }

  /** @param {ChartSpec[]} charts */
  show(charts) {
    const wanted = new Map(charts.map((chart) => [chart.id, chart]));
    for (const [id, { card }] of this.#cards) {
      if (wanted.has(id)) continue;
      card.dispose();
      this.#cards.delete(id);
    }
    const order = charts.map((chart) => this.#card(chart).element);
    if (this.guests) order.splice(Math.min(this.guests.after, order.length), 0, ...this.guests.elements);
    order.forEach((element, i) => {
      if (this.element.children[i] !== element) this.element.insertBefore(element, this.element.children[i] ?? null);
    });
    while (this.element.children.length > order.length) this.element.lastElementChild?.remove();
  }

  /** @param {ChartSpec} chart */
  #card(chart) {
    const key = JSON.stringify(chart);
    const before = this.#cards.get(chart.id);
    if (before?.key === key) return before.card;
    const card = new (chart.view === "slice" ? SliceCard : ChartCard)(chart, this.stage);
    if (before) {
      before.card.element.replaceWith(card.element);
      before.card.dispose();
    }
    this.#cards.set(chart.id, { card, key });
    return card;
  }

  draw() {
    for (const { card } of this.#cards.values()) card.draw();
  }

  dispose() {
    for (const { card } of this.#cards.values()) card.dispose();
    this.#cards.clear();
  }
}
