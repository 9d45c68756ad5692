/**
 * What fires now, whatever page is open: the number beside "Alerts", and, where the reader asked for it in this browser, a
 * notification of the system for each new one. It asks every few seconds and needs no stream, so it works in hidden tabs;
 * of several tabs one notifies, because a notification carries its alert's name.
 *
 * @typedef {import("./types.js").Alert} Alert
 */
import * as api from "./api.js";
import { printable } from "./dom.js";
import { addressOf } from "./panels/alert_parts.js";

const KEY = "ganwatch.notify";
const EVERY_MS = 20_000;
const MOST = 50;
/** More new ones than this are told in one notification. */
const TOGETHER_FROM = 4;

const changes = new EventTarget();
/** Up to when everything that people are told of has been seen here; null before the first look. @type {number | null} */
let since = null;

export const isSupported = () => "Notification" in window && window.isSecureContext;
export const isDenied = () => isSupported() && Notification.permission === "denied";

export function isOn() {
  try {
    return isSupported() && Notification.permission === "granted" && localStorage.getItem(KEY) === "on";
  } catch {
    return false;
  }
}

/** @param {boolean} on */
export async function setOn(on) {
  const granted = !on || (await Notification.requestPermission()) === "granted";
  try {
    localStorage.setItem(KEY, on && granted ? "on" : "off");
  } catch {
    // Without storage nothing can be asked for: the button stays as it was.
  }
  changes.dispatchEvent(new Event("change"));
}

/** @param {() => void} listener @param {AbortSignal} signal */
export const onChange = (listener, signal) => changes.addEventListener("change", listener, { signal });

/** @param {string} title @param {string} body @param {string} tag @param {string} address */
function notify(title, body, tag, address) {
  const shown = new Notification(title, { body, tag, icon: "/static/icon.svg" });
  shown.addEventListener("click", () => {
    window.focus();
    location.assign(address);
    shown.close();
  });
}

/** @param {Alert[]} fresh */
function tell(fresh) {
  if (fresh.length >= TOGETHER_FROM) {
    const runs = new Set(fresh.map((alert) => alert.run)).size;
    notify(`${fresh.length} alerts of ${runs} runs`, printable(fresh[0].sentence), fresh[0].id, "/alerts?state=firing");
    return;
  }
  for (const alert of fresh)
    notify(
      `${printable(alert.run_name)}: ${printable(alert.title)}`,
      printable(alert.sentence),
      alert.id,
      addressOf(alert),
    );
}

/** @param {HTMLElement} badge */
async function look(badge) {
  const { alerts, next } = await api.listAlerts({ state: "firing", limit: MOST });
  const open = alerts.filter((alert) => alert.acknowledged === null && (alert.snoozed_until ?? 0) <= api.now());
  badge.hidden = !open.length;
  badge.textContent = next ? `${MOST}+` : String(open.length);
  badge.title = `${badge.textContent} firing, not acknowledged`;
  await hear();
}

/** What people were told of since the last look. */
async function hear() {
  if (since === null || !isOn()) {
    since = api.now();
    return;
  }
  const { alerts } = await api.listAlerts({ notified_after: since, limit: MOST });
  since = Math.max(since, ...alerts.map((alert) => alert.notified ?? 0));
  tell(alerts.filter((alert) => alert.state === "firing"));
}

/** @param {HTMLElement} badge @returns {() => void} Looks now. */
export function installAlarm(badge) {
  let busy = false;
  const again = () => {
    if (busy) return;
    busy = true;
    look(badge)
      .catch((error) => {
        if (!(error instanceof api.Unreachable || error instanceof api.Refused)) throw error;
      })
      .finally(() => {
        busy = false;
      });
  };
  setInterval(again, EVERY_MS);
  again();
  return again;
}
