"""A small feature network: the ResNet-20 of He et al. 2016 (section 4.2) for CIFAR-10, 64 features.

Its shortcuts are the parameter-free ones (option A). Registered with torch-fidelity as ``cifar10-resnet20``;
the weights come from a file, a ``state_dict`` with or without DataParallel's prefix ``module.``.
"""

from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad, relu
from torch_fidelity import register_feature_extractor  # type: ignore[import-untyped]
from torch_fidelity.feature_extractor_base import FeatureExtractorBase  # type: ignore[import-untyped]

NAME: Final = "cifar10-resnet20"
SIZE: Final = 32
#: ImageNet's, with which these weights were trained.
MEAN: Final = (0.485, 0.456, 0.406)
DEVIATION: Final = (0.229, 0.224, 0.225)


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride = stride
        self.padding = (outputs - inputs) // 2

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
        if self.stride > 1:
            x = pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.padding, self.padding))
        return relu(y + x)


class ResNet20(FeatureExtractorBase):  # type: ignore[misc]
    """uint8 images [N, 3, H, W] to 64 features, and the logits of CIFAR-10's ten classes."""

    def __init__(
        self, name: str, features_list: list[str], feature_extractor_weights_path: Path | str, **_: object
    ) -> None:
        super().__init__(name, features_list)
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*(Block(16, 16, 1) for _ in range(3)))
        self.layer2 = nn.Sequential(Block(16, 32, 2), Block(32, 32, 1), Block(32, 32, 1))
        self.layer3 = nn.Sequential(Block(32, 64, 2), Block(64, 64, 1), Block(64, 64, 1))
        self.linear = nn.Linear(64, 10)
        stored = torch.load(feature_extractor_weights_path, map_location="cpu", weights_only=True)
        weights = stored.get("state_dict", stored)
        self.load_state_dict({key.removeprefix("module."): value for key, value in weights.items()})
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1) * 255, persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(3, 1, 1) * 255, persistent=False)
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        x = images.float()
        if x.shape[-2:] != (SIZE, SIZE):
            x = interpolate(x, (SIZE, SIZE), mode="bilinear", antialias=True)
        x = relu(self.bn1(self.conv1((x - self.mean) / self.deviation)))
        features = self.layer3(self.layer2(self.layer1(x))).mean(dim=(2, 3))
        found = {"64": features, "logits": self.linear(features)}
        return tuple(found[name] for name in self.features_list)

    @staticmethod
    def get_provided_features_list() -> tuple[str, ...]:
        return "64", "logits"

    @staticmethod
    def get_default_feature_layer_for_metric(metric: str) -> str:
        return "logits" if metric == "isc" else "64"

    @staticmethod
    def can_be_compiled() -> bool:
        return True

    @staticmethod
    def get_dummy_input_for_compile() -> Tensor:
        return torch.zeros(1, 3, SIZE, SIZE, dtype=torch.uint8)


register_feature_extractor(NAME, ResNet20)
