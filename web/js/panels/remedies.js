/**
 * What was done about a turning point, and what that brought. Pure words, and the panel that shows them.
 *
 * @typedef {import("../types.js").Run} Run
 * @typedef {import("../types.js").Attempt} Attempt
 */
import { el, foreign, replace } from "../dom.js";
import { decode, number } from "../format.js";
import { PART } from "../selectors.js";

const WORDS = {
  gn: "gradient normalization",
  lr: "a smaller learning rate",
  gp: "a gradient penalty",
  rollback: "other random numbers",
};
/** Where Q and D are again, as a share of what they were. */
const RECOVERED = 0.95;

/** @param {string} name As in `gn+lr`. */
export const remedyWords = (name) =>
  name
    .split("+")
    .map((part) => WORDS[/** @type {keyof typeof WORDS} */ (part)] ?? part)
    .join(" and ");

/** @param {"Q" | "D"} role @param {NonNullable<Attempt["brought"]>["Q"]} level */
function levelOf(role, level) {
  if (!level) return null;
  const [before, turn, now] = [level.before, level.turn, level.now].map((value) => decode(value));
  const back = before !== null && now !== null && now >= RECOVERED * before;
  const word = now === null ? "not measured yet" : back ? "recovered" : "below what it was";
  return el(
    "li",
    { class: "number" },
    el("b", {}, role),
    ` ${number(before)} before the turn, ${number(turn)} at it, `,
    el("strong", {}, number(now)),
    " now ",
    el("span", { class: now === null ? "muted" : back ? "good" : "weak" }, word),
  );
}

/** @param {Attempt} attempt @param {(step: number) => string} place */
function story(attempt, place) {
  const { remedy, brought, from_step: from } = attempt;
  const settings = Object.entries(remedy?.settings ?? {}).map(
    ([key, value]) => `${key} = ${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  return el(
    "li",
    { class: "attempt" },
    el(
      "p",
      {},
      el("b", {}, `Attempt ${attempt.number + 1}`),
      from === null ? "" : ` went back to ${place(from)}`,
      " and goes on with ",
      el("b", {}, foreign(remedyWords(remedy?.name ?? ""))),
      settings.length ? el("span", { class: "muted" }, " (", foreign(settings.join(", ")), ")") : "",
      ".",
    ),
    brought && el("ul", {}, levelOf("Q", brought.Q), levelOf("D", brought.D)),
  );
}

export class Remedies {
  #key = "";

  constructor() {
    this.element = el("section", {
      class: "verdict plain remedies",
      part: PART.remedies,
      "aria-label": "Rescue",
      hidden: true,
    });
  }

  /** @param {Run} run @param {(step: number) => string} place */
  show(run, place) {
    const rescued = run.attempts.filter((attempt) => attempt.remedy);
    this.element.hidden = !rescued.length;
    const stories = rescued.map((attempt) => story(attempt, place));
    const key = stories.map((one) => one.textContent).join("\n");
    if (key === this.#key) return;
    this.#key = key;
    replace(this.element, el("ol", {}, ...stories));
  }
}
