/**
 * The best and the worst samples of a moment, each with the score that a judge gave it.
 *
 * @typedef {import("../types.js").Snapshot} Snapshot
 */
import { el, replace, setText } from "../dom.js";
import { number } from "../format.js";
import { PART } from "../selectors.js";
import { CardHead } from "./card.js";
import { arrived, cellsOf, faceOf } from "./faces.js";
import { isLeading } from "./leading.js";
import { StepSlider } from "./step_slider.js";

const BEST = "/best";
const WORST = "/worst";
/** At most so many of each. */
const MOST = 16;
const HEAD = {
  title: "Best and worst",
  note: "samples, by their score q",
  help: "How surely the judge takes each sample for what it should be, from 0 to 1; Q is their mean. Good: the worst look right too. Best ones that are all alike say that modes are dropped.",
};

/** @param {string} name */
export const isExtreme = (name) => name.endsWith(BEST) || name.endsWith(WORST);

/**
 * The moments that have scores: those of grids of the best and of the worst, else of the samples themselves.
 * @param {Snapshot[]} images
 */
export function momentsOf(images) {
  const scored = images.filter((image) => image.scores.length > 1 && image.width > 0 && !isLeading(image.name));
  const chosen = scored.filter((image) => isExtreme(image.name));
  return [...Map.groupBy(chosen.length ? chosen : scored, (image) => image.step)].map(([step, grids]) => {
    const cells = (/** @type {string} */ end) => {
      const named = grids.find((image) => image.name.endsWith(end));
      return cellsOf(named ?? grids[0]).sort((a, b) => (end === BEST ? b.score - a.score : a.score - b.score));
    };
    const [best, worst] = [cells(BEST), cells(WORST)];
    const most = chosen.length ? MOST : Math.min(MOST, best.length >> 1);
    return { step, best: best.slice(0, most), worst: worst.slice(0, most) };
  });
}

export class Extremes {
  /** @type {ReturnType<typeof momentsOf>} */ #moments = [];
  /** @type {number | null} */ #onset = null;
  #key = "";

  /**
   * @param {string} run
   * @param {import("../state/moment.js").Moment} moment
   * @param {(step: number) => string} place
   */
  constructor(run, moment, place) {
    this.run = run;
    this.place = place;
    this.slider = new StepSlider(moment, { what: "Best and worst", place });
    this.where = el("span", { class: "number where" });
    this.slider.element.append(this.where);
    this.best = el("ul", { class: "faces", "aria-label": "Best" });
    this.worst = el("ul", { class: "faces", "aria-label": "Worst" });
    this.element = el("figure", { class: "panel chart extremes", part: PART.extremes, hidden: true });
    const head = new CardHead({ ...HEAD, unit: "", direction: "none" }, this.element, null);
    this.element.append(
      head.element,
      this.slider.element,
      el("div", { class: "stage" }, el("h4", {}, "Best"), this.best, el("h4", {}, "Worst"), this.worst),
      head.words,
    );
    moment.subscribe(() => this.#render());
  }

  /** @param {Snapshot[]} images @param {number | null} onset */
  show(images, onset) {
    this.#moments = momentsOf(images);
    this.#onset = onset;
    this.element.hidden = this.#moments.length === 0;
    this.#render();
  }

  #render() {
    this.slider.show(
      this.#moments.map(({ step }) => step),
      this.#onset,
    );
    const shown = this.#moments[this.slider.at];
    if (!shown) return;
    setText(this.where, this.place(shown.step));
    const key = JSON.stringify(
      [shown.best, shown.worst].map((cells) => cells.map(({ image, at }) => [image.digest, at])),
    );
    if (key === this.#key) return;
    this.#key = key;
    void arrived(
      this.run,
      [...shown.best, ...shown.worst].map(({ image }) => image),
    ).then(() => {
      if (this.#key === key) this.#draw(shown);
    });
  }

  /** @param {ReturnType<typeof momentsOf>[number]} shown */
  #draw(shown) {
    replace(this.best, ...shown.best.map((cell) => this.#sample(cell)));
    replace(this.worst, ...shown.worst.map((cell) => this.#sample(cell)));
  }

  /** @param {import("./faces.js").Cell} cell */
  #sample(cell) {
    const score = number(cell.score, 2);
    return el(
      "li",
      {},
      faceOf(this.run, cell, `Sample with score ${score}`),
      el("span", { class: "number", "aria-hidden": "true" }, score),
    );
  }
}
