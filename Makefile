# `make` alone prints what there is. Everything runs in .venv, which is made where it is missing.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

# One process for each of two cores; the tests of a file stay together and share their fixtures.
# HYPOTHESIS=full: 50 examples of each property instead of 20, as CI tries them.
PYTEST := $(BIN)/pytest -n 2 --dist loadfile $(if $(HYPOTHESIS),--hypothesis-profile=$(HYPOTHESIS))

# Without bytecode on disk every start compiles torch's modules again: 2.5 s instead of 1.1 s.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-all test-gpu check docs house bench bench-full prior page page-check lessons lessons-short notebooks clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(INSTALLED)  ## train on the built-in names and show 20 new ones (runs/demo)
	@$(BIN)/makemore train -o runs/demo

test: $(INSTALLED)  ## the tests, without the slow ones; WING=sampling: those of one wing
	$(PYTEST) $(if $(WING),tests/$(WING))

# pytest's 5 says that no test is marked slow, which is no failure.
test-slow: $(INSTALLED)  ## only the slow tests
	$(PYTEST) -m slow || [ $$? -eq 5 ]

test-all: $(INSTALLED)  ## every test
	$(PYTEST) -m ""

# No .venv, whose torch knows no card: the python3 at hand, or PYTHON=path/of/another.
test-gpu:  ## tests on a graphics card, in four minutes at most; nothing is installed, what is missing is skipped
	PYTHONPATH=src:tests $(PYTHON) -m gpu

check: $(INSTALLED)  ## lint, format, types, layers, and docs that say what the code does
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python bench/house.py > /dev/null
	$(BIN)/python docs/generate.py --check
	$(BIN)/python docs/pages.py --check
	$(BIN)/python docs/coverage.py --check
	$(BIN)/pytest -q tests/test_layers.py tests/test_docs.py

docs: $(INSTALLED)  ## write the generated parts of README.md and docs/
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/pages.py
	$(BIN)/python docs/coverage.py
	$(BIN)/python docs/glossary/pictures.py

house: $(INSTALLED)  ## the wings: modules, lines, comments, functions, and import arrows between them
	@$(BIN)/python bench/house.py

BENCHES := models time_to_loss quality train_throughput cores sample_throughput conditions score_throughput ngram_scale start_up memory loaded_machine

# One folder of trained models for all of them.
bench: $(INSTALLED)  ## speed and quality, the short way (three minutes at most; nothing is kept)
	@runs=$$(mktemp -d); trap 'rm -rf "$$runs"' EXIT; for bench in $(BENCHES); do \
	    case $$bench in models) kept="--splits distinct-42";; *) kept="--runs $$runs";; esac; \
	    echo "== $$bench"; $(BIN)/python bench/$$bench.py --short $$kept || exit 1; done

NAMES ?= names.txt
ORIGINAL ?=

# ORIGINAL=makemore/makemore.py, of a clone, adds the original's own row to time_to_loss.
bench-full: $(INSTALLED)  ## every bench on names.txt in full, its figures kept (hours; wants a quiet machine)
	$(BIN)/python bench/time_to_loss.py --names $(NAMES) --json docs/performance \
	    $(if $(ORIGINAL),--original $(ORIGINAL))
	@for bench in $(filter-out models time_to_loss,$(BENCHES)); do echo "== $$bench"; \
	    $(BIN)/python bench/$$bench.py --names $(NAMES) --json docs/performance \
	    --runs runs/bench || exit 1; done

LISTS := build/prior-lists

prior: $(INSTALLED)  ## train the built-in prior on Faker's lists (an hour on two cores)
	$(BIN)/python bench/prior_lists.py $(LISTS)
	$(BIN)/makemore prior $(LISTS)/*.txt -o build/prior --about $(LISTS)/about.json \
	    --held-out $(LISTS)/held-out/lines.txt --pack src/makemore/api/builtin_prior

.PHONY: site site-tools
site: site-tools  ## build the site into site/: course, guides, models, API (opens from disk)
	$(BIN)/python docs/site/make_site.py

site-tools: $(INSTALLED)
	$(BIN)/python -m pip install --quiet -c constraints.txt --group site

# The page's own tools: node, what package-lock.json names, and zig, a C compiler, from its wheel.
page/node_modules: page/package-lock.json
	cd page && npm ci --omit-lockfile-registry-resolved --no-audit --no-fund
	@touch $@

page: $(INSTALLED) page/node_modules  ## build the page: src/makemore/web/static (needs node)
	$(BIN)/python -m pip install --quiet --group page
	ZIG="$(BIN)/python -m ziglang" node page/build.mjs

page-check: $(INSTALLED) page/node_modules  ## whether the built page is what its sources give
	$(BIN)/python -m pip install --quiet --group page
	ZIG="$(BIN)/python -m ziglang" node page/build.mjs --check

LESSONS := $(wildcard lessons/[01][0-9]_*.py)

lessons: $(INSTALLED)  ## run every lesson on names.txt in full (an hour), keep its numbers, outputs and pictures
	$(BIN)/python lessons/record.py
	$(BIN)/python docs/pages.py

lessons-short: $(INSTALLED)  ## every lesson in its short form (three minutes at most)
	@for lesson in $(LESSONS); do \
	    echo "== $$lesson"; $(BIN)/python $$lesson --short || exit 1; done

notebooks: $(INSTALLED)  ## the lessons as Jupyter notebooks with their outputs: lessons/notebooks
	@$(BIN)/python lessons/notebooks.py

.PHONY: course
course: notebooks  ## the notebooks in JupyterLab, which it installs (100 MB, a minute)
	$(BIN)/python -m pip install --quiet -c constraints.txt --group course
	$(BIN)/jupyter-lab lessons/notebooks

clean:  ## remove what the tools made; .venv and runs stay
	rm -rf build dist site .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

# pip first, alone: an old one cannot read `--group`. Then everything at once, so that torch's pin
# holds for whatever else asks for torch.
$(INSTALLED): pyproject.toml constraints.txt
	@echo "setting up .venv (a minute or more: torch is large)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --upgrade -c constraints.txt pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e . --group dev
	@touch $@
