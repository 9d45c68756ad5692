import io
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.trainer.data.pictures import faces, pack, picture
from trainer.config import Config
from trainer.data import load
from trainer.data.decoding import fit
from trainer.errors import DataError


def test_the_digits_are_all_there_and_span_the_range() -> None:
    digits = load(Config(recipe="digits", steps=1))
    assert digits.images.shape == (1797, 1, 8, 8)
    assert digits.images.dtype == torch.uint8
    assert digits.labels is not None
    assert digits.labels.bincount().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert digits[0].min() == -1
    assert torch.stack([digits[i] for i in range(100)]).max() == 1


def test_a_folder_is_searched_through_and_every_size_fitted(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "a.png").write_bytes(picture(40, 20))
    (tmp_path / "deep" / "b.JPG").write_bytes(picture(7, 90, kind="JPEG"))
    (tmp_path / "deep" / "er" / "c.webp").write_bytes(picture(16, 16, kind="WEBP"))
    (tmp_path / "notes.txt").write_text("no image")
    loaded = load(faces(tmp_path))
    assert loaded.images.shape == (3, 3, 16, 16)
    assert loaded.images[0, :, 3, 3].tolist() == [200, 30, 90]
    assert loaded.skipped == ()


def test_an_image_is_cropped_to_its_centre_and_turned_as_its_camera_says() -> None:
    wide = Image.new("RGB", (48, 16), (255, 0, 0))
    wide.paste((0, 255, 0), (16, 0, 32, 16))
    out = io.BytesIO()
    wide.save(out, "PNG")
    assert (fit(Image.open(out), 16, 3) == np.array([0, 255, 0]).reshape(3, 1, 1)).all()

    half = Image.new("L", (16, 16), 0)
    half.paste(255, (0, 0, 16, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the top is on the right
    out = io.BytesIO()
    half.save(out, "PNG", exif=exif)
    turned = fit(Image.open(out), 16, 1)[0]
    assert (turned[:, :8] == 0).all()
    assert (turned[:, 8:] == 255).all()


def test_colour_becomes_grey_where_grey_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture(16, 16, (255, 255, 255)))
    assert load(faces(tmp_path, channels=1)).images.shape == (1, 1, 16, 16)


def test_a_corrupt_image_is_named_counted_and_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "1-good.png").write_bytes(picture(16, 16, (1, 1, 1)))
    (tmp_path / "2-cut.png").write_bytes(picture(600, 600)[:200])
    (tmp_path / "3-empty.jpg").write_bytes(b"")
    (tmp_path / "4-text.png").write_text("<svg/>")
    (tmp_path / "5-good.png").write_bytes(picture(16, 16, (5, 5, 5)))
    with caplog.at_level(logging.WARNING):
        loaded = load(faces(tmp_path))
    assert [name for name, _ in loaded.skipped] == ["2-cut.png", "3-empty.jpg", "4-text.png"]
    assert loaded.images[:, 0, 0, 0].tolist() == [1, 5]
    assert all(name in caplog.text for name in ("2-cut.png", "3-empty.jpg", "4-text.png"))
    assert "skipped 3 of 5 images" in caplog.text


def test_a_decompression_bomb_is_skipped_like_a_corrupt_image(tmp_path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    (tmp_path / "good.png").write_bytes(picture(16, 16))
    loaded = load(faces(tmp_path))
    assert [name for name, _ in loaded.skipped] == ["bomb.png"]


def test_packed_images_keep_their_labels_also_past_a_corrupt_one(tmp_path: Path) -> None:
    images = [picture(16, 16, (i, i, i)) for i in range(4)]
    images[2] = images[2][:30]
    path = pack(tmp_path / "set.npz", images, label=np.array([7, 8, 9, 10], np.int32))
    loaded = load(faces(path))
    assert loaded.images[:, 0, 0, 0].tolist() == [0, 1, 3]
    assert loaded.labels is not None
    assert loaded.labels.tolist() == [7, 8, 10]
    assert [name for name, _ in loaded.skipped] == ["image 2"]


def test_offsets_beyond_the_data_skip_images_and_do_no_harm(tmp_path: Path) -> None:
    image = picture(16, 16)
    np.savez(
        tmp_path / "set.npz", data=np.frombuffer(image, np.uint8), offset=np.array([0, len(image), 10**12])
    )
    loaded = load(faces(tmp_path / "set.npz"))
    assert len(loaded) == 1
    assert len(loaded.skipped) == 1


@pytest.mark.parametrize("name", ["lfw_wide64.npz", "cifar10_lossless4k.npz"])
def test_the_packed_sets_are_read(name: str, packed_sets: Path) -> None:
    path = packed_sets / name
    if not path.exists():
        pytest.skip(f"{path} is missing")
    loaded = load(faces(path, size=32))
    assert len(loaded) == {"lfw_wide64.npz": 13_233, "cifar10_lossless4k.npz": 4000}[name]
    assert loaded.skipped == ()


def test_missing_data_says_what_was_looked_at_and_what_to_pass(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no images to train on: pass --data PATH"):
        load(faces(None))
    with pytest.raises(DataError, match=rf"{tmp_path / 'nowhere'} does not exist: pass --data PATH"):
        load(faces(tmp_path / "nowhere"))
    (tmp_path / "file.txt").touch()
    with pytest.raises(DataError, match=r"file\.txt is neither a folder nor an \.npz file"):
        load(faces(tmp_path / "file.txt"))
    with pytest.raises(DataError, match=rf"{tmp_path} holds no images"):
        load(faces(tmp_path))
    (tmp_path / "only.png").write_bytes(b"broken")
    with pytest.raises(DataError, match="none of its 1 images can be read"):
        load(faces(tmp_path))


def test_an_archive_that_is_no_image_set_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(DataError, match="lacks the arrays data and offset"):
        load(faces(tmp_path / "other.npz"))
    (tmp_path / "torn.npz").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(DataError, match=r"cannot be read as \.npz"):
        load(faces(tmp_path / "torn.npz"))
    np.savez(tmp_path / "code.npz", data=np.array([print], dtype=object), offset=np.zeros(1))
    with pytest.raises(DataError, match=r"cannot be read as \.npz"):
        load(faces(tmp_path / "code.npz"))
