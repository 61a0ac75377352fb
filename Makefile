# Each target builds .venv when there is none, installs what it needs once (again when pyproject.toml has
# changed) and runs.  Needed: Python 3.11 or newer with pip and venv, and make.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test docs lint types ci clean

help:            ## what can be made
	@sed -n 's/^\([a-z]*\):.*## /make \1|/p' Makefile | awk -F'|' '{ printf "  %-12s%s\n", $$1, $$2 }'

demo: $(VENV)/.has-viz   ## train a CNN on real images, about a minute; pictures in out/
	$(BIN)/python examples/train_fashion.py $(ARGS)

# One BLAS thread for each test process: together they fill the cores.
test: $(VENV)/.has-test  ## the whole test suite; one file with ARGS=tests/test_tape.py
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto $(ARGS)

docs: $(VENV)/.has-dev   ## the documentation, into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "open site/index.html"

lint: $(VENV)/.has-dev   ## style and format
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

types: $(VENV)/.has-dev  ## static types
	$(BIN)/python -m mypy

ci:              ## what must pass before a change lands: all of the above, and parity with PyTorch
	CI=true bash .ci/run

clean:           ## remove what was built
	rm -rf $(VENV) site dist out

$(VENV)/.has-%: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "tinygrad_cnn needs Python 3.11 or newer, and '$(PYTHON)' is not;" \
	       "name another one: make $(firstword $(MAKECMDGOALS)) PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "'$(PYTHON) -m venv' failed; on Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }
	@echo "installing what 'make $(firstword $(MAKECMDGOALS))' needs into $(VENV)"
	@$(PIP) --editable '.[$*]'
	@touch $@
