/**
 * Walks through the moments of a run. A plain range input, so the arrow keys, Page Up and Page Down, Home and End work as
 * everywhere. It stands on the newest until it is moved, and returns to following it at the end.
 */
import { el, picture } from "../dom.js";

const LEFT = "M10 3.5 5.5 8l4.5 4.5";
const RIGHT = "M6 3.5 10.5 8 6 12.5";

export class StepSlider {
  /** @type {number[]} */ #steps = [];

  /**
   * @param {import("../state/moment.js").Moment} moment
   * @param {{what: string, place: (step: number) => string}} words What is walked through, and how a step is called.
   */
  constructor(moment, words) {
    this.moment = moment;
    this.words = words;
    this.input = el("input", {
      type: "range",
      min: "0",
      max: "0",
      value: "0",
      "aria-label": words.what,
      on: { input: () => this.go(Number(this.input.value)) },
    });
    this.tick = el("span", { class: "onset-tick", hidden: true, "aria-hidden": "true" });
    const step = (/** @type {number} */ by, /** @type {string} */ label, /** @type {string} */ path) =>
      el(
        "button",
        { type: "button", class: "quiet icon", "aria-label": label, on: { click: () => this.go(this.at + by) } },
        picture(path),
      );
    this.element = el(
      "div",
      { class: "slider" },
      step(-1, `Earlier ${words.what.toLowerCase()}`, LEFT),
      el("div", { class: "rail" }, this.input, this.tick),
      step(1, `Later ${words.what.toLowerCase()}`, RIGHT),
    );
  }

  get at() {
    return this.moment.indexIn(this.#steps);
  }

  /** @param {number} to */
  go(to) {
    const last = this.#steps.length - 1;
    const at = Math.min(last, Math.max(0, to));
    if (at >= 0) this.moment.set(at === last ? null : this.#steps[at]);
  }

  /** @param {number[]} steps Ascending. @param {number | null} onset */
  show(steps, onset) {
    this.#steps = steps;
    const last = steps.length - 1;
    this.input.max = String(Math.max(0, last));
    this.input.disabled = last <= 0;
    this.tick.hidden = onset === null || last <= 0;
    if (onset !== null && last > 0) {
      const nearest = steps.reduce(
        (best, step, i) => (Math.abs(step - onset) < Math.abs(steps[best] - onset) ? i : best),
        0,
      );
      this.tick.style.setProperty("--at", String(nearest / last));
    }
    const { at } = this;
    this.input.value = String(Math.max(0, at));
    if (at >= 0) this.input.setAttribute("aria-valuetext", this.words.place(steps[at]));
  }
}
