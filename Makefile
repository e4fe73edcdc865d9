# Every target makes its environment by itself. STACK=core, VENV=dir and ARGS="..." (for pytest) override.
STACK ?=
VENV ?= $(if $(filter core,$(STACK)),.venv-core,.venv)
ARGS ?=
BIN = $(VENV)/bin

.PHONY: demo test test-core test-halves test-library test-rest test-core-library test-core-rest setup-core test-tfx-1.21 bench-sst2 bench-tasks bench-pretraining bench-export bench-serving lint lock setup peers clients ovmsclient min-tfs-client deploy-checks node-client

demo: setup
	$(BIN)/bert-keras demo

test: setup clients deploy-checks
	$(BIN)/python -m pytest $(ARGS)

# The library and the server, without TFX.
test-core: setup-core clients deploy-checks
	.venv-core/bin/python -m pytest --ignore=tests/pipelines $(ARGS)

# `test` and `test-core`, each in two halves: `make -j2 -k -O test-halves` keeps two cores busy to the end. The longest
# come first.
test-halves: test-rest test-core-library test-library test-core-rest

test-library: setup clients deploy-checks
	$(BIN)/python -m pytest tests/bert_keras $(ARGS)

test-rest: setup clients deploy-checks
	$(BIN)/python -m pytest --ignore=tests/bert_keras $(ARGS)

test-core-library: setup-core clients deploy-checks
	.venv-core/bin/python -m pytest tests/bert_keras $(ARGS)

test-core-rest: setup-core clients deploy-checks
	.venv-core/bin/python -m pytest --ignore=tests/pipelines --ignore=tests/bert_keras $(ARGS)

# Everything inside a Debian 13 tree, whose glibc is new enough for TFX 1.21. Needs root.
test-tfx-1.21:
	scripts/debian13 make test ARGS='$(ARGS)'

bench-sst2: setup peers
	$(BIN)/python benchmarks/bench_sst2.py

bench-tasks: setup peers
	$(BIN)/python benchmarks/bench_tasks.py

bench-pretraining: setup peers
	$(BIN)/python benchmarks/bench_pretraining_speed.py
	for part in english chinese continued; do $(BIN)/python benchmarks/bench_pretraining.py $$part || exit 1; done

bench-export: setup peers
	$(BIN)/python benchmarks/bench_export.py
	$(BIN)/python benchmarks/bench_fit.py

bench-serving: setup
	$(BIN)/python benchmarks/bench_serving.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

lock:
	python3 scripts/lock.py

setup:
	@scripts/setup $(if $(STACK),--stack $(STACK)) --venv $(VENV)

setup-core:
	@scripts/setup --stack core --venv .venv-core

peers:
	@scripts/setup --stack peers

# Clients of TensorFlow Serving from elsewhere, and what checks deployment files: each in an environment of its own.
clients: ovmsclient min-tfs-client node-client

ovmsclient min-tfs-client deploy-checks:
	@scripts/setup --stack $@

# The packages of the example client for Node; without them its tests are skipped.
NODE = serving/deploy/clients/node
node-client: $(NODE)/node_modules/.package-lock.json
$(NODE)/node_modules/.package-lock.json: $(NODE)/package-lock.json
	@command -v npm >/dev/null && npm ci --prefix $(NODE) --ignore-scripts --no-audit --no-fund --silent && touch $@ \
	  || echo "no npm, or no registry of its: the Node client is not tested"
