import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from tests.trainer.probes.faces import FACES, OBJECTS, needed, some
from trainer.probes.judges.mtcnn import MtcnnJudge, mtcnn_judge
from trainer.probes.judges.packages import MissingJudgeError, imported
from trainer.probes.quality import quality

facenet = pytest.importorskip("facenet_pytorch")


@pytest.fixture(scope="module")
def judge() -> MtcnnJudge:
    return mtcnn_judge()


def scores(judge: MtcnnJudge, images: Tensor) -> Tensor:
    found, mode = judge.score(images)
    assert mode is None
    assert found is not None
    return found


def by_facenet(images: Tensor) -> Tensor:
    """facenet-pytorch's own cascade, over images that are scaled up beforehand."""
    pixels = (images + 1) * 127.5
    up = max(1.0, 160 / min(images.shape[2:]))
    if up > 1:
        size = [round(side * up) for side in images.shape[2:]]
        pixels = interpolate(pixels, size=size, mode="bilinear", align_corners=False)
    _, found = facenet.MTCNN(select_largest=False).detect(pixels.permute(0, 2, 3, 1))
    return torch.tensor([0.0 if of[0] is None else float(max(of)) for of in found])


def noise(n: int, size: int = 64) -> Tensor:
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_q_is_nearly_one_on_faces_and_nearly_zero_on_what_is_none(
    judge: MtcnnJudge, packed_sets: Path
) -> None:
    needed(packed_sets, FACES, OBJECTS)
    assert quality(scores(judge, some(packed_sets / FACES, 150))).mean > 0.99
    assert quality(scores(judge, some(packed_sets / OBJECTS, 250))).mean < 0.05
    assert quality(scores(judge, noise(100))).mean < 0.05


def test_every_score_is_that_of_facenets_own_cascade(judge: MtcnnJudge, packed_sets: Path) -> None:
    needed(packed_sets, FACES, OBJECTS)
    faces = some(packed_sets / FACES, 24)
    wide = torch.cat([faces[:8], faces[8:16]], dim=3)
    large = interpolate(faces[:4], size=(200, 170), mode="bilinear", align_corners=False)
    blurred = interpolate(interpolate(faces, size=(12, 12), mode="area"), size=(64, 64), mode="bilinear")
    for images in (faces, wide, large, blurred, some(packed_sets / OBJECTS, 40)):
        torch.testing.assert_close(scores(judge, images), by_facenet(images), rtol=0, atol=1e-5)


def test_a_score_does_not_depend_on_what_else_is_judged(judge: MtcnnJudge, packed_sets: Path) -> None:
    needed(packed_sets, FACES)
    images = torch.cat([some(packed_sets / FACES, 20), noise(3)])
    alone = torch.cat([scores(judge, image[None]) for image in images])
    torch.testing.assert_close(scores(judge, images), alone, rtol=0, atol=1e-5)


def test_grey_faces_are_faces(judge: MtcnnJudge, packed_sets: Path) -> None:
    needed(packed_sets, FACES)
    assert scores(judge, some(packed_sets / FACES, 10).mean(dim=1, keepdim=True)).mean() > 0.95


def test_what_is_not_finite_has_no_quality_and_spoils_no_other(judge: MtcnnJudge, packed_sets: Path) -> None:
    needed(packed_sets, FACES)
    images = some(packed_sets / FACES, 3)
    images[1, 0, 5, 5] = torch.nan
    found = scores(judge, images)
    assert found.isnan().tolist() == [False, True, False]
    assert found[[0, 2]].min() > 0.9


def test_images_without_any_face_get_zero(judge: MtcnnJudge) -> None:
    assert scores(judge, torch.zeros(2, 3, 64, 64)).tolist() == [0, 0]
    assert scores(judge, torch.zeros(0, 3, 64, 64)).tolist() == []


def test_other_shapes_are_refused_in_words(judge: MtcnnJudge) -> None:
    with pytest.raises(ValueError, match=r"mtcnn judges images \[N, 1 or 3, H, W\]"):
        judge.score(torch.zeros(2, 4, 64, 64))


def test_it_can_go_into_another_process(judge: MtcnnJudge) -> None:
    images = noise(2)
    assert torch.equal(scores(pickle.loads(pickle.dumps(judge)), images), scores(judge, images))


def test_a_missing_package_is_said_in_one_line() -> None:
    with pytest.raises(MissingJudgeError, match=r"the judge mtcnn needs the package nowhere \(.*\): pip it$"):
        imported("nowhere_at_all", "nowhere", "mtcnn", "pip it")


@pytest.mark.gpu
def test_a_gpu_says_what_a_cpu_says(judge: MtcnnJudge, packed_sets: Path) -> None:
    needed(packed_sets, FACES, OBJECTS)
    for images in (some(packed_sets / FACES, 100), some(packed_sets / OBJECTS, 100)):
        on_gpu = scores(mtcnn_judge(), images.cuda()).cpu()
        assert (on_gpu - scores(judge, images)).abs().mean() < 1e-3
