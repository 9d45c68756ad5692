/** A line the size of a word: from the first point to the last, with the least and greatest of each bucket. */
import { svg } from "../dom.js";

const WIDTH = 84;
const HEIGHT = 24;
const PAD = 3;

/**
 * @param {import("../types.js").ScalarColumns} columns
 * @param {{colour: string, log?: boolean, top?: number | null, onset?: number | null}} look
 */
export function sparkline(columns, look) {
  const height = (/** @type {number} */ value) => (look.log ? Math.log10(Math.max(value, 1e-12)) : value);
  const values = [...columns.min, ...columns.max]
    .filter((value) => value !== null && (!look.log || value > 0))
    .map((value) => height(Number(value)));
  // What has a greatest value is drawn from nothing to that; on a logarithmic scale there is no nothing.
  const top = look.log ? null : (look.top ?? null);
  const low = Math.min(...values, ...(top === null ? [] : [0]));
  const high = Math.max(...values, top ?? -Infinity);
  const [first, last] = [columns.step[0], columns.step[columns.step.length - 1]];
  const x = (/** @type {number} */ step) => PAD + ((step - first) / (last - first || 1)) * (WIDTH - 2 * PAD);
  const y = (/** @type {number} */ value) =>
    HEIGHT - PAD - ((height(value) - low) / (high - low || 1)) * (HEIGHT - 2 * PAD);
  let path = "";
  let pen = "M";
  columns.step.forEach((step, i) => {
    const [least, most] = [columns.min[i], columns.max[i]];
    if (least === null || most === null || (look.log && least <= 0)) {
      pen = "M";
      return;
    }
    path += `${pen}${x(step).toFixed(1)} ${y(most).toFixed(1)}`;
    if (most > least) path += `L${x(step).toFixed(1)} ${y(least).toFixed(1)}`;
    pen = "L";
  });
  const picture = svg("svg", {
    class: "sparkline",
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    width: WIDTH,
    height: HEIGHT,
    "aria-hidden": "true",
  });
  const { onset } = look;
  if (onset !== null && onset !== undefined && onset >= first && onset <= last)
    picture.append(svg("path", { class: "spark-onset", d: `M${x(onset).toFixed(1)} 0V${HEIGHT}` }));
  picture.append(svg("path", { class: "spark-line", d: path, style: `stroke: var(--chart-${look.colour})` }));
  return picture;
}
