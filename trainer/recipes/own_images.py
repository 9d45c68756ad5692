"""For images of one's own, and for any data set at 64 pixels."""

from typing import Final

from trainer.config import Adam, Batch, Checkpoints, Config, Critic, Ema, LearningRate, Network
from trainer.recipes.paper import Paper

OWN_IMAGES: Final = Paper("Your own images: a folder, or a packed .npz")


@OWN_IMAGES.recipe
def dcgan64_gn() -> Config:
    """DCGAN at 64 pixels under gradient normalization, for any folder of images or packed ``.npz``.

    Networks: DCGAN (Radford et al. 2016, P: channels 512 to 64, batch norm in G), without batch norm in D,
    which GN forbids. Hinge loss, betas, learning rates, batches and EMA: GN's ResNet rows (P), without the
    decay of the rates to 0 that their code has. One discriminator step: GN's CNN rows (C). Epochs: O.
    """
    return Config(
        recipe="dcgan64-gn",
        dataset="images",
        size=64,
        channels=3,
        network=Network(architecture="dcgan", width_g=64, width_d=64, norm_g="batch", init="dcgan"),
        critic=Critic(kind="gn"),
        loss="hinge",
        lr=LearningRate(g=2e-4, d=4e-4),
        adam=Adam(betas=(0.0, 0.9)),
        batch=Batch(g=128, d=64),
        ema=Ema(decay=0.9999),
        epochs=100,
        checkpoints=Checkpoints(every=1),
    )


@OWN_IMAGES.recipe
def dcgan64_nsgan() -> Config:
    """DCGAN close to how it was published, for any folder of images or packed ``.npz``.

    Networks, initialization, learning rate 2e-4, beta1 0.5, batch 128: Radford et al. 2016 (P). Latents are
    normal, where the paper's are uniform, and beta2 is 0.999, which it does not state: O. Epochs: O.
    """
    return Config(
        recipe="dcgan64-nsgan",
        dataset="images",
        size=64,
        channels=3,
        network=Network(
            architecture="dcgan",
            z_dim=100,
            width_g=64,
            width_d=64,
            norm_g="batch",
            norm_d="batch",
            init="dcgan",
        ),
        loss="ns",
        lr=LearningRate(g=2e-4, d=2e-4),
        adam=Adam(betas=(0.5, 0.999)),
        batch=Batch(g=128, d=128),
        epochs=100,
        checkpoints=Checkpoints(every=1),
    )
