# The commands of this project. "make help" lists them.

PYTHON ?= python3
VENV ?= .venv
JOBS ?= auto
# Handed on: make test PYTEST_ARGS="-k gemm", make demo DEMO_ARGS="--help"
PYTEST_ARGS ?=
DEMO_ARGS ?=

# What make bench-peers compares with; the peer wants torch beside it.
PEERS ?= .venv-peers
PEER_PACKAGES ?= tt-lang-sim==1.1.6 torch==2.13.0

# TileLang lives in an environment of its own: its apache-tvm-ffi is not ours.
TILELANG ?= .venv-tilelang
TILELANG_PACKAGE ?= tilelang==0.1.15

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# One thread of BLAS per process: xdist fills the cores, and benchmarks compare with one thread.
ONE_THREAD := OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 TVM_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help setup demo test gate ttnn devices tilelang bench bench-peers lint format types walls clean

help: ## list these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 13

setup: $(STAMP) ## create $(VENV) and install; done by every command below when needed

demo: $(STAMP) ## compile a packaged GEMM, simulate it on a Wormhole n150 and judge the result
	$(BIN)/tt-harness demo $(DEMO_ARGS)

test: $(STAMP) ## run the test-suite on all cores
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(PYTEST_ARGS)

gate: $(STAMP) ## check every packaged kernel against the headers of ttnn, both architectures
	HYPOTHESIS_PROFILE=nightly $(ONE_THREAD) $(BIN)/python -m pytest -n $(JOBS) \
		tests/harness/codegen/test_gate.py $(PYTEST_ARGS)

ttnn: $(STAMP) ## create .venv-ttnn with ttnn, for the tests that build real device programs
	$(BIN)/python ci/ttnn

devices: ttnn ## run the device tests with that ttnn, hundreds of generated plans among them
	HYPOTHESIS_PROFILE=nightly $(ONE_THREAD) $(BIN)/python -m pytest -n $(JOBS) \
		-m hardware tests/harness/backends $(PYTEST_ARGS)

tilelang: $(STAMP) ## compare the plans of kernels TileLang itself parsed; fetches gigabytes once
	@[ -x $(TILELANG)/bin/tvm-ffi-config ] || { $(PYTHON) -m venv --clear $(TILELANG) \
		&& $(TILELANG)/bin/python -m pip install --quiet $(TILELANG_PACKAGE); }
	TT_HARNESS_TILELANG_PYTHON=$(TILELANG)/bin/python $(ONE_THREAD) $(BIN)/python -m pytest \
		-n $(JOBS) tests/harness/frontend/test_tilelang.py $(PYTEST_ARGS)

bench: $(STAMP) ## run the benchmarks, one thread each
	$(ONE_THREAD) $(BIN)/python -m pytest tests/benchmarks --benchmark-only $(PYTEST_ARGS)

bench-peers: $(STAMP) ## compare with tt-lang-sim's own tutorial kernel, in an environment of its own
	@[ -x $(PEERS)/bin/tt-lang-sim ] || { $(PYTHON) -m venv --clear $(PEERS) \
		&& $(PEERS)/bin/python -m pip install --quiet $(PEER_PACKAGES); }
	$(ONE_THREAD) $(BIN)/python -m tests.benchmarks.peers $(PEERS)/bin/tt-lang-sim

lint: $(STAMP) ## check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP) ## apply formatting and the fixes that are safe
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(STAMP) ## check types, strictly
	$(BIN)/mypy
	$(BIN)/mypy ci/nightly
	$(BIN)/mypy ci/smoke
	$(BIN)/mypy ci/ttnn

walls: $(STAMP) ## check what may import what
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_walls.py tests/test_globals.py

clean: ## remove the environment and everything tools leave behind
	rm -rf $(VENV) $(PEERS) $(TILELANG) .venv-ttnn .benchmarks .coverage* .hypothesis .import_linter_cache .mypy_cache \
		.pytest_cache .ruff_cache build dist htmlcov

# Redone when what is installed could change. The build backend comes from the same
# constraints, which an isolated build would not honour.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
		echo "tt-harness needs Python 3.10 or newer; name one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { \
		echo "$(PYTHON) lacks venv and ensurepip (Debian and Ubuntu: package python3-venv)" >&2; exit 1; }
	@# An environment of another Python, or one left half made, is made anew.
	@[ "$$($(BIN)/python -V 2>&1)" = "$$($(PYTHON) -V)" ] && $(BIN)/python -m pip -V >/dev/null 2>&1 \
		|| $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt hatchling
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation -e '.[dev]'
	@touch $@
