/**
 * Server-sent events: what changed in which run, handed on at most once a second and never while the last change is
 * still being fetched. A lost stream is reopened with growing pauses; after each opening, the first too, everything is
 * asked for again (ETags make that cheap), so nothing that happened in between is missed. A connection can also die without a
 * word (a laptop that slept, a router that forgot): a stream that does not open is given up, a quiet one is checked.
 * A page in a hidden tab holds no stream: browsers open six connections to a host, and a row of tabs must not use
 * them up.
 *
 * @typedef {"points" | "images" | "alerts" | "state" | "marks" | "series"} Change
 * @typedef {Map<string, Set<Change>> | "all"} Changes
 * @typedef {"connecting" | "live" | "away"} LiveState
 */
import { eventsUrl } from "./api.js";
import { current } from "./connection.js";

const PAUSE_MS = 1000;
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 10_000;
const HIDDEN_GRACE_MS = 20_000;
const OPENING_MS = 8000;
const QUIET_MS = 30_000;

export class Live {
  /**
   * @param {string[]} runs None: every run.
   * @param {(changes: Changes) => Promise<void>} refresh
   * @param {(state: LiveState, retryAt: number | null) => void} tell
   */
  constructor(runs, refresh, tell) {
    this.runs = runs;
    this.refresh = refresh;
    this.tell = tell;
    this.wait = FIRST_WAIT_MS;
    /** @type {EventSource | null} */ this.source = null;
    /** @type {Map<string, Set<Change>>} */ this.pending = new Map();
    this.everything = false;
    this.busy = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */ this.flushing = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */ this.reopening = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */ this.hiding = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */ this.watching = undefined;
    this.closed = false;
    this.onVisibility = () => this.#visibility();
    document.addEventListener("visibilitychange", this.onVisibility);
    this.#open();
  }

  /** Stops waiting and tries now. */
  retry() {
    this.wait = FIRST_WAIT_MS;
    this.#drop();
    this.#open();
  }

  close() {
    this.closed = true;
    document.removeEventListener("visibilitychange", this.onVisibility);
    clearTimeout(this.flushing);
    clearTimeout(this.hiding);
    this.#drop();
  }

  #open() {
    this.tell("connecting", null);
    const source = new EventSource(eventsUrl(this.runs));
    this.source = source;
    this.watching = setTimeout(() => this.#lost(source), OPENING_MS);
    source.addEventListener("open", () => {
      this.#watch(source);
      this.wait = FIRST_WAIT_MS;
      this.tell("live", null);
      this.#everything();
    });
    source.addEventListener("run", (event) => {
      this.#watch(source);
      this.#note(JSON.parse(/** @type {MessageEvent} */ (event).data));
    });
    source.addEventListener("error", () => this.#lost(source));
  }

  /**
   * The comments that keep a stream alive are not told to a page, so a quiet stream is checked by asking.
   * @param {EventSource} source
   */
  #watch(source) {
    clearTimeout(this.watching);
    this.watching = setTimeout(() => {
      this.#everything();
      this.#watch(source);
    }, QUIET_MS);
  }

  /** @param {EventSource} source */
  #lost(source) {
    if (source !== this.source || this.closed) return;
    this.#drop();
    this.tell("away", Date.now() + this.wait);
    this.reopening = setTimeout(() => this.#open(), this.wait);
    // Asking tells whether the server is gone or only its stream; in that case the page goes on by asking at each try.
    this.#everything();
    this.wait = Math.min(LONGEST_WAIT_MS, this.wait * 2);
  }

  #drop() {
    clearTimeout(this.reopening);
    clearTimeout(this.watching);
    this.source?.close();
    this.source = null;
  }

  #visibility() {
    clearTimeout(this.hiding);
    if (document.hidden) this.hiding = setTimeout(() => this.#drop(), HIDDEN_GRACE_MS);
    else if (!this.source) this.retry();
  }

  /** @param {{run: string, changed: Change[]}} event */
  #note(event) {
    const changed = this.pending.get(event.run) ?? new Set();
    for (const change of event.changed) changed.add(change);
    this.pending.set(event.run, changed);
    this.#schedule();
  }

  #everything() {
    this.everything = true;
    this.#schedule();
  }

  #schedule() {
    if (!this.busy && this.flushing === undefined) this.flushing = setTimeout(() => this.#flush(), 0);
  }

  async #flush() {
    const changes = this.everything ? "all" : this.pending;
    this.pending = new Map();
    this.everything = false;
    this.busy = true;
    await this.refresh(changes).catch(reportError);
    this.busy = false;
    if (this.closed) return;
    if (!current().reachable && this.source?.readyState === EventSource.OPEN) this.#lost(this.source);
    this.flushing = setTimeout(() => {
      this.flushing = undefined;
      if (this.everything || this.pending.size) this.#schedule();
    }, PAUSE_MS);
  }
}
