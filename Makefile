# Everything a developer or CI does with jqjobs. `make help` lists the targets.

PYTHON ?= python3
NEWER_PYTHON ?= python3.12
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.stamp
CODE   := daemon tests examples benchmarks tools
#: What may run side by side: no test there depends on how fast the machine is. The longest one first.
PARALLEL_TESTS := tests/property tests/unit tests/store
#: Real daemons, signals and deadlines: tests that wait most of the time. Those of one xdist_group come one after the other.
PROCESS_TESTS  := tests/e2e
#: How often a test that failed may try again. Not here: a race is to be seen. In CI once, and its name is printed.
RERUNS ?= 0
# Tests with their asserts rewritten are kept: each process that runs them would spend 25 s on that anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help venv demo demo-web pictures test test-long check format-check lint types layers format django reference docs bench chaos failover cluster cluster-carry outbox-chaos flow-chaos clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

venv: $(STAMP) ## create .venv with the package (editable) and the development tools

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

demo: $(STAMP) ## start an embedded Valkey and a daemon, run some hundred real jobs, show the status
	$(BIN)/python examples/demo.py

demo-web: $(STAMP) ## start an example shop with the dashboard, and leave them running until Ctrl-C
	$(BIN)/python examples/demo_web.py

pictures: $(STAMP) ## make the pictures of docs/dashboard.md anew; needs Chromium, playwright and Pillow
	$(BIN)/python examples/pictures.py docs/pictures

test: $(STAMP) ## run every test (two pytest runs: the fast ones in parallel, then the end-to-end ones)
	$(BIN)/python -m compileall -q daemon  # hundreds of processes start: none compiles it anew
	JQ_TEST_SERVERS=either $(BIN)/python -m pytest -n 3 --dist loadgroup --reruns $(RERUNS) -r R $(PARALLEL_TESTS)
	$(BIN)/python -m pytest -n 6 --dist loadgroup --reruns $(RERUNS) -r R $(PROCESS_TESTS)

test-long: $(STAMP) ## the property test with 500,000 steps, the store's tests on each kind of server, 105 kills of workers
	JQ_TEST_KILLS=105 $(BIN)/python -m pytest tests/e2e/test_supervisord.py
	$(BIN)/python -m pytest -n 3 --dist loadgroup tests/store
	JQ_TEST_SERVERS=fake $(BIN)/python -m pytest -n 2 tests/store -k fake
	JQ_TEST_SERVERS="valkey-cluster redis-cluster" $(BIN)/python -m pytest tests/store -k cluster
	JQ_TEST_STEPS=500000 $(BIN)/python -m pytest -o faulthandler_timeout=0 tests/property

check: format-check lint types layers test ## what CI runs: format, lint, types, layers, tests

django: ## make environments with newer Djangos, for tests/store/django; needs Python 3.12, or NEWER_PYTHON=…
	for version in 6.0 6.1; do \
	  test -x .venv-django-$$version/bin/python || $(NEWER_PYTHON) -m venv .venv-django-$$version; \
	  .venv-django-$$version/bin/python -m pip install --quiet --disable-pip-version-check -e '.[embedded,web]' "Django~=$$version.0"; \
	done

format-check: $(STAMP) ## fail when a file is not formatted
	$(BIN)/ruff format --check $(CODE)

lint: $(STAMP) ## ruff
	$(BIN)/ruff check $(CODE)

types: $(STAMP) ## mypy --strict
	$(BIN)/mypy

layers: $(STAMP) ## import-linter: imports only point down
	$(BIN)/lint-imports

format: $(STAMP) ## format the code and sort its imports
	$(BIN)/ruff check --fix-only --select I $(CODE)
	$(BIN)/ruff format $(CODE)

reference: $(STAMP) ## write docs/reference/ from the code; the tests fail when it is stale
	PYTHONPATH=tools $(BIN)/python -m reference

docs: $(STAMP) ## build the site into site/; a warning is an error
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	$(BIN)/mkdocs build --strict

bench: $(STAMP) ## measure this machine, some minutes; ARGS="--quick", ARGS="--vs rq,taskiq", ARGS=--help
	$(BIN)/python benchmarks/run.py $(ARGS)

.PHONY: bench-web
bench-web: $(STAMP) ## what each page of the dashboard costs a Redis with 10^6 jobs, some minutes; ARGS="--jobs 10000"
	PYTHONPATH=benchmarks $(BIN)/python -m looks.run $(ARGS)

.PHONY: bench-acts
bench-acts: $(STAMP) ## what retrying, moving and deleting 10^5 dead jobs each costs, some minutes; ARGS="--dead 3000"
	PYTHONPATH=benchmarks $(BIN)/python -m looks.acts $(or $(ARGS),--dead 300000)

chaos: $(STAMP) ## kill, freeze and cut off a fleet for 10 minutes, and check its log; ARGS="--minutes 30 --seed 7"
	PYTHONPATH=benchmarks $(BIN)/python -m chaos.run $(ARGS)

failover: $(STAMP) ## 50 failovers behind sentinels, under load: what is lost, when work goes on; ARGS="--wait 1"
	PYTHONPATH=benchmarks $(BIN)/python -m failover.run $(ARGS)

cluster: $(STAMP) ## primaries of a cluster killed and frozen, slots moved, 10 each, under load; ARGS="--binary valkey"
	PYTHONPATH=benchmarks $(BIN)/python -m cluster.run $(ARGS)

cluster-carry: $(STAMP) ## what a job costs on one server, one node of a cluster, three nodes of it
	PYTHONPATH=benchmarks $(BIN)/python -m cluster.carry $(ARGS)

outbox-chaos: $(STAMP) ## 200 kills of relays, 20 outages of Redis, 10,000 transactions, on three databases; ARGS="--kills 20"
	PYTHONPATH=benchmarks:tests $(BIN)/python -W ignore -m outbox_chaos.run $(ARGS)

flow-chaos: $(STAMP) ## 2,000 kills of workers and daemons while 100 batches and 200 chains run; ARGS="--kills 500 --seed 7"
	PYTHONPATH=benchmarks:tests $(BIN)/python -W ignore -m flow_chaos.run $(ARGS)

clean: ## remove the virtual environment, caches and build output
	rm -rf $(VENV) site build dist .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
	find daemon tests examples benchmarks tools -name __pycache__ -type d -prune -exec rm -rf {} +
