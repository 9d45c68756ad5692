/** Numbers, times and names as people read them. */

/** @typedef {import("./types.js").WireNumber} WireNumber */

/**
 * A number from the wire, where NaN and the infinities are strings and null is "no value".
 * @param {WireNumber | undefined} value
 * @returns {number | null}
 */
export const decode = (value) => (value === null || value === undefined ? null : Number(value));

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** @param {number} exponent */
const superscript = (exponent) =>
  String(exponent)
    .replace("-", "⁻")
    .replace(/\d/g, (digit) => SUPERSCRIPTS[Number(digit)]);

/**
 * Three significant digits, and more where the number is large; powers of ten outside 1e-4 to 1e6.
 * @param {number | null} value
 */
export function number(value, digits = 3) {
  if (value === null) return "–";
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e6) {
    const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
    const head = mantissa.replace(/\.?0+$/, "").replace("-", "−");
    return `${head === "1" ? "" : `${head}·`}10${superscript(Number(exponent))}`;
  }
  const places = Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
  return value.toLocaleString("en", { minimumFractionDigits: places, maximumFractionDigits: places }).replace("-", "−");
}

/** @param {number | null} value @param {string} unit */
export function quantity(value, unit) {
  const text = number(value);
  if (!unit || value === null) return text;
  const isPower = /[⁰¹²³⁴-⁹]$/.test(text);
  return (unit === "°" || unit === "%") && !isPower ? text + unit : `${text}\u00a0${unit}`;
}

/** @param {number} value */
export const count = (value) => value.toLocaleString("en");

/** @param {number} n @param {string} one */
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

/** An epoch is whole where it is, and has one digit where it is not. @param {number} epoch */
export const epoch = (epoch) => epoch.toLocaleString("en", { maximumFractionDigits: 1 });

/** 12 s, 4 min, 3 h 20 min, 5 d. @param {number} seconds */
export function duration(seconds) {
  if (seconds < 60) return `${Math.max(0, Math.round(seconds))} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  const days = Math.floor(hours / 24);
  return days < 7 && hours % 24 ? `${days} d ${hours % 24} h` : `${days} d`;
}

const YEAR = 365.25 * 24 * 3600;

/** The largest unit alone, as in "3 h ago". @param {number} seconds */
export function age(seconds) {
  if (seconds < 5) return "just now";
  if (seconds >= YEAR) return `${plural(Math.floor(seconds / YEAR), "year")} ago`;
  return `${duration(seconds).split(" ").slice(0, 2).join(" ")} ago`;
}

/** @param {number} unix */
export function clock(unix) {
  const date = new Date(unix * 1000);
  const today = new Date().toDateString() === date.toDateString();
  return date.toLocaleString(
    [],
    today ? { hour: "2-digit", minute: "2-digit", second: "2-digit" } : { dateStyle: "medium", timeStyle: "short" },
  );
}

/** Elapsed seconds on an axis: 0:45, 12:30, 3:05:00. @param {number} seconds */
export function elapsed(seconds) {
  const whole = Math.round(Math.abs(seconds));
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return (seconds < 0 ? "−" : "") + (h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`);
}
