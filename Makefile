# The commands of this project. `make demo` and `make test` need nothing but
# Python 3.11 or newer and a package index.

PYTHON = python3
VENV = .venv
BIN := $(VENV)/bin
# The utopya frontend, unchanged, and the backend that it ships. Models are run by the
# Python of $(VENV), which comes first on PATH: that way works with old frontends, too.
VERSION = 1.3.11
FRONTEND := .venv-frontend$(if $(filter-out 1.3.11,$(VERSION)),-$(VERSION))
FRONTEND_HOME := $(CURDIR)/out/frontend$(if $(filter-out 1.3.11,$(VERSION)),-$(VERSION))

# The commands get an environment of their own: what else is exported where `make` is
# called can neither hide nor cause anything. pip keeps its settings.
KEPT := HOME PATH CI PIP_% %_proxy %_PROXY SSL_CERT_%
$(foreach name,$(filter-out $(KEPT),$(.VARIABLES)),\
	$(if $(filter environment,$(origin $(name))),$(eval unexport $(name))))
export LC_ALL := C.UTF-8

UTOPYA = HOME="$(FRONTEND_HOME)" PATH="$(abspath $(BIN)):$(PATH)" $(FRONTEND)/bin/utopya

.PHONY: help demo frontend test lower-bounds coverage lint docs pictures kill kill-published \
	replay full-disk readers races failed-sync fuzz same published-tests universe sweep-speed many-universes soak bench fit clean

help:  ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.installed  ## Run the example model `Influenza`; its data goes to out/
	$(BIN)/utopya-backend run examples/Influenza

frontend: $(VENV)/.installed-examples $(FRONTEND)/.installed  ## Run the examples under the utopya frontend (of any VERSION=…), with plots
	mkdir -p "$(FRONTEND_HOME)"
	$(UTOPYA) projects register examples --with-models --exists-action overwrite
	$(UTOPYA) run Influenza --debug  # --debug: a plot that fails is an error
	$(UTOPYA) run ForestFire --debug
	$(UTOPYA) run Opinions --debug
	$(UTOPYA) run PredatorPrey --debug
	@echo "The pictures of this run and of earlier ones:"
	@find "$(FRONTEND_HOME)" -name "*.png"

test: $(VENV)/.installed-test  ## Run all tests
	$(BIN)/pytest

coverage: $(VENV)/.installed-test  ## Run all tests, report the branch coverage
	$(BIN)/pytest --cov --cov-report=term-missing

lower-bounds:  ## Run all tests with the oldest versions that pyproject.toml allows
	$(PYTHON) -m venv --clear .venv-lowest
	grep -oE '"[A-Za-z0-9._-]+>=[0-9.]+"' pyproject.toml | tr -d '"' | sed 's/>=/==/' \
		> .venv-lowest/constraints.txt
	.venv-lowest/bin/pip install --quiet --constraint .venv-lowest/constraints.txt hatchling editables
	.venv-lowest/bin/pip install --quiet --constraint .venv-lowest/constraints.txt \
		--no-build-isolation --editable ".[test]"
	.venv-lowest/bin/pytest -W default  # old versions of others warn

lint: $(VENV)/.installed-test $(VENV)/.installed-lint  ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.installed $(VENV)/.installed-docs  ## Build the manual, docs/_build/index.html
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build

kill: $(VENV)/.installed  ## Kill 200 models at random moments, check their data (15 min)
	$(BIN)/python campaigns/kill.py 200

kill-published: $(VENV)/.installed $(FRONTEND)/.installed  ## The same for 60 models of the published backend (1 min)
	$(BIN)/python campaigns/kill_published.py $(FRONTEND)/bin/python 60

replay: $(VENV)/.installed  ## Rebuild a file as it is after each single write (6 min)
	$(BIN)/python campaigns/replay.py

full-disk: $(VENV)/.installed  ## Run models until no more can be written (1 min)
	$(BIN)/python campaigns/full_disk.py 30

races: $(VENV)/.installed  ## Look at files at the moment in which their writers are killed (7 min)
	$(BIN)/python campaigns/races.py 200

failed-sync: $(VENV)/.installed  ## Have each sync of a run fail (1 min)
	$(BIN)/python campaigns/failed_sync.py

fuzz: $(VENV)/.installed-sweep $(VENV)/.installed-analysis  ## Give random configurations and damaged files to the commands (10 min)
	$(BIN)/python campaigns/fuzz.py 4000 2000

readers: $(VENV)/.installed-analysis  ## Read a file 2,000 times while it is written (1 min)
	$(BIN)/python campaigns/readers.py 2000

same: $(VENV)/.installed $(FRONTEND)/.installed  ## Run models here and beside: the same results? (1 min)
	$(BIN)/python campaigns/same_results.py $(FRONTEND)/bin/python

published-tests: $(VENV)/.installed $(FRONTEND)/.installed  ## Run the tests of the published backend, with ours in its place
	$(BIN)/python campaigns/published_tests.py $(FRONTEND)/bin/python $(VERSION)

universe: $(VENV)/.installed $(FRONTEND)/.installed  ## Time universes under the frontend, with both backends (1 min)
	$(BIN)/python campaigns/universe_time.py $(FRONTEND)/bin/python

many-universes: $(VENV)/.installed-analysis  ## Open a run of 10,000 universes as labelled data (1 min)
	$(BIN)/python campaigns/many_universes.py 10000

sweep-speed: $(VENV)/.installed-sweep $(FRONTEND)/.installed  ## Time sweeps, beside those of the frontend (8 min)
	$(BIN)/python campaigns/sweep_speed.py $(FRONTEND)/bin/python

soak: $(VENV)/.installed  ## Write ten million rows, watch the memory (1 min)
	$(BIN)/python campaigns/soak.py

bench: $(VENV)/.installed-analysis $(FRONTEND)/.installed  ## Measure it beside the published package (6 min)
	$(BIN)/python benchmarks/bench.py $(FRONTEND)/bin/python

fit: $(VENV)/.installed-analysis $(VENV)/.installed-sweep  ## Fit the model `Influenza` to the outbreak of 1978 (5 min)
	$(BIN)/utopya-backend sweep examples/Influenza examples/Influenza/fit.yml --out out/fit
	$(BIN)/python examples/Influenza/fit.py out/fit/Influenza

pictures: $(VENV)/.installed-test fit  ## Make the pictures of the manual, from runs of the examples and the tutorial
	rm -rf out/pictures docs/pictures
	mkdir -p out/pictures docs/pictures
	$(BIN)/utopya-backend run examples/Influenza --seed 1 --out out/pictures
	printf 'write_every: 3\nForestFire: {grid_shape: [100, 100], p_lightning: 1.0e-4}\n' > out/pictures/forest.yml
	$(BIN)/utopya-backend run examples/ForestFire out/pictures/forest.yml --seed 1 --out out/pictures
	$(BIN)/utopya-backend plot out/pictures/Influenza/* I --output docs/pictures/influenza.png
	$(BIN)/utopya-backend plot out/pictures/Influenza/* total --output docs/pictures/benchmark.png
	$(BIN)/utopya-backend plot out/pictures/ForestFire/* tree_density --output docs/pictures/forest-density.png
	$(BIN)/utopya-backend plot out/pictures/ForestFire/* state --animate --output docs/pictures/forest.gif
	$(BIN)/pytest --quiet docs/tutorial.md --basetemp=out/pictures/tutorial
	cp out/pictures/tutorial/docs0/*.png out/pictures/tutorial/docs0/*.gif docs/pictures/
	cp "$$($(BIN)/python -c 'from utopya_backend.io.runs import *; print(latest_run("out/fit/Influenza", has_output))')/eval/fit.png" docs/pictures/influenza-fit.png
	cd docs && $(abspath $(BIN))/jupyter execute --inplace notebook.ipynb

clean:  ## Remove what the other commands have made, but not out/
	rm -rf $(VENV) $(FRONTEND) docs/_build docs/jupyter_execute .pytest_cache .hypothesis .mypy_cache .ruff_cache .coverage

# An environment of its own, with this project as it stands in src/
$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable .
	touch $@

$(FRONTEND)/.installed: Makefile
	$(PYTHON) -m venv $(FRONTEND)
	$(FRONTEND)/bin/pip install --quiet "utopya==$(VERSION)"
	touch $@

# … with one of the extras `test`, `lint`, `docs`, `analysis`, `examples`, `sweep`
$(VENV)/.installed-%: $(VENV)/.installed
	$(BIN)/pip install --quiet --editable ".[$*]"
	touch $@
