"""The named data sets, from small files in the layouts in which they are handed out."""

import pickle
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from torchvision import datasets

from tests.trainer.data.pictures import cifar_batch, faces, folder_of, grey, pack
from trainer.cli import main
from trainer.config import Config, Dataset, Network
from trainer.data import ImageSet, fetch, load
from trainer.data.catalogue import KNOWN
from trainer.errors import DataError


def levels(images: ImageSet) -> list[int]:
    return images.images[:, 0, 5, 5].tolist()


@pytest.fixture
def cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six images in the layout of CIFAR-10, whose checksums torchvision is told not to know."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    cifar_batch(folder / "data_batch_1", range(4))
    cifar_batch(folder / "data_batch_2", range(4, 6))
    cifar_batch(folder / "test_batch", range(9, 10))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcdefghij")}))
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [["data_batch_1", None], ["data_batch_2", None]])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [["test_batch", None]])
    monkeypatch.setattr(datasets.CIFAR10, "meta", datasets.CIFAR10.meta | {"md5": None})
    return folder


@pytest.mark.parametrize("inside", [False, True])
def test_cifar10_is_its_training_images_with_their_labels(cifar10: Path, inside: bool) -> None:
    loaded = load(faces(cifar10 if inside else cifar10.parent, 32, "cifar10"))
    assert levels(loaded) == list(range(6))
    assert loaded.labels is not None
    assert loaded.labels.tolist() == list(range(6))
    assert loaded.name == "cifar10"


def test_cifar100_is_its_training_images_with_their_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    cifar_batch(folder / "train", range(4), "fine_labels")
    cifar_batch(folder / "test", range(4, 5), "fine_labels")
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": list("abcdefghij")}))
    monkeypatch.setattr(datasets.CIFAR100, "train_list", [["train", None]])
    monkeypatch.setattr(datasets.CIFAR100, "test_list", [["test", None]])
    monkeypatch.setattr(datasets.CIFAR100, "meta", datasets.CIFAR100.meta | {"md5": None})
    loaded = load(faces(tmp_path, 32, "cifar100"))
    assert levels(loaded) == list(range(4))
    assert loaded.labels is not None


def test_a_set_beside_the_folder_that_was_named_is_not_taken(cifar10: Path) -> None:
    other = cifar10.parent / "mine"
    other.mkdir()
    with pytest.raises(DataError, match="mine does not hold CIFAR-10"):
        load(faces(other, 32, "cifar10"))


def test_a_torn_cifar10_says_how_to_get_a_whole_one(cifar10: Path) -> None:
    (cifar10 / "data_batch_2").unlink()
    with pytest.raises(
        DataError, match=r"CIFAR-10.* cannot be read from .*corrupted.*gantrain fetch cifar10"
    ):
        load(faces(cifar10.parent, 32, "cifar10"))


def test_stl10_is_its_unlabeled_images_upright(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "stl10_binary"
    folder.mkdir()
    image = np.zeros((3, 96, 96), np.uint8)
    image[0, :48] = 200  # the upper half is red
    image.transpose(0, 2, 1).tofile(folder / "unlabeled_X.bin")  # as it is handed out: column by column
    monkeypatch.setattr(datasets.STL10, "train_list", [[None, None], [None, None], ["unlabeled_X.bin", None]])
    monkeypatch.setattr(datasets.STL10, "_check_integrity", lambda self: True)
    loaded = load(faces(tmp_path, 48, "stl10"))
    assert loaded.labels is None
    assert loaded.images[0, :, 5, 30].tolist() == [200, 0, 0]
    assert loaded.images[0, :, 40, 30].tolist() == [0, 0, 0]


@pytest.mark.parametrize("inner", ["celeba/img_align_celeba", "img_align_celeba", "."])
def test_celeba_is_its_aligned_images(inner: str, tmp_path: Path) -> None:
    folder_of(tmp_path / "data" / inner, range(3))
    loaded = load(faces(tmp_path / "data", dataset="celeba"))
    assert (levels(loaded), loaded.labels) == ([0, 1, 2], None)


@pytest.mark.parametrize("inner", ["celeba_hq/train", "CelebA-HQ-img", "."])
def test_celeba_hq_is_a_folder_of_images(inner: str, tmp_path: Path) -> None:
    folder_of(tmp_path / "data" / inner, range(3))
    assert levels(load(faces(tmp_path / "data", dataset="celeba-hq"))) == [0, 1, 2]


@pytest.mark.parametrize("inner", ["tiny-imagenet-200", "."])
def test_tiny_imagenet_is_its_training_images_numbered_by_class(inner: str, tmp_path: Path) -> None:
    root = tmp_path / "data" / inner
    folder_of(root / "train" / "n02" / "images", range(3, 5))
    folder_of(root / "train" / "n01" / "images", range(3))
    folder_of(root / "val" / "images", range(50, 60))
    loaded = load(faces(tmp_path / "data", dataset="tiny-imagenet"))
    assert levels(loaded) == [0, 1, 2, 3, 4]
    assert loaded.labels is not None
    assert loaded.labels.tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("dataset", ["lsun-church", "lsun-bedroom"])
def test_lsun_is_read_from_images_that_were_taken_out_of_its_database(dataset: str, tmp_path: Path) -> None:
    folder_of(tmp_path / "data", range(3))
    assert levels(load(faces(tmp_path / "data", dataset=dataset))) == [0, 1, 2]


def test_lsun_is_read_from_its_database(tmp_path: Path) -> None:
    lmdb = pytest.importorskip("lmdb")
    with (
        lmdb.open(str(tmp_path / "church_outdoor_train_lmdb")) as database,
        database.begin(write=True) as all_,
    ):
        for level in (2, 0, 1):
            all_.put(b"key %d" % level, grey(level) if level != 1 else b"damaged")
    loaded = load(faces(tmp_path, dataset="lsun-church"))
    assert levels(loaded) == [0, 2]
    assert [name for name, _ in loaded.skipped] == ["key 1"]


def test_a_database_without_its_package_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data.mdb").write_bytes(bytes(8192))
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(DataError, match=r"is an LMDB database: pip install .*lsun.* to read it"):
        load(faces(tmp_path, dataset="lsun-church"))


@pytest.mark.parametrize("dataset", KNOWN)
def test_every_set_may_come_as_a_packed_archive(dataset: str, tmp_path: Path) -> None:
    path = pack(tmp_path / "any.npz", [grey(level) for level in range(3)], label=[4, 5, 6])
    loaded = load(faces(path, dataset=dataset))
    assert (levels(loaded), loaded.name) == ([0, 1, 2], dataset)
    assert loaded.labels is not None


@pytest.mark.parametrize("dataset", KNOWN)
def test_a_missing_set_says_where_to_get_it_under_which_terms_and_where_to_put_it(
    dataset: str, tmp_path: Path
) -> None:
    known = KNOWN[dataset]
    for path in (None, tmp_path, tmp_path / "nowhere"):
        with pytest.raises(DataError) as said:
            load(faces(path, dataset=dataset))
        told = str(said.value)
        assert known.title in told
        assert known.home in told
        assert known.terms in told
        assert f"pass --data DIR with {known.layout} in DIR" in told
        assert path is None or str(path) in told
        assert ("gantrain fetch" in told) == (known.torchvision is not None)


def test_every_set_that_a_configuration_can_name_can_be_found() -> None:
    assert {*get_args(Dataset)} == {"digits", "images", *KNOWN}


@pytest.mark.parametrize("dataset", ["celeba", "images", "digits"])
def test_what_torchvision_does_not_hand_out_is_not_fetched(dataset: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{dataset} cannot be fetched, only cifar10, cifar100, stl10 can"):
        fetch(dataset, tmp_path)


def test_from_the_command_line_too_a_set_is_fetched_only_where_it_can_be(
    cifar10: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["fetch", "cifar10", "--data", str(cifar10.parent)])  # it is there: nothing is to be downloaded
    assert sorted(path.name for path in cifar10.parent.iterdir()) == ["cifar-10-batches-py"]
    with pytest.raises(SystemExit, match="gantrain: celeba cannot be fetched, only cifar10"):
        main(["fetch", "celeba", "--data", str(tmp_path)])
    with pytest.raises(SystemExit):
        main(["fetch", "cifar10"])
    assert "--data" in capsys.readouterr().err


def conditional(path: Path, classes: int) -> Config:
    network = Network(architecture="biggan", norm_g="batch", classes=classes)
    return Config(recipe="x", dataset="images", data=path, size=32, channels=3, network=network, steps=1)


def test_classes_without_labels_that_fit_are_refused(tmp_path: Path) -> None:
    images = [grey(level) for level in range(3)]
    bare = pack(tmp_path / "bare.npz", images)
    with pytest.raises(DataError, match=r"network\.classes = 3, and images has no labels"):
        load(conditional(bare, 3))
    wide = pack(tmp_path / "wide.npz", images, label=[0, 1, 3])
    with pytest.raises(DataError, match=r"the labels of .* go from 0 to 3: they must lie between 0 and 2"):
        load(conditional(wide, 3))
    assert load(conditional(wide, 4)).labels is not None
