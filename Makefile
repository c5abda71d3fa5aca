# Everything that one does with this repository. Needs make, and python3 >= 3.11 with its venv module.
SHELL := bash
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.up-to-date
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
export UV_PYTHON_DOWNLOADS := never
# As pip does: trust what the machine trusts, a company's own certificate authority included.
export UV_SYSTEM_CERTS := true

.PHONY: help env demo test test-fast lint format build pins clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: $(STAMP) ## Make the environment in .venv (PYTHON=... chooses the interpreter)

demo: $(STAMP) ## Run the example Dags on a real Airflow and S3 server (KEEP=1 leaves the UI up)
	@exec $(BIN)/python -m dev.demo $(if $(KEEP),--keep)

test: $(STAMP) ## Run all tests
	$(BIN)/python -m pytest -n 2

test-fast: $(STAMP) ## Run the tests that start neither Airflow nor a server
	$(BIN)/python -m pytest -n 2 -m "not slow"

lint: $(STAMP) ## Check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP) ## Mend style and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

build: $(STAMP) ## Build the wheel and the sdist into dist/
	$(BIN)/uv build --quiet --out-dir dist

pins: $(STAMP) ## Resolve requirements/dev.txt from pyproject.toml (delete it first to upgrade everything)
	$(BIN)/uv pip compile pyproject.toml --extra amazon --extra sandbox --group dev --quiet \
	    --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -o requirements/dev.txt

clean: ## Remove the environment, caches and everything built
	rm -rf $(VENV) .demo dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): requirements/uv.txt requirements/dev.txt pyproject.toml dev/make-env
	@dev/make-env $(VENV)
	@touch $@
