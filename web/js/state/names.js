/** What runs are called where they stand beside each other. Pure. */
import { clock } from "../format.js";

/**
 * Runs that share a name are told apart by when they began.
 * @param {{name: string, created: number}[]} runs
 */
export const namesApart = (runs) =>
  runs.map(({ name, created }) =>
    runs.filter((run) => run.name === name).length > 1 ? `${name} (${clock(created)})` : name,
  );

/** Shorter prefixes are no burden. */
const LONG = 5;

/**
 * What all names begin with, up to a sign between words, says nothing where they stand beside each other.
 * @param {string[]} names
 */
export function withoutPrefix(names) {
  const [first = "", ...others] = names;
  let shared = others.length ? first.length : 0;
  for (const name of others) while (!name.startsWith(first.slice(0, shared))) shared -= 1;
  while (shared > 0 && !/[\s/_.,:-]/.test(first[shared - 1])) shared -= 1;
  return shared < LONG ? names : names.map((name) => `…${name.slice(shared)}`);
}
