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
