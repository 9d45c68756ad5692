/** How a run's state and its alerts are written wherever a run is named. */
import { now } from "../api.js";
import { el, setText } from "../dom.js";
import { age, clock, plural } from "../format.js";

/** @typedef {import("../types.js").RunSummary} RunSummary */

/** @param {string} state */
export const stateBadge = (state) =>
  el("span", { class: "badge", "data-state": state }, el("i", { "aria-hidden": "true" }), state);

const ALERT_STATES = { firing: "firing", pending: "suspected", resolved: "resolved" };

/** @param {import("../types.js").Alert["state"]} state */
export const alertStateBadge = (state) =>
  el("span", { class: "badge", "data-alert": state }, el("i", { "aria-hidden": "true" }), ALERT_STATES[state]);

/** @param {RunSummary["alerts"]} alerts */
export function alertBadge(alerts) {
  if (alerts.firing)
    return el(
      "span",
      { class: "badge", "data-alert": "firing" },
      el("i", { "aria-hidden": "true" }),
      plural(alerts.firing, "alert"),
    );
  if (alerts.pending)
    return el("span", { class: "badge", "data-alert": "pending" }, el("i", { "aria-hidden": "true" }), "suspected");
  if (alerts.resolved)
    return el("span", { class: "badge", "data-alert": "resolved" }, el("i", { "aria-hidden": "true" }), "resolved");
  return null;
}

/** A time that says how long ago it was and keeps being right (see `tickAges`). @param {number} unix */
export const ageOf = (unix) =>
  el(
    "time",
    { datetime: new Date(unix * 1000).toISOString(), "data-unix": String(unix), title: clock(unix) },
    age(now() - unix),
  );

/** @param {ParentNode} root */
export function tickAges(root) {
  for (const time of root.querySelectorAll("time[data-unix]"))
    setText(time, age(now() - Number(time.getAttribute("data-unix"))));
}
