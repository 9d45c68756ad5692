"""What each switch of ``speed`` does to a training; on a CPU but for CUDA graphs."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.trainer.recording import RecordingRun
from tests.trainer.states import assert_identical, last_state
from trainer.checkpoint import CheckpointDirectory
from trainer.config import Batch, Config, Critic, Network, Speed
from trainer.critics import build
from trainer.data import load
from trainer.errors import ConfigError
from trainer.loop import train
from trainer.recipes import RECIPES
from trainer.speed import Calls, refuse_impossible
from trainer.stopping import Stopping
from trainer.watching import Unwatched

CPU = torch.device("cpu")
#: torch's compiler warns of itself while it loads and traces.
THEIRS = pytest.mark.filterwarnings("ignore")
SWITCHES = [
    *((Speed(precision="bf16"), kind) for kind in ("raw", "gn")),
    *((Speed(channels_last=True), kind) for kind in ("raw", "gn")),
    pytest.param(Speed(compile=True), "gn", marks=[pytest.mark.slow, THEIRS]),
    pytest.param(
        Speed(compile=True, channels_last=True, precision="bf16"), "raw", marks=[pytest.mark.slow, THEIRS]
    ),
]
ON_GPU = [
    THEIRS,
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def config(speed: Speed, steps: int = 4, kind: str = "gn") -> Config:
    return replace(
        RECIPES["digits-gn"](),
        critic=Critic(kind=kind),  # type: ignore[arg-type]
        network=Network(z_dim=8, width_g=8, width_d=8, init="torch"),
        batch=Batch(g=16, d=16),
        epochs=None,
        steps=steps,
        speed=speed,
    )


def trained(
    settings: Config, folder: Path, *, resume: bool = False, device: torch.device = CPU
) -> RecordingRun:
    run = RecordingRun()
    checkpoints = CheckpointDirectory(folder)
    train(
        settings,
        load(settings),
        run,
        watch_with=Unwatched,
        checkpoints=checkpoints,
        stopping=Stopping(run),
        device=device,
        resume=checkpoints.newest() if resume else None,
        quiet=True,
    )
    return run


def losses(run: RecordingRun) -> Tensor:
    return torch.tensor([value for name in ("loss/d", "loss/g") for _, value in run.series(name)])


@pytest.mark.timeout(900)  # compiling
@pytest.mark.parametrize(("speed", "kind"), SWITCHES)
def test_under_each_switch_a_training_is_nearly_the_same_and_goes_on_bit_for_bit(
    speed: Speed, kind: str, tmp_path: Path
) -> None:
    plain = trained(config(Speed(), kind=kind), tmp_path / "plain")
    whole = trained(config(speed, kind=kind), tmp_path / "whole")
    torch.testing.assert_close(losses(whole), losses(plain), rtol=0.05, atol=0.02)
    trained(config(speed, 2, kind), tmp_path / "parts")
    trained(config(speed, 4, kind), tmp_path / "parts", resume=True)
    assert_identical(last_state(tmp_path / "whole")[1], last_state(tmp_path / "parts")[1])


def test_mixed_precision_computes_in_bfloat16_and_keeps_weights_and_scores_in_float32(
    tmp_path: Path,
) -> None:
    D = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 1), nn.Flatten(0))
    seen: list[torch.dtype] = []
    D[1].register_forward_hook(lambda _, __, output: seen.append(output.dtype))
    calls = Calls(Speed(precision="bf16"), CPU)
    for kind in ("raw", "gn"):
        critic = calls.critic(build(Critic(kind=kind), D))  # type: ignore[arg-type]
        h = critic(torch.randn(3, 1, 8, 8))
        h.sum().backward()
        assert h.dtype == torch.float32
        assert {p.grad.dtype for p in D.parameters() if p.grad is not None} == {torch.float32}
    assert set(seen) == {torch.bfloat16}
    G = nn.Linear(4, 4)
    assert calls.generator(G)(torch.randn(2, 4)).dtype == torch.float32


def test_channels_last_reaches_the_convolutions_and_what_they_make() -> None:
    calls = Calls(Speed(channels_last=True), CPU)
    network = calls.place(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()))
    made = network(torch.randn(2, 3, 8, 8))
    assert made.is_contiguous(memory_format=torch.channels_last)


def test_without_a_switch_the_networks_are_called_as_they_are() -> None:
    calls = Calls(Speed(), CPU)
    D = nn.Sequential(nn.Flatten(), nn.Linear(64, 1), nn.Flatten(0))
    critic = build(Critic(kind="raw"), D)
    assert calls.critic(critic) is critic
    assert calls.generator(D) is D


@pytest.mark.parametrize(
    ("speed", "device", "message"),
    [
        (Speed(cuda_graphs=True, compile=True), "cpu", "a cpu has none: pass --device cuda"),
        (Speed(cuda_graphs=True), "cuda", "add --speed.compile"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_pass(speed: Speed, device: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        refuse_impossible(speed, torch.device(device))


def test_compiling_without_a_compiler_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("CC", "CXX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shutil.which("g++") is None
    with pytest.raises(ConfigError, match="needs a C\\+\\+ compiler"):
        refuse_impossible(Speed(compile=True), CPU)


GRAPHS: Sequence[Speed] = [
    Speed(compile=True),
    Speed(compile=True, cuda_graphs=True),
    Speed(compile=True, cuda_graphs=True, precision="bf16", channels_last=True),
]


@pytest.mark.parametrize("speed", [pytest.param(speed, marks=ON_GPU) for speed in GRAPHS])
@pytest.mark.parametrize("kind", ["raw", "gn"])
def test_on_a_gpu_replayed_graphs_train_as_the_plain_networks_do(
    speed: Speed, kind: str, tmp_path: Path
) -> None:
    gpu = torch.device("cuda")
    plain = trained(config(Speed(), 12, kind), tmp_path / "plain", device=gpu)
    fast = trained(config(speed, 12, kind), tmp_path / "fast", device=gpu)
    torch.testing.assert_close(losses(fast), losses(plain), rtol=0.1, atol=0.05)
