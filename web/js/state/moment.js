/** The step that everything which shows one moment of a run shows: samples, slices. Null follows the newest. */
export class Moment {
  #listeners = /** @type {Set<(step: number | null) => void>} */ (new Set());

  /** @param {number | null} step @param {(step: number | null) => void} chosen Called whenever it changes. */
  constructor(step, chosen) {
    this.step = step;
    this.chosen = chosen;
  }

  /** @param {number | null} step */
  set(step) {
    if (step === this.step) return;
    this.step = step;
    this.chosen(step);
    for (const listener of this.#listeners) listener(step);
  }

  /** @param {(step: number | null) => void} listener @returns {() => void} Stops listening. */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * The index of what an ascending list has nearest to the moment; -1 where the list is empty.
   * @param {number[]} steps
   */
  indexIn(steps) {
    const { step } = this;
    if (step === null) return steps.length - 1;
    let best = steps.length - 1;
    for (let i = best - 1; i >= 0; i -= 1) if (Math.abs(steps[i] - step) < Math.abs(steps[best] - step)) best = i;
    return best;
  }
}
