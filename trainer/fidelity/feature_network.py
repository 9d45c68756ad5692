"""The pretrained network whose features are compared."""

import hashlib
import logging
import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from torch.hub import get_dir
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3  # type: ignore[import-untyped]
from torch_fidelity.registry import FEATURE_EXTRACTORS_REGISTRY  # type: ignore[import-untyped]
from torch_fidelity.utils import create_feature_extractor  # type: ignore[import-untyped]
from torchvision.models import VGG16_Weights  # type: ignore[import-untyped]

from trainer.config import Extractor, Fidelity, Metric
from trainer.errors import FidelityError, UnfetchedError
from trainer.fidelity import resnet20
from trainer.probes.undisturbed import full_float32

logger = logging.getLogger(__name__)

#: How each network scales what it is given, in the words of a protocol.
RESIZES: Final[dict[Extractor, str]] = {
    "inception-v3-compat": "299x299, bilinear as in TensorFlow 1",
    "vgg16": "224x224, bilinear as in TensorFlow 1",
    "cifar10-resnet20": f"{resnet20.SIZE}x{resnet20.SIZE}, bilinear with antialiasing",
}
#: Where torch-fidelity fetches the weights.
SOURCES: Final[dict[Extractor, str]] = {
    "inception-v3-compat": URL_INCEPTION_V3,
    "vgg16": VGG16_Weights.DEFAULT.url,
}
#: torch-fidelity's names of the figures.
LAYER_OF: Final[dict[Metric, str]] = {
    "inception-score": "isc",
    "fid": "fid",
    "kid": "kid",
    "precision-recall": "prc",
}


class FeatureNetwork:
    def __init__(self, settings: Fidelity, device: torch.device) -> None:
        kind = FEATURE_EXTRACTORS_REGISTRY[settings.extractor]
        #: The layer that each figure takes.
        self.layers: dict[Metric, str] = {
            metric: kind.get_default_feature_layer_for_metric(LAYER_OF[metric]) for metric in settings.metrics
        }
        self.name = settings.extractor
        self.resize = RESIZES[settings.extractor]
        self.device = device
        self.network = _created(settings, sorted({*self.layers.values()})).to(device)
        #: Tells these weights from any others.
        self.fingerprint = _fingerprint(self.network)

    @torch.no_grad()
    def features(self, batches: Iterable[Tensor]) -> dict[str, Tensor]:
        """Of uint8 images [n, 1 or 3, H, W], batch by batch: float32 [N, d] on the CPU, by layer."""
        found: dict[str, list[Tensor]] = {}
        with full_float32(self.device):
            for images in batches:
                # A grey image is one of three equal colours.
                outputs = self.network(images.to(self.device).expand(-1, 3, -1, -1))
                for layer, output in self.network.convert_features_tuple_to_dict(outputs).items():
                    found.setdefault(layer, []).append(output.cpu())
        return {layer: torch.cat(parts) for layer, parts in found.items()}


def _created(settings: Fidelity, layers: list[str]) -> Any:
    remedy = (
        "set fidelity.weights to a file with the weights of "
        f"{settings.extractor}, or fidelity.every to 0 to train without"
    )
    path = settings.weights
    try:
        if path is None:
            logger.info("%s: weights from %s, fetched if they are not there", settings.extractor, get_dir())
        else:
            # torch-fidelity would run whatever code is in it.
            torch.load(path, map_location="cpu", weights_only=True)
        return create_feature_extractor(
            settings.extractor,
            layers,
            cuda=False,
            feature_extractor_weights_path=None if path is None else str(path),
            verbose=False,
        )
    except OSError as problem:
        if path is None:
            place = Path(get_dir()) / "checkpoints"
            raise UnfetchedError(
                f"the weights of {settings.extractor} cannot be fetched ({problem}): put "
                f"{SOURCES[settings.extractor]} into {place}, or {remedy}"
            ) from problem
        raise FidelityError(
            f"fidelity.weights = {path} cannot be read ({problem.strerror or problem}): {remedy}"
        ) from problem
    except pickle.UnpicklingError as problem:
        raise FidelityError(
            f"fidelity.weights = {path} is no file of weights, or holds more than weights: {remedy}"
        ) from problem
    except (EOFError, RuntimeError, KeyError, AttributeError) as problem:
        raise FidelityError(
            f"the feature network {settings.extractor} cannot be loaded"
            f"{'' if path is None else f' from {path}'}: {problem}; {remedy}"
        ) from problem


def _fingerprint(network: torch.nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
