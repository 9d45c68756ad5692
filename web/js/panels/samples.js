/**
 * What the generator draws: the sample grids of a run, one step at a time. The slider is a plain range input, so the
 * arrow keys, Page Up and Page Down, Home and End work as everywhere; it follows the newest grid while it stands there.
 *
 * @typedef {import("../types.js").Snapshot} Snapshot
 */
import { imageUrl } from "../api.js";
import { el, foreign, picture, replace, setText } from "../dom.js";
import { count } from "../format.js";
import { PART } from "../selectors.js";

const LEFT = "M10 3.5 5.5 8l4.5 4.5";
const RIGHT = "M6 3.5 10.5 8 6 12.5";

export class Samples {
  /** @type {Snapshot[]} */ #shown = [];
  /** @type {Snapshot[]} */ #all = [];
  #at = -1;
  /** @type {number | null} */ #onset = null;
  #wanted = /** @type {number | null} */ (null);

  /**
   * @param {string} run
   * @param {{chosen: (step: number | null) => void, place: (step: number) => string}} actions
   * @param {number | null} wanted The step to begin with; null follows the newest.
   */
  constructor(run, actions, wanted) {
    this.run = run;
    this.actions = actions;
    this.#wanted = wanted;
    this.slider = el("input", {
      type: "range",
      min: "0",
      max: "0",
      value: "0",
      "aria-label": "Sample grid",
      on: { input: () => this.#go(Number(this.slider.value)) },
    });
    this.tick = el("span", { class: "onset-tick", hidden: true, "aria-hidden": "true" });
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
      {
        type: "button",
        class: "quiet",
        hidden: true,
        on: { click: () => this.#onset !== null && this.showStep(this.#onset) },
      },
      "Go to the turn",
    );
    this.names = el("select", {
      "aria-label": "Which samples",
      hidden: true,
      on: { change: () => this.#choose(this.names.value) },
    });
    const step = (/** @type {number} */ by, /** @type {string} */ label, /** @type {string} */ path) =>
      el(
        "button",
        { type: "button", class: "quiet icon", "aria-label": label, on: { click: () => this.#go(this.#at + by) } },
        picture(path),
      );
    this.element = el(
      "figure",
      { class: "panel chart samples", part: PART.samples },
      el(
        "div",
        { class: "chart-head" },
        el("h3", {}, "Samples"),
        el("div", { class: "tools" }, this.names, this.toOnset),
      ),
      el(
        "div",
        { class: "slider" },
        step(-1, "Earlier samples", LEFT),
        el("div", { class: "rail" }, this.slider, this.tick),
        step(1, "Later samples", RIGHT),
      ),
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
  }

  get images() {
    return this.#all;
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
    const last = this.#shown.length - 1;
    this.slider.max = String(last);
    this.slider.disabled = last === 0;
    const onsetAt = this.#onset === null ? -1 : this.#nearest(this.#onset);
    this.tick.hidden = onsetAt < 0 || last === 0;
    this.tick.style.setProperty("--at", String(last ? onsetAt / last : 0));
    this.toOnset.hidden = onsetAt < 0;
    this.#render(this.#wanted === null ? last : this.#nearest(this.#wanted));
  }

  /** @param {number} step */
  #nearest(step) {
    let best = 0;
    this.#shown.forEach((image, i) => {
      if (Math.abs(image.step - step) < Math.abs(this.#shown[best].step - step)) best = i;
    });
    return best;
  }

  /** @param {number} step */
  showStep(step) {
    if (this.#shown.length) this.#go(this.#nearest(step));
  }

  /** @param {number} to */
  #go(to) {
    const last = this.#shown.length - 1;
    const at = Math.min(last, Math.max(0, to));
    if (at < 0) return;
    this.#wanted = at === last ? null : this.#shown[at].step;
    this.#render(at);
    this.actions.chosen(this.#wanted);
  }

  /** @param {number} at */
  #render(at) {
    const image = this.#shown[at];
    const place = this.actions.place(image.step);
    const where = `${place.startsWith("step") ? "" : `${place}, `}step ${count(image.step)}`;
    this.#at = at;
    this.slider.value = String(at);
    this.slider.setAttribute("aria-valuetext", where);
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
    this.#go(this.#at + by);
    event.preventDefault();
  }
}
