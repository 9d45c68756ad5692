/** Where an axis has its ticks and what they say. Pure. */
import { elapsed, number } from "../format.js";

/** @typedef {{value: number, text: string}} Tick */

/**
 * The step of 1, 2 or 5 times a power of ten that cuts `span` into about `wanted` parts.
 * @param {number} span
 * @param {number} wanted
 */
export function niceStep(span, wanted) {
  const rough = span / Math.max(1, wanted);
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = rough / power;
  return power * (factor > 7.07 ? 10 : factor > 3.16 ? 5 : factor > 1.41 ? 2 : 1);
}

/** @param {number} low @param {number} high @param {number} step */
function multiples(low, high, step) {
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => (first + i) * step);
}

/** @param {[number, number]} range @param {number} wanted @returns {Tick[]} */
export function linear([low, high], wanted) {
  const step = niceStep(high - low, wanted);
  const places = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const large = Math.max(Math.abs(low), Math.abs(high));
  return multiples(low, high, step).map((value) => {
    const exact = Math.abs(value) < step / 2 ? 0 : value;
    const text =
      large < 1e-3 || large >= 1e6
        ? number(exact, 2)
        : exact.toLocaleString("en", { minimumFractionDigits: places, maximumFractionDigits: places });
    return { value: exact, text: text.replace("-", "−") };
  });
}

/**
 * Steps and epochs are whole; thousands are written k and M where there are many digits.
 * @param {[number, number]} range
 * @param {number} wanted
 * @returns {Tick[]}
 */
export function whole([low, high], wanted) {
  const step = Math.max(1, niceStep(high - low, wanted));
  const unit =
    high >= 1e7 && step >= 1e5
      ? { by: 1e6, sign: "M" }
      : high >= 1e4 && step >= 100
        ? { by: 1e3, sign: "k" }
        : { by: 1, sign: "" };
  return multiples(low, high, step).map((value) => ({
    value,
    text: value === 0 ? "0" : (value / unit.by).toLocaleString("en", { maximumFractionDigits: 1 }) + unit.sign,
  }));
}

const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];

/** @param {[number, number]} range Seconds. @param {number} wanted @returns {Tick[]} */
export function time([low, high], wanted) {
  const rough = (high - low) / wanted;
  const step = TIME_STEPS.find((candidate) => candidate >= rough) ?? niceStep((high - low) / 86400, wanted) * 86400;
  return multiples(low, high, step).map((value) => ({ value, text: elapsed(value) }));
}

/** @param {[number, number]} range Both positive. @param {number} wanted @returns {Tick[]} */
export function log([low, high], wanted) {
  const first = Math.floor(Math.log10(low));
  const last = Math.ceil(Math.log10(high));
  const decades = Math.log10(high / low);
  const factors = decades < 1.2 ? [1, 2, 3, 5, 7] : decades < 2.6 ? [1, 3] : [1];
  const every = Math.max(1, Math.ceil(decades / (wanted + 1)));
  /** @type {Tick[]} */
  const ticks = [];
  for (let decade = first; decade <= last; decade += 1) {
    if (factors.length === 1 && decade % every !== 0) continue;
    for (const factor of factors) {
      const value = factor * 10 ** decade;
      if (value >= low * 0.999 && value <= high * 1.001) ticks.push({ value, text: number(value, 1) });
    }
  }
  return ticks.length >= 2 ? ticks : linear([low, high], wanted).filter((tick) => tick.value > 0);
}

/**
 * As many of given ticks as there is room for, evenly.
 * @param {Tick[]} ticks
 * @param {[number, number]} range
 * @param {number} room
 */
export function some(ticks, [low, high], room) {
  const shown = ticks.filter(({ value }) => value >= low && value <= high);
  const every = Math.ceil(shown.length / Math.max(1, room));
  return shown.filter((_, i) => i % every === 0);
}

/**
 * Rows by name: of a long name its end is what tells it from the others.
 * @param {string[]} names
 * @param {number} room
 * @param {number} letters
 * @returns {Tick[]}
 */
export function names(names, room, letters) {
  const ticks = names.map((name, value) => ({
    value,
    text: name.length > letters ? `…${name.slice(1 - letters)}` : name,
  }));
  return some(ticks, [0, names.length], room);
}
