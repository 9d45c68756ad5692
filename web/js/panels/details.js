/** What is being trained and how it was delivered: configuration, writers, attempts, gaps. */
import { exportUrl } from "../api.js";
import { el, foreign, replace } from "../dom.js";
import { clock, count, plural } from "../format.js";
import { PART } from "../selectors.js";

/** @typedef {import("../types.js").Run} Run */

const LONGEST_VALUE = 400;

/** Nested keys become dotted ones. @param {unknown} value @param {string} prefix @returns {[string, string][]} */
function flat(value, prefix) {
  if (value !== null && typeof value === "object" && !Array.isArray(value) && Object.keys(value).length) {
    return Object.entries(value).flatMap(([key, inner]) => flat(inner, prefix ? `${prefix}.${key}` : key));
  }
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  return [[prefix, text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}…` : text]];
}

/** @param {[string, string | Node][]} pairs */
const list = (pairs) =>
  el(
    "dl",
    { class: "pairs" },
    ...pairs.map(([key, value]) =>
      el("div", {}, el("dt", {}, foreign(key)), el("dd", {}, typeof value === "string" ? foreign(value) : value)),
    ),
  );

/** @param {string} title @param {...(Node | null)} content */
const part = (title, ...content) => el("section", {}, el("h3", {}, title), ...content);

/** @param {string[]} heads @param {(string | number | Node)[][]} rows */
const table = (heads, rows) =>
  el(
    "div",
    { class: "scroll", tabindex: "0", role: "group", "aria-label": heads.join(", ") },
    el(
      "table",
      {},
      el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", { scope: "col" }, head)))),
      el(
        "tbody",
        {},
        ...rows.map((row) =>
          el("tr", {}, ...row.map((cell) => el("td", {}, typeof cell === "string" ? foreign(cell) : cell))),
        ),
      ),
    ),
  );

export class Details {
  #key = "";

  constructor() {
    this.body = el("div", { class: "details-body" });
    this.element = el(
      "details",
      { class: "panel fold", part: PART.details },
      el("summary", {}, "Configuration and delivery"),
      this.body,
    );
  }

  /** @param {Run} run */
  show(run) {
    const key = JSON.stringify([
      run.config,
      run.attempts,
      run.gaps,
      run.writers.map((writer) => [writer.id, writer.state, writer.dropped]),
      run.rejected,
    ]);
    if (key === this.#key) return;
    this.#key = key;
    const config = flat(run.config, "").filter(([name]) => name);
    const attempts = run.attempts.filter((attempt) => attempt.number > 0);
    replace(
      this.body,
      part("Configuration", config.length ? list(config) : el("p", { class: "muted" }, "None was given.")),
      part(
        "Run",
        list([
          ["id", el("code", {}, run.id)],
          [
            "all its points",
            el(
              "span",
              {},
              el("a", { href: exportUrl(run.id, "csv"), download: "" }, "CSV"),
              " ",
              el("a", { href: exportUrl(run.id, "parquet"), download: "" }, "Parquet"),
            ),
          ],
          ["began", clock(run.created)],
          ["last heard from", clock(run.last_seen)],
          ...(run.ended === null ? [] : /** @type {[string, string][]} */ ([["ended", clock(run.ended)]])),
        ]),
      ),
      part(
        "Writers",
        table(
          ["rank", "host", "process", "state", "records", "dropped"],
          run.writers.map((writer) => [
            writer.rank,
            writer.host,
            writer.process,
            writer.state,
            count(writer.high_water),
            count(writer.dropped),
          ]),
        ),
      ),
      attempts.length
        ? part(
            "Attempts",
            table(
              ["attempt", "goes back to step", "of attempt", "began", "reason"],
              attempts.map((attempt) => [
                attempt.number,
                attempt.from_step ?? "–",
                attempt.parent ?? "–",
                clock(attempt.began),
                attempt.reason,
              ]),
            ),
          )
        : null,
      run.gaps.length
        ? part(
            "Lost records",
            table(
              ["writer", "records", "when", "why"],
              run.gaps.map((gap) => [
                gap.writer,
                `${count(gap.first)} to ${count(gap.last)}`,
                clock(gap.time),
                gap.reason,
              ]),
            ),
          )
        : null,
    );
  }
}

/**
 * What is missing from this run, in one sentence; empty where nothing is.
 * @param {Run} run
 * @param {number} skipped Evaluations that were left out.
 */
export function lossesOf(run, skipped) {
  const missing = run.gaps.reduce((sum, gap) => sum + gap.last - gap.first + 1, 0);
  const dropped = run.writers.reduce((sum, writer) => sum + writer.dropped, 0);
  // What was dropped at the source is told by a gap as well, as soon as its writer is heard of again.
  const lost = Math.max(missing - dropped, 0);
  const damaged = Math.max(run.dropped - dropped, 0);
  const parts = [];
  if (dropped) parts.push(`${plural(dropped, "record")} dropped at the source`);
  if (lost) parts.push(`${plural(lost, "record")} lost on the way`);
  if (damaged) parts.push(`${plural(damaged, "point")} damaged in the store`);
  if (run.rejected) parts.push(`${plural(run.rejected, "value")} refused`);
  if (skipped) parts.push(`${plural(skipped, "evaluation")} skipped, because the judges were still busy`);
  return parts.length ? `${parts.join(", ")}.` : "";
}
