/** What moved in an alert: each signal with its name, before and after. */
import { el, foreign } from "../dom.js";
import { decode, number, quantity } from "../format.js";
import { PART } from "../selectors.js";

/** @type {Record<string, string>} */
const ROLES = {
  Q: "Quality Q",
  D: "Diversity D",
  S_G: "Stability S of the generator",
  S_D: "Stability S of the discriminator",
  S_G_ep: "Stability S of the generator",
  S_D_ep: "Stability S of the discriminator",
  loss_G: "Loss of the generator",
  loss_D: "Loss of the discriminator",
  gn_real: "Gradient norm at real images",
};

/** What people call a signal. @param {import("../types.js").Signal} signal */
const signalName = ({ role, signal }) => ROLES[role ?? ""] ?? signal.charAt(0).toUpperCase() + signal.slice(1);

/** By which factor a signal moved, where that says more than the numbers. @param {import("../types.js").Signal} signal */
function factor({ before, after }) {
  const [from, to] = [Number(before), Number(after)];
  if (!(from > 0 && to > 0 && Number.isFinite(from) && Number.isFinite(to))) return "";
  const times = to > from ? to / from : from / to;
  return times < 1.05 ? "" : `${to > from ? "×" : "÷"} ${number(times, 2)}`;
}

/** @param {import("../types.js").Alert} alert */
export function signalsTable(alert) {
  const rows = alert.signals.map((signal) =>
    el(
      "tr",
      {},
      el(
        "th",
        { scope: "row" },
        foreign(signalName(signal)),
        el("div", { class: "under" }, foreign(signal.series ?? "")),
      ),
      el("td", { class: "number" }, quantity(decode(signal.before), signal.unit)),
      el("td", { class: "arrow" }, signal.direction ? (signal.direction === "up" ? "↗ rose to" : "↘ fell to") : "→"),
      el("td", { class: "number" }, el("b", {}, quantity(decode(signal.after), signal.unit))),
      el("td", { class: "number muted" }, factor(signal)),
    ),
  );
  const head = ["Signal", "Before", "", "After", ""].map((text) => el("th", { scope: "col" }, text));
  return el(
    "section",
    { class: "panel alert-card", part: PART.signals },
    el("h2", {}, "What moved"),
    el(
      "div",
      { class: "scroll", tabindex: "0", role: "group", "aria-label": "What moved, before and after" },
      el("table", { class: "signals" }, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows)),
    ),
  );
}
