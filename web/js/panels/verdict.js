/**
 * The answer to why one opened the page, as a sentence: is it still getting better, when did it turn, what moved.
 *
 * @typedef {import("../types.js").Run} Run
 * @typedef {import("../types.js").Alert} Alert
 */
import { el, foreign, foreignLines, replace } from "../dom.js";
import { clock, plural } from "../format.js";
import { PART } from "../selectors.js";
import { addressOf, changes, pictures, STATES } from "./alert_parts.js";

const ORDER = { firing: 0, pending: 1, resolved: 2 };
const THUMB = 76;
const UNSENT = "Suspected: nobody is told until it is confirmed";

/** @param {Alert} alert */
function history(alert) {
  if (!alert.transitions.length) return null;
  return el(
    "details",
    { class: "history" },
    el("summary", {}, `History (${plural(alert.transitions.length, "change")})`),
    changes(alert),
  );
}

/** @param {Alert} alert @param {Run} run @param {Actions} actions */
function alertPanel(alert, run, actions) {
  const { onset_step: onset } = alert;
  const zoom =
    onset !== null && el("button", { type: "button", on: { click: () => actions.zoomTo(onset) } }, "Zoom to the turn");
  return el(
    "section",
    { class: "verdict", "data-state": alert.state, "data-alert": alert.id, "aria-label": "Alert" },
    el(
      "div",
      { class: "verdict-text" },
      el(
        "p",
        { class: "kicker" },
        `${alert.state === "pending" ? UNSENT : STATES[alert.state]} · ${clock(alert.resolved ?? alert.began)} · `,
        el("a", { href: addressOf(alert) }, "Details"),
      ),
      el("p", { class: "sentence" }, foreign(alert.sentence || alert.title)),
      history(alert),
    ),
    pictures(alert, { place: actions.place, press: actions.showStep, size: THUMB }),
    actions.alert.few(alert, run, zoom),
  );
}

/** @param {string} state @param {...(Node | string)} text */
const plain = (state, ...text) =>
  el(
    "section",
    { class: "verdict plain", "data-state": state, "aria-label": "State of the run" },
    el("p", {}, ...text),
  );

/**
 * What the detector looks at in these series.
 * @param {import("../types.js").Series[]} series
 */
export const judgedSignals = (series) =>
  ["S", "Q", "D"].filter((signal) => series.some(({ role }) => role?.split("_")[0] === signal));

const words = new Intl.ListFormat("en");

/** @param {Run} run @param {number} marks @param {string[]} judged @param {Alert[]} alerts */
function withoutAlert(run, marks, judged, alerts) {
  if (!judged.length)
    return plain(
      "quiet",
      "This run has no S, Q or D, so there is no turning point to look for. Its series are below.",
    );
  if (!marks && run.state !== "running")
    return plain("quiet", "No evaluation mark came from this run, so no turning point was looked for.");
  if (!marks)
    return plain(
      "quiet",
      `Waiting for the first evaluation mark: the detector reads one record of ${words.format(judged)} at each.`,
    );
  const wasLeft = alerts.some((alert) => alert.rule === "turning-point" && alert.attempt < run.attempt);
  return plain(
    "good",
    el("b", {}, wasLeft ? "No turning point since it went back." : "No turning point."),
    ` ${plural(marks, "evaluation")} of ${words.format(judged)} read${run.state === "running" ? " so far" : ""}.`,
  );
}

/** What is over is folded away. @param {Alert[]} alerts @param {Run} run @param {Actions} actions */
function over(alerts, run, actions) {
  if (!alerts.length) return null;
  return el(
    "details",
    { class: "over" },
    el("summary", {}, plural(alerts.length, "resolved alert")),
    ...alerts.map((alert) => alertPanel(alert, run, actions)),
  );
}

/**
 * @typedef {{alert: import("./alert_actions.js").AlertActions, showStep: (step: number) => void, place: (step: number) => string, zoomTo: (step: number) => void}} Actions
 */

/**
 * Which folds are open, so that they stay so when what is around them changes.
 * @param {HTMLElement} root
 * @returns {[HTMLDetailsElement, string][]}
 */
const folds = (root) =>
  [...root.querySelectorAll("details")].map((fold) => [
    fold,
    `${fold.className} ${fold.closest("[data-alert]")?.getAttribute("data-alert")}`,
  ]);

export class Verdict {
  #key = "";

  /** @param {Actions} actions */
  constructor(actions) {
    this.actions = actions;
    this.news = el("div", { class: "verdicts", "aria-live": "polite" });
    this.steady = el("div", { class: "verdicts" });
    this.element = el("div", { part: PART.verdict }, this.news, this.steady);
  }

  /**
   * @param {Run} run
   * @param {Alert[]} alerts
   * @param {number} marks
   * @param {string[]} judged Which of S, Q and D it has.
   */
  show(run, alerts, marks, judged) {
    const turned = alerts.some((alert) => alert.rule === "turning-point" && alert.state !== "resolved");
    replace(this.steady, !turned && withoutAlert(run, marks, judged, alerts));
    const key = JSON.stringify([run.state, run.message, run.attempt, alerts, this.actions.alert.commands]);
    if (key === this.#key) return;
    this.#key = key;
    const open = new Set(folds(this.element).flatMap(([fold, name]) => (fold.open ? [name] : [])));
    const sorted = [...alerts].sort((a, b) => ORDER[a.state] - ORDER[b.state] || b.updated - a.updated);
    const about = [];
    if (run.state === "failed")
      about.push(
        plain(
          "failed",
          el("b", {}, "The run failed"),
          run.message ? ": " : ".",
          run.message ? foreignLines(run.message) : "",
        ),
      );
    if (run.state === "lost" && !alerts.some((alert) => alert.rule === "lost-run" && alert.state === "firing"))
      about.push(
        plain(
          "lost",
          el("b", {}, "No word from this run"),
          ` since ${clock(run.last_seen)}. Its process may have died, or cannot reach the service; the next word brings it back.`,
        ),
      );
    const live = sorted
      .filter((alert) => alert.state !== "resolved")
      .map((alert) => alertPanel(alert, run, this.actions));
    replace(
      this.news,
      ...about,
      ...live,
      over(
        sorted.filter((alert) => alert.state === "resolved"),
        run,
        this.actions,
      ),
    );
    for (const [fold, name] of folds(this.element)) fold.open = open.has(name);
  }
}
