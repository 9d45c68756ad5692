/**
 * One run: what happened, in a sentence; its charts; its samples; how it was made.
 *
 * @typedef {import("../types.js").Run} Run
 * @typedef {import("../types.js").Alert} Alert
 * @typedef {import("../types.js").AxisKind} AxisKind
 * @typedef {import("../live.js").Changes} Changes
 */
import * as api from "../api.js";
import { refused } from "../connection.js";
import { chartsOf } from "../charts/catalog.js";
import { remediesOn, thinned, turnsOf } from "../charts/turns.js";
import { el, replace } from "../dom.js";
import { decode } from "../format.js";
import { AlertActions } from "../panels/alert_actions.js";
import { Board } from "../panels/board.js";
import { Details } from "../panels/details.js";
import { Pictures } from "../panels/pictures.js";
import { Remedies } from "../panels/remedies.js";
import { RestOfCharts } from "../panels/rest.js";
import { RunHead } from "../panels/run_head.js";
import { Toolbar } from "../panels/toolbar.js";
import { judgedSignals, Verdict } from "../panels/verdict.js";
import { Axis } from "../state/axis.js";
import { Cursor } from "../state/cursor.js";
import { BUCKETS, Feed } from "../state/feed.js";
import { Moment } from "../state/moment.js";
import * as scales from "../state/scales.js";
import * as smoothing from "../state/smoothing.js";
import * as url from "../state/url.js";
import { tellTrouble } from "../troubles.js";

const SAMPLES_AFTER = 3;
/** Series are declared at the start and seldom later, and their list can be long. */
const SERIES_EVERY_MS = 5000;
const ZOOM_MARKS = 8;
const SKIPPED = "skipped_evaluations";

/** @typedef {import("../types.js").Series[]} SeriesList */

export class RunPage {
  /** @type {Run} */ #run;
  /** @type {SeriesList} */ #series = [];
  /** @type {Alert[]} */ #alerts = [];
  /** @type {import("../types.js").Marks} */ #marks = { index: [], step: [], epoch: [], time: [] };
  #seriesAt = 0;

  /** @param {string} id @param {AbortSignal} signal */
  static async open(id, signal) {
    const [run, series, marks, alerts, images, commands] = await Promise.all([
      api.getRun(id, signal),
      api.getSeries(id, signal),
      api.getMarks(id, signal),
      api.getAlerts(id, signal),
      api.getImages(id, signal),
      api.getCommands(id, signal),
    ]);
    const page = new RunPage(run, marks, signal);
    page.#series = series.series;
    page.#alerts = alerts.alerts;
    page.#seriesAt = Date.now();
    page.actions.commands = commands.commands;
    page.head.show(run, commands.commands, page.#skipped);
    page.#show(images.images);
    return page;
  }

  /** @param {Run} run @param {import("../types.js").Marks} marks @param {AbortSignal} signal */
  constructor(run, marks, signal) {
    this.#run = run;
    this.#marks = marks;
    this.signal = signal;
    /** @type {AxisKind} */ this.wanted = /** @type {AxisKind} */ (url.read("axis") ?? "epoch");
    this.axis = new Axis(this.wanted, marks, run.created);
    this.zoomed = url.parseRange(url.read("range"));
    this.cursor = new Cursor();
    const feed = (/** @type {number} */ buckets) =>
      new Feed(run.id, buckets, this.axis.query(this.zoomed), signal, (error) => tellTrouble(error, this.signal));
    this.source = { feed: feed(BUCKETS.points), moments: feed(BUCKETS.moments), axis: this.axis };
    const step = Number(url.read("sample") ?? "");
    this.moment = new Moment(step > 0 ? step : null, (at) => url.write({ sample: at === null ? null : String(at) }));
    const stage = this.#stage();
    this.pictures = new Pictures(run.id, this.moment, (at) => this.#place(at));
    this.board = new Board(stage, "Charts", { after: SAMPLES_AFTER, elements: this.pictures.elements });
    this.rest = new RestOfCharts(stage);
    this.actions = new AlertActions(
      (at) => this.#place(at),
      () => this.#answered(),
    );
    this.verdict = new Verdict({
      alert: this.actions,
      showStep: (at) => this.#showSample(at),
      place: (at) => this.#place(at),
      zoomTo: (at) => this.#zoomTo(at),
    });
    this.remedies = new Remedies();
    this.toolbar = new Toolbar({
      choose: (kind) => this.#chooseAxis(kind),
      zoom: (range) => this.#zoom(range),
      smoothed: () => this.#draw(),
    });
    this.details = new Details();
    this.head = new RunHead(() => this.refresh("all"));
    this.element = el(
      "article",
      { class: "run" },
      this.head.element,
      this.verdict.element,
      this.remedies.element,
      this.toolbar.element,
      this.board.element,
      this.rest.element,
      this.details.element,
    );
  }

  get runs() {
    return [this.#run.id];
  }

  get title() {
    const { alerts, name } = this.#run;
    return `${alerts.firing ? "⚠ " : ""}${name}`;
  }

  /** @returns {import("../panels/chart.js").Stage} */
  #stage() {
    return {
      sources: [this.source],
      cursor: this.cursor,
      range: () => this.zoomed ?? this.#whole,
      whole: () => this.#whole,
      turns: () => this.#turns(),
      zoom: (range) => this.#zoom(range),
      moment: this.moment,
      onset: () => this.#onset,
      pick: (x) => this.pictures.showStep(Math.round(this.axis.stepAt(x))),
      scaleOf: scales.of,
      setScale: scales.set,
      smoothing: smoothing.get,
    };
  }

  get #skipped() {
    return decode(this.#series.find(({ name }) => name === SKIPPED)?.last) ?? 0;
  }

  get #feeds() {
    return [this.source.feed, this.source.moments];
  }

  /** @returns {[number, number]} */
  get #whole() {
    const end =
      this.axis.kind === "time" ? this.#run.last_seen - this.#run.created : this.axis.atStep(this.#run.steps ?? 1);
    return [0, Math.max(end, 1e-9) * 1.01];
  }

  get #onset() {
    const placed = this.#alerts.filter((alert) => alert.onset_step !== null && alert.state !== "resolved");
    return (placed.find((alert) => alert.rule === "turning-point") ?? placed[0])?.onset_step ?? null;
  }

  #turns() {
    const [low, high] = this.zoomed ?? this.#whole;
    const { attempt, attempts } = this.#run;
    const turns = this.#alerts.flatMap((alert) => turnsOf(alert, this.axis, high - low, alert.attempt < attempt));
    return thinned([...turns, ...remediesOn(attempts, this.axis)], high - low);
  }

  /** @param {number} step */
  #place(step) {
    return this.axis.format(this.axis.atStep(step));
  }

  /** @param {import("../types.js").Snapshot[] | null} images Null where neither they nor the turn have changed. */
  #show(images) {
    this.axis = new Axis(this.wanted, this.#marks, this.#run.created);
    this.source.axis = this.axis;
    const judged = judgedSignals(this.#series);
    const begins = this.#begins(judged.length > 0);
    const { core, rest } = chartsOf(begins ? this.#series : this.#series.filter(({ count }) => count > 0));
    this.pictures.show(images, this.#onset, begins);
    this.verdict.show(this.#run, this.#alerts, this.#marks.index.length, judged);
    this.remedies.show(this.#run, (step) => this.#place(step));
    this.toolbar.show(this.axis, this.zoomed);
    this.board.show(core);
    this.rest.show(rest, !core.length);
    this.details.show(this.#run);
  }

  /**
   * Whether what is declared may still come: a run that is judged brings it with its first mark, others with the first
   * point. What has not come by then is left out.
   * @param {boolean} judged
   */
  #begins(judged) {
    const awaited = judged ? this.#marks.index.length < 2 : this.#series.every(({ count }) => count === 0);
    return this.#run.state === "running" && awaited;
  }

  #draw() {
    this.toolbar.show(this.axis, this.zoomed);
    this.board.draw();
    this.rest.draw();
  }

  /** @param {Changes} changes */
  async refresh(changes) {
    const changed = changes === "all" ? "all" : (changes.get(this.#run.id) ?? new Set());
    const has = (/** @type {import("../live.js").Change} */ what) => changed === "all" || changed.has(what);
    try {
      const { id } = this.#run;
      const seriesDue =
        changed === "all" ||
        has("state") ||
        (has("marks") && this.#marks.index.length < 2) ||
        this.#series.every(({ count }) => count === 0) ||
        Date.now() - this.#seriesAt > SERIES_EVERY_MS;
      const [run, series, marks, alerts, images, commands] = await Promise.all([
        api.getRun(id, this.signal),
        seriesDue ? api.getSeries(id, this.signal) : null,
        has("points") || has("marks") ? api.getMarks(id, this.signal) : null,
        has("alerts") ? api.getAlerts(id, this.signal) : null,
        has("images") ? api.getImages(id, this.signal) : null,
        has("state") ? api.getCommands(id, this.signal) : null,
      ]);
      this.#run = run;
      if (series) this.#seriesAt = Date.now();
      this.#series = series?.series ?? this.#series;
      this.#marks = marks ?? this.#marks;
      this.#alerts = alerts?.alerts ?? this.#alerts;
      this.actions.commands = commands?.commands ?? this.actions.commands;
      this.head.show(run, commands?.commands ?? null, this.#skipped);
      this.#show(images?.images ?? (alerts && this.pictures.images));
      if (has("points")) await Promise.all(this.#feeds.map((feed) => feed.refresh()));
      this.#draw();
      refused("");
    } catch (error) {
      tellTrouble(error, this.signal);
    }
  }

  /** @param {[number, number] | null} range */
  #zoom(range) {
    this.zoomed = range;
    url.write({ range: url.printRange(range) });
    this.#draw();
    Promise.all(this.#feeds.map((feed) => feed.setView(this.axis.query(range)))).catch((error) =>
      tellTrouble(error, this.signal),
    );
  }

  /** The same part of the run on another axis. @param {AxisKind} kind */
  #chooseAxis(kind) {
    const old = this.axis;
    this.wanted = kind;
    this.axis = new Axis(kind, this.#marks, this.#run.created);
    this.source.axis = this.axis;
    url.write({ axis: kind === "epoch" ? null : kind });
    this.cursor.move(null);
    this.#zoom(
      this.zoomed && /** @type {[number, number]} */ (this.zoomed.map((x) => this.axis.atStep(old.stepAt(x)))),
    );
  }

  /** @param {number} step */
  #zoomTo(step) {
    const { step: steps } = this.#marks;
    const span = ZOOM_MARKS * (steps.length > 1 ? (steps[steps.length - 1] - steps[0]) / (steps.length - 1) : 100);
    this.#zoom([this.axis.atStep(Math.max(0, step - span)), this.axis.atStep(step + span)]);
    this.#showSample(step);
  }

  /** @param {number} step */
  #showSample(step) {
    this.pictures.showStep(step);
    this.pictures.reveal();
  }

  /** After something was said of an alert. */
  async #answered() {
    await this.refresh(new Map([[this.#run.id, new Set(["alerts", "state"])]]));
    this.verdict.element.querySelector("button")?.focus();
  }

  redraw() {
    this.#draw();
  }

  dispose() {
    this.board.dispose();
    this.rest.dispose();
    replace(this.element);
  }
}
