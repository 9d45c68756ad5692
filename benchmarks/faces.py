"""Q and D of face-like images against what the bare networks take for it.

python -m benchmarks.faces --data lfw_wide64.npz --model arcface.onnx                 # 2000 images
python -m benchmarks.faces --data lfw_wide64.npz --model arcface.onnx --images 200 --device cpu

The bare time is that of the very calls of MTCNN's three networks and of ArcFace's that the judges make, timed
inside them, without the finding, cutting and scaling of boxes around them. Where a machine does other things
too, CPU seconds (of all threads) say more than the clock, with OMP_WAIT_POLICY=passive as judges beside a
training have it; on a GPU they say nothing. Pass --facenet to also time facenet-pytorch's own cascade, and by
how much its scores differ. Aim: under 5 s for 2000 images on one H200.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from trainer.data.image_set import to_unit_range
from trainer.data.loading import load_reference
from trainer.probes.judges.arcface import ArcFaceJudge, IdentityBank
from trainer.probes.judges.mtcnn import MtcnnJudge, mtcnn_judge
from trainer.probes.judges.recognition import Crop, Recognizer, model_file

#: Images that are drawn and judged at a time, as in an evaluation.
BATCH = 64
PEOPLE = 1000


class Seconds(NamedTuple):
    clock: float
    processors: float

    def plus(self, other: Seconds) -> Seconds:
        return Seconds(self.clock + other.clock, self.processors + other.processors)


class Stopwatch:
    """Seconds inside the calls it wraps."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.inside = Seconds(0.0, 0.0)

    def timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any) -> Any:
            answer, seconds = self.timing(lambda: call(*arguments))
            self.inside = self.inside.plus(seconds)
            return answer

        return wrapped

    def timing(self, call: Callable[[], Any]) -> tuple[Any, Seconds]:
        self._arrive()
        clock, processors = time.perf_counter(), time.process_time()
        answer = call()
        self._arrive()
        return answer, Seconds(time.perf_counter() - clock, time.process_time() - processors)

    def _arrive(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def show(name: str, images: int, whole: Seconds, bare: Seconds | None = None) -> None:
    columns = [name.ljust(8)]
    for of_all, inside in zip(whole, bare or (None, None), strict=True):
        networks = f"{'':>15}" if inside is None else f"{inside:>8.2f}{of_all / inside:>7.2f}"
        columns.append(f"{of_all:>12.2f}{networks}")
    print("".join(columns), f"{1000 * whole.clock / images:>11.2f}")


def measure(name: str, judge: Any, images: Tensor, watch: Stopwatch) -> tuple[Tensor, Seconds, Seconds]:
    """What the judge says, and the whole and the bare seconds, which are printed."""
    judge.score(images[:BATCH])
    watch.inside = Seconds(0.0, 0.0)
    answers, whole = watch.timing(lambda: [judge.score(batch) for batch in torch.split(images, BATCH)])
    show(name, len(images), whole, watch.inside)
    said = torch.cat([said for answer in answers for said in answer if said is not None])
    return said, whole, watch.inside


def timed_mtcnn(watch: Stopwatch) -> MtcnnJudge:
    judge = mtcnn_judge()
    for network in judge.networks:
        network.forward = watch.timed(network.forward)
    return judge


def timed_arcface(recognizer: Recognizer, watch: Stopwatch) -> ArcFaceJudge:
    width = recognizer.embeddings(torch.zeros(1, 3, 64, 64)).shape[1]
    bank = IdentityBank(
        torch.randn(PEOPLE, width),
        tuple(map(str, range(PEOPLE))),
        torch.ones(PEOPLE),
        recognizer.model,
        str(recognizer.path),
        recognizer.crop,
    )
    recognizer._embedded = watch.timed(recognizer._embedded)  # type: ignore[method-assign]
    return ArcFaceJudge(recognizer, bank)


def by_facenet(images: Tensor, watch: Stopwatch) -> Tensor:
    """facenet-pytorch's own cascade over images that are scaled up to 160 pixels beforehand."""
    from facenet_pytorch import MTCNN  # noqa: PLC0415

    mtcnn = MTCNN(select_largest=False, device=images.device)

    def scores(batch: Tensor) -> list[float]:
        scaled = interpolate((batch + 1) * 127.5, size=(160, 160), mode="bilinear", align_corners=False)
        _, found = mtcnn.detect(scaled.permute(0, 2, 3, 1))
        return [0.0 if of[0] is None else float(max(of)) for of in found]

    found, seconds = watch.timing(lambda: [scores(batch) for batch in torch.split(images, BATCH)])
    show("facenet", len(images), seconds)
    return torch.tensor([score for of_batch in found for score in of_batch])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, required=True, help="faces: a folder, or a packed .npz")
    parser.add_argument("--model", default="buffalo_l", help="an ArcFace .onnx file or a pack of insightface")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--facenet", action="store_true", help="time facenet-pytorch's own cascade too")
    asked = parser.parse_args()
    device = torch.device(asked.device)
    watch = Stopwatch(device)
    faces = load_reference(asked.data, asked.size, 3).images
    chosen = torch.linspace(0, len(faces) - 1, min(asked.images, len(faces))).long()
    images = to_unit_range(faces[chosen]).to(device)
    print(f"{len(images)} images of {asked.size} px on {device}, {torch.get_num_threads()} threads")
    header = "".join(f"{unit:>12}{'bare':>8}{'ratio':>7}" for unit in ("s", "CPU s"))
    print(f"{'judge':<8}{header}{'ms an image':>12}")
    scores, whole, bare = measure("mtcnn", timed_mtcnn(watch), images, watch)
    recognizer = Recognizer(model_file(asked.model), Crop())
    _, more, more_bare = measure("arcface", timed_arcface(recognizer, watch), images, watch)
    show("Q + D", len(images), whole.plus(more), bare.plus(more_bare))
    if asked.facenet:
        difference = (by_facenet(images, watch) - scores.cpu()).abs().max()
        print(f"greatest difference of a score: {difference:.1e}; Q {scores.mean():.4f}")


if __name__ == "__main__":
    main()
