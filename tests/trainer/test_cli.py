import json
import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.trainer.processes import SMALL
from tests.trainer.states import last_state
from trainer.cli import main
from trainer.recipes import PAPERS, RECIPES
from trainer.training_directory import TrainingDirectory

QUICK = [*SMALL, "--steps", "2", "--no-probes", "--quiet"]


@pytest.fixture(autouse=True)
def _offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANWATCH_DIR", str(tmp_path / "home"))
    monkeypatch.delenv("GANWATCH_SERVER", raising=False)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code not in (0, None)
    return str(caught.value.code) + capsys.readouterr().err


def test_list_names_every_recipe_in_one_line_below_its_paper(capsys: pytest.CaptureFixture[str]) -> None:
    main(["list"])
    groups = [group.splitlines() for group in capsys.readouterr().out.split("\n\n")]
    assert [title for title, *_ in groups] == [paper.title for paper in PAPERS]
    lines = [line for _, *lines in groups for line in lines]
    assert [line.split()[0] for line in lines] == list(RECIPES)
    assert all(line.startswith("  ") and line.endswith(".") and len(line) < 120 for line in lines)


def test_a_reader_that_has_had_enough_is_no_fault() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        listing = [sys.executable, "-m", "trainer", "list"]
        ended = subprocess.run(listing, stdout=pipe, stderr=subprocess.PIPE, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (141, "")


@pytest.mark.parametrize("name", RECIPES)
def test_what_show_prints_can_be_typed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["show", name])
    words = [
        word
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("--")
        for word in shlex.split(line)
    ]
    assert {"--lr.d", "--network.z-dim", "--adam.betas", "--no-deterministic"} <= set(words)
    if name == "digits-gn":
        main([name, *words, *QUICK])


@pytest.mark.parametrize("name", ["digits-gn", "dcgan64-gn", "gn-cifar10-cnn"])
def test_show_prints_no_markup_and_no_blanks_at_ends(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["show", name])
    printed = capsys.readouterr().out
    assert "``" not in printed
    assert all(line == line.rstrip() for line in printed.splitlines())


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_without_a_recipe_it_says_what_can_be_typed(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    main(arguments)
    assert "gantrain resume RUN" in capsys.readouterr().out


def test_settings_are_changed_by_flags_and_stored_with_the_checkpoint(tmp_path: Path) -> None:
    changes = ["--lr.d", "4e-4", "--adam.betas", "0", "0.9", "--seed", "7"]
    main(["digits-lsgan", *changes, "--out", str(tmp_path / "t"), *QUICK])
    checkpoint = TrainingDirectory(tmp_path / "t").checkpoints.newest()
    assert checkpoint is not None
    stored, recipe = checkpoint.config, RECIPES["digits-lsgan"]()
    assert (stored.lr.d, stored.adam.betas, stored.seed) == (4e-4, (0.0, 0.9), 7)
    assert (stored.lr.g, stored.loss, stored.recipe) == (recipe.lr.g, "ls", "digits-lsgan")


def test_an_unknown_flag_is_refused_with_what_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--lr.d" in refused(capsys, "digits-gn", "--lr.x", "1")


def test_a_setting_out_of_bounds_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert "lr.d = 40.0 must lie between 0 and 10" in refused(capsys, "digits-gn", "--lr.d", "40")
    assert "mixes" in refused(capsys, "digits-gn", "--network.norm-d", "batch")


@pytest.mark.parametrize(
    ("flag", "meant"),
    [("--epochs", "a whole number or None"), ("--seed", "a whole number"), ("--lr.d", "a number")],
)
def test_a_word_in_the_place_of_a_number_is_refused_in_words(
    flag: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = " ".join(refused(capsys, "digits-gn", flag, "many").split())
    assert f"{flag}: 'many' is not {meant}" in said
    assert "literal" not in said
    assert "NoneType" not in said


def test_a_quiet_training_says_that_it_is_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    main(["digits-gn", "--out", str(tmp_path / "t"), *QUICK])
    assert f"finished: step 2, epoch 0, in {tmp_path / 't'}" in caplog.text


def test_an_unknown_recipe_is_refused_with_what_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert "no recipe 'digits-gm'. Did you mean digits-gn?" in refused(capsys, "digits-gm")
    assert "`gantrain list` shows all" in refused(capsys, "show", "zzz")


def test_missing_data_is_refused_before_a_run_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "pass --data PATH" in refused(capsys, "dcgan64-gn")
    assert "/nowhere does not exist" in refused(capsys, "dcgan64-gn", "--data", "/nowhere")
    assert not (tmp_path / "home").exists()


def test_a_device_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "device toaster cannot be used" in refused(capsys, "digits-gn", "--device", "toaster")


def test_a_folder_that_holds_a_training_is_not_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "t")]
    main(["digits-gn", *out, *QUICK])
    assert "add --resume to go on" in refused(capsys, "digits-gn", *out, *QUICK)
    main(["digits-gn", *out, *QUICK, "--steps", "3", "--resume"])
    assert last_state(tmp_path / "t" / "checkpoints")[0] == 3


def test_a_training_that_is_over_is_left_as_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    again = ["digits-gn", "--out", str(tmp_path / "t"), *QUICK, "--resume"]
    main(again)  # there was nothing to go on with: it began
    spools = sorted((tmp_path / "home" / "spool").rglob("*"))
    main(again)
    assert "is over at step 2: ask for more --epochs or --steps to go on" in caplog.text
    assert sorted((tmp_path / "home" / "spool").rglob("*")) == spools


def test_a_folder_that_cannot_be_made_and_a_server_that_is_none_are_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be made or written to" in refused(
        capsys, "digits-gn", "--out", str(tmp_path / "file" / "t"), *QUICK
    )
    assert "no address of a server" in refused(capsys, "digits-gn", "--server", "ftp://x", *QUICK)


def test_resume_finds_a_training_by_its_run_and_says_what_settings_are_changed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    main(["digits-gn", *QUICK])
    (training,) = (tmp_path / "home" / "trainings").iterdir()
    main(["resume", training.name, "--steps", "4", "--lr.g", "1e-3", "--no-probes", "--quiet"])
    checkpoint = TrainingDirectory(training).checkpoints.newest()
    assert checkpoint is not None
    assert (checkpoint.step, checkpoint.config.lr.g) == (4, 1e-3)
    assert "settings changed at step 2: lr.g from 0.008 to 0.001, steps from 2 to 4" in caplog.text
    assert json.loads((training / "run.json").read_text())["run"] == training.name


def test_a_training_of_several_processes_does_not_go_on_with_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = ["digits-gn", "--out", str(tmp_path / "t"), *QUICK, "--resume"]
    main(again)
    directory = TrainingDirectory(tmp_path / "t")
    directory.write_record(replace(directory.record(), processes=2))
    assert "torchrun --nproc-per-node 2" in refused(capsys, *again, "--steps", "4")


@pytest.mark.parametrize("verb", ["show", "resume", "fidelity", "fetch", "submit"])
def test_a_command_without_a_name_says_what_it_takes(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([verb], [verb, "--help"]):
        main(arguments)
        assert capsys.readouterr().out.startswith(f"usage: gantrain {verb} ")


def test_resume_of_nothing_says_what_to_pass(capsys: pytest.CaptureFixture[str]) -> None:
    assert "pass the folder of a training, or a run's id" in refused(capsys, "resume", "nothing")


def test_two_processes_do_not_train_in_one_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingDirectory(tmp_path / "t").locked():
        for command in (["digits-gn", "--out", str(tmp_path / "t"), *QUICK], ["resume", str(tmp_path / "t")]):
            assert "another process trains in" in refused(capsys, *command)
