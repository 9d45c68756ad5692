#!/bin/sh
# Makes .venv with everything pinned in requirements/: sh requirements/install.sh [EXTRA ...]
#   PYTHON=/path/to/python3   which interpreter (3.11, 3.12 or 3.13; by default the first found of python3.12, 3.13, 3.11, python3)
#   TORCH=cpu                 a CPU-only torch from PyTorch's own index (TORCH=cu130 and so on likewise); by default the package index's build
# What was chosen stays chosen until it is named again. A second run with the same requirements returns at once.
set -eu
cd "$(dirname "$0")/.."
export UV_PYTHON_DOWNLOADS=never
UV_VERSION=0.13.9
extras=${*:-server trainer faces lsun interop dev}

fail() { printf 'ganwatch: %s\n' "$1" >&2; exit 1; }

is_usable() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1; }

find_python() {
  if [ -n "${PYTHON:-}" ]; then
    is_usable "$PYTHON" || fail "PYTHON=$PYTHON is not a working Python 3.11, 3.12 or 3.13; name another one"
    command -v "$PYTHON"; return
  fi
  for candidate in python3.12 python3.13 python3.11 python3 python; do
    if is_usable "$candidate"; then command -v "$candidate"; return; fi
  done
  fail "no Python 3.11, 3.12 or 3.13 on the PATH; install one, or name it: make demo PYTHON=/path/to/python3.12"
}

find_uv() {
  if command -v uv >/dev/null 2>&1 && uv --version >/dev/null 2>&1; then command -v uv; return; fi
  if [ ! -x .cache/uv/bin/uv ]; then
    "$python" -m venv .cache/uv >.cache/install.log 2>&1 ||
      fail "$python cannot make a virtual environment (on Debian and Ubuntu: apt install python3-venv), and uv is not on the PATH; install one of the two"
    .cache/uv/bin/python -m pip install -q --disable-pip-version-check "uv==$UV_VERSION" >.cache/install.log 2>&1 ||
      fail "pip could not fetch uv (no network, or no access to the package index?); what it said is in .cache/install.log"
  fi
  printf '%s\n' "$PWD/.cache/uv/bin/uv"
}

# `make test` after `make setup TORCH=cpu` means the same torch, and not to fetch the other.
chosen() { if [ -f .cache/chosen ]; then sed -n "s/^$1=//p" .cache/chosen; fi; }
TORCH=${TORCH-$(chosen TORCH)}
PYTHON=${PYTHON-$(chosen PYTHON)}
digest=$({ cat pyproject.toml requirements/locked.txt requirements/torch.txt requirements/overrides.txt requirements/install.sh; printf '%s|%s|%s|%s' "$TORCH" "$PYTHON" "$extras" "$PWD"; } | cksum)
[ -f .venv/.installed ] && [ "$(cat .venv/.installed)" = "$digest" ] && .venv/bin/python -c '' 2>/dev/null && exit 0

mkdir -p .cache
python=$(find_python)
uv=$(find_uv)
printf 'ganwatch: making .venv with %s; the first time fetches torch and takes some minutes\n' "$python"
rm -f .venv/.installed
"$uv" venv -q --clear --python "$python" .venv || fail "uv could not make .venv with $python"

packages="hatchling editables $(.venv/bin/python - $extras <<'PY'
import sys, tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
names = project["dependencies"] + [r for extra in sys.argv[1:] for r in project["optional-dependencies"][extra]]
print(" ".join(name.replace(" ", "") for name in names))
PY
)"
# Only wheels: nothing is compiled, so no compiler is needed. The constraints carry the hashes, which uv verifies.
"$uv" pip install -q --python .venv/bin/python --only-binary :all: ${TORCH:+--torch-backend "$TORCH"} \
  -c requirements/locked.txt -c requirements/torch.txt --override requirements/overrides.txt $packages 2>.cache/install.log || {
  if [ -n "$TORCH" ] && grep -qF "/whl/$TORCH/" .cache/install.log; then
    fail "TORCH=$TORCH needs PyTorch's own index, which cannot be reached or has no build of that name; leave TORCH out (TORCH= forgets it) to take the package index's torch (all of it: .cache/install.log)"
  fi
  if grep -qiE 'dns|connect|timed out|network|error sending request' .cache/install.log; then
    fail "the packages could not be fetched: no network, or no access to the package index (uv reads UV_DEFAULT_INDEX, not pip's settings); what uv said is in .cache/install.log"
  fi
  fail "$(grep -m1 -iE 'no solution|no wheel|hash mismatch|no space|because' .cache/install.log || tail -n 1 .cache/install.log) (all of it: .cache/install.log; PYTHON= chooses another Python)"
}
"$uv" pip install -q --python .venv/bin/python --no-deps --no-build-isolation -e . 2>.cache/install.log ||
  fail "the project itself could not be installed into .venv; what uv said is in .cache/install.log"
printf 'TORCH=%s\nPYTHON=%s\n' "$TORCH" "$PYTHON" >.cache/chosen
printf '%s' "$digest" >.venv/.installed
