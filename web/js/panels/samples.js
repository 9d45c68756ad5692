/**
 * What the generator draws: the sample grids of a run, one step at a time.
 *
 * @typedef {import("../types.js").Snapshot} Snapshot
 */
import { imageUrl } from "../api.js";
import { el, foreign, replace, setText } from "../dom.js";
import { count } from "../format.js";
import { PART } from "../selectors.js";
import { StepSlider } from "./step_slider.js";

export class Samples {
  /** @type {Snapshot[]} */ #shown = [];
  /** @type {Snapshot[]} */ #all = [];
  /** @type {number | null} */ #onset = null;

  /**
   * @param {string} run
   * @param {import("../state/moment.js").Moment} moment
   * @param {(step: number) => string} place
   */
  constructor(run, moment, place) {
    this.run = run;
    this.moment = moment;
    this.place = place;
    this.slider = new StepSlider(moment, { what: "Sample grid", place: (step) => this.#where(step) });
    this.where = el("span", { class: "number" });
    this.image = el("img", { alt: "", class: "grid", hidden: true });
    this.zoom = el(
      "button",
      {
        type: "button",
        class: "grid-button",
        "aria-label": "Show the sample grid large",
        on: { click: () => this.#enlarge() },
      },
      this.image,
    );
    this.caption = el("figcaption");
    this.toOnset = el(
      "button",
      { type: "button", class: "quiet", hidden: true, on: { click: () => this.showStep(this.#onset ?? 0) } },
      "Go to the turn",
    );
    this.names = el("select", {
      "aria-label": "Which samples",
      hidden: true,
      on: { change: () => this.#choose(this.names.value) },
    });
    this.element = el(
      "figure",
      { class: "panel chart samples", part: PART.samples },
      el(
        "div",
        { class: "chart-head" },
        el("h3", {}, "Samples"),
        el("div", { class: "tools" }, this.names, this.toOnset),
      ),
      this.slider.element,
      el(
        "div",
        { class: "stage" },
        this.zoom,
        el("p", { class: "none" }, "No sample grids yet. ", el("code", {}, "run.log_images(…)"), " adds them."),
      ),
      this.caption,
    );
    this.large = el("img", { class: "grid", alt: "" });
    this.dialog = el(
      "dialog",
      {
        class: "large",
        "aria-label": "Sample grid",
        on: { click: () => this.dialog.close(), keydown: (/** @type {KeyboardEvent} */ event) => this.#key(event) },
      },
      this.large,
      el("p", { class: "number" }, ""),
    );
    this.element.append(this.dialog);
    moment.subscribe(() => this.#render());
  }

  /** @param {Snapshot[]} images @param {number | null} onset */
  show(images, onset) {
    const names = [...new Set(images.map((image) => image.name))];
    const name = names.includes(this.names.value) ? this.names.value : (names[0] ?? "");
    this.names.hidden = names.length < 2;
    if (this.names.children.length !== names.length)
      replace(this.names, ...names.map((one) => el("option", { value: one }, foreign(one))));
    this.names.value = name;
    this.#all = images;
    this.#onset = onset;
    this.#choose(name);
  }

  /** @param {string} name */
  #choose(name) {
    this.#shown = this.#all.filter((image) => image.name === name);
    this.element.classList.toggle("empty", this.#shown.length === 0);
    if (!this.#shown.length) return;
    this.toOnset.hidden = this.#onset === null;
    this.#render();
  }

  /** @param {number} step */
  showStep(step) {
    const steps = this.#shown.map((image) => image.step);
    this.moment.set(step);
    if (steps.length) this.slider.go(this.slider.at);
  }

  /** @param {number} step */
  #where(step) {
    const place = this.place(step);
    return `${place.startsWith("step") ? "" : `${place}, `}step ${count(step)}`;
  }

  #render() {
    this.slider.show(
      this.#shown.map((image) => image.step),
      this.#onset,
    );
    const { at } = this.slider;
    const image = this.#shown[at];
    if (!image) return;
    const where = this.#where(image.step);
    const url = imageUrl(this.run, image.digest);
    for (const picture of [this.image, this.large]) {
      if (picture.getAttribute("src") !== url) picture.src = url;
      picture.hidden = false;
      picture.alt = `Generated samples at ${where}`;
      picture.style.imageRendering = image.width <= 400 ? "pixelated" : "auto";
    }
    setText(this.where, where);
    setText(this.dialog.lastElementChild, where);
    replace(
      this.caption,
      this.where,
      `${this.#shown.length - 1 === at ? " (newest)" : ""}, grid ${at + 1} of ${this.#shown.length}. `,
      image.caption ? foreign(image.caption) : null,
    );
  }

  #enlarge() {
    if (this.#shown.length) this.dialog.showModal();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!by) return;
    this.slider.go(this.slider.at + by);
    event.preventDefault();
  }
}
