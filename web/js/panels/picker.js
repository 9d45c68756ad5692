/** Adds a run to a comparison: type part of its name, choose with the arrow keys. */
import { listRuns } from "../api.js";
import { el, foreign, printable, replace } from "../dom.js";
import { clock } from "../format.js";
import { PART } from "../selectors.js";
import { stateBadge } from "./state.js";

const TYPING_MS = 150;
const MOST = 8;

export class Picker {
  /** @type {string[]} */ #chosen = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #typing = undefined;
  #active = -1;

  /** @param {(run: string) => void} pick @param {AbortSignal} signal */
  constructor(pick, signal) {
    this.pick = pick;
    this.signal = signal;
    this.input = el("input", {
      type: "search",
      placeholder: "Add a run",
      role: "combobox",
      "aria-label": "Add a run",
      "aria-expanded": "false",
      "aria-controls": "picker-list",
      "aria-autocomplete": "list",
      autocomplete: "off",
      on: {
        input: () => this.#soon(),
        focus: () => this.#soon(),
        blur: () => this.#close(),
        keydown: (/** @type {KeyboardEvent} */ event) => this.#key(event),
      },
    });
    this.list = el("ul", { id: "picker-list", role: "listbox", "aria-label": "Runs", hidden: true });
    this.element = el("div", { class: "picker", part: PART.picker }, this.input, this.list);
  }

  /** @param {string[]} chosen @param {boolean} full */
  show(chosen, full) {
    this.#chosen = chosen;
    this.input.disabled = full;
    this.input.placeholder = full ? "Ten runs are the most" : "Add a run";
  }

  #soon() {
    clearTimeout(this.#typing);
    this.#typing = setTimeout(() => this.#search(), TYPING_MS);
  }

  async #search() {
    const answer = await listRuns({ q: this.input.value.trim(), limit: MOST + this.#chosen.length }, this.signal).catch(
      () => null,
    );
    if (!answer || document.activeElement !== this.input) return;
    const found = answer.runs.filter((run) => !this.#chosen.includes(run.id)).slice(0, MOST);
    const options = found.map((run, i) => {
      // The list closes when the field loses the focus, which a press would take before the click.
      const choose = (/** @type {PointerEvent} */ event) => (event.preventDefault(), this.#choose(run.id));
      return el(
        "li",
        {
          role: "option",
          id: `picker-${i}`,
          "data-run": run.id,
          "aria-selected": "false",
          on: { pointerdown: choose },
        },
        foreign(run.name),
        el("span", { class: "muted" }, `${printable(run.project)}, began ${clock(run.created)}`),
        stateBadge(run.state),
      );
    });
    replace(this.list, ...(options.length ? options : [el("li", { class: "muted" }, "No other run matches.")]));
    this.#active = -1;
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const options = /** @type {HTMLElement[]} */ ([...this.list.querySelectorAll("[role=option]")]);
    if (event.key === "Escape") this.#close();
    else if (event.key === "Enter" && options[this.#active]) this.#choose(options[this.#active].dataset.run ?? "");
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      this.#active = (this.#active + (event.key === "ArrowDown" ? 1 : -1) + options.length) % (options.length || 1);
      options.forEach((option, i) => option.setAttribute("aria-selected", String(i === this.#active)));
      this.input.setAttribute("aria-activedescendant", options[this.#active]?.id ?? "");
    }
  }

  /** @param {string} run */
  #choose(run) {
    this.input.value = "";
    this.#close();
    this.pick(run);
  }

  #close() {
    clearTimeout(this.#typing);
    this.list.hidden = true;
    this.#active = -1;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }
}
