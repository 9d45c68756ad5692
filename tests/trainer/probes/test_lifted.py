import os
import shutil
import subprocess
import sys
from pathlib import Path

PROBES = Path(__file__).parents[3] / "trainer" / "probes"

SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
import torch
from torch import nn
from probes import Beside, Watch
from probes.judges.kmeans import KMeansJudge
from probes.registry import PROBES

class Run:
    logged = {}
    def log(self, values, step): self.logged.update(values)
    def log_images(self, name, images, step): self.logged[name] = images

G = nn.Sequential(nn.Linear(4, 16), nn.Unflatten(1, (1, 4, 4)), nn.Tanh())
D = nn.Sequential(nn.Flatten(), nn.Linear(16, 1))
x = torch.rand(60, 1, 4, 4)
items = torch.utils.data.TensorDataset(x, torch.arange(60) % 2)
for judge in (None, Beside(KMeansJudge(torch.rand(3, 16)))):
    watch = Watch(G, D, Run(), real=items, judge=judge, every=dict.fromkeys(PROBES, 1), n_eval=50)
    with torch.no_grad():
        G[0].weight.mul_(1.1)
    watch.step(real=x, fake=x)
    watch.epoch()
    watch.finish()
foreign = {"trainer", "monitor", "sklearn", "scipy", "msgspec"} & {name.split(".")[0] for name in sys.modules}
for name in ("quality/classifier", "diversity/kmeans", "samples/best", "lipschitz/constant", "angle/epoch/g"):
    assert name in Run.logged, sorted(Run.logged)
print(len(Run.logged), sorted(foreign))
"""


def test_the_folder_copied_alone_imports_and_runs(tmp_path: Path) -> None:
    shutil.copytree(PROBES, tmp_path / "probes", ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run(
        [sys.executable, "-I", "-c", SCRIPT, str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    count, foreign = done.stdout.split(maxsplit=1)
    assert foreign.strip() == "[]"
    assert int(count) > 50
