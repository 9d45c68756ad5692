import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import normalize

from tests.trainer.probes.faces import FACES, MODEL, images_of, known_people, needed, write_packed
from trainer.cli import main
from trainer.errors import DataError
from trainer.identities.people import people_of
from trainer.probes.judges.arcface import read_bank
from trainer.probes.judges.recognition import Recognizer

pytest.importorskip("insightface")


@pytest.fixture
def faces(packed_sets: Path, tmp_path: Path) -> Path:
    """Ten faces of each of four people."""
    needed(packed_sets, FACES, MODEL)
    chosen, person = known_people(packed_sets / FACES, at_least=20)
    of_each = [[i for i, j in zip(chosen, person, strict=True) if j == who][:10] for who in range(4)]
    few = [i for images in of_each for i in images]
    write_packed(tmp_path / "faces.npz", packed_sets / FACES, few)
    return tmp_path / "faces.npz"


def build(model: Path, images: Path, *more: str | Path) -> None:
    main(["identities", "build", "--images", str(images), "--model", str(model), *map(str, more)])


def as_files(folder: Path, pixels: torch.Tensor, name: str = "{}.png") -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    names = [name.format(i) for i in range(len(pixels))]
    for file, image in zip(names, pixels, strict=True):
        shown = ((image + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).numpy()
        (folder / file).parent.mkdir(exist_ok=True)
        Image.fromarray(shown).save(folder / file)
    return names


def test_a_packed_archive_a_list_and_a_folder_a_person_make_the_same_bank(
    faces: Path, packed_sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = packed_sets / MODEL
    build(model, faces, "--out", tmp_path / "packed-bank.npz")
    assert "4 people from 40 images" in capsys.readouterr().out
    packed = read_bank(tmp_path / "packed-bank.npz")
    with np.load(faces) as archive:
        names, label = archive["identity"], archive["label"]
    pixels = images_of(faces, list(range(40)))
    listed = as_files(tmp_path / "celeba", pixels, "{:06}.png")
    lines = [f"{file} {names[person]}" for file, person in zip(listed, label, strict=True)]
    (tmp_path / "identity_CelebA.txt").write_text("\n".join([*lines, "999999.png Nobody", ""]))
    of_list = tmp_path / "list-bank.npz"
    build(model, tmp_path / "celeba", "--labels", tmp_path / "identity_CelebA.txt", "--out", of_list)
    for person in range(4):
        of_one = pixels[torch.from_numpy(label == person)]
        as_files(tmp_path / "folders" / str(names[person]), of_one)
    build(model, tmp_path / "folders", "--out", tmp_path / "folder-bank.npz")
    for path in (of_list, tmp_path / "folder-bank.npz"):
        bank = read_bank(path)
        # Other places are sorted otherwise: nothing else differs.
        order = [bank.names.index(name) for name in packed.names]
        torch.testing.assert_close(bank.means[order], packed.means, atol=1e-3, rtol=1e-3)
        assert bank.counts.tolist() == [10] * 4
        assert bank.model == packed.model


def test_means_are_of_length_one_before_and_after_or_raw(
    faces: Path, packed_sets: Path, tmp_path: Path
) -> None:
    out = tmp_path / "bank.npz"
    build(packed_sets / MODEL, faces, "--out", out)
    bank = read_bank(out)
    embeddings = Recognizer(packed_sets / MODEL, bank.crop).embeddings(images_of(faces, list(range(40))))
    by_person = normalize(embeddings).view(4, 10, -1).mean(dim=1)
    torch.testing.assert_close(bank.means, normalize(by_person), atol=1e-5, rtol=1e-4)
    build(packed_sets / MODEL, faces, "--out", out, "--raw")
    torch.testing.assert_close(
        read_bank(out).means, embeddings.view(4, 10, -1).mean(dim=1), atol=1e-4, rtol=1e-4
    )


BUILD = """\
import sys
from pathlib import Path
import torch
from trainer.identities import building
from trainer.identities.people import people_of

building.BLOCK = 4
faces, model, out = map(Path, sys.argv[1:])
torch.set_num_threads(1)
building.build(people_of(faces, None), model, out, size=64, device=torch.device("cpu"), save_every=0)
"""


@pytest.mark.slow
def test_a_build_that_is_killed_goes_on_and_ends_in_the_same_bank(
    faces: Path, packed_sets: Path, tmp_path: Path
) -> None:
    def begun(out: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", BUILD, str(faces), str(packed_sets / MODEL), str(out)]
        return subprocess.Popen(command)

    whole = tmp_path / "whole.npz"
    assert begun(whole).wait() == 0
    out = tmp_path / "killed.npz"
    partial = tmp_path / "killed.npz.partial"
    process = begun(out)
    while not partial.exists():
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    with np.load(partial) as kept:
        done = int(kept["done"])
    assert 0 < done < 40
    assert not out.exists()
    assert begun(out).wait() == 0
    assert not partial.exists()
    assert torch.equal(read_bank(out).means, read_bank(whole).means)
    assert read_bank(out).counts.tolist() == [10] * 4


def test_sums_of_other_images_are_not_gone_on_with(faces: Path, packed_sets: Path, tmp_path: Path) -> None:
    out = tmp_path / "bank.npz"
    (tmp_path / "bank.npz.partial").write_bytes(b"damaged")
    build(packed_sets / MODEL, faces, "--out", out)
    first = read_bank(out)
    sums = {"sums": np.ones((4, 128)), "counts": np.ones(4, np.int64), "done": np.array(39)}
    np.savez(tmp_path / "other", key=np.array("of other images"), **sums)  # type: ignore[arg-type]
    (tmp_path / "other.npz").rename(tmp_path / "bank.npz.partial")
    build(packed_sets / MODEL, faces, "--out", out)
    assert torch.equal(read_bank(out).means, first.means)


def test_images_that_cannot_be_read_are_left_out(
    packed_sets: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    needed(packed_sets, FACES, MODEL)
    pixels = images_of(packed_sets / FACES, [0, 1, 2, 3])
    for name in ("a", "b"):
        as_files(tmp_path / "people" / name, pixels[:2])
    (tmp_path / "people" / "a" / "1.png").write_bytes(b"no image")
    (tmp_path / "people" / "c").mkdir()
    (tmp_path / "people" / "c" / "0.png").write_bytes(b"no image")
    build(packed_sets / MODEL, tmp_path / "people", "--out", tmp_path / "bank.npz")
    bank = read_bank(tmp_path / "bank.npz")
    assert (bank.names, bank.counts.tolist()) == (("a", "b"), [1, 2])
    skipped = [record.getMessage() for record in caplog.records if "skipped" in record.getMessage()]
    why = "(UnidentifiedImageError: no image that Pillow can read)"
    assert skipped == [f"skipped {Path('a', '1.png')} {why}", f"skipped {Path('c', '0.png')} {why}"]


def test_people_with_few_images_can_be_left_out(faces: Path) -> None:
    people = people_of(faces, None)
    assert people.with_at_least(10).names == people.names
    with pytest.raises(DataError, match="0 of 4 people have 11 images or more"):
        people.with_at_least(11)


def test_what_does_not_say_who_is_who_is_refused(tmp_path: Path) -> None:
    as_files(tmp_path / "flat", torch.zeros(2, 3, 8, 8))
    wrong = tmp_path / "labels.txt"
    wrong.write_text("0.png 1\n1.png\n")
    np.savez(tmp_path / "unlabelled.npz", data=np.zeros(1, np.uint8), offset=np.array([0, 1]))
    for images, labels, says in (
        (tmp_path / "flat", None, "a folder for each person"),
        (tmp_path / "flat", wrong, "line 2"),
        (tmp_path / "flat", tmp_path / "none.txt", "cannot be read"),
        (tmp_path / "nowhere", None, "neither a folder nor"),
        (tmp_path / "unlabelled.npz", None, "lacks the array label"),
        (tmp_path / "unlabelled.npz", wrong, "leave out --labels"),
    ):
        with pytest.raises(DataError, match=says):
            people_of(images, labels)


def test_a_missing_model_is_one_line_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "people"
    for name in ("a", "b"):
        as_files(folder / name, torch.zeros(1, 3, 8, 8))
    with pytest.raises(SystemExit, match=r"gantrain: the judge arcface needs .*buffalo_l\.zip"):
        main(["identities", "build", "--images", str(folder)])


def test_all_that_is_missing_is_said_at_once_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SystemExit) as said:
        build(Path("none.onnx"), tmp_path / "nowhere", "--out", tmp_path, "--size", "0", "--device", "gpu")
    device, *_ = lines = str(said.value).splitlines()
    assert device.startswith("gantrain: --size is 0")
    for line, told in zip(
        lines[1:], ("nowhere is neither", "is a folder: name a file", "none.onnx"), strict=True
    ):
        assert told in line
    with pytest.raises(SystemExit) as said:
        build(Path("buffalo_l"), tmp_path / "nowhere", "--download", "--out", tmp_path / "bank.npz")
    assert "neither a folder nor" in str(said.value)
    assert "buffalo_l" not in str(said.value)
    assert not (tmp_path / ".insightface").exists()
