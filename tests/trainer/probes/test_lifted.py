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
from probes import Watch
from probes.judges import Scores

class Run:
    logged = {}
    def log(self, values, step): self.logged.update(values)
    def log_images(self, name, images, step): self.logged[name] = images

class Judge:
    name, gives_quality, m, help = "sign", True, 2, ""
    def score(self, images):
        return Scores(torch.ones(len(images)), (images.flatten(1).mean(1) > 0).long())

G = nn.Sequential(nn.Linear(4, 16), nn.Unflatten(1, (1, 4, 4)))
D = nn.Sequential(nn.Flatten(), nn.Linear(16, 1))
x = torch.rand(8, 1, 4, 4)
watch = Watch(G, D, Run(), real=x, judge=Judge(), z=4, every={"gradient_norms": 1})
with torch.no_grad():
    G[0].weight.mul_(1.1)
watch.step(real=x, fake=x)
watch.epoch()
foreign = {"trainer", "monitor", "sklearn", "scipy", "msgspec"} & {name.split(".")[0] for name in sys.modules}
print(len(Run.logged), sorted(foreign))
"""


def test_the_folder_copied_alone_imports_and_runs(tmp_path: Path) -> None:
    shutil.copytree(PROBES, tmp_path / "probes", ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run(
        [sys.executable, "-I", "-c", SCRIPT, str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    count, foreign = done.stdout.split(maxsplit=1)
    assert foreign.strip() == "[]"
    assert int(count) > 30
