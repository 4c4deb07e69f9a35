# `make test` and `make demo` need Python 3.10 or newer and make; everything else is installed into .venv.

# The suite starts hundreds of processes: without bytecode each would compile the package again.
unexport PYTHONDONTWRITEBYTECODE

PORT ?= 8000
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
DEMO := $(VENV)/.installed-for-demo
# Of the thousands of files, Python compiles those that it imports.
QUIETLY := --quiet --disable-pip-version-check --no-compile
SESSIONS := tests-3.12 tests-3.10 tests-3.11 tests-3.13 wheel # the longest first
# Each with a database of its own; what one writes is shown when it ends.
SIDE_BY_SIDE := --keep-going $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)
WORKERS ?= 2
IN_BROWSER := tests/browser tests/demo/test_pictures.py tests/docs/test_quickstart_in_admin.py tests/support
OTHER_LINES := tests/changes tests/selection tests/state tests/support tests/sync \
  tests/admin/test_change.py tests/admin/test_scale.py tests/contrib/transfer/test_concurrency.py tests/leaks/test_frames.py tests/rows/test_column.py
MEASURED := $(PY) -m coverage run -m pytest -q

.DEFAULT_GOAL := help
.PHONY: help venv with-pip demo test test-sqlite test-postgres test-browser forget coverage chromium screenshots \
  format lint types messages docs build matrix clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  make %-14s %s\n", $$1, $$2 }'

$(PY):
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 10) or sys.exit("Python 3.10 or newer is needed; $(PYTHON) is %d.%d. Name another one: make PYTHON=python3.12 ..." % v[:2])'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { [ "$$(id -u)" = 0 ] && apt-get -q update && apt-get -qy install python3-venv; } >/dev/null 2>&1 \
	  || { echo "$(PYTHON) cannot create virtual environments; on Debian: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)

$(STAMP): pyproject.toml | $(PY)
	-$(PY) -m pip install $(QUIETLY) uv
	$(PY) -m uv pip install --quiet --editable . --group dev || $(MAKE) --no-print-directory with-pip
	@touch $@

# Where uv is not to be had, or not told of the index that pip is configured for; nox does without it then, too.
with-pip:
	$(PY) -m pip uninstall --quiet --yes uv
	$(PY) -m pip install $(QUIETLY) --upgrade "pip>=25.1"
	$(PY) -m pip install $(QUIETLY) --editable . --group dev

venv: $(STAMP) ## Create the virtual environment and install everything into it

$(DEMO): pyproject.toml | $(PY)
	@[ -e $(STAMP) ] || $(PY) -m pip install $(QUIETLY) --editable . aiosmtpd
	@touch $@

demo: $(DEMO) ## Seed and serve the demo on 127.0.0.1 (PORT=8000)
	$(PY) demo/manage.py demo --port $(PORT)

test: $(STAMP) ## Run the whole suite and check its coverage
	@$(MAKE) --no-print-directory forget
	@echo "The suite runs on SQLite, on PostgreSQL and in a browser, side by side; each shows what it said when it ends (some minutes)."
	@failed=0; for part in "--jobs=3 $(SIDE_BY_SIDE) test-sqlite test-postgres test-browser" coverage; do \
	  $(MAKE) --no-print-directory $$part || failed=1; \
	done; exit $$failed

# worksteal: neighbours, which share fixtures, stay in one process.
test-sqlite: $(STAMP) ## Run all but the browser tests on SQLite, in two processes (WORKERS=2)
	TEST_DATABASE=sqlite $(MEASURED) -n $(WORKERS) --dist worksteal -m "not browser"

test-postgres: $(STAMP) ## Run on PostgreSQL what databases do differently; measured where that is other lines
	@failed=0; set -x; \
	TEST_DATABASE=postgres $(MEASURED) -m "not browser" $(OTHER_LINES) || failed=1; \
	TEST_DATABASE=postgres $(PY) -m pytest -q -m "not browser" $(OTHER_LINES:%=--ignore=%) || failed=1; \
	exit $$failed

test-browser: $(STAMP) chromium ## Run the browser tests
	TEST_DATABASE=sqlite $(PY) -m coverage run --concurrency=greenlet,thread -m pytest -q -m browser $(IN_BROWSER)

forget: $(STAMP)
	@$(PY) -m coverage erase

coverage: $(STAMP)
	@$(PY) -m coverage combine --quiet
	@if $(PY) -m tests.support.chromium --check; then $(PY) -m coverage report; else \
	  $(PY) -m coverage report --fail-under=0; echo "Coverage is not judged: the browser tests were left out."; fi

chromium: $(STAMP)
	@$(PY) -m tests.support.chromium

screenshots: $(STAMP) chromium ## Take the documentation's pictures anew
	SCREENSHOTS=docs/images $(PY) -m pytest -m browser
	@for picture in docs/images/*.png; do \
	  grep -rqs "images/$$(basename $$picture)" docs/*.md docs/recipes README.md demo/README.md || rm $$picture; done

format: $(STAMP) ## Format the code
	$(PY) -m ruff format
	$(PY) -m ruff check --fix

lint: $(STAMP) ## Check style and formatting
	$(PY) -m ruff check
	$(PY) -m ruff format --check

types: $(STAMP) ## Check types: mypy strict on everything, basedpyright on what callers see
	$(PY) -m mypy
	$(PY) -m basedpyright

messages: $(STAMP) ## Collect the texts to translate and compile the catalogues
	$(PY) -m tests.support.messages

docs: $(STAMP) ## Build the documentation; a warning is an error
	$(PY) -m sphinx --fail-on-warning --keep-going --nitpicky --quiet docs docs/_build/html

build: $(STAMP) ## Build wheel and sdist into dist/ and check them
	rm -rf dist
	$(PY) -m build --quiet --outdir dist
	$(PY) -m twine check --strict dist/*

bench: $(STAMP) ## Measure the speed against 1.1.0 and 2.0.9, on SQLite and PostgreSQL
	$(PY) -m bench compare

matrix: $(STAMP) ## Run the suite on every supported Python and Django found here
	@$(MAKE) --no-print-directory --jobs=2 $(SIDE_BY_SIDE) $(SESSIONS:%=matrix-%)

matrix-%: $(STAMP)
	$(PY) -m nox --session $*

clean: ## Remove everything that the targets above create
	rm -rf $(VENV) .bench .nox .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.* dist docs/_build docs/project
