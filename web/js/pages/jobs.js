/** What is queued for the workers, what they train, and what became of it. */
import * as api from "../api.js";
import { refused } from "../connection.js";
import { el, foreign, replace, setText } from "../dom.js";
import { duration, plural } from "../format.js";
import { confirmed } from "../panels/confirm.js";
import { ageOf, stateBadge } from "../panels/state.js";
import { PART } from "../selectors.js";
import * as url from "../state/url.js";
import { tellTrouble } from "../troubles.js";
import { notice } from "./notice.js";

/** @typedef {import("../types.js").Job} Job */

const STATES = ["", "queued", "running", "finished", "failed", "cancelled"];
const PAGE = 100;
const MOST_PAGES = 20;
/** Jobs change without a word in the stream of runs. */
const EVERY_MS = 5000;
const EXAMPLE = "gantrain worker --server LINK\ngantrain submit digits-gn --epochs 50";

/** @param {Job} job */
function timing(job) {
  if (job.state === "queued") return el("span", {}, "waiting, submitted ", ageOf(job.created));
  const from = job.began ?? job.created;
  const took = duration((job.ended ?? api.now()) - from);
  if (job.ended === null) return el("span", {}, `training for ${took}`);
  return el("span", {}, job.began === null ? "never taken, " : `took ${took}, ended `, ageOf(job.ended));
}

export class JobsPage {
  title = "Jobs";
  #pages = 1;
  #key = "";
  /** @type {ReturnType<typeof setInterval>} */ #timer;

  /** @param {AbortSignal} signal */
  static async open(signal) {
    const page = new JobsPage(signal);
    await page.#load();
    return page;
  }

  /** @param {AbortSignal} signal */
  constructor(signal) {
    this.signal = signal;
    this.count = el("span", { class: "muted number", role: "status" });
    this.states = STATES.map((state) =>
      el("button", { type: "button", "data-value": state, on: { click: () => this.#filter(state) } }, state || "all"),
    );
    this.body = el("tbody");
    const heads = ["State", "Job", "Settings", "Priority", "Worker", "Time", ""];
    this.table = el(
      "div",
      { class: "scroll panel jobs", part: PART.jobs, tabindex: "0", role: "group", "aria-label": "Jobs" },
      el(
        "table",
        {},
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            ...heads.map((head) =>
              el("th", { scope: "col" }, head || el("span", { class: "hidden-text" }, "What can be done")),
            ),
          ),
        ),
        this.body,
      ),
    );
    this.none = el("p", { class: "none", hidden: true }, "No job is in this state.");
    this.more = el(
      "button",
      { type: "button", part: PART.more, hidden: true, on: { click: () => this.#showMore() } },
      "Show older jobs",
    );
    this.listed = el(
      "div",
      {},
      el(
        "div",
        { class: "page-head" },
        el("div", {}, el("h1", { tabindex: "-1" }, "Jobs"), this.count),
        el(
          "div",
          { class: "filters" },
          el("div", { class: "segments", role: "group", "aria-label": "State" }, ...this.states),
        ),
      ),
      this.table,
      this.none,
      el("div", { class: "below" }, this.more),
    );
    this.element = el("div", { class: "jobs-page" });
    this.#timer = setInterval(() => document.hidden || this.refresh(), EVERY_MS);
  }

  /** @returns {string[]} */
  get runs() {
    return [];
  }

  get #state() {
    return url.read("state") ?? "";
  }

  async #load() {
    const state = this.#state;
    /** @type {Job[]} */
    const jobs = [];
    /** @type {string | null} */
    let cursor = null;
    for (let page = 0; page < this.#pages; page += 1) {
      const answer = await api.listJobs({ state, cursor, limit: PAGE }, this.signal);
      jobs.push(...answer.jobs);
      cursor = answer.next;
      if (cursor === null) break;
    }
    if (state === this.#state) this.#show(jobs, cursor !== null);
  }

  /** @param {Job[]} jobs @param {boolean} more */
  #show(jobs, more) {
    if (!jobs.length && !this.#state) {
      if (!this.element.querySelector(".notice"))
        replace(
          this.element,
          notice(
            "Nothing is queued",
            el(
              "p",
              {},
              "A worker trains what is queued, one job at a time on each GPU. Start one, and submit a recipe:",
            ),
            el("pre", {}, EXAMPLE),
          ),
        );
      return;
    }
    if (this.listed.parentElement !== this.element) replace(this.element, this.listed);
    for (const button of this.states) button.setAttribute("aria-pressed", String(button.dataset.value === this.#state));
    this.table.hidden = !jobs.length;
    this.none.hidden = jobs.length > 0;
    this.more.hidden = !more || this.#pages >= MOST_PAGES;
    const of = (/** @type {string} */ state) => jobs.filter((job) => job.state === state).length;
    const parts = [`${plural(jobs.length, "job")}${more ? " of more" : ""}`];
    if (of("running")) parts.push(`${of("running")} running`);
    if (of("queued")) parts.push(`${of("queued")} waiting`);
    setText(this.count, parts.join(", "));
    const key = JSON.stringify(jobs);
    if (key === this.#key) return;
    this.#key = key;
    replace(this.body, ...jobs.map((job) => this.#row(job)));
  }

  /** @param {Job} job */
  #row(job) {
    const settings = Object.entries(job.overrides).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
    const name = foreign(job.name || job.run);
    const isOpen = job.state === "queued" || job.state === "running";
    return el(
      "tr",
      { part: PART.jobRow, "data-job": job.id },
      el("td", { class: "state" }, stateBadge(job.state)),
      el(
        "td",
        { class: "job" },
        job.began === null ? el("b", {}, name) : el("a", { href: `/runs/${encodeURIComponent(job.run)}` }, name),
        el("div", { class: "under" }, foreign(job.recipe), el("span", {}, foreign(job.project))),
        job.message && el("div", { class: job.state === "failed" ? "fault" : "muted" }, foreign(job.message)),
        job.deaths > 0 && el("div", { class: "muted" }, `${plural(job.deaths, "worker")} died with it`),
      ),
      el(
        "td",
        { class: "settings" },
        settings.length ? foreign(settings.join(" ")) : el("span", { class: "muted" }, "as the recipe has them"),
      ),
      el("td", { class: "priority number" }, job.priority),
      el("td", { class: "worker" }, job.worker ? foreign(job.worker) : el("span", { class: "muted" }, "–")),
      el("td", { class: "time number" }, timing(job)),
      el("td", { class: "cancel" }, isOpen && this.#cancel(job)),
    );
  }

  /** @param {Job} job */
  #cancel(job) {
    if (job.cancelling) return el("span", { class: "muted" }, "stopping…");
    return el("button", { type: "button", class: "danger", on: { click: () => this.#ask(job) } }, "Cancel…");
  }

  /** @param {Job} job */
  async #ask(job) {
    const running = job.state === "running";
    const yes = await confirmed({
      title: "Cancel this job?",
      text: [
        foreign(job.name || job.run),
        running ? " stops at its next checkpoint. What it has logged stays." : " is taken from the queue.",
      ],
      no: running ? "Go on training" : "Keep it",
      yes: "Cancel the job",
    });
    if (!yes) return;
    try {
      await api.cancelJob(job.id);
    } catch (error) {
      tellTrouble(error, this.signal);
    }
    await this.refresh();
  }

  /** @param {string} state */
  #filter(state) {
    url.write({ state });
    this.#pages = 1;
    return this.refresh();
  }

  #showMore() {
    this.#pages += 1;
    return this.refresh();
  }

  async refresh() {
    try {
      await this.#load();
      refused("");
    } catch (error) {
      tellTrouble(error, this.signal);
    }
  }

  redraw() {}

  dispose() {
    clearInterval(this.#timer);
  }
}
