# Each target does all of its set-up: a virtual environment in the checkout, and nothing anywhere else.
# It is made anew when what is installed in it changes. PYTHON chooses the interpreter.

PYTHON ?= $(shell for each in python3.13 python3.12 python3.11 python3.10 python3 python; do \
	$$each -c 'import ensurepip, sys, venv; sys.exit(not (3, 10) <= sys.version_info[:2])' 2>/dev/null && echo $$each && break; done)
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test check format bench acceptance clean

help:
	@echo "make demo     see failover at work, without any key"
	@echo "make test     run the tests"
	@echo "make check    format, lint, types, import rules, tests with branch coverage"
	@echo "make format   format the code"
	@echo "make bench    measure speed and memory against nginx (Linux; about six minutes)"
	@echo "make acceptance   drive the real clients through clipal (needs npm; about two minutes)"
	@echo "make clean    remove what these targets made"

$(VENV)/.test: setup.cfg pyproject.toml
	@test -n "$(PYTHON)" || { echo "clipal needs Python 3.10 or later; none was found. Set PYTHON=/path/to/python3"; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@echo "Installing clipal and its test dependencies into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

$(VENV)/.dev: $(VENV)/.test
	@echo "Installing the development tools into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,dev]'
	@touch $@

$(VENV)/.bench: $(VENV)/.test
	@echo "Installing what the benchmark needs into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,bench]'
	@touch $@

$(VENV)/.acceptance: $(VENV)/.test
	@echo "Installing the clients' SDKs into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,acceptance]'
	@touch $@

demo: $(VENV)/.test
	@$(BIN)/python -m clipal demo

test: $(VENV)/.test
	@$(BIN)/python -m pytest -q

check: $(VENV)/.dev
	$(BIN)/ruff format --check clipal tests twisted benchmarks acceptance
	$(BIN)/ruff check clipal tests twisted benchmarks acceptance
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -q
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under 97

format: $(VENV)/.dev
	$(BIN)/ruff check --fix --quiet clipal tests twisted benchmarks acceptance
	$(BIN)/ruff format clipal tests twisted benchmarks acceptance

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks --report build/performance.md --plot build/performance.svg

acceptance: $(VENV)/.acceptance
	@$(BIN)/python -m acceptance --report build/acceptance.md

clean:
	rm -rf $(VENV) build dist *.egg-info .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
