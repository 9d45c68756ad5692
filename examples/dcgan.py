"""A DCGAN on a folder of images, in plain PyTorch, as its author wrote it; ganwatch is the lines marked <-.

ganwatch serve                                   # in another terminal; it prints the link with the token
export GANWATCH_SERVER=http://127.0.0.1:8765 GANWATCH_TOKEN=...
python examples/dcgan.py --data FOLDER           # one folder of images a class
"""

import argparse

import torch
from torch import nn
from torchvision import datasets, transforms

import monitor  # <-
from trainer.probes import Watch  # <-

nz = 100
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Generator(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose2d(nz, 4 * width, 4, 1, 0, bias=False),
            nn.BatchNorm2d(4 * width),
            nn.ReLU(True),
            nn.ConvTranspose2d(4 * width, 2 * width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(True),
            nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(True),
            nn.ConvTranspose2d(width, 3, 4, 2, 1, bias=False),
            nn.Tanh(),
        )

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.main(z)


class Discriminator(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(3, width, 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2, True),
            nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.LeakyReLU(0.2, True),
            nn.Conv2d(2 * width, 4 * width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(4 * width),
            nn.LeakyReLU(0.2, True),
            nn.Conv2d(4 * width, 1, 4, 1, 0, bias=False),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.main(x).flatten()


def init_weights(m: nn.Module) -> None:
    if isinstance(m, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(m.weight, 0.0, 0.02)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--width", type=int, default=64)
    args = parser.parse_args()

    transform = transforms.Compose(
        [
            transforms.Resize(32),
            transforms.CenterCrop(32),
            transforms.ToTensor(),
            transforms.Normalize([0.5] * 3, [0.5] * 3),
        ]
    )
    dataset = datasets.ImageFolder(args.data, transform)
    dataloader = torch.utils.data.DataLoader(dataset, args.batch_size, shuffle=True, drop_last=True)

    netG = Generator(args.width).to(device).apply(init_weights)
    netD = Discriminator(args.width).to(device).apply(init_weights)
    criterion = nn.BCEWithLogitsLoss()
    optimizerG = torch.optim.Adam(netG.parameters(), lr=2e-4, betas=(0.5, 0.999))
    optimizerD = torch.optim.Adam(netD.parameters(), lr=2e-4, betas=(0.5, 0.999))

    run = monitor.init(project="examples", name="dcgan", config=vars(args))  # <-
    watch = Watch(netG, netD, run, real=dataloader)  # <-
    for epoch in range(args.epochs):
        for data, _ in dataloader:
            real = data.to(device)
            ones = torch.ones(len(real), device=device)

            netD.zero_grad()
            errD_real = criterion(netD(real), ones)
            fake = netG(torch.randn(len(real), nz, 1, 1, device=device))
            errD_fake = criterion(netD(fake.detach()), 1 - ones)
            (errD_real + errD_fake).backward()
            optimizerD.step()

            netG.zero_grad()
            errG = criterion(netD(fake), ones)
            errG.backward()
            optimizerG.step()

            watch.step(real=real, fake=fake)  # <-
        watch.epoch()  # <-
        print(f"epoch {epoch + 1}: Loss_D {errD_real + errD_fake:.3f} Loss_G {errG:.3f}")
    run.finish()  # <-


if __name__ == "__main__":
    main()
