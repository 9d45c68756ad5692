/** Light, dark, or as the system has it. The choice is kept in this browser. */
import { el, picture, replace } from "./dom.js";

const KEY = "ganwatch.theme";
const CHOICES = /** @type {const} */ (["auto", "light", "dark"]);
/** A disc half filled, a sun, a moon. */
const PICTURES = {
  auto: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 1 0 0-11v11M10 3.5v9M12 5v6",
  light: "M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 1 0 0-5.6M8 1.5v1M8 13.5v1M1.5 8h1M13.5 8h1M3.4 3.4l.7.7M11.9 11.9l.7.7M3.4 12.6l.7-.7M11.9 4.1l.7-.7",
  dark: "M13 9.6A5.5 5.5 0 0 1 6.4 3a5.5 5.5 0 1 0 6.6 6.6Z",
};
const system = matchMedia("(prefers-color-scheme: dark)");

/** @typedef {typeof CHOICES[number]} Choice */

/** @returns {Choice} */
function stored() {
  try {
    return CHOICES.find((choice) => choice === localStorage.getItem(KEY)) ?? "auto";
  } catch {
    return "auto";
  }
}

/** @param {Choice} choice */
function keep(choice) {
  try {
    localStorage.setItem(KEY, choice);
  } catch {
    // Without storage the choice holds as long as the page.
  }
}

/** @param {HTMLButtonElement} button @param {() => void} changed Called when other colours hold. */
export function installTheme(button, changed) {
  let choice = stored();
  const apply = () => {
    const theme = choice === "auto" ? (system.matches ? "dark" : "light") : choice;
    replace(button, picture(PICTURES[choice]), el("span", {}, `Theme: ${choice}`));
    button.setAttribute("aria-label", `Theme: ${choice}. Press to change it.`);
    button.title = `Theme: ${choice}`;
    if (document.documentElement.dataset.theme === theme) return;
    document.documentElement.dataset.theme = theme;
    changed();
  };
  button.addEventListener("click", () => {
    choice = CHOICES[(CHOICES.indexOf(choice) + 1) % CHOICES.length];
    keep(choice);
    apply();
  });
  system.addEventListener("change", apply);
  apply();
}
