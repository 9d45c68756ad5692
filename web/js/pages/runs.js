/** Every run, newest first: found, glanced at, opened, or picked for comparing. */
import * as api from "../api.js";
import { refused } from "../connection.js";
import { el, replace, setText } from "../dom.js";
import { plural } from "../format.js";
import { RunOrder } from "../panels/run_order.js";
import { RunRow } from "../panels/run_row.js";
import { PART } from "../selectors.js";
import * as url from "../state/url.js";
import { MOST_RUNS } from "../state/palette.js";
import { tellTrouble } from "../troubles.js";
import { noRuns } from "./no_runs.js";

/** @typedef {import("../types.js").RunSummary} RunSummary */

const STATES = ["running", "finished", "failed", "lost", "archived"];
const PAGE = 50;
const MOST_PAGES = 20;
const TYPING_MS = 180;
const HINT = [
  "Words are looked for in names, projects, ids, tags and notes. Filters:",
  "state:running   tag:gn   project:dig*   alert:firing   archived:false",
  'config.loss=hinge   config.lr<1e-3   last("quality/*")>0.8',
  "step>1000   age<7d   silent>10m   created>=2026-05-01",
  'Combine them with spaces, or, - (not), ( ) and "quotes".',
].join("\n");

export class RunsPage {
  /** @type {Map<string, RunRow>} */ #rows = new Map();
  /** @type {Set<string>} */ #chosen = new Set();
  #pages = 1;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #typing = undefined;
  /** @type {string[]} */ #projects = [];

  /** @param {AbortSignal} signal */
  static async open(signal) {
    const page = new RunsPage(signal);
    await page.#load();
    return page;
  }

  /** @param {AbortSignal} signal */
  constructor(signal) {
    this.signal = signal;
    this.search = el("input", {
      type: "search",
      placeholder: "Words, or tag:gn config.loss=hinge",
      title: HINT,
      "aria-label": "Search runs",
      value: url.read("q") ?? "",
      on: { input: () => this.#typed() },
    });
    this.project = el("select", {
      "aria-label": "Project",
      on: { change: () => this.#filter({ project: this.project.value }) },
    });
    this.states = ["", ...STATES].map((state) =>
      el(
        "button",
        { type: "button", "data-value": state, on: { click: () => this.#filter({ state }) } },
        state || "all",
      ),
    );
    const filters = el(
      "div",
      { class: "filters", part: PART.filters, role: "search" },
      this.search,
      this.project,
      el("div", { class: "segments", role: "group", "aria-label": "State" }, ...this.states),
    );
    this.body = el("tbody", { role: "rowgroup" });
    this.order = new RunOrder(() => this.refresh());
    this.table = el(
      "table",
      { class: "runs panel", role: "table", "aria-label": "Runs", part: PART.runsTable },
      el("thead", { role: "rowgroup" }, this.order.element),
      this.body,
    );
    this.fault = el("p", { class: "filter-fault", role: "alert", hidden: true });
    this.none = el(
      "p",
      { class: "none", hidden: true },
      "No run matches. ",
      el("button", { type: "button", class: "quiet", on: { click: () => this.#clear() } }, "Show all"),
    );
    this.more = el(
      "button",
      { type: "button", part: PART.more, hidden: true, on: { click: () => this.#showMore() } },
      "Show older runs",
    );
    this.count = el("span", { class: "muted number", role: "status" });
    this.chosenText = el("span", { class: "number" });
    this.compareLink = el("a", { class: "button primary" }, "Compare");
    this.bar = el(
      "div",
      { class: "compare-bar", part: PART.compareBar, hidden: true },
      this.chosenText,
      el("button", { type: "button", class: "quiet", on: { click: () => this.#unchoose() } }, "Clear"),
      this.compareLink,
    );
    this.list = el(
      "div",
      {},
      el("div", { class: "page-head" }, el("div", {}, el("h1", { tabindex: "-1" }, "Runs"), this.count), filters),
      this.fault,
      this.table,
      this.none,
      el("div", { class: "below" }, this.more),
      this.bar,
    );
    this.element = el("div", { class: "runs-page" });
  }

  title = "Runs";

  /** @returns {string[]} */
  get runs() {
    return [];
  }

  get #query() {
    return { q: url.read("q") ?? "", project: url.read("project") ?? "", state: url.read("state") ?? "" };
  }

  /** What is asked of the service: the list leaves out what is archived, unless the search speaks of that. */
  get #filters() {
    const { state, ...others } = this.#query;
    const isArchive = state === "archived";
    const archived = isArchive ? "true" : /\barchived\b/.test(others.q) ? "" : "false";
    return { ...others, state: isArchive ? "" : state, archived };
  }

  async #load() {
    const query = this.#query;
    const filters = this.#filters;
    /** @type {RunSummary[]} */
    const runs = [];
    /** @type {string | null} */
    let cursor = null;
    for (let page = 0; page < this.#pages; page += 1) {
      /** @type {{runs: RunSummary[], next: string | null}} */
      let answer;
      try {
        answer = await api.listRuns({ ...filters, cursor, limit: PAGE }, this.signal);
      } catch (error) {
        if (!(error instanceof api.Refused && error.type === "bad-filter")) throw error;
        this.#showFault(error.message);
        return;
      }
      runs.push(...answer.runs);
      cursor = answer.next;
      if (cursor === null) break;
    }
    if (JSON.stringify(query) !== JSON.stringify(this.#query)) return;
    this.#showFault("");
    const isFiltered = Object.values(query).some(Boolean);
    const isEmpty = !runs.length && !isFiltered && !(await api.listRuns({ limit: 1 }, this.signal)).runs.length;
    this.#show(runs, cursor !== null, !isEmpty);
  }

  /** @param {RunSummary[]} runs @param {boolean} more @param {boolean} filtered */
  #show(runs, more, filtered) {
    if (!runs.length && !filtered) {
      if (!this.element.querySelector(".notice")) replace(this.element, noRuns());
      return;
    }
    if (this.list.parentElement !== this.element) replace(this.element, this.list);
    this.#showFilters(runs);
    this.order.show();
    const ids = new Set(runs.map((run) => run.id));
    for (const [id, row] of this.#rows) {
      if (ids.has(id)) continue;
      row.dispose();
      this.#rows.delete(id);
    }
    this.order.sorted(runs).forEach((run, i) => {
      const row = this.#rows.get(run.id) ?? this.#newRow(run.id);
      row.show(run);
      if (this.body.children[i] !== row.element) this.body.insertBefore(row.element, this.body.children[i] ?? null);
    });
    this.more.hidden = !more || this.#pages >= MOST_PAGES;
    this.none.hidden = runs.length > 0;
    this.table.hidden = runs.length === 0;
    const firing = runs.filter((run) => run.alerts.firing).length;
    const running = runs.filter((run) => run.state === "running").length;
    setText(
      this.count,
      [
        more ? `the ${runs.length} newest runs` : plural(runs.length, "run"),
        running && `${running} running`,
        firing && `${firing} with alerts`,
      ]
        .filter(Boolean)
        .join(", "),
    );
  }

  /** What is wrong with the search; the runs found before stay. @param {string} fault */
  #showFault(fault) {
    if (fault && this.list.parentElement !== this.element) replace(this.element, this.list);
    setText(this.fault, fault);
    this.fault.hidden = !fault;
    this.search.setAttribute("aria-invalid", String(fault !== ""));
  }

  /** @param {string} id */
  #newRow(id) {
    const row = new RunRow(id, this.signal, (chosen) => this.#choose(id, chosen));
    this.#rows.set(id, row);
    return row;
  }

  /** @param {RunSummary[]} runs */
  #showFilters(runs) {
    const query = this.#query;
    for (const button of this.states) button.setAttribute("aria-pressed", String(button.dataset.value === query.state));
    const projects = [
      ...new Set([...this.#projects, ...runs.map((run) => run.project), ...(query.project ? [query.project] : [])]),
    ].sort();
    if (projects.length !== this.#projects.length) {
      this.#projects = projects;
      replace(
        this.project,
        el("option", { value: "" }, "All projects"),
        ...projects.map((project) => el("option", { value: project }, project)),
      );
    }
    this.project.value = query.project;
    if (document.activeElement !== this.search) this.search.value = query.q;
  }

  #typed() {
    clearTimeout(this.#typing);
    this.#typing = setTimeout(() => this.#filter({ q: this.search.value.trim() }), TYPING_MS);
  }

  /** @param {Record<string, string>} values */
  #filter(values) {
    url.write(values);
    this.#pages = 1;
    return this.refresh();
  }

  #clear() {
    this.search.value = "";
    return this.#filter({ q: "", project: "", state: "" });
  }

  #showMore() {
    this.#pages += 1;
    return this.refresh();
  }

  /** @param {string} id @param {boolean} chosen */
  #choose(id, chosen) {
    if (chosen) this.#chosen.add(id);
    else this.#chosen.delete(id);
    this.bar.hidden = this.#chosen.size === 0;
    const over = this.#chosen.size > MOST_RUNS ? `, the first ${MOST_RUNS} are compared` : "";
    setText(this.chosenText, `${plural(this.#chosen.size, "run")} chosen${over}`);
    this.compareLink.href = `/compare${api.query({ run: [...this.#chosen] })}`;
  }

  #unchoose() {
    for (const row of this.#rows.values()) row.setChosen(false);
    for (const id of [...this.#chosen]) this.#choose(id, false);
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
    clearTimeout(this.#typing);
    for (const row of this.#rows.values()) row.dispose();
  }
}
