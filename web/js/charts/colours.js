/** The theme's colours in the terms of a drawing. Pure. */

/** @param {CSSStyleDeclaration} style @param {string} colour */
export const colourOf = (style, colour) =>
  style.getPropertyValue(colour.startsWith("run-") ? `--${colour}` : `--chart-${colour}`).trim();

/** @param {string} hex @param {number} opacity */
export function faded(hex, opacity) {
  const value = Number.parseInt(hex.slice(1), 16);
  return `rgba(${value >> 16}, ${(value >> 8) & 255}, ${value & 255}, ${opacity})`;
}

/** From the least to the greatest value of a heat map. */
export const HEAT = ["--heat-low", "--heat-middle", "--heat-high"];
