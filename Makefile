# Each command does all its own set-up, in .venv in this folder.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test check venv

# The main job on a table that comes with scikit-learn: profile, train, judge, compile, report.
demo: $(VENV)/.core
	$(BIN)/kolam run

# Everything that CI runs.
test: $(VENV)/.dev
	scripts/install-test-tools
	scripts/check

# Format, lint, types and floors, without the tests.
check: $(VENV)/.dev
	scripts/check --static

venv: $(VENV)/.dev

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.core
	$(PIP) --editable '.[dev]'
	touch $@
