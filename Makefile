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
export NODE_EXTRA_CA_CERTS ?= $(wildcard /etc/ssl/certs/ca-certificates.crt)

# The slow tests lie together: a process that is done takes over half of what the other has left.
PARALLEL := -n 2 --dist worksteal

# The oldest Airflow that the package declares, and the tests that also have to pass there.
FLOOR := .venv-airflow-3.1
FLOOR_TESTS := tests/dags tests/hooks tests/triggers tests/ui/test_app.py tests/lineage/test_assets.py \
    tests/transfers/test_in_a_dag.py tests/transfers/test_every_store.py tests/transfers/test_telling.py \
    tests/test_imports.py tests/test_provider.py tests/test_cli.py \
    tests/example_dags/test_example_dags.py::test_the_form_makes_the_clip_that_was_asked_for
# Every Airflow and Python that the package supports; an environment for each.
COMPAT := .venv-compat
# Every store that a copy can go to. The google provider alone is 1.2 GB: it has no place in everybody's .venv.
STORES := .venv-stores
# What people would use instead, at its newest: the benchmarks measure it in the same run.
PEERS := .venv-peers
# The tests', and mutmut.
MUTATION := .venv-mutation
AZURITE := .azurite
# Airflow as a cluster: Celery over Redis, and PostgreSQL.
DISTRIBUTED := .venv-distributed
RESOLVE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-header pyproject.toml --extra amazon --extra sandbox

.PHONY: help env demo test test-fast test-ui test-floor test-stores compat coverage mutation lint format build dist \
    docs pins clean faults distributed

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: $(STAMP) ## Make the environment in .venv (PYTHON=... chooses the interpreter)

demo: $(STAMP) ## Run the example Dags on a real Airflow and S3 server (KEEP=1 leaves the UI up)
	@exec $(BIN)/python -m dev.demo $(if $(KEEP),--keep)

faults: $(STAMP) ## Kill tasks, triggerers and copies on a real Airflow, and account for every clip (SHORT=1: fewer)
	@exec $(BIN)/python -m dev.faults $(if $(SHORT),--short) $(if $(SEED),--seed=$(SEED))

distributed: $(DISTRIBUTED)/.up-to-date ## Run 300 clips on a cluster (CLIPS=... others), kill a worker and a triggerer, and account for every clip
	@exec $(DISTRIBUTED)/bin/python -m dev.distributed $(if $(CLIPS),--clips=$(CLIPS))

test: $(STAMP) ## Run all tests but those that look at Airflow's UI in a browser
	$(BIN)/python -m pytest $(PARALLEL) -m "not browser"

test-ui: $(STAMP) ## Look at Airflow's UI in a Chromium (SCREENSHOTS=docs/img keeps what it sees)
	@command -v chromium || command -v google-chrome || test -x "$$CHROMIUM" || { \
	    echo "Chromium is missing. On Debian and Ubuntu: apt-get install chromium; else name yours by CHROMIUM=" >&2; exit 1; }
	$(BIN)/python -m pytest -m browser tests/ui

test-fast: $(STAMP) ## Run the tests that start neither Airflow nor a server
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow and not browser"

test-floor: $(FLOOR)/.up-to-date ## Run the tests that need Airflow on the oldest one, 3.1
	$(FLOOR)/bin/python -m pytest $(PARALLEL) $(FLOOR_TESTS)

test-stores: $(STORES)/.up-to-date $(AZURITE)/.up-to-date ## Run the tests of the copies over S3, GCS, Azure and a local folder
	$(STORES)/bin/python -m pytest $(PARALLEL) tests/transfers tests/test_storage_errors.py tests/ui/test_presign_gcs.py tests/dev/test_gcs.py tests/test_provider.py tests/example_dags/test_to_gcs.py

compat: $(STAMP) ## Run the tests on every Airflow and Python that is supported (STRICT=1, WRITE=1, ONLY=..., PYTHONS=...: see docs/compatibility.md)
	@exec $(BIN)/python -m dev.compat $(if $(STRICT),--strict) $(if $(WRITE),--write) $(if $(ONLY),--only="$(ONLY)") \
	    $(if $(PYTHONS),--pythons="$(PYTHONS)")

mutation: $(MUTATION)/.up-to-date ## Change the code that pays, one thing at a time: do the tests notice? (MODULES=... some)
	@exec $(MUTATION)/bin/python -m dev.mutation $(MODULES)

coverage: $(STAMP) ## Run all tests, show which lines and branches of each room they reach, and fail below the floor
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(PARALLEL) -m "not browser"
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered --show-missing --fail-under=0
	$(BIN)/coverage json --quiet --fail-under=0 -o .coverage/report.json
	@$(BIN)/python -m dev.rooms .coverage/report.json
	@$(BIN)/coverage report --format=total

lint: $(STAMP) ## Check style, format, types and spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell

format: $(STAMP) ## Mend style and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP) ## Build the documentation into .docs/ (open .docs/index.html); any warning is an error
	$(BIN)/sphinx-build -W --keep-going --quiet -n -b html -d .docs/.doctrees docs .docs

build: $(STAMP) ## Build the wheel and the sdist into dist/
	$(BIN)/uv build --quiet --out-dir dist

dist: $(STAMP) ## Build the commit's wheel and sdist into dist/, check them, install them with each extra (EXTRAS=... some)
	@exec $(BIN)/python -m dev.distribution $(if $(EXTRAS),--extras=$(EXTRAS))

pins: $(STAMP) ## Resolve requirements/*.txt (delete them first to upgrade everything)
	$(RESOLVE) --group dev --group browser --group docs --group lineage --group checks --group release -o requirements/dev.txt
	$(RESOLVE) --group dev --group lineage requirements/airflow-3.1.in -o requirements/airflow-3.1.txt
	$(RESOLVE) --group dev --group lineage requirements/airflow-3.2.in -o requirements/airflow-3.2.txt
	$(RESOLVE) --extra openlineage --resolution lowest-direct -c requirements/airflow-3.1.in requirements/lowest.in \
	    -o requirements/lowest.txt
	$(RESOLVE) --group dev requirements/stores.in -o requirements/stores.txt
	$(RESOLVE) --group dev requirements/peers.in -o requirements/peers.txt
	$(RESOLVE) --group dev requirements/distributed.in -o requirements/distributed.txt
	$(RESOLVE) --group dev requirements/mutation.in -o requirements/mutation.txt

clean: ## Remove the environments, caches and everything built
	rm -rf $(VENV) $(FLOOR) $(COMPAT) $(STORES) $(PEERS) $(DISTRIBUTED) $(MUTATION) $(AZURITE) .demo .faults .distributed .mutation .coverage .docs dist \
	    .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): requirements/uv.txt requirements/dev.txt pyproject.toml dev/make-env
	@dev/make-env $(VENV) requirements/dev.txt
	@touch $@

$(FLOOR)/.up-to-date: requirements/uv.txt requirements/airflow-3.1.txt pyproject.toml dev/make-env
	@PYTHON="$(or $(PYTHON),python3.11 python3.12 python3.13 python3)" dev/make-env $(FLOOR) requirements/airflow-3.1.txt
	@touch $@

$(STORES)/.up-to-date: requirements/uv.txt requirements/stores.txt pyproject.toml dev/make-env
	@PYTHON="$(or $(PYTHON),python3.11 python3.12 python3.13 python3)" dev/make-env $(STORES) requirements/stores.txt
	@touch $@

$(PEERS)/.up-to-date: requirements/uv.txt requirements/peers.txt pyproject.toml dev/make-env
	@PYTHON="$(or $(PYTHON),python3.11 python3.12 python3.13 python3)" dev/make-env $(PEERS) requirements/peers.txt
	@touch $@

$(DISTRIBUTED)/.up-to-date: requirements/uv.txt requirements/distributed.txt pyproject.toml dev/make-env
	@PYTHON="$(or $(PYTHON),python3.11 python3.12 python3.13 python3)" dev/make-env $(DISTRIBUTED) requirements/distributed.txt
	@touch $@

$(MUTATION)/.up-to-date: requirements/uv.txt requirements/mutation.txt pyproject.toml dev/make-env
	@PYTHON="$(or $(PYTHON),python3.11 python3.12 python3.13 python3)" dev/make-env $(MUTATION) requirements/mutation.txt
	@touch $@

# Azure's blob service, for the same tests; what npm installs is pinned by its lock file, hashes included.
$(AZURITE)/.up-to-date: dev/azurite/package.json dev/azurite/package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing. On Debian and Ubuntu: apt-get install npm" >&2; exit 1; }
	@mkdir -p $(AZURITE)
	@cp dev/azurite/package.json dev/azurite/package-lock.json $(AZURITE)
	@npm ci --prefix $(AZURITE) --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
