# make run       the product, embedded, with its demo      make test   everything that must hold
# make cluster   the product on Kafka, Faust and Redis, as local processes
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PYTHONHASHSEED ?= 0

.PHONY: install install-dev run cluster test lint bench quality chaos lock clean

install: $(VENV)/installed
install-dev: $(VENV)/installed-dev

$(VENV)/installed: requirements.lock pyproject.toml
	@echo "Installing Freshet into $(VENV) (three minutes or so, once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m config.warm
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements-dev.lock
	@echo "Installing what the tests need"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

run: install
	@$(BIN)/freshet run $(ARGS)

# Needs Java 17, Maven and redis-server; ARGS=--help shows what can be chosen.
cluster: install
	@$(BIN)/python -m deploy.local.cluster $(ARGS)

lint: install-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy api config deploy models producers stream tests benchmarks
	$(BIN)/lint-imports

# ML-100K comes through `freshet datasets`; other data files through FRESHET_TEST_DATA.
test: install-dev lint
	@tests/install-programs
	$(BIN)/python -m pytest --ignore=tests/cluster --ignore=tests/chaos
	$(BIN)/python -m pytest tests/cluster tests/chaos

quality: install-dev
	$(BIN)/python -m benchmarks.quality; reached=$$?; $(BIN)/python -m benchmarks.staleness && exit $$reached

# Under load (needs wrk), step by step, freshness, and the cluster; results in benchmarks/results.
bench: install
	@missed=0; for part in load ranking serving cluster; do \
		echo "== $$part"; $(BIN)/python -m benchmarks.$$part || missed=1; \
	done; exit $$missed

chaos: install-dev
	$(BIN)/python -m pytest tests/chaos tests/cluster --full

lock:
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --custom-compile-command "make lock" --python-version 3.11 pyproject.toml --group build --extra cluster --extra report -o requirements.lock
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --custom-compile-command "make lock" --python-version 3.11 pyproject.toml --group build --group dev --extra baselines --extra cluster --extra parquet --extra report --extra sentences --extra traces -c requirements.lock -o requirements-dev.lock

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
