/**
 * The modes that most samples fall into: of a generator of faces, the people it draws again and again. Their grids are
 * called `modes/JUDGE`: a sample of each, its scores are their shares, its caption their names.
 *
 * @typedef {import("../types.js").Snapshot} Snapshot
 */
import { el, foreign, printable, replace, setText } from "../dom.js";
import { number } from "../format.js";
import { PART } from "../selectors.js";
import { CardHead } from "./card.js";
import { arrived, cellsOf, faceOf } from "./faces.js";
import { StepSlider } from "./step_slider.js";

const GROUP = "modes/";
const APART = " · ";
const HEAD = {
  title: "Largest modes",
  help: "A sample of each mode (a person, a class) that most samples fall into, and the share of samples that do. Good: small shares, close to each other. A few that take most say that modes are dropped, which is what a fall of D means.",
};

/** @param {string} name */
export const isLeading = (name) => name.startsWith(GROUP);

export class Leading {
  /** @type {Snapshot[]} */ #grids = [];
  /** @type {number | null} */ #onset = null;
  /** @type {CardHead | null} */ #head = null;
  #key = "";

  /**
   * @param {string} run
   * @param {import("../state/moment.js").Moment} moment
   * @param {(step: number) => string} place
   */
  constructor(run, moment, place) {
    this.run = run;
    this.place = place;
    this.slider = new StepSlider(moment, { what: "Largest modes", place });
    this.where = el("span", { class: "number where" });
    this.slider.element.append(this.where);
    this.list = el("ol", { class: "modes" });
    this.element = el(
      "figure",
      { class: "panel chart leading", part: PART.leading, hidden: true },
      this.slider.element,
      el("div", { class: "stage" }, this.list),
    );
    moment.subscribe(() => this.#render());
  }

  /** @param {Snapshot[]} images @param {number | null} onset */
  show(images, onset) {
    const grids = images.filter((image) => isLeading(image.name) && image.width > 0);
    // Of several judges the first: D is its.
    this.#grids = grids.filter((image) => image.name === grids[0].name);
    this.#onset = onset;
    this.element.hidden = !this.#grids.length;
    if (this.#grids.length && !this.#head) {
      const note = this.#grids[0].name.slice(GROUP.length);
      this.#head = new CardHead({ ...HEAD, note, unit: "", direction: "none" }, this.element, null);
      this.element.prepend(this.#head.element);
      this.element.append(this.#head.words);
    }
    this.#render();
  }

  #render() {
    this.slider.show(
      this.#grids.map(({ step }) => step),
      this.#onset,
    );
    const image = this.#grids[this.slider.at];
    if (!image) return;
    setText(this.where, this.place(image.step));
    const key = image.digest + image.caption;
    if (key === this.#key) return;
    this.#key = key;
    void arrived(this.run, [image]).then(() => {
      if (this.#key === key) this.#draw(image);
    });
  }

  /** @param {Snapshot} image */
  #draw(image) {
    const names = image.caption.split(APART);
    const cells = cellsOf(image);
    const most = Math.max(...cells.map(({ score }) => score));
    const rows = cells.map((cell) => {
      const name = names.length === cells.length ? names[cell.at] : `mode ${cell.at + 1}`;
      const share = `${number(100 * cell.score, 2)} %`;
      return el(
        "li",
        {},
        faceOf(this.run, cell, `A sample of ${printable(name)}`),
        foreign(name, { class: "mode-name", title: printable(name) }),
        el("i", { class: "bar", style: `--share: ${cell.score / most}`, "aria-hidden": "true" }),
        el("span", { class: "number" }, share),
      );
    });
    replace(this.list, ...rows);
  }
}
