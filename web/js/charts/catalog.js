/**
 * Which charts a run has, told from what its series declare. Pure. A series is known by its role or the part of its name
 * before the first slash; everything else is grouped by name, so that a new probe needs no new page.
 *
 * @typedef {import("../types.js").Series} Series
 * @typedef {import("./spec.js").ChartSpec} ChartSpec
 * @typedef {import("./spec.js").Colour} Colour
 * @typedef {import("./spec.js").Line} Line
 */
import { anglesByLayer, boxes, finiteDifferences, lipschitzByDepth } from "./families.js";
import { chartsOfOthers } from "./others.js";
import { spec, wordsOf } from "./spec.js";

/** What is said where a series brings no help of its own. */
const WORDS = {
  quality: "How surely a sample is what it should be, on average. Good: climbs and stays.",
  diversity: "How evenly samples spread over the judge's modes. Good: near that of real data.",
  epochAngle:
    "Angle between a network's weights at two successive epoch ends. Good: small and steady. A leap is how a collapse begins.",
  stepAngle:
    "Angle between a network's weights before and after one step. Good: shrinks as training settles. A jump, or a fall to nothing, is a warning.",
  gate: "Its gate is the share of samples that the judge of quality takes for what they should be: while it is low, D means little.",
  loss: "What each network minimizes, at every step. Good: neither frozen nor running away. The level says little.",
  score: "Mean output of the critic on real and generated images. Good: close together. Far apart, the critic has won.",
  rate: "The step size in use. Good: as planned.",
  norm: "Length of the weight vector. Good: grows slowly. Read S together with it: longer weights turn less.",
  update: "Length of the last update relative to the weights. Good: well under 1, steady or falling.",
};

/** @param {string} help @param {string} more */
function beforeGood(help, more) {
  const { what, good } = wordsOf({ help, direction: "none" });
  return [what, more, good].filter(Boolean).join(" ");
}

/** @param {Series} series */
const judged = (series) => series.judge ?? series.name.split("/").slice(1).join("/");

/**
 * @param {Series | undefined} first
 * @param {Colour} one
 * @param {string} oneLabel
 * @param {Series | undefined} second
 * @param {Colour} two
 * @param {string} twoLabel
 */
function pair(first, one, oneLabel, second, two, twoLabel) {
  /** @type {Line[]} */
  const lines = [];
  if (first) lines.push({ series: first.name, label: oneLabel, colour: one, source: 0 });
  if (second) lines.push({ series: second.name, label: twoLabel, colour: two, source: 0 });
  return lines;
}

class Shelf {
  /** @param {Series[]} all */
  constructor(all) {
    this.all = all;
    this.byName = new Map(all.map((series) => [series.name, series]));
    /** @type {Set<string>} */ this.taken = new Set();
  }

  /** @param {string} role */
  role(role) {
    return this.all.find((series) => series.role === role);
  }

  /** @param {string} name */
  name(name) {
    return this.byName.get(name);
  }

  /** @param {ChartSpec} chart */
  take(chart) {
    for (const line of chart.lines) {
      this.taken.add(line.series);
      if (line.error) this.taken.add(line.error);
    }
    return chart;
  }

  /**
   * A chart with the generator's and the discriminator's line, where at least one exists.
   * @param {Series | undefined} g
   * @param {Series | undefined} d
   * @param {Partial<ChartSpec> & {id: string, title: string}} known
   * @returns {ChartSpec[]}
   */
  networks(g, d, known) {
    const first = g ?? d;
    if (!first) return [];
    const averaged = g && this.name(`${g.name}_ema`);
    // Beside a third line there is no room for the whole words.
    const [one, other] = averaged ? ["G", "D"] : ["generator", "discriminator"];
    const lines = pair(g, "g", one, d, "d", other);
    if (averaged) lines.push({ series: averaged.name, label: "G averaged", colour: "metric", dash: "dot", source: 0 });
    return [this.take(spec({ ...known, help: known.help || first.help, lines }, first))];
  }
}

/** @param {Shelf} shelf */
function qualities(shelf) {
  return shelf.all
    .filter((series) => series.role === "Q")
    .map((q) => {
      const error = shelf.name(`quality_se/${q.name.split("/").slice(1).join("/")}`)?.name;
      const bounds = /** @type {[number, number] | null} */ (
        q.lower !== null && q.upper !== null ? [q.lower, q.upper] : null
      );
      const gate = shelf.name(`recognized/${judged(q)}`);
      /** @type {Line[]} */
      const lines = [{ series: q.name, label: gate ? "Q" : "generated", colour: "metric", error, source: 0 }];
      if (gate) lines.push({ series: gate.name, label: "recognized", colour: "other", dash: "dot", source: 0 });
      const help = q.help || WORDS.quality;
      return shelf.take(spec({ id: q.name, title: "Quality Q", note: judged(q), bounds, lines, help }, q));
    });
}

/** @param {Shelf} shelf */
function diversities(shelf) {
  return shelf.all
    .filter((series) => series.role === "D")
    .map((d) => {
      const rest = d.name.split("/").slice(1).join("/");
      const real = shelf.name(`diversity_real/${rest}`);
      /** @type {Line[]} */
      const lines = [
        {
          series: d.name,
          label: "generated",
          colour: "metric",
          error: shelf.name(`diversity_se/${rest}`)?.name,
          source: 0,
        },
      ];
      if (real) lines.push({ series: real.name, label: "real", colour: "real", dash: "dot", source: 0 });
      // Its gate: among samples that are nothing, modes mean little.
      const gate = shelf.all.find((series) => series.name.startsWith("recognized/"));
      if (gate) lines.push({ series: gate.name, label: "gate", colour: "other", source: 0, told: true });
      const ceiling = d.upper === null ? null : { value: d.upper, label: d.m ? `ln ${d.m}` : "most" };
      return shelf.take(
        spec(
          {
            id: d.name,
            title: "Diversity D",
            note: judged(d),
            lines,
            ceiling,
            bounds: d.upper === null ? null : [d.lower ?? 0, d.upper],
            help: gate ? beforeGood(d.help || WORDS.diversity, WORDS.gate) : d.help || WORDS.diversity,
          },
          d,
        ),
      );
    });
}

/** The estimate of the whole critic's constant, and the greatest so far. @param {Shelf} shelf @returns {ChartSpec[]} */
function constant(shelf) {
  const [now, most] = [shelf.name("lipschitz/constant"), shelf.name("lipschitz/constant_max")];
  if (!now) return [];
  const lines = pair(now, "metric", "now", most, "other", "greatest so far");
  return [
    shelf.take(
      spec({ id: "lipschitz/constant", title: "Lipschitz constant", note: "estimate", scale: "auto", lines }, now),
    ),
  ];
}

/** Shares of the samples at which the critic is flat. @param {Shelf} shelf @returns {ChartSpec[]} */
function saturation(shelf) {
  const [real, fake] = [shelf.name("saturated/real"), shelf.name("saturated/fake")];
  const first = real ?? fake;
  if (!first) return [];
  const lines = pair(real, "real", "real", fake, "fake", "generated");
  return [shelf.take(spec({ id: "saturated", title: "Saturated scores", bounds: [0, 1], lines }, first))];
}

/**
 * The charts everybody looks at, in the order of the page.
 * @param {Series[]} all
 * @returns {{core: ChartSpec[], rest: ChartSpec[]}}
 */
export function chartsOf(all) {
  const shelf = new Shelf(all);
  const scores = pair(shelf.role("d_real"), "real", "real", shelf.role("d_fake"), "fake", "generated").filter(
    (line) => shelf.name(line.series)?.kind === "scalar",
  );
  const core = [
    ...qualities(shelf),
    ...diversities(shelf),
    ...shelf.networks(shelf.role("S_G_ep"), shelf.role("S_D_ep"), {
      id: "angle/epoch",
      title: "Stability S",
      note: "epoch to epoch",
      scale: "log",
      help: WORDS.epochAngle,
    }),
    ...shelf.networks(shelf.role("S_G"), shelf.role("S_D"), {
      id: "angle/iter",
      title: "Stability S",
      note: "step to step",
      scale: "log",
      help: WORDS.stepAngle,
    }),
    ...shelf.networks(shelf.role("loss_G"), shelf.role("loss_D"), {
      id: "loss",
      title: "Losses",
      scale: "auto",
      help: WORDS.loss,
    }),
    ...(scores.length
      ? [
          shelf.take(
            spec(
              { id: "score", title: "Critic's scores", help: WORDS.score, lines: scores },
              /** @type {Series} */ (shelf.name(scores[0].series)),
            ),
          ),
        ]
      : []),
    ...boxes(all).map((chart) => shelf.take(chart)),
    ...finiteDifferences(all).map((chart) => shelf.take(chart)),
    ...lipschitzByDepth(all).map((chart) => shelf.take(chart)),
    ...constant(shelf),
    ...saturation(shelf),
    ...anglesByLayer(all).map((chart) => shelf.take(chart)),
    ...shelf.networks(shelf.name("relative_update/g"), shelf.name("relative_update/d"), {
      id: "relative_update",
      title: "Relative update",
      scale: "log",
      help: WORDS.update,
    }),
    ...shelf.networks(shelf.role("wn_G"), shelf.role("wn_D"), {
      id: "weight_norm",
      title: "Weight norm",
      help: WORDS.norm,
    }),
    ...shelf.networks(shelf.role("lr_G"), shelf.role("lr_D"), {
      id: "learning_rate",
      title: "Learning rate",
      help: WORDS.rate,
    }),
  ];
  return { core, rest: chartsOfOthers(shelf.all.filter((series) => !shelf.taken.has(series.name))) };
}
