import subprocess
import sys
from pathlib import Path

from tests.trainer.processes import SMALL, environment

SERVER = "fastapi starlette sqlalchemy alembic pydantic pydantic_settings uvicorn"
BLOCKED = """
import sys

class Absent:
    names = set(sys.argv.pop(1).split())

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"{name} is not installed", name=name)

sys.meta_path.insert(0, Absent())
"""


def run(program: str, *arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=home,
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def test_a_training_needs_none_of_the_servers_packages(tmp_path: Path) -> None:
    program = BLOCKED + "from trainer.cli import main; main(sys.argv[1:])"
    done = run(program, SERVER, "digits-gn", "--steps", "2", "--quiet", *SMALL, home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "trainings").glob("*/checkpoints/step-000000002.*.pt"))


def test_recipes_are_listed_without_waiting_for_torch(tmp_path: Path) -> None:
    program = "import sys; from trainer.cli import main; main(['list']); sys.exit('torch' in sys.modules)"
    assert run(program, home=tmp_path).returncode == 0


def test_without_torch_it_says_how_to_get_it(tmp_path: Path) -> None:
    program = BLOCKED + "from trainer.cli import main; main(sys.argv[1:])"
    done = run(program, "torch", "digits-gn", home=tmp_path)
    assert (done.returncode, done.stderr) == (
        1,
        "gantrain: training needs torch: pip install '.[trainer]'\n",
    )


def test_threads_wait_asleep_unless_somebody_wants_otherwise(tmp_path: Path) -> None:
    said = "import os; print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    program = f"import sys; from trainer.cli import load_torch; load_torch(); {said}"
    assert run(program, home=tmp_path).stdout == "passive True\n"
    assert run("import os; os.environ['OMP_WAIT_POLICY'] = 'active'; " + program, home=tmp_path).stdout == (
        "active True\n"
    )
