# Two commands set up a fresh machine: `make run` and `make test`. Both make the environment first if it is not there.
PYTHON ?= $(firstword $(foreach p,python3.13 python3.12 python3.11 python3 python,$(shell $(p) -c \
	'import sys; sys.version_info >= (3, 11) and print("$(p)")' 2>/dev/null)))
VENV ?= .venv
BIN := $(VENV)/bin
CONFIGS := $(wildcard configs/*.yaml)
CONFIGS_WITH_EXPECT = $(shell grep -l '^expect:' $(CONFIGS))

SWEEPS = $(shell grep -l '^sweep:' $(CONFIGS))

.DEFAULT_GOAL := help
.PHONY: help run quick test test-all test-browser check format figures sweeps claims gallery bench bench-cells lock docs site clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1\t\2/' | expand -t 20

run: $(BIN)/.installed ## set up, then run configs/adam_const.yaml with progress and pictures
	$(BIN)/nonconv run configs/adam_const.yaml

quick: $(BIN)/.installed-dev ## in half a minute: units, contracts and error texts, on the reference engine; nothing is compiled
	$(BIN)/python -m pytest --quick --numprocesses 2 --dist worksteal $(ARGS)

test: $(BIN)/.installed-dev ## set up what tests need, then run them
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal $(ARGS)

test-all: $(BIN)/.installed-dev ## the same, and what repeats other tests for all that ships: figures of every config, every page
	$(BIN)/python -m pytest --thorough --numprocesses auto --dist worksteal $(ARGS)

test-browser: $(BIN)/.installed-dev ## open interactive pages in Chromium, click them, and read them back
	NONCONV_BROWSER=required $(BIN)/python -m pytest -m browser $(ARGS)

check: $(BIN)/.installed-dev ## lint, format, types, and that imports go one way
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(BIN)/.installed-dev ## format the code
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

figures: $(BIN)/.installed ## run every config that ships, and every sweep
	@for config in $(CONFIGS); do $(BIN)/nonconv run $$config || exit $$?; done
	@$(MAKE) --no-print-directory sweeps

sweeps: $(BIN)/.installed ## run every sweep that ships
	@for config in $(SWEEPS); do $(BIN)/nonconv sweep $$config || exit $$?; done

claims: $(BIN)/.installed ## run every config that says what it expects, and hold the results against that
	$(BIN)/nonconv check $(CONFIGS_WITH_EXPECT)

gallery: $(BIN)/.installed ## run and check the published claims of configs/gallery, and write docs/gallery.md and docs/answers
	$(BIN)/python docs/gallery.py
	$(BIN)/python docs/answers.py

bench: $(BIN)/.installed-bench ## measure speed, start-up and memory beside C, JAX and PyTorch
	$(BIN)/python benchmarks/bench.py $(ARGS)

bench-cells: $(BIN)/.installed-bench ## measure sweeps of up to 100,000 tiny cells; takes a quarter of an hour
	$(BIN)/python benchmarks/cells.py $(ARGS)

docs: $(BIN)/.installed ## write docs/components.md, and the files and outputs that pages quote
	$(BIN)/python docs/components.py > docs/components.md
	$(BIN)/python docs/includes.py

site: $(BIN)/.installed-dev ## write the site to site/, to be opened without a network: site/index.html
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo site/index.html

lock: $(BIN)/.installed-dev ## choose the newest versions again
	$(BIN)/pip-compile --quiet --strip-extras --upgrade --no-emit-index-url --no-emit-find-links --extra report \
		-o requirements.lock pyproject.toml
	$(BIN)/pip-compile --quiet --strip-extras --upgrade --no-emit-index-url --no-emit-find-links --extra dev \
		-c requirements.lock -o requirements-dev.lock pyproject.toml

clean: ## remove the environment and caches; results stay
	rm -rf $(VENV) site build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "nonconv needs Python 3.11 or newer; none was found. make PYTHON=/path/to/python3.12"; exit 1; }
	@echo "Making an environment in $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { echo "making it failed; on Debian and Ubuntu: apt install python3-venv"; rm -rf $(VENV); exit 1; }

$(BIN)/.installed: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing nonconv and the libraries of requirements.lock"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(BIN)/.installed-dev: requirements-dev.lock $(BIN)/.installed
	@echo "Installing what tests and checks need"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	@touch $@

$(BIN)/.installed-bench: benchmarks/requirements.txt $(BIN)/.installed
	@echo "Installing the peers: JAX, Optax, PyTorch"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	@touch $@
