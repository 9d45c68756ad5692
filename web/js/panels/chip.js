/** A run in a comparison: its colour, which hides and shows its lines, its name, and a way to leave it out. */
import { el, foreign, picture, printable } from "../dom.js";
import { stateBadge } from "./state.js";

const CROSS = "M4 4l8 8M12 4l-8 8";

/**
 * @param {{run: import("../types.js").Run, name: string, colour: number, isShown: boolean}} of
 * @param {{toggle: () => void, remove: () => void}} actions
 */
export function chipOf({ run, name, colour, isShown }, actions) {
  const show = el(
    "button",
    {
      type: "button",
      class: "quiet icon show",
      "data-show": run.id,
      "aria-pressed": String(isShown),
      "aria-label": `Draw ${printable(name)}`,
      title: isShown ? "Hide its lines" : "Show its lines",
      on: { click: actions.toggle },
    },
    el("i", { class: "swatch", style: `--swatch: var(--run-${colour})`, "aria-hidden": "true" }),
  );
  const remove = el(
    "button",
    {
      type: "button",
      class: "quiet icon",
      "aria-label": `Remove ${printable(name)}`,
      on: { click: actions.remove },
    },
    picture(CROSS),
  );
  return el(
    "li",
    { class: isShown ? "chip" : "chip out" },
    show,
    el("a", { href: `/runs/${encodeURIComponent(run.id)}` }, foreign(name)),
    stateBadge(run.state),
    remove,
  );
}
