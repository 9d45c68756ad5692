/** Asks before it stops somebody's training. */
import { command } from "../api.js";
import { el, foreign } from "../dom.js";
import { PART } from "../selectors.js";

export class StopButton {
  /** @param {() => void} issued */
  constructor(issued) {
    this.issued = issued;
    this.run = /** @type {import("../types.js").Run | null} */ (null);
    this.button = el(
      "button",
      { type: "button", class: "danger", part: PART.stop, hidden: true, on: { click: () => this.#ask() } },
      "Stop…",
    );
    this.said = el("span", { class: "muted", role: "status" });
    this.dialog = el("dialog", { "aria-labelledby": "stop-title" });
    this.element = el("span", { class: "stop" }, this.said, this.button, this.dialog);
  }

  /** @param {import("../types.js").Run} run @param {{kind: string, outcome?: string | null}[]} commands */
  show(run, commands) {
    this.run = run;
    const waiting = commands.some((one) => one.kind === "stop" && !one.outcome);
    this.button.hidden = run.state !== "running" || !run.commands.includes("stop") || waiting;
    this.element.hidden = this.button.hidden && !waiting;
    this.said.textContent = waiting && run.state === "running" ? "Asked to stop; waiting for its next safe point" : "";
  }

  #ask() {
    const close = () => this.dialog.close();
    this.dialog.replaceChildren(
      el("h2", { id: "stop-title" }, "Stop this run?"),
      el("p", {}, foreign(this.run?.name ?? ""), " ends at its next safe point. What it has logged stays."),
      el(
        "div",
        { class: "actions" },
        el("button", { type: "button", autofocus: true, on: { click: close } }, "Go on training"),
        el("button", { type: "button", class: "danger", on: { click: () => this.#send(close) } }, "Stop the run"),
      ),
    );
    this.dialog.showModal();
  }

  /** @param {() => void} close */
  async #send(close) {
    close();
    this.button.disabled = true;
    try {
      await command(this.run?.id ?? "", "stop");
      this.issued();
    } catch (error) {
      this.said.textContent = /** @type {Error} */ (error).message;
    } finally {
      this.button.disabled = false;
    }
  }
}
