# `make` alone shows what there is. Every target sets up what it needs in .venv.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
UV := $(or $(shell command -v uv),.venv/bin/uv)
BIN := .venv/bin
READY := .venv/.stamp

# With one thread the order of a sum, and so its last digits, does not depend on the machine.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export TF_CPP_MIN_LOG_LEVEL := 2

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' Makefile

.PHONY: first
first: $(READY) ## A first result, one figure and one table, in about two minutes
	$(BIN)/modlib first

.PHONY: book
book: $(READY) ## Execute the chapters and build the book
	$(BIN)/modlib book

.PHONY: look
look: $(READY) ## Look at every page that `make book` built in a browser, where there is Chromium
	$(BIN)/pytest -q -rs -n 2 tests/book/test_browser.py

.PHONY: slides
slides: book ## Write slides of every chapter beside the site, _build/html/slides
	$(BIN)/modlib slides

.PHONY: pdf
pdf: book ## Print the whole book, where there is Chromium, to _build/book.pdf
	$(BIN)/modlib pdf

# JupyterLite, which is no part of the project, at one version, in an environment of its own.
LITE := $(abspath $(UV)) tool run --quiet --python 3.11 --with jupyterlite-pyodide-kernel==0.8.6 --with jupyter-server==2.21.1 \
  --from jupyterlite-core==0.8.6

.PHONY: lite
lite: book ## Build the chapters that run in a browser into the site, _build/html/lite
	$(BIN)/modlib lite
	cd _build/lite && $(LITE) jupyter lite build --contents contents --piplite-wheels wheels/*.whl \
	  --output-dir ../html/lite

.PHONY: test
test: $(READY) ## Run the tests
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

# The kernels that OpenBLAS has for other processors, as far as this one can run them: what they return differs in the
# last digits, and what a test says must not depend on it. Files run in another order each time, on two cores in all.
KERNELS := Haswell SkylakeX Zen Nehalem Prescott
SEED ?= 0

.PHONY: kernels
kernels: $(READY) ## Run the tests that need no training under other processors' kernels, threads and orders
	@for kernel in $(KERNELS); do for threads in 1 2; do \
	  echo "$$kernel, $$threads thread(s)"; \
	  OPENBLAS_CORETYPE=$$kernel OPENBLAS_NUM_THREADS=$$threads OMP_NUM_THREADS=$$threads \
	    $(BIN)/pytest -q -n $$((2 / threads)) --dist loadfile --random-order --random-order-seed=$(SEED) -m "not slow" \
	    tests/graphs tests/communities tests/lesions tests/responses tests/masks tests/networks tests/chapters \
	    tests/test_stats.py; done; done

.PHONY: lint
lint: style types tables ## Check style, types, imports, the notebooks' text twins, the README's answer and the stored tables

.PHONY: style types tables
style: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

types: $(READY)
	$(BIN)/mypy

tables: $(READY)
	$(BIN)/modlib sync --check
	$(BIN)/modlib check

# How many calls of nearly anything a quick public function gets; `make test` makes 2,000, with the seed 0.
EXAMPLES ?= 100000

.PHONY: fuzz
fuzz: $(READY) ## Call every public function with nearly anything, EXAMPLES times, drawn by SEED
	FUZZ_EXAMPLES=$(EXAMPLES) FUZZ_SEED=$(SEED) $(BIN)/pytest -q -n 2 tests/fuzz

# Tools that look at the project and are no part of it, at one version, each in an environment of its own.
MUTATE := $(UV) tool run --quiet --python 3.11 --from cosmic-ray==8.7.0
SBOM := $(UV) tool run --quiet --python 3.11 --from cyclonedx-bom==7.5.0
MODULE ?= all
SAMPLE ?= 300

.PHONY: mutants
mutants: $(READY) ## Plant SAMPLE faults in the measures, or in one, MODULE=graphs/shuffles: which do its tests notice?
	$(MUTATE) python tests/mutants/draw.py $(MODULE) $(SAMPLE) $(SEED) | $(BIN)/python tests/mutants/plant.py

.PHONY: sbom
sbom: $(READY) ## List every package that is installed, with version and licence, in _build/sbom.json (CycloneDX)
	mkdir -p _build
	$(SBOM) cyclonedx-py environment --output-reproducible --pyproject pyproject.toml --output-file _build/sbom.json \
	  $(BIN)/python

.PHONY: bench
bench: $(READY) ## Time modlib against the papers' own way
	@for file in benchmarks/bench_*.py; do echo "$$file"; $(BIN)/python "$$file"; done

.PHONY: lock
lock: $(READY) ## Write requirements.lock and what Binder installs anew after a change of pyproject.toml
	@mkdir -p _build
	$(UV) pip compile pyproject.toml --all-extras --group dev --universal --python-version 3.11 \
	  --generate-hashes --no-header --quiet --output-file requirements.lock
	sed -n 's/^\([a-z0-9-]*==[^ ;]*\).*/\1/p' requirements.lock > _build/constraints.txt
	$(UV) pip compile binder/requirements.in --constraint _build/constraints.txt --python-version 3.11 \
	  --python-platform linux --no-header --no-annotate --quiet --output-file binder/requirements.txt

.PHONY: clean
clean: ## Remove what was built; results, downloads and .venv stay
	rm -rf _build .cache .grimp_cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find modlib tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

# The lock names versions and hashes, not hosts: what is installed is the same wherever it comes from.
# The stamp is written last. An environment without it was not finished, and is made again from nothing.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' || { \
	  echo "$(PYTHON) is not Python 3.11 or 3.12, which modlib needs."; \
	  echo 'Name one that is installed:    make PYTHON=python3.12'; \
	  echo 'or let uv fetch one:           uv python install 3.12 && make PYTHON="$$(uv python find 3.12)"'; \
	  exit 1; } >&2
	@[ -e $@ ] || rm -rf .venv
	@rm -f $@
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	@[ -x $(UV) ] || $(BIN)/python -m pip install --quiet uv
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@
