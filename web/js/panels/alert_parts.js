/**
 * The parts of an alert that its page and the run's page share.
 *
 * @typedef {import("../types.js").Alert} Alert
 */
import { imageUrl } from "../api.js";
import { el, foreign } from "../dom.js";
import { clock } from "../format.js";
import { isExtreme } from "./extremes.js";
import { isLeading } from "./leading.js";

export const STATES = { firing: "Alert", pending: "Suspected", resolved: "Resolved" };
const CHANGES = { guaranteed: "e-detector", dismissed: "false alarm" };

/** What the sentence says beyond the title. @param {Alert} alert */
export function beyondTitle({ title, sentence }) {
  const rest = sentence.startsWith(`${title}: `) ? sentence.slice(title.length + 2) : sentence;
  return rest === title ? "" : rest;
}

/** @param {Alert} alert */
export const addressOf = (alert) => `/runs/${encodeURIComponent(alert.run)}/alerts/${encodeURIComponent(alert.id)}`;

/** One grid before the turn and some from it on. @param {Alert} alert */
export function around(alert) {
  const { onset_step: onset } = alert;
  if (onset === null) return [];
  const grids = alert.images.filter(({ name }) => !isExtreme(name) && !isLeading(name));
  const images = grids.filter(({ name }) => name === grids[0].name);
  return [...images.filter((image) => image.step < onset).slice(-1), ...images.filter((image) => image.step >= onset)];
}

/**
 * @param {Alert} alert
 * @param {{place: (step: number) => string, press: (step: number) => void, size: number}} how
 */
export function pictures(alert, { place, press, size }) {
  const shown = around(alert);
  if (!shown.length) return null;
  const items = shown.map((image) => {
    const where = place(image.step);
    const picture = el("img", {
      src: imageUrl(alert.run, image.digest),
      alt: `Samples at ${where}`,
      width: String(size),
      height: String(size),
      loading: "lazy",
    });
    return el(
      "li",
      { class: image.step === alert.onset_step ? "turn" : null },
      el(
        "button",
        { type: "button", class: "thumb", on: { click: () => press(image.step) } },
        picture,
        el("span", { class: "number" }, where),
      ),
    );
  });
  return el("ul", { class: "pictures", "aria-label": "Samples before and after" }, ...items);
}

/** @param {Alert} alert */
export const changes = (alert) =>
  el(
    "ol",
    { class: "changes" },
    ...alert.transitions.map((transition) =>
      el(
        "li",
        {},
        el("time", { class: "number" }, clock(transition.time)),
        el("b", {}, CHANGES[/** @type {keyof typeof CHANGES} */ (transition.state)] ?? transition.state),
        transition.reason && foreign(transition.reason),
      ),
    ),
  );
