/** Whether the server answers: one truth, told by every request and read by the banner and the live stream. */

/** @typedef {{reachable: boolean, since: number | null}} Connection `since`: when it last answered, in milliseconds. */

/** @type {Connection} */
const connection = { reachable: true, since: null };
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

/** @returns {Readonly<Connection>} */
export const current = () => connection;

/** @param {() => void} listener @param {AbortSignal} [signal] */
export const onChange = (listener, signal) => changes.addEventListener("change", listener, { signal });
