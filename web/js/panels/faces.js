/**
 * Single samples out of a grid.
 *
 * @typedef {import("../types.js").Snapshot} Snapshot
 * @typedef {{image: Snapshot, at: number, score: number}} Cell
 */
import { imageUrl } from "../api.js";
import { el } from "../dom.js";

const SMALL = 48;

/** The samples that have a score. @param {Snapshot} image @returns {Cell[]} */
export const cellsOf = (image) =>
  image.scores.flatMap((score, at) => {
    const value = Number(score);
    return Number.isFinite(value) && at < image.rows * image.columns ? [{ image, at, score: value }] : [];
  });

/**
 * Where a cell lies and how large the grid is, in percent of the cell: cells stand a pixel apart.
 * @param {number} index
 * @param {number} of
 * @param {number} pixels Of the whole grid.
 */
function place(index, of, pixels) {
  const pitch = (pixels + 1) / of;
  const cell = pitch - 1;
  return { cell, share: of > 1 ? (100 * index * pitch) / (pixels - cell) : 0, scale: (100 * pixels) / cell };
}

/** @param {string} run @param {Cell} cell @param {string} label */
export function faceOf(run, { image, at }, label) {
  const across = place(at % image.columns, image.columns, image.width);
  const down = place(Math.floor(at / image.columns), image.rows, image.height);
  return el("span", {
    class: "face",
    role: "img",
    "aria-label": label,
    style:
      `background-image: url("${imageUrl(run, image.digest)}"); aspect-ratio: ${across.cell} / ${down.cell};` +
      `background-size: ${across.scale}% ${down.scale}%; background-position: ${across.share}% ${down.share}%;` +
      `image-rendering: ${across.cell <= SMALL ? "pixelated" : "auto"}`,
  });
}

/**
 * Once the grids are here, so that what is shown is replaced by something and not by nothing.
 * @param {string} run
 * @param {Snapshot[]} images
 */
export const arrived = (run, images) =>
  Promise.allSettled(
    [...new Set(images.map(({ digest }) => imageUrl(run, digest)))].map((url) => {
      const image = new Image();
      image.src = url;
      return image.decode();
    }),
  );
