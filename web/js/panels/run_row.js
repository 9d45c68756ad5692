/** One line of the runs list. Its sparklines are asked for when it comes into view, and not more often than every few seconds. */
import * as api from "../api.js";
import { el, foreign, printable, replace, setText } from "../dom.js";
import { clock, count, decode, epoch, quantity } from "../format.js";
import { PART } from "../selectors.js";
import { tellTrouble } from "../troubles.js";
import { whenVisible } from "../visibility.js";
import { sparkline } from "./sparkline.js";
import { ageOf, alertBadge, stateBadge } from "./state.js";

/** @typedef {import("../types.js").RunSummary} RunSummary */

const BUCKETS = 40;
const EVERY_MS = 5000;

/** @type {{cell: "q" | "d" | "s", roles: string[], colour: string, log?: boolean}[]} */
const CELLS = [
  { cell: "q", roles: ["Q"], colour: "metric" },
  { cell: "d", roles: ["D"], colour: "metric" },
  { cell: "s", roles: ["S_G_ep", "S_G"], colour: "g", log: true },
];

export class RunRow {
  #key = "";
  #visible = false;
  #drawnAt = 0;
  #drawnVersion = "";
  #busy = false;
  /** @type {ReturnType<typeof setTimeout> | null} */ #later = null;
  /** @type {RunSummary | null} */ #run = null;

  /** @param {string} id @param {AbortSignal} signal @param {(chosen: boolean) => void} choose */
  constructor(id, signal, choose) {
    this.id = id;
    this.signal = signal;
    const cell = (/** @type {string} */ name, /** @type {any[]} */ ...children) =>
      el("td", { role: "cell", class: name }, ...children);
    this.box = el("input", { type: "checkbox", on: { change: () => choose(this.box.checked) } });
    this.state = cell("state");
    this.link = el("a", { href: `/runs/${encodeURIComponent(id)}`, class: "run-name" });
    this.under = el("div", { class: "under" });
    this.progress = cell("progress number");
    this.seen = cell("seen number");
    this.figures = Object.fromEntries(
      CELLS.map(({ cell: name }) => [
        name,
        { value: el("span", { class: "value number" }), line: el("span", { class: "spark" }) },
      ]),
    );
    const label = el("label", { class: "choose-label" }, this.box);
    const figures = CELLS.map(({ cell: name }) =>
      cell(
        name,
        el("span", { class: "cell-name", "aria-hidden": "true" }, name.toUpperCase()),
        this.figures[name].line,
        this.figures[name].value,
      ),
    );
    this.element = el(
      "tr",
      { role: "row", part: PART.runRow, "data-run": id },
      cell("choose", label),
      this.state,
      cell("run", this.link, this.under),
      this.progress,
      ...figures,
      this.seen,
    );
    this.unwatch = whenVisible(this.element, (visible) => {
      this.#visible = visible;
      void this.#drawLines();
    });
  }

  /** @param {boolean} chosen */
  setChosen(chosen) {
    this.box.checked = chosen;
  }

  /** @param {RunSummary} run */
  show(run) {
    this.#run = run;
    void this.#drawLines();
    const key = JSON.stringify(run);
    if (key === this.#key) return;
    this.#key = key;
    replace(this.state, stateBadge(run.state), alertBadge(run.alerts));
    replace(this.link, foreign(run.name || run.id));
    this.box.setAttribute("aria-label", `Choose ${printable(run.name)} for comparing`);
    replace(
      this.under,
      foreign(run.project, { class: "project" }),
      el("span", { class: "began number" }, `began ${clock(run.created)}`),
      ...run.tags.slice(0, 3).map((tag) => el("span", { class: "tag" }, foreign(tag))),
      run.dropped > 0 && el("span", { class: "tag warn" }, `${count(run.dropped)} dropped`),
    );
    const progress = run.epoch === null ? [] : [el("span", {}, `epoch ${epoch(run.epoch)}`)];
    replace(
      this.progress,
      ...progress,
      run.steps === null
        ? el("span", { class: "muted" }, "not begun")
        : el("span", { class: "muted" }, `step ${count(run.steps)}`),
    );
    setText(this.figures.q.value, quantity(decode(run.last.Q), ""));
    setText(this.figures.d.value, quantity(decode(run.last.D), ""));
    setText(this.figures.s.value, quantity(decode(run.last.S_G), "°"));
    replace(this.seen, ageOf(run.last_seen), el("span", { class: "muted" }, `began ${clock(run.created)}`));
  }

  async #drawLines() {
    const run = this.#run;
    const version = `${run?.steps}/${run?.alerts.firing}`;
    if (!run || !this.#visible || this.#busy || version === this.#drawnVersion) return;
    const wait = this.#drawnAt + EVERY_MS - Date.now();
    if (wait > 0) {
      this.#later ??= setTimeout(() => {
        this.#later = null;
        void this.#drawLines();
      }, wait);
      return;
    }
    this.#busy = true;
    try {
      await this.#fetchLines(run);
      this.#drawnVersion = version;
    } catch (error) {
      tellTrouble(error, this.signal);
    }
    this.#drawnAt = Date.now();
    this.#busy = false;
    void this.#drawLines();
  }

  /** @param {RunSummary} run */
  async #fetchLines(run) {
    const { series } = await api.getSeries(this.id, this.signal);
    const cells = CELLS.map((cell) => ({
      ...cell,
      series: cell.roles.map((role) => series.find((one) => one.role === role)).find(Boolean),
    }));
    const names = cells.flatMap((cell) => (cell.series ? [cell.series.name] : []));
    if (!names.length) return;
    const [points, alerts] = await Promise.all([
      api.getPoints(this.id, names, { buckets: BUCKETS }, this.signal),
      run.alerts.firing ? api.getAlerts(this.id, this.signal) : null,
    ]);
    const onset = alerts?.alerts.find((alert) => alert.state === "firing")?.onset_step ?? null;
    for (const cell of cells) {
      const columns = cell.series && points.series[cell.series.name];
      if (columns?.kind === "scalar" && columns.step.length > 1)
        replace(this.figures[cell.cell].line, sparkline(columns, { ...cell, top: cell.series?.upper ?? null, onset }));
    }
  }

  dispose() {
    this.unwatch();
    if (this.#later !== null) clearTimeout(this.#later);
    this.element.remove();
  }
}
