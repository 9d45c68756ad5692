/** The one x that every chart of a page points at. */
export class Cursor {
  #listeners = /** @type {Set<(x: number | null, spoken: boolean) => void>} */ (new Set());
  /** @type {number | null} */ x = null;

  /**
   * @param {number | null} x
   * @param {boolean} [spoken] True where the keyboard moved it: then the values are read aloud.
   */
  move(x, spoken = false) {
    if (x === this.x) return;
    this.x = x;
    for (const listener of this.#listeners) listener(x, spoken);
  }

  /** @param {(x: number | null, spoken: boolean) => void} listener @returns {() => void} */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
