"""ArcFace's network (Deng et al. 2019): a face becomes a vector, and faces of one person have vectors that
point the same way.

A model is an ONNX file as insightface has them, of its own packs (``buffalo_l``) or any other that takes RGB
faces. insightface reads how its input is scaled and runs it on the CPU; on a GPU the same graph runs as a
torch module. The weights of insightface's packs are for non-commercial research only.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ..undisturbed import full_float32
from .packages import MissingJudgeError, imported

#: Where insightface keeps its packs, and where it fetches them from.
PACKS: Final = Path("~/.insightface/models")
HOME: Final = "https://github.com/deepinsight/insightface/releases/download/model-zoo"
REMEDY: Final = "README.md, section Faces, says what to install"
#: Faces that go through the network at a time.
BATCH: Final = {"cpu": 32, "cuda": 256}


@dataclass(frozen=True)
class Crop:
    """The square of an image that shows what the network was trained on, in shares of its shorter side from
    the centre of the image.
    """

    x: float = 0.0
    y: float = 0.0
    side: float = 1.0

    def of(self, images: Tensor, size: int) -> Tensor:
        """The square as ``[N, C, size, size]``. Beyond the border the last pixels go on."""
        height, width = images.shape[-2:]
        shorter = min(height, width)
        side = max(1, round(self.side * shorter))
        left = round(width / 2 + self.x * shorter - side / 2)
        top = round(height / 2 + self.y * shorter - side / 2)
        rows = torch.arange(top, top + side, device=images.device).clamp(0, height - 1)
        columns = torch.arange(left, left + side, device=images.device).clamp(0, width - 1)
        square = images[..., rows[:, None], columns]
        return interpolate(
            square, size=(size, size), mode="bilinear", align_corners=False, antialias=side > size
        )


class Recognizer:
    """Embeddings of images ``[N, 1 or 3, H, W]`` in [-1, 1], by the model in ``path``."""

    def __init__(self, path: Path, crop: Crop) -> None:
        self.path = path
        self.crop = crop
        #: SHA-256 of the model: embeddings of different ones cannot be compared.
        self.model = hashlib.sha256(path.read_bytes()).hexdigest()
        self.size, self._mean, self._scale, self._takes_one = self._input()

    @torch.no_grad()
    def embeddings(self, images: Tensor) -> Tensor:
        """float32 ``[N, d]`` as the network gives them: not of length 1."""
        if images.dim() != 4 or images.shape[1] not in {1, 3} or 0 in images.shape[2:]:
            raise ValueError(f"arcface judges images [N, 1 or 3, H, W] in [-1, 1], not {list(images.shape)}")
        found = []
        at_a_time = 1 if self._takes_one else BATCH.get(images.device.type, BATCH["cuda"])
        for part in torch.split(images, at_a_time):
            faces = self.crop.of(part.float(), self.size).expand(-1, 3, -1, -1).add(1).mul(127.5)
            found.append(self._embedded((faces - self._mean) / self._scale))
        return torch.cat(found)

    def __getstate__(self) -> dict[str, Any]:
        """For another process, where the networks are loaded anew."""
        return {name: value for name, value in vars(self).items() if name not in {"network", "session"}}

    def _embedded(self, faces: Tensor) -> Tensor:
        if faces.device.type == "cpu":
            (found,) = self.session.run(None, {self.session.get_inputs()[0].name: faces.numpy()})
            return torch.from_numpy(found)
        with full_float32(faces.device):
            output: Tensor = self.network.to(faces.device)(faces)
        return output

    @cached_property
    def session(self) -> Any:
        """The graph in ONNX Runtime, on as many threads as torch has."""
        return self._insightface().session

    @cached_property
    def network(self) -> nn.Module:
        """The graph as a torch module."""
        convert = imported("onnx2torch", "onnx2torch", "arcface", REMEDY).convert
        network: nn.Module = convert(str(self.path)).eval().requires_grad_(False)
        return network

    def _input(self) -> tuple[int, float, float, bool]:
        """Pixels a side; what is taken off a pixel's value and what it is divided by; whether the graph is
        written for a single face.
        """
        model = self._insightface()
        self.__dict__["session"] = model.session
        takes_one = model.session.get_inputs()[0].shape[0] == 1
        return model.input_size[0], model.input_mean, model.input_std, takes_one

    def _insightface(self) -> Any:
        zoo = imported("insightface.model_zoo", "insightface", "arcface", REMEDY)
        runtime = imported("onnxruntime", "onnxruntime", "arcface", REMEDY)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        # Threads that wait spinning would take the cores from the training beside it.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            model = zoo.get_model(str(self.path), providers=["CPUExecutionProvider"], sess_options=options)
        except Exception as problem:
            raise MissingJudgeError(f"{self.path} cannot be read as an ONNX model: {problem}") from problem
        if not hasattr(model, "get_feat"):
            raise MissingJudgeError(
                f"{self.path} recognizes no faces: name an ArcFace model, whose input is 112 x 112"
            )
        return model


def model_file(name: str, *, downloads: bool = False) -> Path:
    """The recognition model that ``name`` says: a path, or a pack in insightface's folder, which is fetched
    if it may be.
    """
    path = Path(name).expanduser()
    if path.suffix == ".onnx":
        if path.is_file():
            return path
        raise MissingJudgeError(f"the judge arcface needs the model {path.absolute()}, which is not there")
    if not name or path.name != name or path.suffix:
        raise MissingJudgeError(
            f"the judge arcface needs a face recognition model, and {name!r} is neither a .onnx file nor the "
            "name of a pack of insightface, such as buffalo_l"
        )
    onnx = imported("onnx", "onnx", "arcface", REMEDY)
    folder = PACKS.expanduser() / name
    found = _in_pack(onnx, folder)
    if found is None and downloads:
        _fetch(name, folder)
        found = _in_pack(onnx, folder)
    if found is None:
        raise MissingJudgeError(
            f"the judge arcface needs a face recognition model in {folder}: unpack {HOME}/{name}.zip there "
            "(non-commercial research only), or have `gantrain identities build --download` do it, or name "
            "another .onnx file"
        )
    return found


def _fetch(name: str, folder: Path) -> None:
    """What is there of an earlier try is written over."""
    storage = imported("insightface.utils.storage", "insightface", "arcface", REMEDY)
    try:
        storage.download(folder.parent.name, name, force=True, root=str(folder.parent.parent))
    except Exception as problem:
        # What a failed connection says of itself is long and says no more than its name.
        reason = getattr(problem, "strerror", None) or type(problem).__name__
        raise MissingJudgeError(
            f"the judge arcface needs {HOME}/{name}.zip, which cannot be fetched into {folder} ({reason}): "
            "check the name and the connection, or unpack it there yourself, or name another .onnx file"
        ) from problem


def _in_pack(onnx: Any, folder: Path) -> Path | None:
    return next((path for path in sorted(folder.rglob("*.onnx")) if _takes_faces(onnx, path)), None)


def _takes_faces(onnx: Any, path: Path) -> bool:
    """By the rule insightface goes by: one square input from 112 pixels up, and one output. Old files list
    weights as inputs too. What cannot be read takes none.
    """
    try:
        graph = onnx.load(str(path), load_external_data=False).graph
    except Exception:  # noqa: BLE001  protobuf's errors have no common name
        return False
    weights = {weight.name for weight in graph.initializer}
    inputs = [entry for entry in graph.input if entry.name not in weights]
    if len(inputs) != 1 or len(graph.output) != 1:
        return False
    sides = [dimension.dim_value for dimension in inputs[0].type.tensor_type.shape.dim[2:]]
    return sides in ([112, 112], [128, 128])
