import hashlib
import pickle
import socket
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.trainer.probes.faces import FACES, LFW, MODEL, bank_of, needed, some
from trainer.identities.framing import TEMPLATE, fitted, typical_crop
from trainer.probes.judges.arcface import ArcFaceJudge, IdentityBank, arcface_judge, read_bank
from trainer.probes.judges.packages import MissingJudgeError
from trainer.probes.judges.recognition import HOME, Crop, Recognizer, model_file

pytest.importorskip("insightface")
onnx = pytest.importorskip("onnx")


@pytest.fixture
def recognizer(packed_sets: Path) -> Recognizer:
    needed(packed_sets, FACES, MODEL)
    return Recognizer(packed_sets / MODEL, LFW)


def test_the_torch_network_is_the_onnx_graph(recognizer: Recognizer, packed_sets: Path) -> None:
    faces = some(packed_sets / FACES, 6)
    seen = recognizer.crop.of(faces, recognizer.size).add(1).mul(127.5)
    seen = (seen - recognizer._mean) / recognizer._scale
    torch.testing.assert_close(recognizer.network(seen), recognizer.embeddings(faces), rtol=1e-4, atol=1e-4)


def test_embeddings_are_those_that_insightface_gives(recognizer: Recognizer, packed_sets: Path) -> None:
    faces = some(packed_sets / FACES, 3)
    bgr = [
        face.permute(1, 2, 0).flip(2).contiguous().numpy()
        for face in recognizer.crop.of(faces, 112).add(1).mul(127.5)
    ]
    expected = torch.from_numpy(recognizer._insightface().get_feat(bgr))
    torch.testing.assert_close(recognizer.embeddings(faces), expected, rtol=1e-4, atol=1e-4)


def test_the_whole_image_is_a_crop_too() -> None:
    images = torch.arange(32.0).view(1, 1, 4, 8)
    assert torch.equal(Crop().of(images, 4), images[..., 2:6])
    beyond = Crop(side=2.0).of(images, 8)
    assert torch.equal(beyond[0, 0, 0], images[0, 0, 0])


def test_a_crop_puts_landmarks_where_the_recognizer_expects_them() -> None:
    crop = fitted(0.3 * TEMPLATE + [0.2, 0.4])
    assert (crop.x, crop.y, crop.side) == pytest.approx((0.2 + 0.15 - 0.5, 0.4 + 0.15 - 0.5, 0.3))


def test_the_typical_crop_is_found_from_the_images(packed_sets: Path) -> None:
    needed(packed_sets, FACES)
    pixels = ((some(packed_sets / FACES, 40) + 1) * 127.5).round().to(torch.uint8)
    found = typical_crop(pixels)
    assert (found.x, found.y, found.side) == pytest.approx((LFW.x, LFW.y, LFW.side), abs=0.03)
    assert typical_crop(torch.zeros(30, 3, 64, 64, dtype=torch.uint8)) == Crop()


def test_a_bank_is_read_as_it_was_written(recognizer: Recognizer, packed_sets: Path, tmp_path: Path) -> None:
    embeddings = recognizer.embeddings(some(packed_sets / FACES, 6))
    bank = bank_of(recognizer, embeddings, torch.tensor([0, 0, 1, 1, 2, 2]))
    bank.write(tmp_path / "bank.npz")
    judge = arcface_judge(tmp_path / "bank.npz")
    assert (judge.m, judge.modes, judge.bank.crop) == (3, bank.names, LFW)
    faces = some(packed_sets / FACES, 6)
    scores = pickle.loads(pickle.dumps(judge)).score(faces)
    assert scores.quality is None
    assert torch.equal(scores.mode, bank.nearest(embeddings))
    faces[0] = torch.nan
    assert judge.score(faces).mode[0] == -1


def test_the_nearest_by_equation_seven_is_the_nearest_raw_mean() -> None:
    means = torch.tensor([[1.0, 0.0], [10.0, 0.0], [0.0, 3.0]])
    bank = IdentityBank(means, ("a", "b", "c"), torch.ones(3), "", "", Crop(), is_normalized=False)
    embeddings = torch.tensor([[2.0, 0.0], [7.0, 0.0], [1.0, 2.5], [torch.nan, 0.0]])
    assert bank.nearest(embeddings).tolist() == [0, 1, 2, -1]


def test_a_bank_of_another_model_is_refused(recognizer: Recognizer, packed_sets: Path) -> None:
    bank = bank_of(recognizer, torch.eye(128)[:2], torch.tensor([0, 1]))
    with pytest.raises(MissingJudgeError, match="made with another model"):
        ArcFaceJudge(recognizer, replace(bank, model="0" * 64))


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 no archive"])
def test_a_bank_that_cannot_be_read_says_how_to_make_one(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "bank.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MissingJudgeError, match=r"bank\.npz cannot be read.*gantrain identities build"):
        read_bank(path)


def test_a_missing_model_says_which_where_from_and_where_to(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(MissingJudgeError) as said:
        model_file("buffalo_l")
    line = str(said.value)
    assert "\n" not in line
    for told in (
        "/.insightface/models/buffalo_l",
        "https://",
        "buffalo_l.zip",
        "non-commercial",
        "--download",
    ):
        assert told in line
    with pytest.raises(MissingJudgeError, match="is not there"):
        model_file(str(tmp_path / "none.onnx"))


@pytest.mark.parametrize("name", ["l.txt", "models/buffalo_l", ""])
def test_what_is_no_onnx_file_is_a_pack_only_by_its_name(name: str) -> None:
    with pytest.raises(MissingJudgeError, match=f"{name!r} is neither a .onnx file nor the name of a pack"):
        model_file(name)


#: The other files of buffalo_l: pixels a side of their inputs (0: any), and how many outputs they have.
BESIDE = {"1k3d68": (192, 1), "2d106det": (192, 1), "det_10g": (0, 9), "genderage": (96, 1)}


@pytest.fixture
def packs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where insightface keeps its packs: none is there."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / ".insightface" / "models"


def write_graph(path: Path, side: int, outputs: int) -> None:
    image = onnx.helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, [None, 3, side or None, None])
    image.type.tensor_type.shape.dim[3].CopyFrom(image.type.tensor_type.shape.dim[2])
    found = [onnx.helper.make_tensor_value_info(f"{i}", onnx.TensorProto.FLOAT, None) for i in range(outputs)]
    nodes = [onnx.helper.make_node("Identity", ["image"], [out.name]) for out in found]
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph(nodes, "graph", [image], found)), str(path))


def test_of_insightfaces_own_folder_the_recognizer_is_found_and_used(
    packs: Path, packed_sets: Path, tmp_path: Path
) -> None:
    needed(packed_sets, FACES, MODEL)
    pack = packs / "buffalo_l"
    pack.mkdir(parents=True)
    for name, (side, outputs) in BESIDE.items():
        write_graph(pack / f"{name}.onnx", side, outputs)
    (pack / "w600k_r50.onnx").symlink_to((packed_sets / MODEL).absolute())
    assert model_file("buffalo_l", downloads=True) == pack / "w600k_r50.onnx"
    recognizer = Recognizer(model_file("buffalo_l"), LFW)
    assert recognizer.model == hashlib.sha256((packed_sets / MODEL).read_bytes()).hexdigest()
    faces = some(packed_sets / FACES, 3)
    embeddings = recognizer.embeddings(faces)
    bank_of(recognizer, embeddings, torch.tensor([2, 0, 1])).write(tmp_path / "bank.npz")
    assert arcface_judge(tmp_path / "bank.npz", "buffalo_l").score(faces).mode.tolist() == [2, 0, 1]
    # As some packs are unpacked.
    (pack / "buffalo_l").mkdir()
    (pack / "w600k_r50.onnx").rename(pack / "buffalo_l" / "w600k_r50.onnx")
    assert model_file("buffalo_l") == pack / "buffalo_l" / "w600k_r50.onnx"


def test_nothing_is_fetched_unasked_and_what_cannot_be_is_said_in_one_line(
    packs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What an interrupted download left.
    (packs / "buffalo_l").mkdir(parents=True)
    (packs / "buffalo_l" / "w600k_r50.onnx").write_bytes(b"\x08")
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        for variable in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        proxy.settimeout(0)
        with pytest.raises(MissingJudgeError, match="--download"):
            model_file("buffalo_l")
        with pytest.raises(BlockingIOError):
            proxy.accept()
        proxy.settimeout(None)

        def hang_up() -> None:
            proxy.accept()[0].close()

        called = threading.Thread(target=hang_up)
        called.start()
        with pytest.raises(MissingJudgeError) as said:
            model_file("buffalo_l", downloads=True)
        called.join()
    line = str(said.value)
    for told in (HOME, "buffalo_l.zip", str(packs / "buffalo_l"), "Error)", "unpack it there yourself"):
        assert told in line
    assert "\n" not in line
    assert "Pool" not in line


def test_old_files_that_list_weights_as_inputs_and_take_one_face_do_too(
    packs: Path, packed_sets: Path
) -> None:
    needed(packed_sets, FACES, MODEL)
    model = onnx.load(str(packed_sets / MODEL))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    for weight in model.graph.initializer:
        model.graph.input.append(
            onnx.helper.make_tensor_value_info(weight.name, weight.data_type, list(weight.dims))
        )
    (packs / "old").mkdir(parents=True)
    onnx.save(model, str(packs / "old" / "model.onnx"))
    faces = some(packed_sets / FACES, 2)
    found = Recognizer(model_file("old"), LFW).embeddings(faces)
    expected = Recognizer(packed_sets / MODEL, LFW).embeddings(faces)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_what_is_no_recognition_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.onnx"
    path.write_text("no model")
    with pytest.raises(MissingJudgeError, match=r"text\.onnx cannot be read as an ONNX model"):
        Recognizer(path, Crop())


@pytest.mark.gpu
def test_a_gpu_embeds_as_a_cpu_does(recognizer: Recognizer, packed_sets: Path) -> None:
    faces = some(packed_sets / FACES, 40)
    on_gpu = recognizer.embeddings(faces.cuda()).cpu()
    torch.testing.assert_close(on_gpu, recognizer.embeddings(faces), rtol=1e-3, atol=1e-3)
