/** Turns the notifications of this browser on and off. */
import * as alarm from "../alarm.js";
import { el } from "../dom.js";
import { PART } from "../selectors.js";

/** @param {AbortSignal} signal */
export function alarmButton(signal) {
  if (!alarm.isSupported()) return null;
  const button = el("button", { type: "button", part: PART.alarm, on: { click: () => alarm.setOn(!alarm.isOn()) } });
  const show = () => {
    button.setAttribute("aria-pressed", String(alarm.isOn()));
    button.disabled = alarm.isDenied();
    button.textContent = alarm.isDenied()
      ? "Notifications are blocked in this browser"
      : alarm.isOn()
        ? "Notifying in this browser"
        : "Notify in this browser";
    button.title = "While a page of ganwatch is open, new alerts appear as notifications of your system";
  };
  alarm.onChange(show, signal);
  show();
  return button;
}
