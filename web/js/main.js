/** Which page the address names, and the one live stream, banner and theme that all pages share. */
import { failure } from "./pages/notice.js";
import { installAlarm } from "./alarm.js";
import { AlertPage } from "./pages/alert.js";
import { AlertsPage } from "./pages/alerts.js";
import { ComparePage } from "./pages/compare.js";
import { JobsPage } from "./pages/jobs.js";
import { RunPage } from "./pages/run.js";
import { RunsPage } from "./pages/runs.js";
import { Unreachable } from "./api.js";
import { onChange, refused } from "./connection.js";
import { el, printable, replace, setText } from "./dom.js";
import { Live } from "./live.js";
import { installBanner } from "./panels/banner.js";
import { tickAges } from "./panels/state.js";
import { find, PART } from "./selectors.js";
import { installTheme } from "./theme.js";

/**
 * @typedef {object} Page
 * @property {string} title
 * @property {string[]} runs The runs it listens to; none for all.
 * @property {HTMLElement} element
 * @property {(changes: import("./live.js").Changes) => Promise<void>} refresh
 * @property {() => void} redraw
 * @property {() => void} dispose
 */

const AGES_MS = 5000;
const LIVE = { connecting: "connecting", live: "live", away: "reconnecting" };

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
/** @type {Page | null} */ let page = null;
/** @type {Live | null} */ let live = null;
let leaving = new AbortController();
let failed = false;
/** The address that is shown. */
let here = "";

/** @param {AbortSignal} signal @returns {Promise<Page>} */
function openPage(signal) {
  const [, first, id, part, alert] = location.pathname.split("/");
  if (first === "compare") return ComparePage.open(signal, listen);
  if (first === "alerts") return AlertsPage.open(signal);
  if (first === "jobs") return JobsPage.open(signal);
  if (first === "runs" && id && part === "alerts" && alert)
    return AlertPage.open(decodeURIComponent(id), decodeURIComponent(alert), signal);
  if (first === "runs" && id) return RunPage.open(decodeURIComponent(id), signal);
  return RunsPage.open(signal);
}

function showTitle() {
  const title = page && page.title !== "Runs" ? `${printable(page.title)} · ganwatch` : "ganwatch";
  if (document.title !== title) document.title = title;
}

/** @param {"connecting" | "live" | "away"} state @param {number | null} retryAt */
function showLive(state, retryAt) {
  const sign = find(PART.live);
  sign.dataset.state = state;
  setText(/** @type {Node} */ (sign.lastElementChild), LIVE[state]);
  banner.setRetry(retryAt);
}

function listen() {
  live?.close();
  live = new Live(page?.runs ?? [], refresh, showLive);
}

/** @param {import("./live.js").Changes} changes */
async function refresh(changes) {
  if (changes === "all" || [...changes.values()].some((changed) => changed.has("alerts"))) lookForAlerts();
  if (failed) {
    if (changes !== "all") return;
    await visit(false);
    if (!failed) listen();
    return;
  }
  await page?.refresh(changes);
  showTitle();
}

/** @param {boolean} moved True where the reader went to another page, whose heading then gets the focus. */
async function visit(moved) {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  page?.dispose();
  refused("");
  page = null;
  here = location.pathname + location.search;
  const first = location.pathname.split("/")[1] || "runs";
  for (const link of document.querySelectorAll("[data-nav]")) link.toggleAttribute("aria-current", false);
  // A run's page is no page of the bar.
  if (location.pathname === "/" || first !== "runs")
    document.querySelector(`[data-nav="${first}"]`)?.setAttribute("aria-current", "page");
  const slow = setTimeout(() => replace(main, el("p", { class: "loading muted", role: "status" }, "Loading…")), 150);
  try {
    const opened = await openPage(signal);
    if (signal.aborted) return opened.dispose();
    page = opened;
    failed = false;
    replace(main, page.element);
    if (moved) {
      window.scrollTo(0, 0);
      /** @type {HTMLElement | null} */ (main.querySelector("h1"))?.focus();
    }
  } catch (error) {
    if (signal.aborted) return;
    failed = true;
    replace(
      main,
      failure(error, () => visit(false)),
    );
    if (!(error instanceof Unreachable)) console.warn(error);
  } finally {
    clearTimeout(slow);
  }
  showTitle();
  if (moved || !live) listen();
}

/** Links inside the service change the page without loading it anew. @param {MouseEvent} event */
function follow(event) {
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  if (
    !link ||
    event.defaultPrevented ||
    event.button !== 0 ||
    event.metaKey ||
    event.ctrlKey ||
    event.shiftKey ||
    event.altKey
  )
    return;
  const isPage =
    link.origin === location.origin &&
    (link.pathname === "/" || /^\/(runs\/|(compare|alerts|jobs)$)/.test(link.pathname));
  if (!isPage || link.target || link.hash) return;
  event.preventDefault();
  history.pushState(null, "", link.href);
  void visit(true);
}

const banner = installBanner(find(PART.banner), () => live?.retry());
const lookForAlerts = installAlarm(find(PART.firing));
installTheme(/** @type {HTMLButtonElement} */ (find(PART.theme)), () => page?.redraw());
document.addEventListener("click", follow);
window.addEventListener("popstate", () => {
  // A link to a part of the page is no other page.
  if (location.pathname + location.search !== here) void visit(true);
});
onChange(() => main.classList.toggle("stale", find(PART.banner).hidden === false));
setInterval(() => tickAges(main), AGES_MS);
void visit(false);
