"""A plain PyTorch GAN, as anybody would write it, watched by five more lines (marked with <-).

ganwatch serve                                   # in another terminal; it prints the link with the token
export GANWATCH_SERVER=http://127.0.0.1:8765 GANWATCH_TOKEN=...
python examples/own_loop.py --epochs 20
"""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

import monitor  # <-
from trainer.probes.judges.digits import digits_judge
from trainer.probes.watch import Watch  # <-

Z_DIM = 32


def make_networks() -> tuple[nn.Module, nn.Module]:
    G = nn.Sequential(
        nn.Linear(Z_DIM, 64 * 2 * 2),
        nn.Unflatten(1, (64, 2, 2)),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.ConvTranspose2d(64, 32, 4, 2, 1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.ConvTranspose2d(32, 1, 4, 2, 1),
        nn.Tanh(),
    )
    D = nn.Sequential(
        nn.Conv2d(1, 32, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(32, 64, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(64 * 2 * 2, 1),
    )
    return G, D


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--epochs", type=int, default=20)
    arguments.add_argument("--lr", type=float, default=1e-3)
    options = arguments.parse_args()

    images = torch.tensor(load_digits().images, dtype=torch.float32)[:, None] / 8 - 1
    loader = torch.utils.data.DataLoader(images, batch_size=64, shuffle=True, drop_last=True)
    G, D = make_networks()
    optimizer_G = torch.optim.Adam(G.parameters(), lr=options.lr, betas=(0.5, 0.999))
    optimizer_D = torch.optim.Adam(D.parameters(), lr=options.lr, betas=(0.5, 0.999))

    with monitor.init(project="examples", name="own loop", config=vars(options)) as run:  # <-
        watch = Watch(G, D, run, real=images, judge=digits_judge(), z=Z_DIM)  # <-
        for _ in range(options.epochs):
            for real in loader:
                fake = G(torch.randn(len(real), Z_DIM))
                loss_D = F.softplus(-D(real)).mean() + F.softplus(D(fake.detach())).mean()
                optimizer_D.zero_grad()
                loss_D.backward()
                optimizer_D.step()

                loss_G = F.softplus(-D(fake)).mean()
                optimizer_G.zero_grad()
                loss_G.backward()
                optimizer_G.step()

                watch.step(real=real, fake=fake)  # <-
                run.log({"loss/g": loss_G.detach(), "loss/d": loss_D.detach()}, step=watch.steps)
            numbers = watch.epoch().values  # <-
            print(
                {
                    name: round(float(numbers[name]), 3)
                    for name in numbers
                    if name.startswith(("quality/", "diversity/"))
                }
            )


if __name__ == "__main__":
    main()
