# The commands of this project. `make demo` and `make test` need nothing but
# Python 3.11 or newer and a package index.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: help demo test coverage lint docs kill clean

help:  ## Show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.installed  ## Run the example model `Influenza`; its data goes to out/
	$(BIN)/utopya-backend run examples/Influenza

test: $(VENV)/.installed-test  ## Run all tests
	$(BIN)/pytest

coverage: $(VENV)/.installed-test  ## Run all tests, report the branch coverage
	$(BIN)/pytest --cov --cov-report=term-missing

lint: $(VENV)/.installed-test $(VENV)/.installed-lint  ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.installed $(VENV)/.installed-docs  ## Build the manual, docs/_build/index.html
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build

kill: $(VENV)/.installed  ## Kill 200 models at random moments, check their data (15 min)
	$(BIN)/python campaigns/kill.py 200

clean:  ## Remove what the other commands have made, but not out/
	rm -rf $(VENV) docs/_build .pytest_cache .hypothesis .mypy_cache .ruff_cache .coverage

# An environment of its own, with this project as it stands in src/
$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable .
	touch $@

# … with one of the extras `test`, `lint`, `docs`
$(VENV)/.installed-%: $(VENV)/.installed
	$(BIN)/pip install --quiet --editable ".[$*]"
	touch $@
