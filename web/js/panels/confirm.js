/** Asks before something is done to somebody's training. */
import { el } from "../dom.js";

/**
 * @param {{title: string, text: (Node | string)[], no: string, yes: string}} words
 * @returns {Promise<boolean>} Whether the answer was yes.
 */
export function confirmed(words) {
  return new Promise((resolve) => {
    const dialog = el("dialog", { "aria-labelledby": "confirm-title" });
    const answer = (/** @type {boolean} */ yes) => {
      resolve(yes);
      dialog.close();
    };
    dialog.append(
      el("h2", { id: "confirm-title" }, words.title),
      el("p", {}, ...words.text),
      el(
        "div",
        { class: "actions" },
        el("button", { type: "button", autofocus: true, on: { click: () => answer(false) } }, words.no),
        el("button", { type: "button", class: "danger", on: { click: () => answer(true) } }, words.yes),
      ),
    );
    dialog.addEventListener("close", () => {
      resolve(false);
      dialog.remove();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
