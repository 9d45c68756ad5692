/**
 * Several runs on one chart. A chart is one series name, so numbers of different judges never meet; a run keeps its colour.
 *
 * @typedef {import("../types.js").Run} Run
 * @typedef {import("../types.js").Series} Series
 * @typedef {import("../types.js").AxisKind} AxisKind
 * @typedef {{run: Run, series: Series[], marks: import("../types.js").Marks, alerts: import("../types.js").Alert[], source: {feed: Feed, moments: Feed, axis: Axis}}} Loaded
 */
import * as api from "../api.js";
import { refused } from "../connection.js";
import { el, foreign, replace } from "../dom.js";
import { comparisonsOf } from "../charts/compare.js";
import { thinned, turnsAmongRuns } from "../charts/turns.js";
import { Board } from "../panels/board.js";
import { LISTED } from "../panels/chart.js";
import { chipOf } from "../panels/chip.js";
import { RestOfCharts } from "../panels/rest.js";
import { Picker } from "../panels/picker.js";
import { Toolbar } from "../panels/toolbar.js";
import { Axis } from "../state/axis.js";
import { Cursor } from "../state/cursor.js";
import { BUCKETS, Feed } from "../state/feed.js";
import { coloursOf, MOST_RUNS } from "../state/palette.js";
import { Moment } from "../state/moment.js";
import { namesApart, withoutPrefix } from "../state/names.js";
import * as scales from "../state/scales.js";
import * as smoothing from "../state/smoothing.js";
import * as url from "../state/url.js";
import { tellTrouble } from "../troubles.js";

export class ComparePage {
  /** @type {Loaded[]} */ #loaded = [];
  /** @type {string[]} */ #missing = [];
  /** Runs that were asked for beyond the most. */ #beyond = 0;
  /** Runs whose lines are not drawn. */ #hidden = new Set(url.readAll("hide"));
  /** @type {Board | null} */ #board = null;
  /** @type {RestOfCharts | null} */ #rest = null;
  title = "Compare";

  /** @param {AbortSignal} signal @param {() => void} runsChanged Called when other runs are to be listened to. */
  static async open(signal, runsChanged) {
    const page = new ComparePage(signal, runsChanged);
    await page.#load(url.readAll("run"));
    return page;
  }

  /** @param {AbortSignal} signal @param {() => void} runsChanged */
  constructor(signal, runsChanged) {
    this.signal = signal;
    this.runsChanged = runsChanged;
    const axis = url.read("axis");
    /** @type {AxisKind} */ this.wanted = axis === "step" || axis === "time" ? axis : "epoch";
    this.zoomed = url.parseRange(url.read("range"));
    this.cursor = new Cursor();
    this.chips = el("ul", { class: "chips", "aria-label": "Runs on the charts" });
    this.picker = new Picker((run) => this.#set([...this.runs, run]), signal);
    this.toolbar = new Toolbar({
      choose: (kind) => this.#chooseAxis(kind),
      zoom: (range) => this.#zoom(range),
      smoothed: () => this.redraw(),
    });
    this.charts = el("div", { class: "compare-charts" });
    const head = el("div", { class: "page-head" }, el("h1", { tabindex: "-1" }, "Compare"));
    this.element = el(
      "article",
      { class: "compare" },
      head,
      el("div", { class: "chosen" }, this.chips, this.picker.element),
      this.toolbar.element,
      this.charts,
    );
  }

  get runs() {
    return this.#loaded.map(({ run }) => run.id);
  }

  /** @param {string[]} ids */
  async #load(ids) {
    const known = new Map(this.#loaded.map((one) => [one.run.id, one]));
    const wanted = [...new Set(ids)].slice(0, MOST_RUNS);
    this.#beyond = new Set(ids).size - wanted.length;
    const answers = await Promise.allSettled(wanted.map((id) => known.get(id) ?? this.#loadRun(id)));
    const failed = answers.find(
      (answer) =>
        answer.status === "rejected" && !(answer.reason instanceof api.Refused && answer.reason.status === 404),
    );
    if (failed?.status === "rejected") throw failed.reason;
    this.#missing = wanted.filter((_, i) => answers[i].status === "rejected");
    this.#loaded = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
    this.#rebuild();
  }

  /** @param {string} id @returns {Promise<Loaded>} */
  async #loadRun(id) {
    const [run, series, marks, alerts] = await Promise.all([
      api.getRun(id, this.signal),
      api.getSeries(id, this.signal),
      api.getMarks(id, this.signal),
      api.getAlerts(id, this.signal),
    ]);
    const axis = new Axis(this.wanted, marks, run.created);
    const feed = (/** @type {number} */ buckets) =>
      new Feed(id, buckets, axis.query(this.zoomed), this.signal, (error) => tellTrouble(error, this.signal));
    const source = { feed: feed(BUCKETS.points), moments: feed(BUCKETS.moments), axis };
    return { run, series: series.series, marks, alerts: alerts.alerts, source };
  }

  /** @param {string[]} ids */
  #set(ids) {
    url.write({ run: ids });
    return this.#load(ids).then(this.runsChanged, (error) => tellTrouble(error, this.signal));
  }

  /** @param {string} id */
  #toggle(id) {
    if (!this.#hidden.delete(id)) this.#hidden.add(id);
    url.write({ hide: [...this.#hidden] });
    this.#rebuild();
    /** @type {HTMLElement | null} */ (this.chips.querySelector(`[data-show="${CSS.escape(id)}"]`))?.focus();
  }

  /** All runs on the same axis: epochs only where every run has them. */
  #axes() {
    const kind =
      this.wanted === "epoch" && this.#loaded.some(({ marks, run }) => !new Axis("epoch", marks, run.created).hasEpochs)
        ? "step"
        : this.wanted;
    for (const one of this.#loaded) {
      one.source.axis = new Axis(kind, one.marks, one.run.created);
    }
  }

  #rebuild() {
    this.#board?.dispose();
    this.#rest?.dispose();
    this.#board = this.#rest = null;
    this.#axes();
    const colours = coloursOf(this.runs);
    const names = namesApart(this.#loaded.map(({ run }) => run));
    replace(
      this.chips,
      ...this.#loaded.map(({ run }, i) =>
        chipOf(
          { run, name: names[i], colour: colours[i], isShown: !this.#hidden.has(run.id) },
          { toggle: () => this.#toggle(run.id), remove: () => this.#set(this.runs.filter((id) => id !== run.id)) },
        ),
      ),
      ...this.#missing.map((id) => el("li", { class: "chip gone" }, foreign(id), " does not exist")),
      this.#beyond > 0 && el("li", { class: "chip gone" }, `${this.#beyond} more left out: ${MOST_RUNS} are the most`),
    );
    this.picker.show(this.runs, this.#loaded.length >= MOST_RUNS);
    this.toolbar.element.hidden = !this.#loaded.length;
    if (!this.#loaded.length) {
      replace(
        this.charts,
        el("p", { class: "none" }, "Choose runs to compare: add them above, or tick them in the list of runs."),
      );
      return;
    }
    this.toolbar.show(this.#loaded[0].source.axis, this.zoomed);
    const shown = this.#loaded.filter(({ run }) => !this.#hidden.has(run.id)).length;
    this.charts.style.setProperty("--rows", String(shown > LISTED ? Math.ceil(shown / 2) : shown));
    const stage = this.#stage(colours);
    const labels = names.length > LISTED ? withoutPrefix(names) : names;
    const compared = this.#loaded.map(({ run, series }, source) => ({
      name: labels[source],
      series: run.state === "running" ? series : series.filter(({ count }) => count > 0),
      source,
      colour: colours[source],
    }));
    const { core, rest } = comparisonsOf(compared.filter((_, i) => !this.#hidden.has(this.runs[i])));
    this.#board = new Board(stage, "Charts");
    this.#rest = new RestOfCharts(stage);
    this.#board.show(core);
    this.#rest.show(rest, !core.length);
    replace(this.charts, this.#board.element, this.#rest.element);
  }

  /** @param {number[]} colours @returns {import("../panels/chart.js").Stage} */
  #stage(colours) {
    return {
      sources: this.#loaded.map(({ source }) => source),
      cursor: this.cursor,
      range: () => this.zoomed ?? this.#whole,
      whole: () => this.#whole,
      turns: () => this.#turns(colours),
      zoom: (range) => this.#zoom(range),
      moment: new Moment(null, () => {}),
      onset: () => null,
      pick: () => {},
      scaleOf: scales.of,
      setScale: scales.set,
      smoothing: smoothing.get,
    };
  }

  /** @param {number[]} colours */
  #turns(colours) {
    const [low, high] = this.zoomed ?? this.#whole;
    const all = this.#loaded.flatMap(({ run, alerts, source }, i) =>
      this.#hidden.has(run.id) ? [] : turnsAmongRuns(alerts, source.axis, colours[i]),
    );
    return thinned(
      all.filter(({ x }) => x >= low && x <= high),
      high - low,
    );
  }

  /** @returns {[number, number]} */
  get #whole() {
    const ends = this.#loaded.map(({ run, source }) =>
      source.axis.kind === "time" ? run.last_seen - run.created : source.axis.atStep(run.steps ?? 1),
    );
    return [0, Math.max(1e-9, ...ends) * 1.01];
  }

  /** @param {import("../live.js").Changes} changes */
  async refresh(changes) {
    try {
      const changed = this.#loaded.filter(({ run }) => changes === "all" || changes.has(run.id));
      await Promise.all(
        changed.map(async (one) => {
          const { id } = one.run;
          const known = one.series.length;
          const [run, marks, alerts] = await Promise.all([
            api.getRun(id, this.signal),
            api.getMarks(id, this.signal),
            api.getAlerts(id, this.signal),
          ]);
          Object.assign(one, { run, marks, alerts: alerts.alerts });
          if (!known) one.series = (await api.getSeries(id, this.signal)).series;
          if (one.series.length !== known) this.#rebuild();
          await one.source.feed.refresh();
        }),
      );
      this.#axes();
      this.redraw();
      refused("");
    } catch (error) {
      tellTrouble(error, this.signal);
    }
  }

  /** @param {[number, number] | null} range */
  #zoom(range) {
    this.zoomed = range;
    url.write({ range: url.printRange(range) });
    this.redraw();
    Promise.all(this.#loaded.map(({ source }) => source.feed.setView(source.axis.query(range)))).catch((error) =>
      tellTrouble(error, this.signal),
    );
  }

  /** @param {AxisKind} kind */
  #chooseAxis(kind) {
    this.wanted = kind;
    url.write({ axis: kind === "epoch" ? null : kind });
    this.#axes();
    this.cursor.move(null);
    this.#zoom(null);
  }

  redraw() {
    if (this.#loaded.length) this.toolbar.show(this.#loaded[0].source.axis, this.zoomed);
    this.#board?.draw();
    this.#rest?.draw();
  }

  dispose() {
    this.#board?.dispose();
    this.#rest?.dispose();
  }
}
