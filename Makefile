# Every target is one line that also works when typed. `make demo` and `make test` need nothing but Python 3.11 to 3.13.
PORT ?= 8765
ARGS ?=
PY := .venv/bin/python
# A process a core, up to four, and one thread each: small networks lose more to waiting threads than they gain.
PYTEST := OMP_NUM_THREADS=1 $(PY) -m pytest -n auto --maxprocesses 4 --dist loadscope

.PHONY: help setup demo faces test test-all test-gpu test-compose torture bench-peers lint format lock clean

help:            ## what can be made
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*##/:/'

setup:           ## the environment in .venv (PYTHON= another interpreter, TORCH=cpu a CPU-only torch)
	@sh requirements/install.sh

demo: setup      ## the service and three GANs: one collapses, one stays healthy, one collapses and is rescued (PORT=, ARGS=--exit)
	@$(PY) examples/demo.py --port $(PORT) $(ARGS)

faces: setup     ## a GAN on faces with every probe: DATA=, a folder for each person or a packed .npz (PORT=, ARGS=--exit)
	@$(PY) examples/faces.py --data $(DATA) --port $(PORT) $(ARGS)

test: setup      ## the tests that end in a few minutes
	$(PYTEST) -m "not slow and not gpu and not torture and not compose" $(ARGS)

test-all: setup  ## the slow ones too
	$(PYTEST) -m "not gpu and not torture and not compose" $(ARGS)

test-compose: setup ## docker compose, really brought up (needs a Docker engine)
	$(PY) -m pytest -m compose $(ARGS)

test-gpu: setup  ## the tests that need a CUDA device
	$(PY) -m pytest -m gpu $(ARGS)

torture: setup   ## the long kill loops
	$(PY) -m pytest -m torture --timeout 3600 $(ARGS)

bench-peers: setup ## our figures beside those of other trackers, in one run (ARGS=--help)
	@$(PY) -m venv .cache/peers && .cache/peers/bin/python -m pip install -q --disable-pip-version-check --only-binary :all: -r requirements/peers.txt
	@$(PY) -m benchmarks.peers $(ARGS)

lint: setup      ## ruff, mypy and the import rules
	$(PY) -m ruff check . && $(PY) -m ruff format --check . && $(PY) -m mypy && .venv/bin/lint-imports

format: setup    ## let ruff write
	$(PY) -m ruff check --fix . && $(PY) -m ruff format .

lock:            ## new pins in requirements/locked.txt (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate --all-extras --no-emit-package torch --no-emit-package torchvision -c requirements/torch.txt --override requirements/overrides.txt $(ARGS) pyproject.toml -o requirements/locked.txt

clean:           ## the environment, caches and the demo's data
	rm -rf .venv .cache .ganwatch .mypy_cache .ruff_cache .pytest_cache
