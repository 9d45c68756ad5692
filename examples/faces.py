"""A GAN on faces at 64 pixels, with every probe: Q by MTCNN, D by ArcFace over the people of the data.

make faces DATA=faces                # a folder for each person, or a packed .npz with labels
make faces DATA=faces ARGS=--exit    # end when training has
make faces DATA=faces ARGS="--model arcface.onnx"

The service, the identity bank (built once) and the training are what `ganwatch serve`, `gantrain identities
build` and `gantrain dcgan64-gn` are. On a GPU the recipe is trained as it stands; on a CPU narrow and short:
faces stay blurry.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from zlib import crc32

import torch
from demo import PAUSE, DemoError, Service, prepare, processes

#: What makes it bearable on a CPU: a quarter of the width, small batches, an average over fewer steps.
ON_A_CPU = (
    *("--network.width-g", "16", "--network.width-d", "16"),
    *("--batch.g", "32", "--batch.d", "32"),
    *("--ema.decay", "0.99", "--epochs", "4"),
)
#: People with fewer images say little about themselves.
AT_LEAST = 10


def faces(data: Path, model: str, port: int, directory: Path, *, ends: bool, more: list[str]) -> None:
    address, page = prepare(port, directory)
    print(f"ganwatch: {page}\n", flush=True)
    environment = {
        **os.environ,
        "GANWATCH_SERVER": address.base,
        "GANWATCH_TOKEN": address.token or "",
        "GANWATCH_DIR": str(directory.absolute()),
    }
    with processes() as started:
        service = Service(address, port, directory)
        started.append(service)
        service.wait_until_ready()
        bank = identities(data, model, directory / "faces", environment)
        judges = ["--judges.kind", "faces", *(["--judges.identities", str(bank)] if bank else [])]
        settings = () if torch.cuda.is_available() else ON_A_CPU
        arguments = ["dcgan64-gn", "--data", str(data), "--project", "faces", *judges, *settings, *more]
        status = gantrain(arguments, environment)
        if status:
            raise DemoError(f"the training ended with status {status}")
        if not ends:
            print(f"\nLook at it: {page}\nCtrl-C ends the service.", flush=True)
            with suppress(KeyboardInterrupt):
                while True:
                    service.keep_alive()
                    time.sleep(PAUSE)


def identities(data: Path, model: str, folder: Path, environment: dict[str, str]) -> Path | None:
    """The bank of the people in ``data``, built now or earlier; None where it cannot be."""
    # Another set of the same name has other people.
    where = crc32(str(data.resolve()).encode())
    bank = folder / f"{data.stem}-{where:08x}-{Path(model).stem}.npz"
    if bank.exists():
        return bank
    arguments = ["--images", str(data), "--model", model, "--out", str(bank), "--at-least", str(AT_LEAST)]
    status = gantrain(["identities", "build", *arguments], environment)
    return None if status else bank


def gantrain(arguments: list[str], environment: dict[str, str]) -> int:
    return subprocess.run(
        [sys.executable, "-m", "trainer", *arguments], env=environment, check=False
    ).returncode


def model_beside(data: Path) -> str:
    """An ArcFace model that lies with the data, or the name of insightface's pack."""
    return str(next(iter(sorted(data.parent.glob("arcface*.onnx"))), "buffalo_l"))


def main() -> None:
    parser = argparse.ArgumentParser(
        description="A GAN on faces, watched.",
        epilog="What else is given is passed on to gantrain dcgan64-gn.",
    )
    parser.add_argument("--data", type=Path, required=True, help="a folder for each person, or a packed .npz")
    parser.add_argument("--model", help="an ArcFace .onnx file or a pack of insightface")
    parser.add_argument("--port", type=int, default=os.environ.get("PORT") or "8765")
    parser.add_argument(
        "--data-dir", type=Path, default=Path(".ganwatch"), help="database, token, checkpoints"
    )
    parser.add_argument("--exit", action="store_true", help="end when training has")
    asked, more = parser.parse_known_args()
    if not asked.data.exists():
        sys.exit(f"faces: {asked.data} does not exist: pass DATA=, a folder or a packed .npz of faces")
    model = asked.model or model_beside(asked.data)
    try:
        faces(asked.data, model, asked.port, asked.data_dir, ends=asked.exit, more=more)
    except DemoError as problem:
        sys.exit(f"faces: {problem}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
