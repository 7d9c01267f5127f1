# Each target does all of its set-up: a virtual environment in the checkout, and nothing anywhere else.
# It is made anew when what is installed in it changes. PYTHON chooses the interpreter, VENV the directory.
# What is installed is locked, with hashes, in requirements/: the release of a dependency changes nothing here.

PYTHON ?= $(shell for each in python3.13 python3.12 python3.11 python3.10 python3 python; do \
	$$each -c 'import ensurepip, sys, venv; sys.exit(not (3, 10) <= sys.version_info[:2])' 2>/dev/null && echo $$each && break; done)
VENV := .venv
BIN := $(VENV)/bin
LATEST := .venv-latest
# Locked files only, and nothing is built from source but clipal itself: a build would fetch what no lock names.
PIP_INSTALL = python -m pip install --quiet --disable-pip-version-check
LOCKED = $(BIN)/$(PIP_INSTALL) --require-hashes --only-binary :all: --requirement
# `make lock UPGRADE=` keeps the versions that still fit: for a dependency that is new, or no longer there.
UPGRADE := --upgrade
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes $(UPGRADE) \
	--custom-compile-command "make lock"

.DEFAULT_GOAL := help
.PHONY: help demo test test-latest check format bench pictures acceptance fuzz soak soak-service lock clean mutate packages pyz share docs

help:
	@echo "make demo     see failover at work, without any key"
	@echo "make test     run the tests"
	@echo "make test-latest   run the tests with the newest release of every dependency"
	@echo "make check    format, lint, types, import rules, tests with branch coverage"
	@echo "make format   format the code"
	@echo "make bench    measure speed and memory against nginx (Linux; about seven minutes)"
	@echo "make pictures   draw the pictures of the docs from real runs (needs Chromium; about two minutes)"
	@echo "make acceptance   drive the real clients through clipal (needs npm; about two minutes)"
	@echo "make fuzz     throw damaged input at all parsers (SECONDS_EACH=20)"
	@echo "make soak     mixed load with failures and reloads, checked from both sides (MINUTES=10)"
	@echo "make soak-service   reload, upgrade, restart and kill a clipal under load, and count what is lost (SECONDS_EACH_EVENT=20)"
	@echo "make mutate   make 100 small changes, one at a time, and see whether the tests notice (about an hour)"
	@echo "make packages   build the sdist and the wheel into dist/, the same bytes each time"
	@echo "make pyz      build these and dist/clipal.pyz, clipal and all that it needs in one file"
	@echo "make docs     build the documentation as pages into build/site"
	@echo "make share    write the man page and the shells' completion anew"
	@echo "make lock     lock the newest dependencies (see CONTRIBUTING.md)"
	@echo "make clean    remove what these targets made"

$(VENV)/.test: setup.cfg pyproject.toml requirements/build.txt requirements/test.txt
	@test -n "$(PYTHON)" || { echo "clipal needs Python 3.10 or later; none was found. Set PYTHON=/path/to/python3"; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@echo "Installing clipal and its test dependencies into $(VENV) ..."
	@$(LOCKED) requirements/build.txt
	@$(LOCKED) requirements/test.txt
	@$(BIN)/$(PIP_INSTALL) --no-deps --no-build-isolation --no-index --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.test requirements/dev.txt
	@echo "Installing the development tools into $(VENV) ..."
	@$(LOCKED) requirements/dev.txt
	@touch $@

$(VENV)/.bench: $(VENV)/.test requirements/bench.txt
	@echo "Installing what the benchmark needs into $(VENV) ..."
	@$(LOCKED) requirements/bench.txt
	@touch $@

$(VENV)/.acceptance: $(VENV)/.test requirements/acceptance.txt
	@echo "Installing the clients' SDKs into $(VENV) ..."
	@$(LOCKED) requirements/acceptance.txt
	@touch $@

$(VENV)/.lock: $(VENV)/.test requirements/lock.txt
	@$(LOCKED) requirements/lock.txt
	@touch $@

$(VENV)/.dist: $(VENV)/.test requirements/dist.txt
	@echo "Installing what builds packages into $(VENV) ..."
	@$(LOCKED) requirements/dist.txt
	@touch $@

$(VENV)/.docs: $(VENV)/.test requirements/docs.txt
	@echo "Installing what builds the pages into $(VENV) ..."
	@$(LOCKED) requirements/docs.txt
	@touch $@

demo: $(VENV)/.test
	@$(BIN)/python -m clipal demo

test: $(VENV)/.test
	@$(BIN)/python -m pytest -q

test-latest:
	@test -x $(LATEST)/bin/pip || $(PYTHON) -m venv $(LATEST)
	@echo "Installing the newest of everything into $(LATEST) ..."
	@$(LATEST)/bin/$(PIP_INSTALL) --upgrade pip
	@$(LATEST)/bin/$(PIP_INSTALL) --upgrade --upgrade-strategy eager --editable '.[test]'
	@$(LATEST)/bin/python -m pytest -q

check: $(VENV)/.dev
	$(BIN)/ruff format --check clipal tests twisted benchmarks acceptance pictures mutation distribution
	$(BIN)/ruff check clipal tests twisted benchmarks acceptance pictures mutation distribution
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -q
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under 97

format: $(VENV)/.dev
	$(BIN)/ruff check --fix --quiet clipal tests twisted benchmarks acceptance mutation pictures distribution
	$(BIN)/ruff format clipal tests twisted benchmarks acceptance pictures mutation distribution

# BENCH: more options of the benchmark, as `--rounds 6`.
bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks --report build/performance.md --plot build/performance.svg $(BENCH)

pictures: $(VENV)/.bench docs
	$(BIN)/python -m pictures docs/monitoring.svg
	$(BIN)/python -m pictures.screens docs/pictures
	$(BIN)/python -m pictures.site build/site docs/pictures/site.png

# SECONDS_EACH for each target.
SECONDS_EACH := 20
fuzz: $(VENV)/.test
	@$(BIN)/python -m fuzz --seconds $(SECONDS_EACH)

# MINUTES of load.
MINUTES := 10
soak: $(VENV)/.bench
	@$(BIN)/python -m soak --minutes $(MINUTES) --report build/soak.md --plot build/soak.svg

# SECONDS_EACH_EVENT of load at least; some events take longer.
SECONDS_EACH_EVENT := 20
soak-service: $(VENV)/.test
	@$(BIN)/python -m soak.service --seconds $(SECONDS_EACH_EVENT) --report build/soak-service.md

acceptance: $(VENV)/.acceptance
	@$(BIN)/python -m acceptance --report build/acceptance.md

# For example: make mutate COUNT=20 SEED=7
COUNT := 100
SEED := 1
mutate: $(VENV)/.test
	@nice -n 19 $(BIN)/python -m mutation --count $(COUNT) --seed $(SEED)

packages: $(VENV)/.dist
	@rm -rf dist
	@$(BIN)/python -m distribution dist
	@$(BIN)/twine check --strict dist/*.whl dist/*.tar.gz

pyz: $(VENV)/.dist
	@rm -rf dist
	@$(BIN)/python -m distribution --pyz dist
	@$(BIN)/twine check --strict dist/*.whl dist/*.tar.gz

docs: $(VENV)/.docs
	@$(BIN)/python -m distribution.pages build/pages
	@NO_MKDOCS_2_WARNING=true $(BIN)/mkdocs build --strict --quiet --config-file mkdocs.yml

share: $(VENV)/.test
	@mkdir -p share/man/man1 share/bash-completion/completions share/zsh/site-functions share/fish/vendor_completions.d
	@$(BIN)/clipal man > share/man/man1/clipal.1
	@$(BIN)/clipal completion bash > share/bash-completion/completions/clipal
	@$(BIN)/clipal completion zsh > share/zsh/site-functions/_clipal
	@$(BIN)/clipal completion fish > share/fish/vendor_completions.d/clipal.fish

# The sets that share the environment with the tests take the tests' versions of what they have in common.
lock: $(VENV)/.lock
	$(COMPILE) requirements/build.in -o requirements/build.txt
	$(COMPILE) requirements/lock.in -o requirements/lock.txt
	$(COMPILE) setup.cfg --extra test -o requirements/test.txt
	$(COMPILE) setup.cfg --constraint requirements/test.txt -o requirements/run.txt
	for each in dev bench acceptance dist docs; do \
		$(COMPILE) setup.cfg --extra test --extra $$each --constraint requirements/test.txt -o requirements/$$each.txt || exit 1; done

clean:
	rm -rf $(VENV) $(LATEST) build dist *.egg-info .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
