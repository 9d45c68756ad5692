/** What the generator draws, in three panels that show the same moment. */
import { Extremes, isExtreme } from "./extremes.js";
import { isLeading, Leading } from "./leading.js";
import { Samples } from "./samples.js";

/** @typedef {import("../types.js").Snapshot} Snapshot */

export class Pictures {
  /** @type {Snapshot[]} */ images = [];

  /**
   * @param {string} run
   * @param {import("../state/moment.js").Moment} moment
   * @param {(step: number) => string} place
   */
  constructor(run, moment, place) {
    this.samples = new Samples(run, moment, place);
    this.extremes = new Extremes(run, moment, place);
    this.leading = new Leading(run, moment, place);
    this.elements = [this.samples.element, this.extremes.element, this.leading.element];
  }

  /**
   * @param {Snapshot[] | null} images Null where neither they nor the turn have changed.
   * @param {number | null} onset
   * @param {boolean} awaited Whether there may still come some.
   */
  show(images, onset, awaited) {
    if (images) {
      this.images = images;
      this.samples.show(
        images.filter(({ name }) => !isExtreme(name) && !isLeading(name)),
        onset,
      );
      this.extremes.show(images, onset);
      this.leading.show(images, onset);
    }
    this.samples.element.hidden = !awaited && !this.images.length;
  }

  /** @param {number} step */
  showStep(step) {
    this.samples.showStep(step);
  }

  reveal() {
    this.samples.element.scrollIntoView({ block: "nearest", behavior: "smooth" });
  }
}
