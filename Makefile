# Needs Python >= 3.11 and make, nothing else: each target makes .venv by itself, and again when requirements change.
#   make test ARGS="tests/core -k eta"     options for pytest; -n0 runs the tests in one process, for --pdb
#   make demo PYTHON=/opt/python3.12       another interpreter; .venv is made again when it had another one

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
ARGS ?=
PYTEST ?= pytest
MAKEFLAGS += --no-print-directory
unexport PYTHONDONTWRITEBYTECODE # tests start the server hundreds of times; compile it once

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-all check check-page bench torture torture-cluster requirements clean FORCE

help: ## what can be made
	@echo "Phaseline: make <target>"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.installed ## a server, real work, and the terminal view on it (plain lines without a terminal)
	@$(BIN)/python examples/demo.py $(ARGS)

test: $(VENV)/.installed-dev ## the tests that are not marked slow, with few examples each, on every processor
	@$(BIN)/python -m $(PYTEST) -n auto --dist worksteal -m "not slow" --hypothesis-profile quick $(ARGS)

# sys.monitoring measures coverage in a tenth of the tests' time; the tracer of Python 3.11 takes as long as they do.
COVERAGE = $(shell $(BIN)/python -c 'import sys; print("--cov --cov-report=" * hasattr(sys, "monitoring"))')
test-all: export COVERAGE_CORE := sysmon
test-all: $(VENV)/.installed-dev ## every test, with all its examples; with Python 3.12 and later, the coverage
	@$(BIN)/python -m $(PYTEST) -n auto --dist worksteal $(COVERAGE) $(ARGS)

check: $(VENV)/.installed-dev ## ruff, its formatter, mypy --strict, import contracts
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/python -m mypy
	@$(BIN)/lint-imports --no-logo

check-page: $(VENV)/page/.installed ## the types of the web page's scripts; needs npm
	@$(VENV)/page/node_modules/.bin/tsc -p requirements/page

bench: $(VENV)/.installed-dev ## the benchmarks, one after the other, with their figures
	@set -e; for bench in tests/bench/bench_*.py; do \
	  [ -e "$$bench" ] || { echo "no tests/bench/bench_*.py"; exit 0; }; \
	  echo "== $$bench"; $(BIN)/python -m "tests.bench.$$(basename "$$bench" .py)" $(ARGS); \
	done

torture: $(VENV)/.installed-dev ## kill a server a thousand times under load; what it acknowledged must be there
	@$(BIN)/python -m tests.bench.torture $(ARGS)

torture-cluster: $(VENV)/.installed-dev ## kill and stop leaders of a shared log, and fail its database over, under load
	@$(BIN)/python -m tests.bench.torture_cluster $(ARGS)

# Universal: one file for Python 3.11 and later on every platform. The second takes its versions from the first.
COMPILE = $(BIN)/python -m uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
  --annotation-style line pyproject.toml requirements/build.in
requirements: $(VENV)/.installed-dev ## resolve the requirements anew, with hashes
	@echo "resolving requirements/*.txt"
	@$(PIP) install -qq uv
	@$(COMPILE) --extra all -o requirements/all.txt
	@$(COMPILE) --extra dev -c requirements/all.txt -o requirements/dev.txt
	@git --no-pager diff --stat -- requirements || true

clean: ## remove .venv, caches and builds; never data (output, metrics, series)
	rm -rf $(VENV) .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist \
	  .coverage snapshot_report.html
	find core server tui tests examples -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# ------------------------------------------------------------------------------------------------ .venv

# The stamps below say what has been done; an interrupted step leaves none, so it is done again. Modules are compiled
# when they are first imported, as most never are.
$(VENV)/.installed: requirements/all.txt pyproject.toml $(VENV)/.made
	@echo "installing requirements/all.txt into $(VENV)"
	@$(PIP) install -qq --no-compile --require-hashes -r requirements/all.txt
	@$(PIP) install -qq --no-build-isolation --no-deps --editable .
	@touch $@

$(VENV)/.installed-dev: requirements/dev.txt pyproject.toml $(VENV)/.made
	@echo "installing requirements/dev.txt into $(VENV)"
	@$(PIP) install -qq --no-compile --require-hashes -r requirements/dev.txt
	@$(PIP) install -qq --no-build-isolation --no-deps --editable .
	@touch $@ $(VENV)/.installed

# For the tests of the web page, too: without it those with axe are skipped.
$(VENV)/page/.installed: requirements/page/package.json requirements/page/package-lock.json $(VENV)/.made
	@echo "installing requirements/page into $(VENV)/page"
	@mkdir -p $(VENV)/page && cp requirements/page/package*.json $(VENV)/page
	@cd $(VENV)/page && npm ci --silent --no-audit --no-fund
	@touch $@

PYTHON ?=
# A .venv whose interpreter went away, or is another than the one asked for, is made again.
ifneq ($(shell test -x $(BIN)/python && echo usable),usable)
$(VENV)/.made: FORCE
else ifneq ($(PYTHON),)
ifneq ($(shell cat $(VENV)/.made 2>/dev/null),$(PYTHON))
$(VENV)/.made: FORCE
endif
endif

$(VENV)/.made:
	@for python in $(if $(PYTHON),"$(PYTHON)",python3.13 python3.12 python3.11 python3.14 python3); do \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	  old="$$python"; \
	  "$$python" -c 'import ensurepip, venv' 2>/dev/null || continue; \
	  echo "making $(VENV) with $$("$$python" --version) ($$python)"; \
	  "$$python" -m venv --clear $(VENV) || exit 1; \
	  echo "$$python" > $@; exit 0; \
	done; \
	if [ -n "$$old" ]; then \
	  echo "make: $$old lacks venv or ensurepip; install them (Debian, Ubuntu: apt install python3-venv)" >&2; \
	elif [ -n "$(PYTHON)" ]; then \
	  echo "make: PYTHON=$(PYTHON) is no Python 3.11 or later" >&2; \
	else \
	  echo "make: no Python 3.11 or later found (tried python3.13, 3.12, 3.11, 3.14, python3);" \
	    "install one, or name it: make PYTHON=/path/to/python3" >&2; \
	fi; \
	exit 1

FORCE:
