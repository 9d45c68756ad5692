"""A GAN on Lightning, with manual optimization; ganwatch is the lines marked <-.

pip install lightning
ganwatch serve                                   # in another terminal; it prints the link with the token
export GANWATCH_SERVER=http://127.0.0.1:8765 GANWATCH_TOKEN=...
python examples/lightning_gan.py --epochs 20
"""

import argparse

import lightning
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

import monitor  # <-
from trainer.probes import Watch  # <-


class GAN(lightning.LightningModule):
    def __init__(self, images: torch.utils.data.Dataset, run: monitor.Run, latent_dim: int = 32) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.latent_dim = latent_dim
        self.images, self.run = images, run  # <-
        self.generator = nn.Sequential(
            nn.Linear(latent_dim, 256),
            nn.BatchNorm1d(256),
            nn.ReLU(),
            nn.Linear(256, 64),
            nn.Tanh(),
            nn.Unflatten(1, (1, 8, 8)),
        )
        self.discriminator = nn.Sequential(
            nn.Flatten(), nn.Linear(64, 256), nn.LeakyReLU(0.2), nn.Linear(256, 1), nn.Flatten(0)
        )

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [
            torch.optim.Adam(network.parameters(), lr=1e-3, betas=(0.5, 0.999))
            for network in (self.generator, self.discriminator)
        ]

    def on_fit_start(self) -> None:
        self.watch = Watch(self.generator, self.discriminator, self.run, real=self.images)  # <-

    def training_step(self, batch: list[torch.Tensor]) -> None:
        real, _ = batch
        optimizer_G, optimizer_D = self.optimizers()
        z = torch.randn(len(real), self.latent_dim, device=self.device)

        self.toggle_optimizer(optimizer_D)
        fake = self.generator(z)
        loss_D = F.softplus(-self.discriminator(real)).mean()
        loss_D = loss_D + F.softplus(self.discriminator(fake.detach())).mean()
        optimizer_D.zero_grad()
        self.manual_backward(loss_D)
        optimizer_D.step()
        self.untoggle_optimizer(optimizer_D)

        self.toggle_optimizer(optimizer_G)
        loss_G = F.softplus(-self.discriminator(self.generator(z))).mean()
        optimizer_G.zero_grad()
        self.manual_backward(loss_G)
        optimizer_G.step()
        self.untoggle_optimizer(optimizer_G)

        self.log_dict({"loss_D": loss_D, "loss_G": loss_G}, prog_bar=True)
        self.watch.step(real=real, fake=fake)  # <-

    def on_train_epoch_end(self) -> None:
        self.watch.epoch()  # <-


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()

    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 8 - 1
    dataset = torch.utils.data.TensorDataset(images, torch.tensor(digits.target))
    loader = torch.utils.data.DataLoader(dataset, batch_size=64, shuffle=True, drop_last=True)

    with monitor.init(project="examples", name="lightning", config=vars(options)) as run:  # <-
        trainer = lightning.Trainer(
            max_epochs=options.epochs, logger=False, enable_checkpointing=False, enable_model_summary=False
        )
        trainer.fit(GAN(dataset, run), loader)


if __name__ == "__main__":
    main()
