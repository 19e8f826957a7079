# Every target does its own set-up: a fresh clone needs nothing but git, make and Python 3.11+.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# What `make constraints` holds at the versions that the project was checked with by hand.
HOLD ?= torch==2.13.0 ray==2.60.0 optuna==5.0.0 mlflow==3.17.2

.DEFAULT_GOAL := help
.PHONY: help venv sweep check test rehearse rehearse-slurm chaos chaos-cluster fuzz long-run aa bench bench-sweeps dist release docs audit constraints
.DELETE_ON_ERROR:

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(INSTALLED) ## Make .venv with the pinned dependencies and the project

sweep: $(INSTALLED) ## Run the preset digits and print its comparison table
	$(BIN)/almkd launch digits

check: $(INSTALLED) ## Format, lint, types, import walls
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# One more than two cores: processes that tests start wait for each other much of their time.
WORKERS ?= $(shell [ "$$(getconf _NPROCESSORS_ONLN)" -gt 3 ] && echo 4 || echo 3)

test: check ## All checks, then the tests
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

TASK ?= classification
BUSY ?= 0

rehearse: $(INSTALLED) ## Start what docker/ holds as plain processes, and run a sweep in it
	$(BIN)/python -m tests.rehearsal --task $(TASK) --busy $(BUSY)

rehearse-slurm: $(INSTALLED) ## Start a SLURM of two nodes, and run a sweep as its job (as root; some ten minutes)
	$(BIN)/python -m tests.rehearsal.slurm

N ?= 100
SEED ?= 0

chaos: $(INSTALLED) ## Kill a small sweep N times at random moments and count what is wrong then
	$(BIN)/python -m tests.faults.chaos --kills $(N) --seed $(SEED) --task $(TASK)

chaos-cluster: $(INSTALLED) ## Disturb a cluster N times (EACH=1: once in each way) and count what is wrong then
	$(BIN)/python -m tests.chaos_cluster --faults $(N) --seed $(SEED) --task $(TASK) $(if $(EACH),--each)

TRIALS ?= 20000

long-run: $(INSTALLED) ## Watch a sweep of many trials for what grows and how long it takes to answer
	$(BIN)/python -m tests.faults.long_run --trials $(TRIALS)

fuzz: N = 10000
fuzz: $(INSTALLED) ## Change N files that sweeps read, and count what is wrong with what comes of it
	$(BIN)/python -m tests.fuzz --cases $(N) --seed $(SEED) --processes $(PROCESSES)

PROCESSES ?= 1
BLOCKS ?= 20

aa: $(INSTALLED) ## Copies of one method against each other: how often a difference is called (an hour)
	$(BIN)/python -m tests.replication.aa --blocks $(BLOCKS)

bench: $(INSTALLED) ## Measure speed and memory of every task on this machine's CPU (some twenty minutes)
	$(BIN)/python bench/bare_loop.py --rounds 1
	$(BIN)/python bench/hypergradient.py
	$(BIN)/python bench/referee.py
	$(BIN)/python bench/writer.py
	$(BIN)/python bench/lanes.py --most 16 --seconds 0.5 --rounds 1
	$(BIN)/python bench/convolutions.py
	$(BIN)/python bench/classification.py --rounds 1
	$(BIN)/python bench/text.py --rounds 1
	$(BIN)/python bench/incremental.py --rounds 1
	$(BIN)/python bench/language.py --rounds 1
	$(BIN)/python bench/recommendation.py --rounds 1
	$(BIN)/python bench/ctc.py --rounds 1
	$(BIN)/python bench/detection.py --rounds 1
	$(BIN)/python bench/page.py

bench-sweeps: $(INSTALLED) ## Measure whole sweeps: against other ways, forecasts, on paper (an hour and a half)
	$(BIN)/python bench/start.py --rounds 1
	$(BIN)/python bench/against_careful.py --rounds 1 --script-seeds 1
	$(BIN)/python bench/against_stock.py --trials 36
	$(BIN)/python bench/forecast.py
	$(BIN)/python bench/scale.py --trials 500 10000
	$(BIN)/python bench/simulate.py
	$(BIN)/python bench/page.py

dist: $(INSTALLED) ## Build source distribution and wheel into dist/
	rm -rf dist
	$(BIN)/python -m build

release: dist ## Install that wheel into an empty environment, and run a preset there (minutes)
	$(BIN)/python -m tests.release

docs: $(INSTALLED) ## Write the tables of docs/ from the rows that declare what they list
	$(BIN)/python docs/write_tables.py

audit: $(INSTALLED) ## Check the pins against known advisories, where their database can be reached
	$(BIN)/python .ci/audit.py

constraints: ## Resolve the dependencies anew and pin what came out
	@$(require_python)
	rm -rf build/constraints
	$(PYTHON) -m venv build/constraints
	build/constraints/bin/python -m pip install -e '.[dev]' $(HOLD)
	{ sed '/^#/!d' constraints.txt; \
	  build/constraints/bin/python -m pip freeze --all --exclude-editable \
	    | sed -E '/^(pip|wheel)==|^(nvidia-|cuda-|triton)/d; s/\+[a-z0-9.]+$$//'; } > build/constraints.txt
	mv build/constraints.txt constraints.txt

$(INSTALLED): pyproject.toml constraints.txt
	@$(require_python)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -c constraints.txt -e '.[dev]'
	@touch $@

define require_python
command -v $(PYTHON) > /dev/null || \
  { echo "almkd needs Python 3.11 or newer, and there is no '$(PYTHON)': install it, or name another with make PYTHON=..." >&2; exit 1; }; \
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
  { echo "almkd needs Python 3.11 or newer, and '$(PYTHON)' is $$($(PYTHON) --version 2>&1): name a newer one with make PYTHON=python3.11" >&2; exit 1; }; \
$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || \
  { echo "'$(PYTHON)' cannot make virtual environments: on Debian or Ubuntu, apt-get install python3-venv" >&2; exit 1; }
endef
