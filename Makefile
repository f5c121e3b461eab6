# Works from a bare clone with Python >= 3.11 and make. `make` alone lists the targets.

PYTHON ?= python3
VENV ?= .venv
# Another package index for torch alone, say one with CPU-only wheels: make demo TORCH_INDEX=https://...
TORCH_INDEX ?=
# A second environment: the first one, with the packages of constraints-lens4.txt in the versions that stand there.
LENS4 ?= $(VENV)-lens4
# Tests and benchmarks use processes, not threads: two workers of one thread beat one worker of two.
WORKERS ?= 2
# How often the contestants of a benchmark take turns.
ROUNDS ?= 5

PY := $(VENV)/bin/python
# What a run and its analysis need, and beside it what tests, linters and notebooks need.
BASE := $(VENV)/.base
INSTALLED := $(VENV)/.installed
LENS4_PY := $(LENS4)/bin/python
LENS4_INSTALLED := $(LENS4)/.installed
TORCH := $(shell grep '^torch==' constraints.txt)
export OMP_NUM_THREADS = 1

.DEFAULT_GOAL := help
.PHONY: help install demo browser test test-slow test-lens4 wheel-test lint types bench docs gallery

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

install: $(INSTALLED) ## Create the virtual environment with pinned versions

# A stamp is made last, so an installation that was cut short is done again. Modules are compiled when they are first
# imported: most of what is installed never is.
$(BASE): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "grokscope needs Python >= 3.11; '$(PYTHON)' is not. Name one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import pathlib, shutil, sys; parents = pathlib.Path("$(VENV)").absolute().parents; \
	  sys.exit(shutil.disk_usage(next(path for path in parents if path.exists())).free < 4e9)' || { \
	  echo "an installation takes up to 4 GB, and this disk has less. Use another: make VENV=/path/to/venv" >&2; exit 1; }
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(PY) -m pip install $(TORCH) --no-compile $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) || { \
	  echo "$(TORCH) has not been installed; the line above says why. Another index may have it for this machine:" >&2; \
	  echo "make TORCH_INDEX=URL. docs/install.md has what else can be done" >&2; exit 1; }
	$(PY) -m pip install -c constraints.txt -e . --no-compile
	@touch $@

$(INSTALLED): $(BASE)
	$(PY) -m pip install -c constraints.txt -e '.[dev]' --no-compile
	@touch $@

demo: $(BASE) ## Train a clipped and an unclipped network, and write reports/demo/index.html
	@$(PY) -m grokscope.cli demo

browser: $(INSTALLED) ## Install the browser that the tests need, where there is none
	@$(PY) tests/find_browser.py

test: $(INSTALLED) browser ## Run the fast tests
	@$(PY) -m pytest -n $(WORKERS) --durations 25

test-slow: $(INSTALLED) browser ## Run the slow reproductions too (tens of minutes)
	@$(PY) -m pytest -n $(WORKERS) -m slow --timeout 3600

# Only files that have such a test are looked at: importing all of them takes most of a minute.
test-lens4: $(LENS4_INSTALLED) ## Run the tests that touch TransformerLens with the newest 4.x
	@$(LENS4_PY) -m pytest -n $(WORKERS) -m lens --durations 10 $$(grep -rl --include='test_*.py' 'mark\.lens' tests)

# What is not installed here is found in the first environment, which stands behind it on the path. Constraints are
# those of the first one, but for the packages that differ.
$(LENS4_INSTALLED): $(INSTALLED) constraints-lens4.txt
	$(PY) -m venv --clear --without-pip $(LENS4)
	@$(PY) -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
	  > "$$($(LENS4_PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/first.pth"
	@awk -F '==' 'NR == FNR { other[$$1]; next } !($$1 in other)' constraints-lens4.txt constraints.txt > $(LENS4)/constraints.txt
	$(PY) -m pip --python $(LENS4_PY) install -c $(LENS4)/constraints.txt -r constraints-lens4.txt
	@touch $@

wheel-test: $(INSTALLED) ## Build the wheel, install it into an empty environment, and run the demo there
	@$(PY) -m pytest -m slow tests/packaging

lint: $(INSTALLED) ## Check style, formatting and which package may import which
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(VENV)/bin/lint-imports

types: $(INSTALLED) ## Check types
	@$(PY) -m pyright --pythonpath $(PY)

bench: $(INSTALLED) ## Measure speed and memory
	@$(PY) -m benchmarks.speed --rounds $(ROUNDS)
	@$(PY) -m benchmarks.runs --rounds $(ROUNDS)
	@$(PY) -m benchmarks.accelerators --rounds $(ROUNDS)

docs: $(INSTALLED) ## Build the documentation into site/
	@$(PY) -m docs_site build

gallery: $(INSTALLED) ## Train two networks and draw the figures of the documentation again
	@$(PY) -m docs_site gallery
