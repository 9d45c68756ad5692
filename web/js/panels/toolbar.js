/** What all charts of a page share: which x-axis, which part of it, and how smooth the lines are. */
import { el, replace, setText } from "../dom.js";
import { PART } from "../selectors.js";
import * as smoothing from "../state/smoothing.js";

/** @typedef {import("../types.js").AxisKind} AxisKind */

/** @type {[AxisKind, string][]} */
const AXES = [
  ["epoch", "Epoch"],
  ["step", "Step"],
  ["time", "Time"],
];

/** @param {() => void} changed */
function smoother(changed) {
  const told = el("output", { class: "number" });
  const slider = el("input", {
    type: "range",
    "aria-label": "Smoothing",
    min: "0",
    max: "0.99",
    step: "0.01",
    value: String(smoothing.get()),
    on: {
      input: () => {
        smoothing.set(Number(slider.value));
        setText(told, slider.value);
        changed();
      },
    },
  });
  setText(told, slider.value);
  const title = "Draws an exponential average over each line. What was logged stays behind it, every spike of it.";
  return el("label", { class: "smoothing", title }, "Smoothing", slider, told);
}

export class Toolbar {
  /**
   * @param {{choose: (kind: AxisKind) => void, zoom: (range: [number, number] | null) => void, smoothed: () => void}} actions
   */
  constructor(actions) {
    this.buttons = AXES.map(([kind, label]) =>
      el("button", { type: "button", "data-axis": kind, on: { click: () => actions.choose(kind) } }, label),
    );
    this.view = el("div", { class: "view" });
    this.reset = () => actions.zoom(null);
    const axis = el("div", { class: "segments", role: "group", "aria-label": "Horizontal axis" }, ...this.buttons);
    this.element = el("div", { class: "toolbar", part: PART.toolbar }, axis, this.view, smoother(actions.smoothed));
  }

  /** @param {import("../state/axis.js").Axis} axis @param {[number, number] | null} range */
  show(axis, range) {
    for (const button of this.buttons) {
      button.setAttribute("aria-pressed", String(button.dataset.axis === axis.kind));
      button.disabled = button.dataset.axis === "epoch" && !axis.hasEpochs;
    }
    if (!range) {
      replace(this.view, el("span", { class: "muted hint" }, "Drag across a chart to zoom"));
      return;
    }
    const [from, to] = range.map((x) => axis.format(x));
    const short = to.replace(/^\w+ /, "");
    replace(
      this.view,
      el("span", { class: "number" }, `${from} to ${short}`),
      el("button", { type: "button", on: { click: this.reset } }, "Show all"),
    );
  }
}
