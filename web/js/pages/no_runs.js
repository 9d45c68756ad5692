/** What stands on the first page before anything was trained: two ways to begin. */
import { el } from "../dom.js";
import { notice } from "./notice.js";

const EXAMPLE = `import monitor

with monitor.init(project="my-gan", config={"lr": 2e-4}) as run:
    run.declare("loss/g", role="loss_G")
    run.declare("loss/d", role="loss_D")
    for step, (loss_g, loss_d, samples) in enumerate(train(), 1):
        run.log({"loss/g": loss_g, "loss/d": loss_d}, step=step)
        if step % 500 == 0:
            run.mark(step=step)
            run.log_images("samples", samples, step=step)`;

/** @returns {HTMLElement} */
export function noRuns() {
  return notice(
    "Nothing has been trained yet",
    el(
      "p",
      {},
      "Start the demonstration: it trains three small GANs on handwritten digits: one collapses while you watch, one stays healthy, one is rescued. This page fills by itself.",
    ),
    el("pre", {}, "make demo"),
    el("h2", {}, "Or watch your own training loop"),
    el("pre", {}, EXAMPLE),
  );
}
