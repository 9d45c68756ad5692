/**
 * Charts of series that belong together by name: `group/detail/member`. Which they are is told from what the run declares,
 * not from a list of probes. Pure.
 *
 * @typedef {import("../types.js").Series} Series
 * @typedef {import("./spec.js").ChartSpec} ChartSpec
 * @typedef {import("./spec.js").Line} Line
 */
import { spec } from "./spec.js";

/** Where the critic is looked at, as the last or middle part of a name. @type {Record<string, Pick<Line, "label" | "colour">>} */
export const SIDES = {
  real: { label: "real", colour: "real" },
  fake: { label: "generated", colour: "fake" },
  interpolated: { label: "between", colour: "other" },
};
/** @type {Record<string, string>} */
const NETWORKS = { g: "generator", d: "discriminator", g_ema: "averaged generator" };

const BOXED = "Boxes hold 50 % of the samples, whiskers 90 %, dots are the extremes.";
/** Distributions over training, as boxes: the families that have words of their own. */
const BOXES = {
  gradient_norm: {
    title: "Gradient norm",
    note: "critic",
    help: `How steep the critic is: length of its output's gradient by the image, one number a sample. ${BOXED} Good: boxes short and steady. Whiskers that climb by orders of magnitude say that the critic becomes a cliff; all near 0, that the generator learns nothing.`,
  },
  gradient_norm_raw: {
    title: "Gradient norm",
    note: "without normalization",
    help: `The same of the discriminator without its normalization. ${BOXED} It may grow freely: what the generator feels is the normalized one.`,
  },
  gradient_norm_loss: { title: "Generator's gradient", note: "at the image" },
  gradient_rms: { title: "Gradient per pixel", note: "without normalization" },
};

/** @param {Series[]} all @param {string} group */
const members = (all, group) => all.filter((series) => series.name.startsWith(`${group}/`));

/** @param {Series} series */
const lastOf = (series) => series.name.slice(series.name.lastIndexOf("/") + 1);

/** @param {string} name */
const sideOf = (name) => SIDES[name.split("/")[1]] ?? { label: name.split("/").slice(1).join("/"), colour: "other" };

/** @param {Series[]} all @returns {ChartSpec[]} */
export function boxes(all) {
  return Object.entries(BOXES).flatMap(([group, words]) => {
    const family = members(all, group).filter((series) => series.kind === "distribution");
    if (!family.length) return [];
    const lines = family.map((series) => ({ series: series.name, ...sideOf(series.name), source: 0 }));
    const [{ upper }] = family;
    const ceiling = upper === null ? null : { value: upper, label: "bound" };
    return [spec({ id: group, ...words, scale: "log", view: "boxes", ceiling, lines }, family[0])];
  });
}

/** Δ over the length of the way, as GraN's figure 4 has it. @param {Series[]} all @returns {ChartSpec[]} */
export function finiteDifferences(all) {
  const family = members(all, "finite_difference").filter(
    (series) => series.kind === "distribution" && Number(lastOf(series)) > 0,
  );
  if (!family.length) return [];
  const lines = family.map((series) => ({
    series: series.name,
    ...sideOf(series.name),
    source: 0,
    at: Math.log10(Number(lastOf(series))),
    tick: lastOf(series),
  }));
  const known = {
    id: "finite_difference",
    title: "Finite differences",
    note: "Δ(δ) of the critic",
    help: "How much the critic's output changes on a way of length δ along its gradient, over δ: a lower bound of its Lipschitz constant at one step. Boxes hold 50 % of the samples, whiskers 90 %. Good: about alike for all δ, and steady from step to step. Large only for small δ: the critic is steep in tiny regions.",
    across: "length δ of the way",
    acrossShort: "δ = ",
    lines,
  };
  return [spec({ ...known, scale: "log", view: "slice" }, family[0])];
}

/** Steepness by depth, as GN's figure 3 has it. @param {Series[]} all @returns {ChartSpec[]} */
export function lipschitzByDepth(all) {
  /** @type {(group: string, label: string, colour: Line["colour"]) => Line[]} */
  const linesOf = (group, label, colour) =>
    members(all, group)
      .filter((series) => series.kind === "scalar" && Number(lastOf(series)) > 0)
      .map((series) => ({
        series: series.name,
        label,
        colour,
        source: 0,
        at: Number(lastOf(series)),
        tick: lastOf(series),
      }));
  const prefixes = linesOf("lipschitz/prefix", "image to layer", "d");
  const layers = linesOf("lipschitz/layer", "layer alone", "other");
  const lines = [...prefixes, ...layers];
  if (!lines.length) return [];
  const whole = all.find((series) => series.name === "lipschitz/whole");
  const deepest = Math.max(...lines.map((line) => line.at ?? 0));
  if (whole)
    lines.push({ series: whole.name, label: "whole critic", colour: "metric", source: 0, at: deepest + 1, tick: "h" });
  const first = /** @type {Series} */ (all.find((series) => series.name === lines[0].series));
  const known = {
    id: "lipschitz/depth",
    title: "Lipschitz by depth",
    help: "How steep the discriminator is from the image up to each of its layers, and by how much each layer alone stretches what comes in; h is the whole critic as the loss sees it. Good: near 1 for the whole. Prefixes that fall with depth say that every layer is held down and capacity is lost; under gradient normalization they are free.",
    across: "layer, counted from the image",
    acrossShort: "layer ",
    lines,
  };
  return [spec({ ...known, scale: "log", view: "slice" }, first)];
}

/** Which layer a leap comes from. @param {Series[]} all @returns {ChartSpec[]} */
export function anglesByLayer(all) {
  const layers = members(all, "angle/layer").filter(
    ({ name, kind }) => kind === "scalar" && name.split("/").length > 3,
  );
  return [...Map.groupBy(layers, ({ name }) => name.split("/")[2])].map(([net, family]) => {
    const word = NETWORKS[net] ?? net;
    const lines = family.map((series) => ({
      series: series.name,
      label: series.name.slice(`angle/layer/${net}/`.length),
      colour: /** @type {const} */ ("other"),
      source: 0,
    }));
    const known = {
      id: `angle/layer/${net}`,
      title: "Stability S",
      note: `${net === "g_ema" ? "averaged" : word}, by layer`,
      help: `How far the weights of each layer of the ${word} turned since the mark before, from its input down to its output; colours are logarithmic. Good: all rows fade as training settles. A row that lights up says which layer a leap comes from.`,
      lines,
    };
    return spec({ ...known, view: "heat" }, family[0]);
  });
}
