/**
 * What the x-axis shows. The store knows steps and wall times; epochs come from the run's evaluation marks, by linear
 * interpolation between them (and the last slope beyond them).
 *
 * @typedef {import("../types.js").AxisKind} AxisKind
 * @typedef {import("../types.js").Marks} Marks
 */
import { count, elapsed, epoch } from "../format.js";

/**
 * Piecewise linear through the knots, continued at both ends.
 * @param {number[]} from Ascending.
 * @param {number[]} to
 * @param {number} value
 */
export function interpolate(from, to, value) {
  const n = from.length;
  if (n < 2) return n ? to[0] + value - from[0] : value;
  let low = 0;
  let high = n - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (from[middle] <= value) low = middle;
    else high = middle;
  }
  const span = from[high] - from[low];
  return span === 0 ? to[low] : to[low] + ((value - from[low]) / span) * (to[high] - to[low]);
}

/** Knots (step, epoch), strictly ascending in both, beginning at the origin. @param {Marks} marks */
function epochKnots(marks) {
  const steps = [0];
  const epochs = [0];
  marks.step.forEach((step, i) => {
    const at = marks.epoch[i];
    if (at === null || at === undefined || step <= steps[steps.length - 1] || at <= epochs[epochs.length - 1]) return;
    steps.push(step);
    epochs.push(at);
  });
  return { steps, epochs };
}

export class Axis {
  /** @param {AxisKind} kind @param {Marks} marks @param {number} began Unix seconds. */
  constructor(kind, marks, began) {
    const knots = epochKnots(marks);
    this.hasEpochs = knots.steps.length > 1;
    /** @type {AxisKind} */ this.kind = kind === "epoch" && !this.hasEpochs ? "step" : kind;
    this.knots = knots;
    this.times = { steps: marks.step, times: marks.time };
    this.began = began;
  }

  /** @param {number} step @param {number} time */
  x(step, time) {
    if (this.kind === "time") return time - this.began;
    return this.kind === "epoch" ? interpolate(this.knots.steps, this.knots.epochs, step) : step;
  }

  /** Where a step is when its time is not known: an alert's onset, an image. @param {number} step */
  atStep(step) {
    return this.kind === "time" ? interpolate(this.times.steps, this.times.times, step) - this.began : this.x(step, 0);
  }

  /** The step at an x. @param {number} x */
  stepAt(x) {
    if (this.kind === "time") return interpolate(this.times.times, this.times.steps, x + this.began);
    return this.kind === "epoch" ? interpolate(this.knots.epochs, this.knots.steps, x) : x;
  }

  /** The part of a points query that asks for this range. @param {[number, number] | null} range */
  query(range) {
    const axis = this.kind === "time" ? "time" : "step";
    if (!range) return { axis };
    if (axis === "time") return { axis, from: range[0] + this.began, to: range[1] + this.began };
    return { axis, from: Math.floor(this.stepAt(range[0])), to: Math.ceil(this.stepAt(range[1])) };
  }

  get title() {
    return { step: "step", epoch: "epoch", time: "time since the start" }[this.kind];
  }

  /** @param {number} x */
  format(x) {
    if (this.kind === "time") return elapsed(x);
    return this.kind === "epoch" ? `epoch ${epoch(x)}` : `step ${count(Math.round(x))}`;
  }
}
