/** The heads of the runs list, which sort what is shown: `?sort=q` or, from the least on, `?sort=-q`. */
import { el } from "../dom.js";
import { decode } from "../format.js";
import * as url from "../state/url.js";

/** @typedef {import("../types.js").RunSummary} RunSummary */
/** @typedef {string | number | null} Key */

/** @type {{name: string, label: string, key?: (run: RunSummary) => Key}[]} */
const HEADS = [
  { name: "choose", label: "" },
  { name: "state", label: "State" },
  { name: "run", label: "Run", key: (run) => run.name.toLowerCase() },
  { name: "progress", label: "Progress", key: (run) => run.steps },
  { name: "q", label: "Quality Q", key: (run) => decode(run.last.Q) },
  { name: "d", label: "Diversity D", key: (run) => decode(run.last.D) },
  { name: "s", label: "Stability S", key: (run) => decode(run.last.S_G) },
  { name: "seen", label: "Last heard from", key: (run) => run.last_seen },
];

/** @param {Key} key */
const isKnown = (key) => key !== null && !Number.isNaN(key);

/** Names from A on, numbers from the greatest on. @param {Key} a @param {Key} b */
const compared = (a, b) =>
  typeof a === "string" ? a.localeCompare(String(b), undefined, { numeric: true }) : Number(b) - Number(a);

export class RunOrder {
  /** @param {() => void} changed */
  constructor(changed) {
    this.cells = HEADS.map(({ name, label, key }) =>
      el(
        "th",
        { role: "columnheader", scope: "col", class: name, "data-sort": key ? name : null },
        key
          ? el("button", { type: "button", class: "sort", on: { click: () => (this.#turn(name), changed()) } }, label)
          : label || el("span", { class: "hidden-text" }, "Compare"),
      ),
    );
    this.element = el("tr", { role: "row" }, ...this.cells);
  }

  /** By what, and whether the other way round. @returns {[string, boolean]} */
  get #by() {
    const sort = url.read("sort") ?? "";
    return [sort.replace("-", ""), sort.startsWith("-")];
  }

  /** One way, the other way, the newest first again. @param {string} name */
  #turn(name) {
    const [by, isReversed] = this.#by;
    url.write({ sort: by !== name ? name : isReversed ? null : `-${name}` });
  }

  show() {
    const [by, isReversed] = this.#by;
    for (const cell of this.cells) {
      if (cell.dataset.sort !== by) cell.removeAttribute("aria-sort");
      else cell.setAttribute("aria-sort", isReversed === (by === "run") ? "descending" : "ascending");
    }
  }

  /** @param {RunSummary[]} runs The newest first. */
  sorted(runs) {
    const [by, isReversed] = this.#by;
    const key = HEADS.find(({ name }) => name === by)?.key;
    if (!key) return runs;
    const unknown = runs.filter((run) => !isKnown(key(run)));
    const known = runs.filter((run) => isKnown(key(run)));
    known.sort((a, b) => compared(key(a), key(b)) * (isReversed ? -1 : 1));
    return [...known, ...unknown];
  }
}
