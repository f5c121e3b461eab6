# Works from a bare clone with Python >= 3.11 and make. `make` alone lists the targets.

PYTHON ?= python3
VENV ?= .venv
# Another package index for torch alone, say one with CPU-only wheels: make demo TORCH_INDEX=https://...
TORCH_INDEX ?=
# Tests and benchmarks use processes, not threads: two workers of one thread beat one worker of two.
WORKERS ?= 2
# How often the contestants of a benchmark take turns.
ROUNDS ?= 5

PY := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
TORCH := $(shell grep '^torch==' constraints.txt)
export OMP_NUM_THREADS = 1

.DEFAULT_GOAL := help
.PHONY: help install demo browser test test-slow lint types bench

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

install: $(INSTALLED) ## Create the virtual environment with pinned versions

# The stamp is made last, so an installation that was cut short is done again.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "grokscope needs Python >= 3.11; '$(PYTHON)' is not. Name one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(PY) -m pip install $(TORCH) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	$(PY) -m pip install -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(INSTALLED) ## Train a clipped and an unclipped network, and write reports/demo/index.html
	@$(PY) -m grokscope.cli demo

browser: $(INSTALLED) ## Install the browser that the tests need, where there is none
	@$(PY) tests/find_browser.py

test: $(INSTALLED) browser ## Run the fast tests
	@$(PY) -m pytest -n $(WORKERS) --durations 25

test-slow: $(INSTALLED) browser ## Run the slow reproductions too (tens of minutes)
	@$(PY) -m pytest -n $(WORKERS) -m slow --timeout 3600

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
