"""Q and D of face-like images against what the bare networks take for it.

python -m benchmarks.faces --data lfw_wide64.npz --model arcface.onnx                 # 2000 images
python -m benchmarks.faces --data lfw_wide64.npz --model arcface.onnx --images 200 --device cpu

The bare time is that of the very calls of MTCNN's three networks and of ArcFace's that the judges make, timed
inside them, without the finding, cutting and scaling of boxes around them. Pass --facenet to also time
facenet-pytorch's own cascade, and by how much its scores differ. Aim: under 5 s for 2000 images on one H200.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


class Clock:
    """Seconds inside the calls it wraps."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds = 0.0

    def now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any) -> Any:
            start = self.now()
            answer = call(*arguments)
            self.seconds += self.now() - start
            return answer

        return wrapped


def measure(name: str, judge: Any, images: Tensor, clock: Clock) -> tuple[Tensor, float]:
    """Prints the judge's whole and bare seconds; returns what it says, and the whole ones."""
    judge.score(images[:BATCH])
    clock.seconds = 0.0
    start = clock.now()
    answers = [judge.score(batch) for batch in torch.split(images, BATCH)]
    whole = clock.now() - start
    each = 1000 * whole / len(images)
    print(f"{name:<8}{whole:>9.2f} s{clock.seconds:>9.2f} s{whole / clock.seconds:>7.2f}{each:>9.2f} ms")
    return torch.cat([said for answer in answers for said in answer if said is not None]), whole


def timed_mtcnn(clock: Clock) -> MtcnnJudge:
    judge = mtcnn_judge()
    for network in judge.networks:
        network.forward = clock.timed(network.forward)
    return judge


def timed_arcface(recognizer: Recognizer, clock: Clock) -> ArcFaceJudge:
    width = recognizer.embeddings(torch.zeros(1, 3, 64, 64)).shape[1]
    bank = IdentityBank(
        torch.randn(PEOPLE, width),
        tuple(map(str, range(PEOPLE))),
        torch.ones(PEOPLE),
        recognizer.model,
        str(recognizer.path),
        recognizer.crop,
    )
    recognizer._embedded = clock.timed(recognizer._embedded)  # type: ignore[method-assign]
    return ArcFaceJudge(recognizer, bank)


def by_facenet(images: Tensor, clock: Clock) -> Tensor:
    """facenet-pytorch's own cascade over images that are scaled up to 160 pixels beforehand."""
    from facenet_pytorch import MTCNN  # noqa: PLC0415

    mtcnn = MTCNN(select_largest=False, device=images.device)
    start, scores = clock.now(), []
    for batch in torch.split(images, BATCH):
        scaled = interpolate((batch + 1) * 127.5, size=(160, 160), mode="bilinear", align_corners=False)
        _, found = mtcnn.detect(scaled.permute(0, 2, 3, 1))
        scores += [0.0 if of[0] is None else float(max(of)) for of in found]
    seconds = clock.now() - start
    print(f"{'facenet':<8}{seconds:>9.2f} s{'':>11}{'':>7}{1000 * seconds / len(images):>9.2f} ms")
    return torch.tensor(scores)


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
    clock = Clock(device)
    faces = load_reference(asked.data, asked.size, 3).images
    chosen = torch.linspace(0, len(faces) - 1, min(asked.images, len(faces))).long()
    images = to_unit_range(faces[chosen]).to(device)
    print(f"{len(images)} images of {asked.size} px on {device}, {torch.get_num_threads()} threads")
    print(f"{'judge':<8}{'whole':>11}{'bare':>11}{'ratio':>7}{'an image':>12}")
    scores, whole = measure("mtcnn", timed_mtcnn(clock), images, clock)
    bare = clock.seconds
    recognizer = Recognizer(model_file(asked.model), Crop())
    _, more = measure("arcface", timed_arcface(recognizer, clock), images, clock)
    whole, bare = whole + more, bare + clock.seconds
    print(f"{'Q + D':<8}{whole:>9.2f} s{bare:>9.2f} s{whole / bare:>7.2f}")
    if asked.facenet:
        difference = (by_facenet(images, clock) - scores.cpu()).abs().max()
        print(f"greatest difference of a score: {difference:.1e}; Q {scores.mean():.4f}")


if __name__ == "__main__":
    main()
