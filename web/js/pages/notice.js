/** A page that has nothing to show says why, and what to do. */
import { Refused } from "../api.js";
import { el } from "../dom.js";

/** @param {string} title @param {...(Node | string)} content */
export const notice = (title, ...content) =>
  el("section", { class: "notice" }, el("h1", { tabindex: "-1" }, title), ...content);

/** @param {unknown} error @param {() => void} retry */
export function failure(error, retry) {
  const home = el("a", { href: "/" }, "All runs");
  if (error instanceof Refused && error.status === 401) {
    return notice(
      "This page needs its link",
      el(
        "p",
        {},
        "The service prints a link with a token when it starts. Open that link once in this browser, and every page works from then on.",
      ),
    );
  }
  if (error instanceof Refused && (error.type === "unknown-alert" || error.field === "alert"))
    return notice(
      "There is no such alert",
      el("p", {}, "Its run may have been deleted."),
      el("a", { href: "/alerts" }, "All alerts"),
    );
  if (error instanceof Refused && error.status === 404)
    return notice(
      "There is no such run",
      el("p", {}, "It may have been deleted, or the address is not complete."),
      home,
    );
  const again = el("button", { type: "button", class: "primary", on: { click: retry } }, "Try again");
  if (error instanceof Refused) return notice("The server refused", el("p", { dir: "auto" }, error.message), again);
  return notice("The server does not answer", el("p", {}, "This page fills by itself as soon as it does."), again);
}
