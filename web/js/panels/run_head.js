/** The name of a run, its state and how far it is. */
import { el, foreign, foreignLines, printable, replace, setText } from "../dom.js";
import { clock, count, duration, epoch } from "../format.js";
import { PART } from "../selectors.js";
import { lossesOf } from "./details.js";
import { editRun } from "./edit_run.js";
import { ageOf, stateBadge } from "./state.js";
import { StopButton } from "./stop.js";

/** @typedef {import("../types.js").Run} Run */

export class RunHead {
  #key = "";

  /** @param {() => void} changed */
  constructor(changed) {
    this.stop = new StopButton(changed);
    this.project = el("a", { href: "/" });
    this.name = el("h1", { tabindex: "-1", dir: "auto" });
    this.badge = el("span", {});
    this.facts = el("p", { class: "facts number" });
    this.losses = el("p", { class: "losses" });
    this.notes = el("p", { class: "notes", part: PART.notes });
    this.compare = el("a", { class: "button" }, "Compare");
    /** @type {Run | null} */ this.run = null;
    this.edit = el(
      "button",
      { type: "button", part: PART.edit, on: { click: () => this.run && editRun(this.run, changed) } },
      "Edit…",
    );
    const crumbs = el(
      "nav",
      { class: "crumbs", "aria-label": "Where this is" },
      el("a", { href: "/" }, "Runs"),
      " / ",
      this.project,
    );
    this.element = el(
      "header",
      { class: "page-head" },
      el("div", {}, crumbs, el("div", { class: "name" }, this.name, this.badge), this.facts, this.losses, this.notes),
      el("div", { class: "actions" }, this.stop.element, this.edit, this.compare),
    );
    /** @type {{kind: string, outcome?: string | null}[]} */ this.commands = [];
  }

  /**
   * @param {Run} run
   * @param {{kind: string, outcome?: string | null}[] | null} commands Null where they were not asked for.
   * @param {number} skipped Evaluations that were left out.
   */
  show(run, commands, skipped) {
    this.run = run;
    this.commands = commands ?? this.commands;
    this.stop.show(run, this.commands);
    const key = JSON.stringify([
      run.name,
      run.project,
      run.state,
      run.steps,
      run.epoch,
      run.last_seen,
      run.dropped,
      run.gaps,
      run.rejected,
      skipped,
      run.tags,
      run.notes,
      run.archived,
    ]);
    if (key === this.#key) return;
    this.#key = key;
    replace(this.project, foreign(run.project));
    this.project.href = `/?project=${encodeURIComponent(run.project)}`;
    setText(this.name, printable(run.name));
    this.compare.href = `/compare?run=${encodeURIComponent(run.id)}`;
    replace(this.badge, stateBadge(run.state), run.archived && el("span", { class: "badge" }, "archived"));
    const took = (run.ended ?? run.last_seen) - run.created;
    const facts = [];
    if (run.epoch !== null) facts.push(`epoch ${epoch(run.epoch)}`);
    if (run.steps !== null) facts.push(`step ${count(run.steps)}`);
    facts.push(
      `began ${clock(run.created)}`,
      `${run.state === "running" ? "running for" : "ran for"} ${duration(took)}`,
    );
    if (run.attempt) facts.push(`attempt ${run.attempt + 1}`);
    replace(
      this.facts,
      facts.join("  ·  "),
      "  ·  last heard from ",
      ageOf(run.last_seen),
      ...run.tags.map((tag) => el("span", { class: "tag" }, foreign(tag))),
    );
    const lost = lossesOf(run, skipped);
    this.losses.hidden = !lost;
    setText(this.losses, lost);
    this.notes.hidden = !run.notes;
    replace(this.notes, foreignLines(run.notes));
  }
}
