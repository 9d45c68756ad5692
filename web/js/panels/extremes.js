/**
 * The best and the worst samples of a moment, each with the score that a judge gave it.
 *
 * @typedef {import("../types.js").Snapshot} Snapshot
 * @typedef {{image: Snapshot, at: number, score: number}} Cell One sample of a grid.
 */
import { imageUrl } from "../api.js";
import { el, replace, setText } from "../dom.js";
import { number } from "../format.js";
import { PART } from "../selectors.js";
import { CardHead } from "./card.js";
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

/** Images that this panel shows, and no other. @param {string} name */
export const isExtreme = (name) => name.endsWith(BEST) || name.endsWith(WORST);

/** @param {Snapshot} image @returns {Cell[]} */
const cellsOf = (image) =>
  image.scores.flatMap((score, at) => {
    const value = Number(score);
    return Number.isFinite(value) && at < image.rows * image.columns ? [{ image, at, score: value }] : [];
  });

/**
 * The moments that have scores: those of grids of the best and of the worst, else of the samples themselves.
 * @param {Snapshot[]} images
 */
export function momentsOf(images) {
  const scored = images.filter((image) => image.scores.length > 1 && image.width > 0);
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

/** A cell of a grid, whose cells stand a pixel apart (see `encode_grid`). @param {string} run @param {Cell} cell */
function cellOf(run, { image, at, score }) {
  const place = (/** @type {number} */ index, /** @type {number} */ of, /** @type {number} */ size) => {
    const pitch = (size + 1) / of;
    return { share: of > 1 ? (100 * index * pitch) / (size - pitch + 1) : 0, scale: (100 * size) / (pitch - 1) };
  };
  const across = place(at % image.columns, image.columns, image.width);
  const down = place(Math.floor(at / image.columns), image.rows, image.height);
  const [width, height] = [(image.width + 1) / image.columns - 1, (image.height + 1) / image.rows - 1];
  const picture = el("span", {
    class: "face",
    role: "img",
    "aria-label": `Sample with score ${number(score, 2)}`,
    style:
      `background-image: url("${imageUrl(run, image.digest)}"); aspect-ratio: ${width} / ${height};` +
      `background-size: ${across.scale}% ${down.scale}%; background-position: ${across.share}% ${down.share}%;` +
      `image-rendering: ${width <= 48 ? "pixelated" : "auto"}`,
  });
  return el("li", {}, picture, el("span", { class: "number", "aria-hidden": "true" }, number(score, 2)));
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
    replace(this.best, ...shown.best.map((cell) => cellOf(this.run, cell)));
    replace(this.worst, ...shown.worst.map((cell) => cellOf(this.run, cell)));
  }
}
