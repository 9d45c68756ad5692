/** A run keeps its colour in this browser: the first time it is compared it gets one that its companions do not have. */
const KEY = "ganwatch.colours";
const COLOURS = 10;
/** More runs could not be told apart. */
export const MOST_RUNS = COLOURS;
const REMEMBERED = 400;

/** @returns {Record<string, number>} */
function load() {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "{}");
  } catch {
    return {};
  }
}

/** @param {Record<string, number>} colours */
function save(colours) {
  try {
    localStorage.setItem(KEY, JSON.stringify(Object.fromEntries(Object.entries(colours).slice(-REMEMBERED))));
  } catch {
    // Without storage colours hold as long as the page.
  }
}

/** @type {Record<string, number> | null} */
let colours = null;

/** The number of each run's colour. @param {string[]} runs @returns {number[]} */
export function coloursOf(runs) {
  colours ??= load();
  const known = colours;
  const uses = Array.from({ length: COLOURS }, () => 0);
  for (const run of runs) if (run in known) uses[known[run]] += 1;
  for (const run of runs) {
    if (run in known) continue;
    known[run] = uses.indexOf(Math.min(...uses));
    uses[known[run]] += 1;
  }
  save(known);
  return runs.map((run) => known[run]);
}
