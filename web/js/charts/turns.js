/** Where an alert's beginning, and the record at which it was found, stand on a chart. Pure. */

/** @typedef {import("./figure.js").Turn} Turn */

/** So far apart, as a share of the width, that both labels can be read. */
const APART = 0.14;
const LABELS = { "turning-point": "turned", "non-finite": "not finite" };

/** @param {import("../types.js").Alert} alert @param {boolean} isLeft */
function labelOf(alert, isLeft) {
  if (isLeft) return "turned, undone";
  if (alert.state === "pending") return "suspected";
  return alert.state === "resolved" ? "resolved" : (LABELS[/** @type {keyof typeof LABELS} */ (alert.rule)] ?? "alert");
}

/**
 * @param {import("../types.js").Alert} alert
 * @param {import("../state/axis.js").Axis} axis
 * @param {number} width Of the part that is shown.
 * @param {boolean} [isLeft] Whether the run went back, and what is shown is not what turned.
 * @returns {Turn[]}
 */
export function turnsOf(alert, axis, width, isLeft = false) {
  if (alert.onset_step === null) return [];
  const onset = axis.atStep(alert.onset_step);
  /** @type {Turn[]} */
  const turns = [{ x: onset, kind: "onset", label: labelOf(alert, isLeft), faint: alert.state === "resolved" }];
  if (alert.detected_step === null || alert.detected_step === alert.onset_step || alert.state === "resolved")
    return turns;
  const detected = axis.atStep(alert.detected_step);
  return [...turns, { x: detected, kind: "detected", label: (detected - onset) / width > APART ? "detected" : "" }];
}

/**
 * Where a run went back to, with what it does otherwise since.
 * @param {import("../types.js").Attempt[]} attempts
 * @param {import("../state/axis.js").Axis} axis
 * @returns {Turn[]}
 */
export const remediesOn = (attempts, axis) =>
  attempts.flatMap(({ from_step: from, remedy }) =>
    remedy && from !== null ? [{ x: axis.atStep(from), kind: "attempt", label: remedy.name, colour: "real" }] : [],
  );

/**
 * Of labels that would cover each other only the first is kept.
 * @param {Turn[]} turns
 * @param {number} width Of the part that is shown.
 */
export function thinned(turns, width) {
  let free = -Infinity;
  return [...turns]
    .sort((a, b) => a.x - b.x)
    .map((turn) => {
      if (!turn.label) return turn;
      if (turn.x < free) return { ...turn, label: "" };
      free = turn.x + APART * width;
      return turn;
    });
}

/**
 * In a comparison a turning point is a line in its run's colour, and so is its label.
 * @param {import("../types.js").Alert[]} alerts
 * @param {import("../state/axis.js").Axis} axis
 * @param {number} colour
 * @returns {Turn[]}
 */
export function turnsAmongRuns(alerts, axis, colour) {
  return alerts.flatMap((alert) =>
    (alert.state === "firing" ? turnsOf(alert, axis, Infinity) : [])
      .filter(({ kind }) => kind === "onset")
      .map((turn) => ({ ...turn, colour: `run-${colour}` })),
  );
}
