"""The cache of decoded images: decoded once, resumed, mended, and safe between processes."""

import logging
import multiprocessing
import os
import threading
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.trainer.data.pictures import faces, folder_of, grey, pack
from trainer.data import ImageSet, cache, load
from trainer.data.decoding import opened
from trainer.data.sources import Source
from trainer.errors import DataError

LEVELS = range(20)


class Counted:
    """A source of grey images that counts how often each was opened, and can break off."""

    def __init__(
        self, stamp: str = "one", breaks_at: int | None = None, broken: tuple[int, ...] = ()
    ) -> None:
        self.labels = None
        self.opened: list[int] = []
        self.breaks_at, self.broken = breaks_at, broken
        self.source = Source("counted", Path("nowhere"), stamp, lambda: self)

    def __len__(self) -> int:
        return len(LEVELS)

    def title(self, i: int) -> str:
        return f"image {i}"

    def open(self, i: int) -> Image.Image:
        if i == self.breaks_at:
            raise KeyboardInterrupt
        self.opened.append(i)
        return opened(b"damaged" if i in self.broken else grey(i))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three images of 16 by 16 a block: seven blocks."""
    monkeypatch.setattr(cache, "BLOCK_BYTES", 3 * 3 * 16 * 16)


def levels(images: ImageSet) -> list[int]:
    return images.images[:, 0, 5, 5].tolist()


def the_one_place(folder: Path) -> Path:
    (place,) = folder.iterdir()
    return place


def test_images_are_decoded_once(tmp_path: Path) -> None:
    first, second = Counted(), Counted()
    assert levels(cache.decoded(first.source, 16, 3, tmp_path)) == list(LEVELS)
    again = cache.decoded(second.source, 16, 3, tmp_path)
    assert levels(again) == list(LEVELS)
    assert (len(first.opened), len(second.opened)) == (20, 0)
    assert len(again.fingerprint) == 32


def test_labels_and_what_was_skipped_come_from_the_cache_as_well(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images = [grey(level) for level in LEVELS]
    images[4] = images[4][:40]
    path = pack(tmp_path / "set.npz", images, label=[level * 3 for level in LEVELS])
    fresh = load(faces(path), tmp_path / "cache")
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        kept = load(faces(path), tmp_path / "cache")
    assert fresh.labels is not None
    assert kept.labels is not None
    assert kept.labels.tolist() == fresh.labels.tolist() == [3 * i for i in LEVELS if i != 4]
    assert kept.skipped == fresh.skipped
    assert [name for name, _ in kept.skipped] == ["image 4"]
    assert "skipped 1 of 20 images" in caplog.text


def test_every_size_colour_and_content_has_a_place_of_its_own(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "faces", range(3))
    places = tmp_path / "cache"
    load(faces(folder), places)
    load(faces(folder, size=32), places)
    load(faces(folder, channels=1), places)
    assert len(list(places.iterdir())) == 3
    (folder / "003.png").write_bytes(grey(3))
    assert levels(load(faces(folder), places)) == [0, 1, 2, 3]
    (folder / "000.png").write_bytes(grey(77))
    os.utime(folder / "000.png", (1, 1))
    assert levels(load(faces(folder), places)) == [77, 1, 2, 3]


def test_what_was_decoded_of_other_images_is_told_when_more_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        for stamp in ("one", "two", "three", "three"):
            cache.decoded(Counted(stamp).source, 16, 1, tmp_path)
    told = [message for message in caplog.messages if "decoded images of" in message]
    assert told == [
        f"decoded images of 1 other set takes 0.0 GB in {tmp_path}",
        f"decoded images of 2 other sets take 0.0 GB in {tmp_path}",
    ]


def test_a_start_that_was_broken_off_goes_on_where_it_was(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        cache.decoded(Counted(breaks_at=10).source, 16, 3, tmp_path)
    second = Counted()
    assert levels(cache.decoded(second.source, 16, 3, tmp_path)) == list(LEVELS)
    assert sorted(second.opened) == list(range(9, 20))  # three blocks of three were whole


def test_skipped_images_leave_no_gap_where_decoding_goes_on(tmp_path: Path) -> None:
    broken = (1, 2, 8, 13)
    with pytest.raises(KeyboardInterrupt):
        cache.decoded(Counted(breaks_at=10, broken=broken).source, 16, 3, tmp_path)
    images = cache.decoded(Counted(broken=broken).source, 16, 3, tmp_path)
    assert levels(images) == [level for level in LEVELS if level not in broken]
    assert [name for name, _ in images.skipped] == [f"image {i}" for i in broken]


@pytest.mark.parametrize("block", range(7))
def test_a_flipped_bit_is_noticed_and_mended(
    block: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = cache.decoded(Counted().source, 16, 3, tmp_path).images.clone()
    pixels = the_one_place(tmp_path) / "pixels"
    with pixels.open("r+b") as file:
        file.seek(block * 3 * 768 + 100)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 4]))
    second = Counted()
    assert torch.equal(cache.decoded(second.source, 16, 3, tmp_path).images, whole)
    assert sorted(second.opened) == list(range(block * 3, 20))
    assert "damaged and decoded anew" in caplog.text


@pytest.mark.parametrize("name", ["pixels", "ledger"])
@pytest.mark.parametrize("length", [0, 1, 700, 5000])
def test_files_that_were_cut_off_are_mended(name: str, length: int, tmp_path: Path) -> None:
    whole = cache.decoded(Counted().source, 16, 3, tmp_path).images.clone()
    os.truncate(the_one_place(tmp_path) / name, length)
    assert torch.equal(cache.decoded(Counted().source, 16, 3, tmp_path).images, whole)
    assert (the_one_place(tmp_path) / "pixels").stat().st_size == 20 * 768


def test_a_ledger_that_is_no_ledger_counts_for_nothing(tmp_path: Path) -> None:
    whole = cache.decoded(Counted().source, 16, 3, tmp_path).images.clone()
    (the_one_place(tmp_path) / "ledger").write_bytes(os.urandom(999))
    assert torch.equal(cache.decoded(Counted().source, 16, 3, tmp_path).images, whole)


def test_mending_changes_nothing_under_a_training_that_has_the_images_mapped(tmp_path: Path) -> None:
    running = cache.decoded(Counted().source, 16, 3, tmp_path)
    before = running.images.clone()
    os.truncate(the_one_place(tmp_path) / "ledger", 200)
    cache.decoded(Counted().source, 16, 3, tmp_path)
    assert torch.equal(running.images, before)


def test_of_two_that_start_at_once_one_decodes_and_both_have_the_images(tmp_path: Path) -> None:
    class Slow(Counted):
        def open(self, i: int) -> Image.Image:
            if i == 0:
                begun.set()
                both_started.wait(30)
            return super().open(i)

    begun, both_started = threading.Event(), threading.Event()
    first, second = Slow(), Counted()
    results: list[list[int]] = []

    def start(one: Counted) -> None:
        results.append(levels(cache.decoded(one.source, 16, 3, tmp_path)))

    one = threading.Thread(target=start, args=(first,))
    one.start()
    assert begun.wait(30)
    other = threading.Thread(target=start, args=(second,))
    other.start()
    both_started.set()
    one.join(30)
    other.join(30)
    assert results == [list(LEVELS)] * 2
    assert len(first.opened) + len(second.opened) == 20


class Stuck(Counted):
    """Says when it comes to image ``at``, and never returns from there."""

    def __init__(self, at: int, reached: Connection) -> None:
        super().__init__()
        self.at, self.reached = at, reached

    def open(self, i: int) -> Image.Image:
        if i == self.at:
            self.reached.send("reached")
            threading.Event().wait()
        return super().open(i)


def decode_until_stuck(at: int, reached: Connection, place: Path) -> None:
    cache.BLOCK_BYTES = 3 * 3 * 16 * 16
    cache.decoded(Stuck(at, reached).source, 16, 3, place)


@pytest.mark.parametrize("blocks", [0, 2, 5])
def test_a_process_that_is_killed_while_it_decodes_leaves_what_it_had(blocks: int, tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    reached, says = context.Pipe(duplex=False)
    process = context.Process(target=decode_until_stuck, args=(blocks * 3, says, tmp_path))
    process.start()
    assert reached.recv() == "reached"
    process.kill()
    process.join(30)
    second = Counted()
    assert levels(cache.decoded(second.source, 16, 3, tmp_path)) == list(LEVELS)
    assert sorted(second.opened) == list(range(blocks * 3, 20))


def test_a_place_that_cannot_be_written_is_told_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot be kept in .*file.*Set GANWATCH_DIR to a folder"):
        cache.decoded(Counted().source, 16, 3, tmp_path / "file")


def test_images_that_will_not_fit_on_the_disk_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    class Huge(Counted):
        def __len__(self) -> int:
            return 10**12

    huge = Huge()
    with pytest.raises(DataError, match=r"1000000000000 decoded images take 768000\.0 GB .* GB left: set"):
        cache.decoded(huge.source, 16, 3, tmp_path)
    assert huge.opened == []


def test_images_are_mapped_and_not_read_into_memory(tmp_path: Path) -> None:
    images = cache.decoded(Counted().source, 16, 3, tmp_path).images
    mapped = Path("/proc/self/maps").read_text()
    assert str(the_one_place(tmp_path) / "pixels") in mapped
    assert images.dtype == torch.uint8
    assert images.is_contiguous()
