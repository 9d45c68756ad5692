/** Whether the server answers: one truth, told by every request and read by the banner and the live stream. */

/**
 * `since`: when it last answered, in milliseconds; `refusal`: why it refused what the page asked for, where it did.
 * @typedef {{reachable: boolean, since: number | null, refusal: string}} Connection
 */

/** @type {Connection} */
const connection = { reachable: true, since: null, refusal: "" };
const changes = new EventTarget();

export function answered() {
  const news = !connection.reachable;
  connection.reachable = true;
  connection.since = Date.now();
  if (news) changes.dispatchEvent(new Event("change"));
}

export function unanswered() {
  if (!connection.reachable) return;
  connection.reachable = false;
  changes.dispatchEvent(new Event("change"));
}

/** The server answers, but not with what was asked for; an empty text when it does again. @param {string} refusal */
export function refused(refusal) {
  if (refusal === connection.refusal) return;
  connection.refusal = refusal;
  changes.dispatchEvent(new Event("change"));
}

/** @returns {Readonly<Connection>} */
export const current = () => connection;

/** @param {() => void} listener @param {AbortSignal} [signal] */
export const onChange = (listener, signal) => changes.addEventListener("change", listener, { signal });
