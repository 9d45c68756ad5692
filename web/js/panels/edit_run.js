/** What people say of a run: its name, tags and notes, and whether the list leaves it out. */
import { changeRun } from "../api.js";
import { el, setText } from "../dom.js";
import { PART } from "../selectors.js";

/** @typedef {import("../types.js").Run} Run */

/** As much as the service keeps of them. */
const LONGEST_NOTES = 16384;

/** @param {string} text @returns {string[]} */
const tagsOf = (text) => [
  ...new Set(
    text
      .split(",")
      .map((tag) => tag.trim())
      .filter(Boolean),
  ),
];

/** @param {string} label @param {HTMLElement} field @param {string} [hint] */
const labelled = (label, field, hint) =>
  el("label", { class: "field" }, el("span", {}, label, hint && el("span", { class: "muted" }, ` ${hint}`)), field);

/**
 * Asks in a dialog and changes the run.
 * @param {Run} run
 * @param {() => void} changed
 */
export function editRun(run, changed) {
  const name = el("input", { type: "text", required: true, maxlength: "500", dir: "auto", value: run.name });
  const tags = el("input", { type: "text", dir: "auto", value: run.tags.join(", ") });
  const notes = el("textarea", { rows: "6", dir: "auto", maxlength: LONGEST_NOTES, autofocus: true });
  const archived = el("input", { type: "checkbox" });
  notes.value = run.notes;
  archived.checked = run.archived;
  const fault = el("p", { class: "fault", role: "alert" });
  const submit = el("button", { type: "submit", class: "primary" }, "Save");
  const said = () => ({
    name: name.value,
    tags: tagsOf(tags.value),
    notes: notes.value,
    archived: archived.checked,
  });
  const before = new Map(Object.entries(said()));
  // What was not changed here is not sent: somebody else may have changed it meanwhile.
  const changes = () => Object.entries(said()).filter(([field, value]) => `${value}` !== `${before.get(field)}`);
  const stay = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Escape" || !changes().length) return;
    event.preventDefault();
    setText(fault, "Not saved yet: Save keeps what you wrote, Cancel drops it.");
  };
  const dialog = el("dialog", {
    class: "edit",
    "aria-labelledby": "edit-title",
    part: PART.editing,
    on: { keydown: stay, close: () => dialog.remove() },
  });
  const save = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    submit.disabled = true;
    try {
      await changeRun(run.id, Object.fromEntries(changes()));
      dialog.close();
      changed();
    } catch (error) {
      setText(fault, /** @type {Error} */ (error).message);
      submit.disabled = false;
    }
  };
  dialog.append(
    el("h2", { id: "edit-title" }, "What you say of this run"),
    el(
      "form",
      { on: { submit: save } },
      labelled("Name", name),
      labelled("Tags", tags, "parted by commas"),
      labelled("Notes", notes),
      el("label", { class: "check" }, archived, "Archived: kept, but left out of the list"),
      fault,
      el(
        "div",
        { class: "actions" },
        el("button", { type: "button", on: { click: () => dialog.close() } }, "Cancel"),
        submit,
      ),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
}
