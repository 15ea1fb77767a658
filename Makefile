# Everything a person or CI does here, by name. `make quickstart` installs the tool and shows it at
# work.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: quickstart docs handout picture test check lint style types pure format lock torture \
  simulations bench clean

$(INSTALLED): requirements.lock
	@echo "Installing the pinned packages into $(VENV): some minutes, 3.7 GB."
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	  -r requirements.lock
	touch $@

quickstart: $(INSTALLED)
	$(BIN)/python run_search.py run experiments/quickstart.yaml

docs: $(INSTALLED)
	$(BIN)/python -m mkdocs build --strict

# What a teacher gives to students: the last commit without the rubric (.gitattributes).
handout:
	mkdir -p build
	git archive --format zip --prefix augsearch/ --output build/augsearch.zip HEAD

# The README's picture, from a finished search: make picture RUN=runs/quickstart
picture: $(INSTALLED)
	$(BIN)/python run_search.py report $(RUN)
	cp $(RUN)/figures/forest.png docs/images/forest.png

# Hundreds of processes are started: what one has compiled, the others read.
test torture pure: export PYTHONDONTWRITEBYTECODE =

test: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow"

# What takes minutes and proves more: many more fuzzed files, kills, every backbone exported.
torture: $(INSTALLED)
	AUGSEARCH_FUZZ_EXAMPLES=20000 $(BIN)/python -m pytest -n 2 --dist loadfile --timeout 3600

lint: style types

style: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

# While one works: lint and the tests that need no TensorFlow, server, browser or process.
check: $(INSTALLED)
	$(MAKE) --no-print-directory --jobs 3 --output-sync=target style types pure

pure: $(INSTALLED)
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --pure -m "not slow"

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

simulations: $(INSTALLED)
	$(BIN)/python -m benchmarks.simulations

bench: $(INSTALLED)
	$(BIN)/python -m benchmarks

# Pins every package with its hashes for all systems and Python 3.11 and newer; needs uv.
lock:
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
	  --output-file requirements.lock

clean:
	rm -rf build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
