/** Says that the server is gone, since when what is shown is old, and when it is tried again. */
import { current, onChange } from "../connection.js";
import { el, printable, replace, setText } from "../dom.js";
import { age, clock } from "../format.js";

/** @param {HTMLElement} banner @param {() => void} retry */
export function installBanner(banner, retry) {
  /** @type {number | null} */
  let retryAt = null;
  const text = el("p");
  const shown = el("p", { class: "hidden-text" });
  const tick = () => {
    const { reachable, since, refusal } = current();
    banner.hidden = reachable && !refusal;
    if (banner.hidden) return;
    if (reachable) {
      setText(text, `Part of this page could not be loaded: ${printable(refusal)}`);
      return;
    }
    const seen =
      since === null
        ? "Nothing has been shown yet."
        : `What you see is from ${clock(since / 1000)} (${age((Date.now() - since) / 1000)}).`;
    const seconds = retryAt === null ? 0 : Math.ceil((retryAt - Date.now()) / 1000);
    setText(
      text,
      `The server does not answer. ${seen} ${seconds > 0 ? `Trying again in ${seconds} s.` : "Trying again…"}`,
    );
  };
  replace(banner, text, shown, el("button", { type: "button", on: { click: retry } }, "Try now"));
  // Only its coming and going is announced; the seconds would be read out one by one.
  text.setAttribute("aria-live", "off");
  onChange(() => {
    tick();
    setText(shown, banner.hidden ? "" : current().reachable ? text.textContent : "The server does not answer.");
  });
  setInterval(tick, 1000);
  return {
    /** @param {number | null} at */
    setRetry(at) {
      retryAt = at;
      tick();
    },
  };
}
