import io
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from trainer.config import Config
from trainer.data import ImageSet, Shuffled, fit, load
from trainer.errors import DataError
from trainer.recipes import RECIPES

CPU = torch.device("cpu")


def picture(
    width: int, height: int, colour: tuple[int, int, int] = (200, 30, 90), kind: str = "PNG"
) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(out, kind)
    return out.getvalue()


def faces(data: Path | None, size: int = 16) -> Config:
    return replace(RECIPES["dcgan64-gn"](), data=data, size=size)


def pack(path: Path, images: list[bytes], **more: object) -> Path:
    offset = np.cumsum([0, *map(len, images)]).astype(np.int64)
    np.savez(path, data=np.frombuffer(b"".join(images), np.uint8), offset=offset, **more)  # type: ignore[arg-type]
    return path


def test_the_digits_are_all_there_and_span_the_range() -> None:
    digits = load(RECIPES["digits-gn"]())
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
    assert (fit(out.getvalue(), 16, 3) == (0, 255, 0)).all()

    half = Image.new("L", (16, 16), 0)
    half.paste(255, (0, 0, 16, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the top is on the right
    out = io.BytesIO()
    half.save(out, "PNG", exif=exif)
    turned = fit(out.getvalue(), 16, 1)[:, :, 0]
    assert (turned[:, :8] == 0).all()
    assert (turned[:, 8:] == 255).all()


def test_colour_becomes_grey_where_grey_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture(16, 16, (255, 255, 255)))
    assert load(replace(faces(tmp_path), channels=1)).images.shape == (1, 1, 16, 16)


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


def numbered(n: int) -> torch.Tensor:
    """Images that say which they are."""
    return torch.arange(n, dtype=torch.uint8).reshape(n, 1, 1, 1)


def drawn(stream: Shuffled, batches: int) -> list[int]:
    return [
        number
        for _ in range(batches)
        for number in stream.draw().add(1).mul(127.5).round().flatten().int().tolist()
    ]


@pytest.mark.parametrize(("images", "batch"), [(12, 4), (10, 4), (3, 8)])
def test_every_pass_shows_every_image_once_in_an_order_of_its_own(images: int, batch: int) -> None:
    numbers = drawn(Shuffled(numbered(images), batch, seed=0, device=CPU), batches=30)
    passes = [numbers[i : i + images] for i in range(0, len(numbers) - images, images)]
    assert all(sorted(one) == list(range(images)) for one in passes)
    assert len({tuple(one) for one in passes}) > 1


def test_the_order_follows_from_the_seed_and_nothing_else() -> None:
    first = drawn(Shuffled(numbered(50), 7, seed=4, device=CPU), 20)
    torch.manual_seed(99)
    np.random.seed(99)
    assert drawn(Shuffled(numbered(50), 7, seed=4, device=CPU), 20) == first
    assert drawn(Shuffled(numbered(50), 7, seed=5, device=CPU), 20) != first


@pytest.mark.parametrize("before", range(9))
def test_a_stream_goes_on_exactly_where_another_was(before: int) -> None:
    whole = Shuffled(numbered(10), 4, seed=1, device=CPU)
    drawn(whole, before)
    other = Shuffled(numbered(10), 4, seed=1, device=CPU)
    other.load_state_dict(whole.state_dict())
    assert drawn(other, 6) == drawn(whole, 6)


def test_a_stream_does_not_go_on_over_other_data() -> None:
    state = Shuffled(numbered(10), 4, seed=1, device=CPU).state_dict()
    with pytest.raises(DataError, match="was trained on 10 images and the data now has 11"):
        Shuffled(numbered(11), 4, seed=1, device=CPU).load_state_dict(state)


def test_batches_are_floats_from_minus_one_to_one() -> None:
    batch = Shuffled(
        torch.tensor([0, 255], dtype=torch.uint8).reshape(2, 1, 1, 1), 2, seed=0, device=CPU
    ).draw()
    assert batch.dtype == torch.float32
    assert sorted(batch.flatten().tolist()) == [-1.0, 1.0]


def test_an_image_set_shows_images_as_networks_see_them() -> None:
    images = ImageSet(torch.tensor([0, 255], dtype=torch.uint8).reshape(1, 1, 1, 2), None)
    assert images[0].tolist() == [[[-1.0, 1.0]]]
