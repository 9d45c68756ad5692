/**
 * What a person can say of an alert, and do about it: acknowledge, snooze, call it false, roll the run back.
 *
 * @typedef {import("../types.js").Alert} Alert
 * @typedef {import("../types.js").Run} Run
 */
import { command, now, say } from "../api.js";
import { el, foreign } from "../dom.js";
import { clock } from "../format.js";
import { PART } from "../selectors.js";
import { confirmed } from "./confirm.js";
import { remedyWords } from "./remedies.js";

const HOUR = 3600;
/** @type {[string, number][]} */
const SNOOZES = [
  ["1 hour", HOUR],
  ["8 hours", 8 * HOUR],
  ["1 day", 24 * HOUR],
  ["1 week", 7 * 24 * HOUR],
];

/** Whether people said that the alert was none. @param {Alert} alert */
export const isDismissed = (alert) => alert.transitions.some(({ state }) => state === "dismissed");

/** @param {Alert} alert */
export const isSnoozed = (alert) => (alert.snoozed_until ?? 0) > now();

/**
 * Does what a control asks, then shows what came of it.
 * @param {HTMLButtonElement | HTMLSelectElement} control
 * @param {() => Promise<unknown>} act
 * @param {() => Promise<void>} changed
 */
async function perform(control, act, changed) {
  control.disabled = true;
  try {
    await act();
    await changed();
  } catch (error) {
    control.parentElement?.querySelector("[role=alert]")?.remove();
    control.after(el("span", { class: "fault", role: "alert" }, /** @type {Error} */ (error).message));
  } finally {
    control.disabled = false;
  }
}

/**
 * @param {string} label
 * @param {{class?: string, part?: string}} look
 * @param {() => Promise<unknown>} act
 * @param {() => Promise<void>} changed
 */
const button = (label, look, act, changed) =>
  el(
    "button",
    {
      type: "button",
      ...look,
      on: {
        click: (/** @type {MouseEvent} */ event) =>
          perform(/** @type {HTMLButtonElement} */ (event.currentTarget), act, changed),
      },
    },
    label,
  );

/** @param {Alert} alert @param {() => Promise<void>} changed */
function acknowledgement(alert, changed) {
  if (alert.acknowledged === null && alert.state === "resolved") return null;
  if (alert.acknowledged === null)
    return button(
      "Acknowledge",
      { class: "primary", part: PART.acknowledge },
      () => say(alert, "acknowledge"),
      changed,
    );
  return el(
    "span",
    { class: "done" },
    `Acknowledged ${clock(alert.acknowledged)}`,
    alert.acknowledged_by && el("span", {}, " from ", foreign(alert.acknowledged_by)),
  );
}

/** @param {Alert} alert @param {() => Promise<void>} changed */
function snoozing(alert, changed) {
  if (alert.state === "resolved" || alert.snoozed_until === undefined) return null;
  if (isSnoozed(alert))
    return el(
      "span",
      { class: "done" },
      `Snoozed until ${clock(alert.snoozed_until ?? 0)} `,
      button("Wake", { class: "quiet" }, () => say(alert, "unsnooze"), changed),
    );
  const choice = el(
    "select",
    {
      "aria-label": "Snooze",
      title: "Tell nobody of this alert for a while",
      part: PART.snooze,
      on: {
        change: () => perform(choice, () => say(alert, "snooze", { seconds: Number(choice.value) }), changed),
      },
    },
    el("option", { value: "" }, "Snooze…"),
    ...SNOOZES.map(([label, seconds]) => el("option", { value: String(seconds) }, label)),
  );
  return choice;
}

/** @param {Alert} alert @param {() => Promise<void>} changed */
function dismissal(alert, changed) {
  const wasFiring = alert.transitions.some(({ state }) => state === "firing");
  if (alert.rule !== "turning-point" || !wasFiring) return null;
  if (isDismissed(alert)) return el("span", { class: "done" }, "Called a false alarm");
  return button("False alarm", { class: "quiet", part: PART.dismiss }, () => say(alert, "dismiss"), changed);
}

/** @typedef {{kind: string, attempt?: number, expires?: number, outcome?: string | null, detail?: string}} Command */

/**
 * @param {Alert} alert
 * @param {Run} run
 * @param {Command[]} commands
 * @param {(step: number) => string} place
 * @param {() => Promise<void>} changed
 */
function rescue(alert, run, commands, place, changed) {
  const { onset_step: onset } = alert;
  const isOpen = alert.state !== "resolved" && alert.rule === "turning-point" && alert.attempt === run.attempt;
  if (run.state !== "running" || !run.commands.includes("rollback") || onset === null || !isOpen) return null;
  const asked = commands.filter((one) => one.kind === "rollback" && one.attempt === run.attempt);
  if (asked.some((one) => !one.outcome && (one.expires ?? 0) > now()))
    return el("span", { class: "done" }, "Asked to roll back; waiting for its next safe point");
  const { remedy, refused } = run.rescue;
  if (refused) return el("span", { class: "done" }, refused);
  const goesOn = remedy ? `goes on with ${remedyWords(remedy)}` : "goes on as its recipe says";
  const act = async () => {
    const yes = await confirmed({
      title: "Go back before the turn?",
      text: [
        foreign(run.name),
        ` returns to its last checkpoint before ${place(onset)} and ${goesOn}. What it logged since then is kept with that attempt, and no longer shown.`,
      ],
      no: "Leave it",
      yes: "Roll back",
    });
    if (yes) await command(run.id, "rollback", { onset_step: onset, alert: alert.id });
  };
  const ask = button(
    remedy && remedy !== "rollback" ? "Rescue…" : "Roll back…",
    { class: "danger", part: PART.rescue },
    act,
    changed,
  );
  const last = asked.at(-1);
  if (last?.outcome !== "failed") return ask;
  return el("span", {}, ask, el("span", { class: "done" }, " It could not go back: ", foreign(last.detail ?? "")));
}

export class AlertActions {
  /** What the run was asked to do. @type {Command[]} */ commands = [];

  /**
   * @param {(step: number) => string} place
   * @param {() => Promise<void>} changed
   */
  constructor(place, changed) {
    this.place = place;
    this.changed = changed;
  }

  /** The least, where an alert is one thing of many. @param {Alert} alert @param {Run} run @param {...(Node | false)} more */
  few(alert, run, ...more) {
    const snoozed = isSnoozed(alert) && snoozing(alert, this.changed);
    return el("div", { class: "actions" }, ...this.#first(alert, run), ...more, snoozed);
  }

  /** All of it. @param {Alert} alert @param {Run} run @param {...(Node | false)} more */
  all(alert, run, ...more) {
    const said = [snoozing(alert, this.changed), dismissal(alert, this.changed)];
    return el("div", { class: "actions" }, ...this.#first(alert, run), ...more, ...said);
  }

  /** @param {Alert} alert @param {Run} run */
  #first(alert, run) {
    return [acknowledgement(alert, this.changed), rescue(alert, run, this.commands, this.place, this.changed)];
  }
}
