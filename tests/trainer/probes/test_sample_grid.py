import torch
from torch import Tensor, nn

from trainer.probes.sample_grid import BATCH, Sampler, normal_latents, to_pixels


def test_the_same_latents_are_drawn_every_time_and_torchs_own_generator_is_not_asked() -> None:
    sampler = Sampler(nn.Identity(), normal_latents((3, 2, 2)), seed=5)
    state = torch.get_rng_state()
    first, again = torch.cat(list(sampler.batches(100))), torch.cat(list(sampler.batches(100)))
    assert torch.equal(first, again)
    assert torch.equal(torch.get_rng_state(), state)
    assert first.shape == (100, 3, 2, 2)
    other = torch.cat(list(Sampler(nn.Identity(), normal_latents((3, 2, 2)), seed=6).batches(100)))
    assert not torch.equal(first, other)


def test_batches_cover_the_number_asked_for() -> None:
    sampler = Sampler(nn.Identity(), normal_latents((1,)), seed=0)
    assert [len(batch) for batch in sampler.batches(2 * BATCH + 3)] == [BATCH, BATCH, 3]


def test_a_conditional_generator_takes_several_inputs() -> None:
    class Conditional(nn.Module):
        def forward(self, z: Tensor, label: Tensor) -> Tensor:
            return z * label[:, None]

    def latents(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return torch.randn(n, 4, generator=generator), torch.arange(n)

    (images,) = Sampler(Conditional(), latents, seed=0).batches(5)
    assert images.shape == (5, 4)
    assert bool((images[0] == 0).all())


def test_pixels_span_black_to_white_and_everything_beyond_is_clipped() -> None:
    grey = torch.tensor([-5.0, -1.0, 0.0, 1.0, 5.0, float("nan"), float("inf")]).reshape(1, 1, 1, 7)
    assert to_pixels(grey).flatten().tolist() == [0, 0, 128, 255, 255, 0, 255]
    assert to_pixels(grey).shape == (1, 1, 7)
    colour = to_pixels(torch.zeros(2, 3, 4, 5))
    assert colour.shape == (2, 4, 5, 3)
    assert colour.dtype == torch.uint8
