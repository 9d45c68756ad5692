/** Light, dark, or as the system has it. The choice is kept in this browser. */
const KEY = "ganwatch.theme";
const CHOICES = /** @type {const} */ (["auto", "light", "dark"]);
const LABELS = { auto: "Auto", light: "Light", dark: "Dark" };
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
    button.textContent = LABELS[choice];
    button.setAttribute("aria-label", `Theme: ${LABELS[choice]}. Press to change it.`);
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
