# PoFT. `make demo` and `make test` set up whatever is missing; `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3.11
# forge's own executable: the script that npm links in .bin exits 0 whatever forge answers.
FORGE = $(or $(abspath $(firstword $(wildcard node_modules/@foundry-rs/forge-*/bin/forge))),forge-is-missing-run-make-setup)

.PHONY: help
help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: need-python need-node need-cargo
need-python:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is missing: install it (Debian: apt-get install python3.11 python3.11-venv) or say PYTHON=/path/to/python3.11" >&2; exit 2; }
need-node:
	@command -v node >/dev/null && command -v npm >/dev/null || { echo "Node 20 with npm is missing: install it from nodejs.org or your distribution (package nodejs)" >&2; exit 2; }
	@node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)' || { echo "Node 20 or newer is needed, $$(node --version) is installed" >&2; exit 2; }
need-cargo:
	@command -v cargo >/dev/null || { echo "cargo is missing: install Rust 1.90 or newer (rustup.rs; Debian: apt-get install rustc-web cargo-web)" >&2; exit 2; }

$(VENV)/.stamp: pyproject.toml constraints.txt | need-python
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[train,dev]'
	touch $@

node_modules/.stamp: package.json package-lock.json | need-node
	npm install --no-audit --no-fund --loglevel=error
	touch $@

.PHONY: setup
setup: $(VENV)/.stamp node_modules/.stamp ## install what the demo needs: Python packages, anvil, forge, chopsticks

.PHONY: demo
demo: setup ## an EVM and a Substrate network train one model; report in runs/demo
	$(BIN)/poft run experiments/demo.toml --fresh
	$(BIN)/poft verify runs/demo

.PHONY: test
test: setup lint node geth test-contracts test-rust test-examples test-python ## everything: lint, our node, contracts, pallets, examples, library, networks

.PHONY: test-quick
test-quick: setup need-cargo ## pytest without what `make node` and `make geth` build; Substrate devnets on chopsticks
	POFT_NODE=/not-built $(BIN)/python -m pytest -q -m "not built" tests/unit
	POFT_NODE=/not-built $(BIN)/python -m pytest -q -m "not built and not trial" -n 3 --dist loadfile tests/chains
	POFT_NODE=/not-built $(BIN)/python -m pytest -q -m "not built and not trial" tests/attacks tests/system

.PHONY: lint
lint: setup need-cargo docker-check ## ruff, mypy, slither, forge fmt, cargo fmt and clippy, Dockerfiles
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m chains.evm.analysis
	cd chains/evm && $(FORGE) fmt --check
	cd chains/substrate && cargo fmt --check
	cd chains/substrate/node && cargo fmt --check
	cd chains/substrate && CARGO_TARGET_DIR=$(CARGO_TARGET) cargo clippy --quiet --locked --workspace --all-targets -- -D warnings

.PHONY: docker-check
docker-check: setup ## Dockerfiles and compose files: lint, rights, agreement with the code
	$(BIN)/mypy docker/check.py
	$(BIN)/python -m docker.check

CARGO_TARGET := $(or $(CARGO_TARGET_DIR),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/poft/target)

.PHONY: test-contracts
test-contracts: setup ## forge tests with gas snapshot
	cd chains/evm && $(FORGE) test --offline --isolate

.PHONY: test-rust
test-rust: need-cargo ## cargo tests of primitives and pallets
	chains/substrate/build_runtime.sh --check
	cd chains/substrate && CARGO_TARGET_DIR=$(CARGO_TARGET) cargo test --quiet --locked --workspace

$(VENV)/.examples: examples/bls12381/pyproject.toml $(VENV)/.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable 'examples/bls12381[dev]'
	touch $@

.PHONY: test-examples
test-examples: setup need-cargo $(VENV)/.examples ## a third party's scheme: its own tests in three languages, then the conformance suite
	cd examples/bls12381 && MYPYPATH=$(CURDIR) $(abspath $(BIN))/python -m mypy
	cd examples/bls12381 && $(abspath $(BIN))/python -m pytest -q tests
	cd examples/bls12381/evm && $(FORGE) fmt --check && $(FORGE) test --offline
	cd examples/bls12381/substrate && cargo fmt --check
	cd examples/bls12381/substrate && CARGO_TARGET_DIR=$(CARGO_TARGET) cargo clippy --quiet --locked --all-targets -- -D warnings
	cd examples/bls12381/substrate && CARGO_TARGET_DIR=$(CARGO_TARGET) cargo test --quiet --locked
	CARGO_TARGET_DIR=$(CARGO_TARGET) $(BIN)/poft plugin check BLS1 --members 4

.PHONY: test-python
test-python: setup need-cargo node geth ## pytest: units first, then real chains and networks
	$(BIN)/python -m pytest -q tests/unit
	# Files side by side: networks wait for their slots, not for a processor.
	$(BIN)/python -m pytest -q -m "not trial" -n 3 --dist loadfile tests/chains
	$(BIN)/python -m pytest -q -m "not trial" tests/attacks tests/system

.PHONY: test-networks
test-networks: setup need-cargo node geth ## long trials of real networks: deaths, partitions, changes of validators, upgrades
	$(BIN)/python -m pytest -q -m trial tests/chains tests/system

.PHONY: vectors
vectors: setup ## rewrite tests/vectors/*.json from the Python reference
	$(BIN)/python -m tests.vectors.generate

.PHONY: runtime
runtime: need-cargo ## rebuild the Substrate runtime's WebAssembly after a change in Rust
	chains/substrate/build_runtime.sh

.PHONY: weights
weights: need-cargo ## measure the pallets' weights over compiled WebAssembly and write them anew
	chains/substrate/build_runtime.sh --weights

.PHONY: node
node: need-cargo ## build our own Substrate node (about 15 minutes, outside the checkout)
	chains/substrate/build_node.sh

GETH := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/poft/geth

.PHONY: geth
geth: $(GETH)/v1.13.15/geth $(GETH)/v1.16.7/geth ## build go-ethereum for EVM networks (a few minutes, outside the checkout)
$(GETH)/%/geth:
	@command -v go >/dev/null || { echo "Go is missing: install Go 1.21 or newer (go.dev; Debian: apt-get install golang)" >&2; exit 2; }
	GOBIN=$(@D) go install -ldflags=-checklinkname=0 github.com/ethereum/go-ethereum/cmd/geth@$*

.PHONY: bench
bench: setup ## benchmarks, side by side in one run; JSON in build/bench.json
	$(BIN)/python -m experiments.bench --output build/bench.json

.PHONY: fuzz
fuzz: setup need-cargo ## 100,000 random mutations through Python, Solidity and Rust
	$(BIN)/python -m tests.differential --mutations 100000 --seed 1

.PHONY: mutants
mutants: setup need-cargo ## remove each check of the verification path and see a test notice
	$(BIN)/python -m tests.attacks.mutate
	$(BIN)/python -m tests.attacks.mutate --language solidity
	$(BIN)/python -m tests.attacks.mutate --language rust

.PHONY: clean
clean: ## remove what set-up and builds made; runs/ stays
	rm -rf $(VENV) node_modules build chains/evm/out chains/evm/cache
