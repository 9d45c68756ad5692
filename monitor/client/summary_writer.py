"""The face of TensorBoard's ``SummaryWriter`` on a run, for loops that already write to one.

    from monitor import SummaryWriter  # instead of torch.utils.tensorboard

    writer = SummaryWriter("runs/dcgan")
    writer.add_scalar("loss/d", loss, step)

Scalars, histograms (as the eleven numbers of a distribution), images, figures and hyperparameters are kept.
What a run has no place for (text, audio, video, graphs, embeddings, meshes, curves) is not, which is said
once. As in `Run`, nothing raises into the loop.
"""

# ruff: noqa: A002, ARG002, PLR0917 - the signatures are those of TensorBoard

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Sequence
from functools import partialmethod
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from monitor.client.notices import Notices
from monitor.client.quantiles import describe, describe_buckets
from monitor.client.run import Run
from monitor.client.start import init
from monitor.client.values import Rejected


class SummaryWriter:
    """Writes to a run: to the one given, or to a new one named after ``log_dir`` and ``comment``.

    ``purge_step`` goes back to before that step, as `Run.rewind` does. ``max_queue``, ``flush_secs`` and
    ``filename_suffix`` say how event files are written; there are none. Further keywords go to `init`.
    A call without ``global_step`` counts on by itself, by tag.
    """

    def __init__(
        self,
        log_dir: str | Path | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
        *,
        run: Run | None = None,
        **options: Any,
    ) -> None:
        self.log_dir = None if log_dir is None else str(log_dir)
        if run is None:
            name = f"{self.log_dir or ''}{comment}" or None
            run = init(**{"name": name, **options})
        self.run = run
        self._notices = Notices()
        self._steps: dict[str, int] = {}
        if purge_step is not None:
            run.rewind(purge_step - 1, "purge_step")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.run.__exit__(kind, error, traceback)

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """A number, a 0-d array or tensor, or an array of one; all float64, whatever ``double_precision``."""
        self.run.log({tag: _single(scalar_value)}, step=self._step(tag, global_step), time=walltime)

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: Mapping[str, Any],
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """One series ``main_tag/key`` for each key."""
        values = {f"{main_tag}/{key}": _single(value) for key, value in tag_scalar_dict.items()}
        self.run.log(values, step=self._step(main_tag, global_step), time=walltime)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: int | None = None,
        bins: Any = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        """The distribution of all values, of any shape: percentiles, which need no bins."""
        step = self._step(tag, global_step)
        try:
            numbers = describe(_array(values).astype(np.float64, copy=False))
        except (Rejected, TypeError, ValueError) as error:
            self._notices.once(tag, "the histogram %r is not stored: %s", tag, error)
            return
        self.run.log_distribution(tag, numbers, step=step)

    def add_histogram_raw(
        self,
        tag: str,
        min: float,
        max: float,
        num: float,
        sum: float,
        sum_squares: float,
        bucket_limits: Sequence[float],
        bucket_counts: Sequence[float],
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """The distribution that the buckets tell, with the exact minimum, maximum, mean and number."""
        step = self._step(tag, global_step)
        try:
            inner = describe_buckets(bucket_limits, bucket_counts)[1:-3]
        except (Rejected, TypeError, ValueError) as error:
            self._notices.once(tag, "the histogram %r is not stored: %s", tag, error)
            return
        quantiles = np.clip(inner, min, max).tolist()
        self.run.log_distribution(tag, [min, *quantiles, max, sum / num, num], step=step)

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        """One image; floats are 0 to 1, integers 0 to 255."""
        self.add_images(tag, img_tensor, global_step, walltime, dataformats)

    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:
        """Several images as one grid."""
        step = self._step(tag, global_step)
        try:
            pixels = _pixels(_array(img_tensor), dataformats)
        except (TypeError, ValueError) as error:
            self._notices.once(tag, "the image %r is not stored: %s", tag, error)
            return
        self.run.log_images(tag, pixels, step=step)

    def add_figure(
        self,
        tag: str,
        figure: Any,
        global_step: int | None = None,
        close: bool = True,
        walltime: float | None = None,
    ) -> None:
        """A Matplotlib figure, or a list of them of one size, drawn as images."""
        figures = figure if isinstance(figure, list | tuple) else [figure]
        try:
            drawn = np.stack([_draw(each) for each in figures])
        except (TypeError, ValueError, AttributeError) as error:
            self._notices.once(tag, "the figure %r is not stored: %s", tag, error)
            return
        if close and "matplotlib.pyplot" in sys.modules:
            for each in figures:
                sys.modules["matplotlib.pyplot"].close(each)
        self.add_images(tag, drawn, global_step, walltime, "NHWC")

    def add_hparams(
        self,
        hparam_dict: Mapping[str, Any],
        metric_dict: Mapping[str, Any],
        hparam_domain_discrete: Any = None,
        run_name: str | None = None,
        global_step: int | None = None,
    ) -> None:
        """The hyperparameters become part of the run's configuration, the metrics numbers of the run."""
        self.run.configure(dict(hparam_dict))
        step = self._step("hparams", global_step)
        self.run.log({key: _single(value) for key, value in metric_dict.items()}, step=step)

    def flush(self) -> None:
        """Nothing: what was logged is on its way."""

    def close(self) -> None:
        """End the run and wait until it is delivered."""
        self.run.finish()

    def get_logdir(self) -> str | None:
        return self.log_dir

    def _step(self, tag: str, global_step: Any) -> Any:
        step = self._steps.get(tag, 0) if global_step is None else global_step
        if isinstance(step, int):
            self._steps[tag] = step + 1
        return step

    def _refuse(self, what: str, *arguments: Any, **options: Any) -> None:
        self._notices.once(what, "a run has no place for what %s writes; it is not stored", what)

    add_text = partialmethod(_refuse, "add_text")
    add_audio = partialmethod(_refuse, "add_audio")
    add_video = partialmethod(_refuse, "add_video")
    add_graph = partialmethod(_refuse, "add_graph")
    add_onnx_graph = partialmethod(_refuse, "add_onnx_graph")
    add_embedding = partialmethod(_refuse, "add_embedding")
    add_tensor = partialmethod(_refuse, "add_tensor")
    add_mesh = partialmethod(_refuse, "add_mesh")
    add_pr_curve = partialmethod(_refuse, "add_pr_curve")
    add_pr_curve_raw = partialmethod(_refuse, "add_pr_curve_raw")
    add_image_with_boxes = partialmethod(_refuse, "add_image_with_boxes")
    add_custom_scalars = partialmethod(_refuse, "add_custom_scalars")
    add_custom_scalars_multilinechart = partialmethod(_refuse, "add_custom_scalars_multilinechart")
    add_custom_scalars_marginchart = partialmethod(_refuse, "add_custom_scalars_marginchart")


def _single(value: Any) -> Any:
    """The one number of an array of one, left where it lies; anything else as it is."""
    shape = getattr(value, "shape", ())
    return value.reshape(()) if len(shape) and all(size == 1 for size in shape) else value


def _array(values: Any) -> npt.NDArray[Any]:
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = values.double().numpy() if values.is_floating_point() else values.numpy()
    return np.asarray(values)


def _pixels(images: npt.NDArray[Any], layout: str) -> npt.NDArray[np.uint8]:
    """uint8 ``[N, H, W, C]`` of any layout that names N, H, W and C once at most, H and W once."""
    letters = layout.upper()
    if sorted(letters) not in (sorted(known) for known in ("HW", "CHW", "NHW", "NCHW")):
        raise ValueError(f"dataformats {layout!r} is none of N, C, H and W in some order")
    if images.ndim != len(letters):
        raise ValueError(f"it has shape {images.shape}, which {layout!r} does not describe")
    missing = [letter for letter in "NC" if letter not in letters]
    images = images.reshape(images.shape + (1,) * len(missing))
    letters += "".join(missing)
    images = images.transpose([letters.index(letter) for letter in "NHWC"])
    if images.dtype.kind == "f":
        images = (images * 255).clip(0, 255)
    elif images.dtype == np.bool_:
        images = images * 255
    with np.errstate(invalid="ignore"):
        return images.astype(np.uint8)


def _draw(figure: Any) -> npt.NDArray[np.uint8]:
    from PIL import Image  # noqa: PLC0415 - most runs start without it

    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    with Image.open(stream) as drawn:
        return np.asarray(drawn.convert("RGB"))
