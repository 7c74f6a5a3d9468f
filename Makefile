# Every command of the project. `make` alone lists them.

CARGO ?= cargo
NODE_TEST = node --test --test-reporter=spec

.DEFAULT_GOAL := help
.PHONY: help run build loadtest check lint unit test cargo-test web-test deps e2e interop api-test network-test deploy-test image-test quickstart binaries bench figures quality bad-network first-picture fmt

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Run the server: open http://localhost:8080
	$(CARGO) run --release

check: lint unit web-test ## Formatting, lints and unit tests: the loop while you edit

test: deps lint cargo-test web-test e2e interop api-test network-test deploy-test image-test ## Everything that must pass before a change lands

e2e: binaries deps ## Real browsers against the real server; one file: make e2e ONLY=chat-order
	rm -rf target/e2e
	$(NODE_TEST) --test-concurrency=1 $(if $(ONLY),tests/e2e/$(ONLY).test.mjs,tests/e2e/*.test.mjs)

interop: binaries deps ## Clients that are not browsers against the real server
	$(NODE_TEST) --test-concurrency=1 tests/interop/*.test.mjs

api-test: binaries deps ## The REST interface against its description, and the examples of the docs
	$(NODE_TEST) --test-concurrency=1 tests/api/*.test.mjs

network-test: binaries deps ## What an operator is told on networks of every kind; needs root, else most of it is skipped
	$(NODE_TEST) --test-concurrency=1 tests/network/*.test.mjs

deploy-test: deps ## The files for Docker, systemd, Kubernetes and Prometheus, as far as they can be tried without those
	$(NODE_TEST) tests/deploy/*.test.mjs

image-test: binaries deps ## The image and the service, started from what docker/ and docs/deployment.md say; needs root on Linux
	scripts/image-chroot.mjs
	scripts/systemd-chroot.mjs

quickstart: ## Follow docs/quickstart.md from a clean clone, as somebody new would
	scripts/quickstart.sh

bench: ## Measure the media path and joins beside the raw cost of cryptography and sockets, a scrape of the metrics, a room on two shards, and the load tester
	$(CARGO) bench -p parlor-media --features instruments --locked
	$(CARGO) bench -p parlor --bench forwarding --locked
	$(CARGO) bench -p parlor --bench estimating --locked
	$(CARGO) bench -p parlor --bench sending --locked
	$(CARGO) bench -p parlor --bench scrape --locked
	$(CARGO) bench -p parlor --bench relay --locked
	$(CARGO) bench -p parlor-loadtest --locked

figures: binaries ## Take the figures of docs/benchmarks.md that need a whole server under load, with their pictures
	node scripts/figures.mjs --seconds 10

quality: binaries deps ## Take the figures of docs/call-quality.md, of calls over bad networks; QUALITY='--profile steps': one
	node scripts/quality.mjs $(QUALITY)

bad-network: binaries deps ## Hold what a bad network may cost in a call of real browsers; strict: a busy machine may miss it
	$(NODE_TEST) --test-concurrency=1 tests/e2e/bad-network.trial.mjs

first-picture: binaries deps ## Tell how long a newcomer waits for the pictures of a room of twenty: docs/benchmarks.md
	$(NODE_TEST) --test-concurrency=1 tests/e2e/first-picture.trial.mjs

fmt: ## Format the code
	$(CARGO) fmt --all

build: ## Build the server as it is released
	$(CARGO) build --release --locked

loadtest: ## Build the load tester as it is released: docs/loadtest.md
	$(CARGO) build --release --locked -p parlor-loadtest

# One after the other, each would build what both need with features of its own.
binaries: ## Build the server and the load tester at once, as tests and figures need them
	$(CARGO) build --release --locked --workspace

lint: ## Formatting and lints alone
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

unit:
	$(CARGO) test --workspace --lib --bins --locked --quiet

cargo-test:
	$(CARGO) test --workspace --locked

web-test: ## Unit tests of the browser SDK and the app
	$(NODE_TEST) web/tests/*.test.mjs

deps: ## Install what the tests need
	scripts/test-deps.sh
