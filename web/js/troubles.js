/** What becomes of a request that failed while a page is shown. */
import { Unreachable } from "./api.js";
import { refused } from "./connection.js";

/**
 * The banner says it; the next success takes it back.
 * @param {unknown} error
 * @param {AbortSignal} signal Of the page that asked.
 */
export function tellTrouble(error, signal) {
  if (signal.aborted || error instanceof Unreachable) return;
  refused(error instanceof Error ? error.message : String(error));
  console.warn(error);
}
