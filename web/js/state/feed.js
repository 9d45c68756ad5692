/**
 * The points of one run for all charts of a page. Charts say which series they show while they are on the screen; one
 * request asks for all of them. What is off the screen is marked stale and asked for when it comes back.
 *
 * @typedef {import("../types.js").Columns} Columns
 * @typedef {{axis?: string, from?: number | null, to?: number | null, attempt?: number}} View
 *   Without an attempt, what the newest one shows.
 * @typedef {{names: string[], changed: () => void, visible: boolean, stale: boolean}} Subscription
 */
import { getPoints } from "../api.js";

const NAMES_A_REQUEST = 24;
/** As many as a chart has pixels to tell apart, and as many moments as boxes and colours. */
export const BUCKETS = { points: 480, moments: 120 };

export class Feed {
  /** @type {Set<Subscription>} */ #subscriptions = new Set();
  /** The columns of a series and the number of the request that brought them. @type {Map<string, {columns: Columns, request: number}>} */ #held =
    new Map();
  #requests = 0;
  #queued = false;

  /**
   * @param {string} run
   * @param {number} buckets
   * @param {View} view
   * @param {AbortSignal} signal
   * @param {(error: unknown) => void} failed
   */
  constructor(run, buckets, view, signal, failed) {
    this.run = run;
    this.buckets = buckets;
    this.view = view;
    this.signal = signal;
    this.failed = failed;
  }

  /** @param {string[]} names @param {() => void} changed @returns {Subscription} */
  subscribe(names, changed) {
    const subscription = { names, changed, visible: false, stale: true };
    this.#subscriptions.add(subscription);
    return subscription;
  }

  /** @param {Subscription} subscription */
  unsubscribe(subscription) {
    this.#subscriptions.delete(subscription);
  }

  /** @param {Subscription} subscription @param {boolean} visible */
  setVisible(subscription, visible) {
    subscription.visible = visible;
    if (!visible || !subscription.stale || this.#queued) return;
    this.#queued = true;
    queueMicrotask(() => {
      this.#queued = false;
      this.#fetch().catch(this.failed);
    });
  }

  /** @param {string} name */
  columns(name) {
    return this.#held.get(name)?.columns;
  }

  /** Another part of the run: everything shown must be asked for again. @param {View} view */
  setView(view) {
    if (view.axis === this.view.axis && view.from === this.view.from && view.to === this.view.to)
      return Promise.resolve();
    this.view = view;
    return this.refresh();
  }

  /** There are new points. */
  refresh() {
    for (const subscription of this.#subscriptions) subscription.stale = true;
    return this.#fetch();
  }

  async #fetch() {
    const wanted = [...this.#subscriptions].filter((subscription) => subscription.visible && subscription.stale);
    const names = [...new Set(wanted.flatMap((subscription) => subscription.names))];
    if (!names.length) return;
    const request = ++this.#requests;
    for (const subscription of wanted) subscription.stale = false;
    const requests = [];
    for (let i = 0; i < names.length; i += NAMES_A_REQUEST) {
      requests.push(
        getPoints(this.run, names.slice(i, i + NAMES_A_REQUEST), { buckets: this.buckets, ...this.view }, this.signal),
      );
    }
    const view = this.view;
    try {
      for (const answer of await Promise.all(requests)) {
        if (view !== this.view) return;
        for (const [name, columns] of Object.entries(answer.series))
          if (request > (this.#held.get(name)?.request ?? 0)) this.#held.set(name, { columns, request });
      }
    } catch (error) {
      for (const subscription of wanted) subscription.stale = true;
      throw error;
    }
    for (const subscription of wanted) subscription.changed();
  }
}
