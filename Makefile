# `make demo` and `make test` are all a newcomer needs. Both install what is missing first.
.DEFAULT_GOAL := help
CARGO ?= cargo
PKG ?= npm:esbuild pypi:requests
export PATH := $(HOME)/.cargo/bin:$(PATH)

.PHONY: help setup build demo test lint deny bench clean

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install the system packages that are missing (uses sudo when not root).
	@scripts/setup

build: setup ## Build the release binary: target/release/apa.
	$(CARGO) build --release --locked -p apa-cli

demo: build ## Analyse a real npm and a real PyPI package: make demo [PKG=npm:left-pad@1.3.0]
	@scripts/demo $(PKG)

test: setup lint ## Format, lints, tidy checks and every test.
	$(CARGO) test --workspace --locked

lint: ## Format, clippy and the tidy checks.
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) run -q --locked -p apa-xtask -- tidy

deny: ## Licences, banned crates and sources of all dependencies (needs cargo-deny).
	@command -v cargo-deny >/dev/null || $(CARGO) install --locked cargo-deny
	$(CARGO) deny --locked check licenses bans sources

bench: build ## Compare an analysis with the bare package manager and with strace.
	$(CARGO) run -q --locked -p apa-xtask -- bench

clean: ## Remove what was built.
	$(CARGO) clean
