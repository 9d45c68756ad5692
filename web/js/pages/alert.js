/**
 * One alert: what turned, when, from what to what, what it looked like, and what was done about it.
 *
 * @typedef {import("../types.js").Alert} Alert
 * @typedef {import("../types.js").Run} Run
 */
import * as api from "../api.js";
import { chartsOf } from "../charts/catalog.js";
import { turnsOf } from "../charts/turns.js";
import { refused } from "../connection.js";
import { el, foreign, printable, replace } from "../dom.js";
import { clock, duration, epoch, plural } from "../format.js";
import { AlertActions } from "../panels/alert_actions.js";
import { beyondTitle, changes, pictures } from "../panels/alert_parts.js";
import { Board } from "../panels/board.js";
import { Remedies } from "../panels/remedies.js";
import { signalsTable } from "../panels/signals.js";
import { alertStateBadge, stateBadge } from "../panels/state.js";
import { PART } from "../selectors.js";
import { Axis } from "../state/axis.js";
import { Cursor } from "../state/cursor.js";
import { BUCKETS, Feed } from "../state/feed.js";
import { Moment } from "../state/moment.js";
import * as scales from "../state/scales.js";
import { tellTrouble } from "../troubles.js";

/** Shown on each side of the turn, in evaluations. */
const AROUND = 20;
const PICTURE = 240;
const GUARANTEED = "guaranteed";

export class AlertPage {
  /** @type {Alert} */ #alert;
  /** @type {Run} */ #run;
  #key = "";

  /** @param {string} run @param {string} id @param {AbortSignal} signal */
  static async open(run, id, signal) {
    const [alert, detail, series, marks, commands, observed] = await Promise.all([
      api.getAlert(run, id, signal),
      api.getRun(run, signal),
      api.getSeries(run, signal),
      api.getMarks(run, signal),
      api.getCommands(run, signal),
      api.getFalseAlarms(signal).catch(() => null),
    ]);
    const more = { commands: commands.commands, observed: observed?.sentence ?? "" };
    return new AlertPage(alert, detail, series.series, marks, more, signal);
  }

  /**
   * @param {Alert} alert
   * @param {Run} run
   * @param {import("../types.js").Series[]} series
   * @param {import("../types.js").Marks} marks
   * @param {{commands: import("../panels/alert_actions.js").Command[], observed: string}} more What the run was asked to
   *   do, and how often turning points were false.
   * @param {AbortSignal} signal
   */
  constructor(alert, run, series, marks, { commands, observed }, signal) {
    this.#alert = alert;
    this.#run = run;
    this.signal = signal;
    this.observed = observed;
    this.axis = new Axis("epoch", marks, run.created);
    this.range = this.#around(marks);
    this.moment = new Moment(alert.onset_step, () => {});
    this.head = el("header", { class: "page-head alert-head" });
    this.body = el("div", { class: "alert-body" });
    this.remedies = new Remedies();
    this.actions = new AlertActions(this.#place, () => this.refresh());
    this.actions.commands = commands;
    const names = new Set(alert.signals.map((one) => one.series));
    const charts = chartsOf(series.filter(({ count }) => count > 0));
    const concerned = [...charts.core, ...charts.rest].filter(({ lines }) =>
      lines.some((line) => names.has(line.series)),
    );
    this.board = new Board(this.#stage(), "What moved");
    this.charts = el(
      "section",
      { hidden: !concerned.length },
      el("h2", {}, "Around the turn"),
      this.#isLeft &&
        el("p", { class: "muted which" }, `As attempt ${alert.attempt + 1} went, before the run went back.`),
      this.board.element,
    );
    this.element = el("article", { class: "alert-page" }, this.head, this.remedies.element, this.body, this.charts);
    this.board.show(concerned);
    this.#show();
  }

  get runs() {
    return [this.#run.id];
  }

  /** Whether the run has left the attempt that turned. */
  get #isLeft() {
    return this.#alert.attempt < this.#run.attempt;
  }

  get title() {
    return `${this.#alert.state === "firing" ? "⚠ " : ""}${this.#alert.title}: ${this.#run.name}`;
  }

  /** On its own page a turn stays what it was. @returns {Alert} */
  get #unresolved() {
    return this.#alert.state === "resolved" ? { ...this.#alert, state: "firing" } : this.#alert;
  }

  /** @param {import("../types.js").Marks} marks @returns {[number, number]} */
  #around(marks) {
    const { onset_step: onset } = this.#alert;
    const last = this.#run.steps ?? 1;
    if (onset === null) return [0, this.axis.atStep(last) * 1.01];
    const { step } = marks;
    const span = AROUND * (step.length > 1 ? (step[step.length - 1] - step[0]) / (step.length - 1) : last / 20);
    // An attempt that was left ends soon after what was found.
    const end = this.#isLeft ? (this.#alert.detected_step ?? onset) + span / 4 : onset + span;
    return [this.axis.atStep(Math.max(0, onset - span)), this.axis.atStep(Math.min(last, end)) * 1.002];
  }

  /** @returns {import("../panels/chart.js").Stage} */
  #stage() {
    const feed = (/** @type {number} */ buckets) =>
      new Feed(
        this.#run.id,
        buckets,
        { ...this.axis.query(this.range), attempt: this.#alert.attempt },
        this.signal,
        (error) => tellTrouble(error, this.signal),
      );
    this.source = { feed: feed(BUCKETS.points), moments: feed(BUCKETS.moments), axis: this.axis };
    return {
      sources: [this.source],
      cursor: new Cursor(),
      moment: this.moment,
      onset: () => this.#alert.onset_step,
      range: () => this.range,
      whole: () => this.range,
      turns: () => turnsOf(this.#unresolved, this.axis, this.range[1] - this.range[0]),
      zoom: () => {},
      pick: () => {},
      scaleOf: scales.of,
      setScale: scales.set,
      smoothing: () => 0,
    };
  }

  /** @param {number} step */
  #place = (step) => this.axis.format(this.axis.atStep(step));

  #show() {
    const alert = this.#alert;
    this.remedies.show(this.#run, this.#place);
    const key = JSON.stringify([alert, this.#run.state, this.#run.attempts.length, this.actions.commands]);
    if (key === this.#key) return;
    this.#key = key;
    const run = `/runs/${encodeURIComponent(alert.run)}`;
    const crumbs = el(
      "nav",
      { class: "crumbs", "aria-label": "Where this is" },
      el("a", { href: "/alerts" }, "Alerts"),
      " / ",
      el("a", { href: run }, foreign(this.#run.name)),
    );
    const badges = [
      alertStateBadge(alert.state),
      el("span", { class: "badge", "data-severity": alert.severity }, foreign(alert.severity)),
    ];
    const name = el("h1", { tabindex: "-1", dir: "auto" }, printable(alert.title));
    const zoom = el("a", { class: "button", href: this.#address(run) }, "Show in the run");
    replace(
      this.head,
      el(
        "div",
        {},
        crumbs,
        el("div", { class: "name" }, name, ...badges),
        el("p", { class: "sentence" }, foreign(beyondTitle(alert))),
      ),
      this.actions.all(alert, this.#run, zoom),
    );
    const shown = pictures(alert, { place: this.#place, press: (step) => this.#go(run, step), size: PICTURE });
    replace(
      this.body,
      alert.signals.length > 0 && signalsTable(alert),
      this.#facts(),
      shown && el("section", { class: "panel alert-card" }, el("h2", {}, "Samples around it"), shown),
      el("section", { class: "panel alert-card" }, el("h2", {}, "History"), changes(alert)),
    );
  }

  #facts() {
    const alert = this.#alert;
    const at = (/** @type {number | null} */ step, /** @type {number | null} */ of) =>
      [of !== null && `epoch ${epoch(of)}`, step !== null && `step ${step.toLocaleString("en")}`]
        .filter(Boolean)
        .join(", ");
    const delay =
      alert.onset_epoch !== null && alert.detected_epoch !== null ? alert.detected_epoch - alert.onset_epoch : null;
    const mark = alert.transitions.find(({ state }) => state === GUARANTEED);
    /** @type {[string, string | Node][]} */
    const pairs = [
      ["turned at", at(alert.onset_step, alert.onset_epoch) || "not a matter of steps"],
      ["found at", at(alert.detected_step, alert.detected_epoch) || "–"],
    ];
    if (delay !== null) pairs.push(["found after", plural(Number(delay.toFixed(1)), "epoch")]);
    pairs.push(
      ["rule", foreign(alert.rule)],
      ["began", clock(alert.began)],
      [alert.resolved === null ? "stands for" : "stood for", duration((alert.resolved ?? api.now()) - alert.began)],
      ["run", stateBadge(this.#run.state)],
    );
    const isTurn = alert.rule === "turning-point";
    return el(
      "section",
      { class: "panel alert-card", part: PART.evidence },
      el("h2", {}, "When, and how sure"),
      el(
        "dl",
        { class: "pairs" },
        ...pairs.map(([term, value]) => el("div", {}, el("dt", {}, term), el("dd", {}, value))),
      ),
      isTurn &&
        alert.state === "pending" &&
        el(
          "p",
          {},
          "Suspected: the signs are there, but not yet for long enough. Nobody is told until it is confirmed.",
        ),
      mark && el("p", {}, "Marked by the ", foreign(mark.reason), "."),
      isTurn && this.observed && el("p", { class: "muted" }, this.observed),
    );
  }

  /** The run's page, zoomed to what is shown here. @param {string} run */
  #address(run) {
    const { onset_step: onset } = this.#alert;
    if (onset === null) return run;
    const range = this.range.map((value) => Number(value.toPrecision(6))).join("..");
    return `${run}?sample=${onset}&range=${range}`;
  }

  /** @param {string} run @param {number} step */
  #go(run, step) {
    const link = el("a", { href: `${run}?sample=${step}`, hidden: true });
    this.element.append(link);
    link.click();
  }

  async refresh() {
    try {
      const [alert, run, commands] = await Promise.all([
        api.getAlert(this.#run.id, this.#alert.id, this.signal),
        api.getRun(this.#run.id, this.signal),
        api.getCommands(this.#run.id, this.signal),
      ]);
      this.actions.commands = commands.commands;
      this.#alert = alert;
      this.#run = run;
      this.#show();
      refused("");
    } catch (error) {
      tellTrouble(error, this.signal);
    }
  }

  redraw() {
    this.board.draw();
  }

  dispose() {
    this.board.dispose();
    replace(this.element);
  }
}
