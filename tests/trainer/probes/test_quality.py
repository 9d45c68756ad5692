import statistics

import pytest
import torch

from trainer.probes.quality import quality


def test_quality_is_the_mean_with_its_standard_error() -> None:
    scores = torch.rand(501, generator=torch.Generator().manual_seed(0))
    Q = quality(scores)
    assert Q.mean.item() == pytest.approx(statistics.fmean(scores.tolist()), rel=1e-12)
    assert Q.standard_error.item() == pytest.approx(statistics.pstdev(scores.tolist()) / 501**0.5, rel=1e-12)


def test_the_standard_error_never_exceeds_its_bound() -> None:
    worst = quality(torch.tensor([0.0, 1.0]).repeat(500))
    assert worst.standard_error.item() == pytest.approx(0.5 / 1000**0.5)


def test_one_image_without_a_score_leaves_quality_unknown() -> None:
    Q = quality(torch.tensor([0.5, float("nan")]))
    assert Q.mean.isnan()
    assert Q.standard_error.isnan()
