/** The x-axis of a page: which one, and which part of it. */
import { el, replace } from "../dom.js";
import { PART } from "../selectors.js";

/** @typedef {import("../types.js").AxisKind} AxisKind */

/** @type {[AxisKind, string][]} */
const AXES = [
  ["epoch", "Epoch"],
  ["step", "Step"],
  ["time", "Time"],
];

export class Toolbar {
  /**
   * @param {{choose: (kind: AxisKind) => void, zoom: (range: [number, number] | null) => void}} actions
   * @param {...(Node | string)} more
   */
  constructor(actions, ...more) {
    this.buttons = AXES.map(([kind, label]) =>
      el("button", { type: "button", "data-axis": kind, on: { click: () => actions.choose(kind) } }, label),
    );
    this.view = el("div", { class: "view" });
    this.reset = () => actions.zoom(null);
    const axis = el("div", { class: "segments", role: "group", "aria-label": "Horizontal axis" }, ...this.buttons);
    this.element = el("div", { class: "toolbar", part: PART.toolbar }, axis, this.view, ...more);
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
