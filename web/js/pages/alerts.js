/**
 * The alerts of all runs, newest first. What many runs raised at about the same time for the same reason is one line that
 * can be opened.
 *
 * @typedef {import("../types.js").Alert} Alert
 */
import * as api from "../api.js";
import { refused } from "../connection.js";
import { el, foreign, replace, setText } from "../dom.js";
import { epoch, plural } from "../format.js";
import { isDismissed, isSnoozed } from "../panels/alert_actions.js";
import { addressOf } from "../panels/alert_parts.js";
import { alarmButton } from "../panels/alarm_button.js";
import { ageOf, alertStateBadge } from "../panels/state.js";
import { PART } from "../selectors.js";
import * as url from "../state/url.js";
import { tellTrouble } from "../troubles.js";

/** @type {[string, string][]} */
const STATES = [
  ["", "all"],
  ["firing", "firing"],
  ["pending", "suspected"],
  ["resolved", "resolved"],
];
/** What several alerts of a rule are called. @type {Record<string, string>} */
const RULES = { "turning-point": "turning points", "non-finite": "not finite", "lost-run": "lost" };
const PAGE = 100;
const MOST_PAGES = 20;
/** Alerts of one rule that began within so many seconds belong together, from so many on. */
const TOGETHER_S = 600;
const TOGETHER_FROM = 4;

/**
 * Neighbours of one rule and state that began at about the same time.
 * @param {Alert[]} alerts Newest first.
 * @returns {Alert[][]}
 */
export function grouped(alerts) {
  /** @type {Alert[][]} */
  const groups = [];
  for (const alert of alerts) {
    const group = groups[groups.length - 1];
    const [first] = group ?? [];
    const belongs =
      first && first.rule === alert.rule && first.state === alert.state && first.began - alert.began <= TOGETHER_S;
    if (belongs) group.push(alert);
    else groups.push([alert]);
  }
  return groups.flatMap((group) => (group.length < TOGETHER_FROM ? group.map((alert) => [alert]) : [group]));
}

/** @param {Alert} alert */
function row(alert) {
  const at = alert.onset_epoch !== null ? `epoch ${epoch(alert.onset_epoch)}` : "";
  const notes = [
    alert.acknowledged !== null && "acknowledged",
    isSnoozed(alert) && "snoozed",
    isDismissed(alert) && "false alarm",
  ].filter(Boolean);
  return el(
    "li",
    { class: "alert-row", part: PART.alertRow, "data-alert": alert.id },
    el("span", { class: "state" }, alertStateBadge(alert.state)),
    el(
      "div",
      { class: "what" },
      el("a", { class: "alert-sentence", href: addressOf(alert) }, foreign(alert.sentence || alert.title)),
      el(
        "div",
        { class: "under" },
        el("a", { href: `/runs/${encodeURIComponent(alert.run)}` }, foreign(alert.run_name || alert.run)),
        at && el("span", { class: "number" }, at),
        el("span", {}, foreign(alert.rule)),
        ...notes.map((note) => el("span", { class: "tag" }, String(note))),
      ),
    ),
    el("span", { class: "when number" }, ageOf(alert.began)),
  );
}

/** @param {Alert[]} group */
function rows(group) {
  if (group.length === 1) return row(group[0]);
  const [first] = group;
  const isOne = group.every((alert) => alert.title === first.title);
  return el(
    "li",
    { class: "alert-group" },
    el(
      "details",
      {},
      el(
        "summary",
        {},
        alertStateBadge(first.state),
        el("b", {}, plural(new Set(group.map((alert) => alert.run)).size, "run")),
        foreign(isOne ? first.title : (RULES[first.rule] ?? first.rule)),
        el("span", { class: "when number" }, ageOf(first.began)),
      ),
      el("ul", {}, ...group.map(row)),
    ),
  );
}

export class AlertsPage {
  title = "Alerts";
  #pages = 1;
  #key = "";

  /** @param {AbortSignal} signal */
  static async open(signal) {
    const page = new AlertsPage(signal);
    await page.#load();
    return page;
  }

  /** @param {AbortSignal} signal */
  constructor(signal) {
    this.signal = signal;
    this.count = el("span", { class: "muted number", role: "status" });
    this.states = STATES.map(([state, label]) =>
      el("button", { type: "button", "data-value": state, on: { click: () => this.#filter(state) } }, label),
    );
    this.list = el("ul", { class: "alerts panel", part: PART.alerts });
    this.none = el("p", { class: "none", hidden: true });
    this.more = el(
      "button",
      { type: "button", part: PART.more, hidden: true, on: { click: () => this.#showMore() } },
      "Show older alerts",
    );
    this.evidence = el("p", { class: "evidence muted", part: PART.evidence, hidden: true });
    this.element = el(
      "div",
      { class: "alerts-page" },
      el(
        "div",
        { class: "page-head" },
        el("div", {}, el("h1", { tabindex: "-1" }, "Alerts"), this.count),
        el(
          "div",
          { class: "filters" },
          el("div", { class: "segments", role: "group", "aria-label": "State" }, ...this.states),
          alarmButton(signal),
        ),
      ),
      this.list,
      this.none,
      el("div", { class: "below" }, this.more),
      this.evidence,
    );
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
    /** @type {Alert[]} */
    const alerts = [];
    /** @type {string | null} */
    let cursor = null;
    for (let page = 0; page < this.#pages; page += 1) {
      const answer = await api.listAlerts({ state, cursor, limit: PAGE }, this.signal);
      alerts.push(...answer.alerts);
      cursor = answer.next;
      if (cursor === null) break;
    }
    const observed = await api.getFalseAlarms(this.signal);
    if (state !== this.#state) return;
    this.#show(alerts, cursor !== null);
    this.evidence.hidden = !observed;
    setText(this.evidence, observed?.sentence ?? "");
  }

  /** @param {Alert[]} alerts @param {boolean} more */
  #show(alerts, more) {
    const state = this.#state;
    for (const button of this.states) button.setAttribute("aria-pressed", String(button.dataset.value === state));
    this.more.hidden = !more || this.#pages >= MOST_PAGES;
    this.list.hidden = !alerts.length;
    this.none.hidden = alerts.length > 0;
    setText(
      this.none,
      state
        ? "No alert is in this state."
        : "No alert yet. A run that turns, fails, falls silent or logs what is no number raises one.",
    );
    setText(this.count, `${plural(alerts.length, "alert")}${more ? " of more" : ""}`);
    const key = JSON.stringify(alerts);
    if (key === this.#key) return;
    this.#key = key;
    const open = new Set([...this.list.querySelectorAll("details[open] .alert-row")].map((one) => one.dataset.alert));
    replace(this.list, ...grouped(alerts).map(rows));
    for (const fold of this.list.querySelectorAll("details"))
      fold.open = [...fold.querySelectorAll(".alert-row")].some((one) => open.has(one.dataset.alert));
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

  dispose() {}
}
