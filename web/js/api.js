/**
 * The service's REST interface. Answers are kept with their ETag: where the server says 304 the very same object is
 * returned again, so that a page can tell by identity that nothing changed.
 *
 * @typedef {import("./types.js").RunSummary} RunSummary
 * @typedef {import("./types.js").Run} Run
 * @typedef {import("./types.js").Series} Series
 * @typedef {import("./types.js").Columns} Columns
 * @typedef {import("./types.js").Marks} Marks
 * @typedef {import("./types.js").Alert} Alert
 * @typedef {import("./types.js").Snapshot} Snapshot
 */
import { answered, unanswered } from "./connection.js";

const ROOT = "/api/v1";
const PATIENCE_MS = 15_000;
const KEPT_ANSWERS = 300;

/** The server said no. */
export class Refused extends Error {
  /** @param {number} status @param {{type?: string, title?: string, detail?: string, field?: string}} problem */
  constructor(status, problem) {
    super(problem.detail || problem.title || `The server answered ${status}.`);
    this.status = status;
    this.type = problem.type ?? "";
    this.field = problem.field ?? "";
  }
}

/** The server did not answer. */
export class Unreachable extends Error {}

/** @type {Map<string, {etag: string, body: unknown}>} */
const kept = new Map();
let skew = 0;

/** The server's clock in Unix seconds: ages are right even where this machine's clock is not. */
export const now = () => Date.now() / 1000 + skew;

/** @param {string} path @param {RequestInit} init @returns {Promise<Response>} */
async function ask(path, init) {
  const patience = AbortSignal.timeout(PATIENCE_MS);
  const signal = init.signal ? AbortSignal.any([init.signal, patience]) : patience;
  let response;
  try {
    response = await fetch(ROOT + path, { ...init, signal, credentials: "same-origin" });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    unanswered();
    throw new Unreachable("The server does not answer.", { cause: error });
  }
  if (response.status >= 502 && response.status <= 504) {
    unanswered();
    throw new Unreachable("The server is not ready.");
  }
  answered();
  const date = Date.parse(response.headers.get("date") ?? "");
  // The header counts whole seconds, so smaller differences say nothing.
  if (!Number.isNaN(date)) skew = Math.abs(date - Date.now()) > 3000 ? (date - Date.now()) / 1000 : 0;
  if (!response.ok && response.status !== 304)
    throw new Refused(response.status, await response.json().catch(() => ({})));
  return response;
}

/** @template T @param {string} path @param {AbortSignal} [signal] @returns {Promise<T>} */
async function get(path, signal) {
  const before = kept.get(path);
  const response = await ask(path, { signal, headers: before ? { "If-None-Match": before.etag } : {} });
  if (response.status === 304 && before) return /** @type {T} */ (before.body);
  const body = await response.json();
  const etag = response.headers.get("etag");
  kept.delete(path);
  if (etag) kept.set(path, { etag, body });
  if (kept.size > KEPT_ANSWERS) kept.delete(/** @type {string} */ (kept.keys().next().value));
  return body;
}

/** @template T @param {string} path @param {unknown} body @param {"POST" | "PATCH"} method @returns {Promise<T>} */
async function post(path, body, method = "POST") {
  const response = await ask(path, {
    method,
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  return response.json();
}

/** @param {Record<string, string | number | string[] | null | undefined>} values */
export function query(values) {
  const pairs = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) {
    if (Array.isArray(value)) for (const one of value) pairs.append(key, one);
    else if (value !== null && value !== undefined && value !== "") pairs.append(key, String(value));
  }
  const text = pairs.toString();
  return text && `?${text}`;
}

/** @param {string} run */
const of = (run) => `/runs/${encodeURIComponent(run)}`;

/**
 * @param {{project?: string, state?: string, archived?: string, q?: string, cursor?: string | null, limit?: number}} filter
 * @param {AbortSignal} [signal]
 * @returns {Promise<{runs: RunSummary[], next: string | null}>}
 */
export const listRuns = (filter, signal) => get(`/runs${query(filter)}`, signal);
/** @param {string} run @param {AbortSignal} [signal] @returns {Promise<Run>} */
export const getRun = (run, signal) => get(of(run), signal);
/**
 * What people may change of a run.
 * @param {string} run
 * @param {{[field: string]: string | string[] | boolean}} change Of name, tags, notes and archived.
 * @returns {Promise<Run>}
 */
export const changeRun = (run, change) => post(of(run), change, "PATCH");
/** @param {string} run @param {"csv" | "parquet"} format */
export const exportUrl = (run, format) => `${ROOT}${of(run)}/export?format=${format}`;
/** @param {string} run @param {AbortSignal} [signal] @returns {Promise<{series: Series[]}>} */
export const getSeries = (run, signal) => get(`${of(run)}/series`, signal);
/**
 * @param {string} run
 * @param {string[]} names
 * @param {{buckets: number} & import("./state/feed.js").View} view
 * @param {AbortSignal} [signal]
 * @returns {Promise<{series: Record<string, Columns>}>}
 */
export const getPoints = (run, names, view, signal) =>
  get(`${of(run)}/points${query({ name: names, ...view })}`, signal);
/** @param {string} run @param {AbortSignal} [signal] @returns {Promise<Marks>} */
export const getMarks = (run, signal) => get(`${of(run)}/marks`, signal);
/** @param {string} run @param {AbortSignal} [signal] @returns {Promise<{images: Snapshot[]}>} */
export const getImages = (run, signal) => get(`${of(run)}/images`, signal);
/** @param {string} run @param {AbortSignal} [signal] @returns {Promise<{alerts: Alert[]}>} */
export const getAlerts = (run, signal) => get(`${of(run)}/alerts`, signal);
/** @param {string} run @param {string} alert @param {AbortSignal} [signal] @returns {Promise<Alert>} */
export const getAlert = (run, alert, signal) => get(`${of(run)}/alerts/${encodeURIComponent(alert)}`, signal);
/**
 * @param {{state?: string, notified_after?: number, cursor?: string | null, limit?: number}} filter
 * @param {AbortSignal} [signal]
 * @returns {Promise<{alerts: Alert[], next: string | null}>}
 */
export const listAlerts = (filter, signal) => get(`/alerts${query(filter)}`, signal);
/**
 * Says something of an alert: `acknowledge`, `snooze` (seconds), `unsnooze`, `dismiss`.
 * @param {Alert} alert
 * @param {string} what
 * @param {Record<string, unknown>} [more]
 */
export const say = (alert, what, more = {}) =>
  post(`${of(alert.run)}/alerts/${encodeURIComponent(alert.id)}/${what}`, { by: "the dashboard", ...more });
/** How often turning points were false, over all runs. @param {AbortSignal} [signal] @returns {Promise<{sentence: string}>} */
export const getFalseAlarms = (signal) => get("/false-alarms", signal);
/**
 * @param {{state?: string, cursor?: string | null, limit?: number}} filter
 * @param {AbortSignal} [signal]
 * @returns {Promise<{jobs: import("./types.js").Job[], next: string | null}>}
 */
export const listJobs = (filter, signal) => get(`/jobs${query(filter)}`, signal);
/** @param {string} job */
export const cancelJob = (job) => post(`/jobs/${encodeURIComponent(job)}/cancel`, {});
/**
 * @param {string} run
 * @param {AbortSignal} [signal]
 * @returns {Promise<{commands: {id: string, kind: string, attempt: number, issued?: number, expires: number, outcome?: string | null}[]}>}
 */
export const getCommands = (run, signal) => get(`${of(run)}/commands`, signal);
/** @param {string} run @param {string} kind @param {Record<string, unknown>} [parameters] */
export const command = (run, kind, parameters = {}) => post(`${of(run)}/commands`, { kind, parameters });
/** @param {string} run @param {string} digest */
export const imageUrl = (run, digest) => `${ROOT}${of(run)}/images/${encodeURIComponent(digest)}`;
/** @param {string[]} runs */
export const eventsUrl = (runs) => `${ROOT}/events${query({ run: runs })}`;
