# Every task of the project, one line each; longer ones are scripts. CI calls only these (.ci/run).
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help captions-demo train-activity setup weights demo run test check invariants bench bench-words bench-watch bench-feeds bench-generator bench-journal bench-live-peers bench-rtp bench-selftest bench-serve soak soak-ci soak-faults bench-peers capacity deny loadtest loadtest-programs loadtest-sample check-deploy install clean

TARGET := $(or $(CARGO_TARGET_DIR),target)
AIRCHECK ?= cargo run --locked --release --quiet --bin aircheck --
MODEL ?=
ARGS ?= --help
FEEDS ?=
BENCH_ARGS ?=
ROWS ?=
SECS ?=
LOAD_ARGS ?=
LOADTEST = PATH="$(abspath $(TARGET))/release:$$PATH" aircheck-loadtest

help: ## lists the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## installs the Debian packages that building and testing need, where they are missing
	@scripts/setup.sh

weights: setup ## fetches and checks the speech model (MODEL=: another than the default) and a recording of speech
	$(AIRCHECK) models pull $(MODEL)
	$(AIRCHECK) models sample two_cities.wav

demo: setup ## plays a short real programme through `aircheck watch`: captions, events, a summary
	@scripts/demo.sh

run: ## runs the program: make run ARGS="analyze show.mp3"
	$(AIRCHECK) $(ARGS)

test: setup ## builds everything, fetches what the tests need, runs all tests
	cargo test --locked --workspace --no-run
	$(MAKE) --no-print-directory weights AIRCHECK=$(TARGET)/debug/aircheck
	$(MAKE) --no-print-directory loadtest-sample
	@scripts/test.sh

check: setup ## formatting, lints, docs, scripts, invariants: all without a warning
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --quiet
	shellcheck scripts/*.sh operators/train/*.sh .ci/run
	$(MAKE) --no-print-directory invariants

invariants: ## the rules of the house: directions, rooms, licences, lengths, documentation
	cargo test --locked --workspace --test invariants

captions-demo: setup ## live captions beside a live stream in a headless Chromium (400 MB, installed where missing): a screenshot, and a verdict
	@scripts/captions-browser.sh

bench: ## benchmarks, each beside what one would use instead
	cargo bench --locked -p aircheck-benches

bench-words: setup ## words wrong and words invented, beside offline Whisper (needs ../shared/data or AIRCHECK_DATA)
	$(AIRCHECK) models pull
	cargo run --locked --release -p aircheck-benches --bin wer

bench-watch: setup ## one live feed of speech: latency, processor, memory
	@scripts/bench-watch.sh

bench-journal: setup ## the journal at 500 events a second, beside plain SQLite: make bench-journal SECS=600
	cargo bench --locked -p aircheck-server --bench journal -- $(SECS)

soak-faults: setup ## faults in their long counts: kills, power cuts, flipped bits, lying servers
	AIRCHECK_SOAK=1 AIRCHECK_FAULT_SEEDS=50 AIRCHECK_KILLS=100 AIRCHECK_TERMS=100 cargo test --locked -p aircheck-server --test journal --test ingest --test serve --test config

bench-feeds: setup ## many feeds at once, each promise beside what they get; one table: FEEDS="24 40" BENCH_ARGS=--finals
	$(AIRCHECK) models pull
	cargo bench --locked -p aircheck-server --bench feeds -- $(BENCH_ARGS) $(FEEDS)

bench-serve: setup ## the service as a user runs it, each promise beside what was measured: ROWS="ready many"
	$(AIRCHECK) models pull
	cargo bench --locked -p aircheck-server --bench serve -- $(BENCH_ARGS) $(ROWS)

bench-rtp: setup ## a hundred RTP feeds of 1 ms packets on one core, beside their bar: make bench-rtp SECS=60
	cargo bench --locked -p aircheck-server --bench rtp --no-run
	taskset -c 0 cargo bench --locked --quiet -p aircheck-server --bench rtp -- $(SECS)

bench-generator: setup ## how punctual the load test's generator is on one core: make bench-generator SECS=60 ROWS="websocket mounts naive"
	cargo bench --locked -p aircheck-loadtest --bench generator --no-run
	taskset -c 0 cargo bench --locked --quiet -p aircheck-loadtest --bench generator -- $(SECS) $(ROWS)

soak: setup ## 20 feeds with random faults for SECS: memory, descriptors, conservation (the aim is 8 h: SECS=28800)
	$(AIRCHECK) models pull
	cargo bench --locked -p aircheck-server --bench serve -- --secs $(or $(SECS),600) $(BENCH_ARGS) soak

soak-ci: setup ## ten minutes of soak with what `make test` has built; what ten minutes can tell is judged
	$(MAKE) --no-print-directory weights AIRCHECK=$(TARGET)/debug/aircheck
	cargo bench --locked --workspace --profile dev --bench serve -- --secs $(or $(SECS),600) $(BENCH_ARGS) soak

capacity: loadtest-programs ## how many live feeds this machine carries: a table and an HTML page (LOAD_ARGS="--length 1m")
	$(LOADTEST) find-max --scenario loadtest/scenarios/capacity.toml $(LOAD_ARGS)

loadtest: loadtest-programs ## the load test, in half a minute: LOAD_ARGS="chaos --scenario loadtest/scenarios/chaos.toml"
	$(LOADTEST) $(or $(LOAD_ARGS),run --scenario loadtest/scenarios/smoke.toml)

# Both programs, and what they need to run.
loadtest-programs: loadtest-sample
	$(AIRCHECK) models pull
	AIRCHECK_COMMIT=$$(git describe --always --dirty 2>/dev/null || true) cargo build --locked --release --bin aircheck --bin aircheck-loadtest

bench-selftest: setup loadtest-sample ## the load test against a server of known delays: how true are its percentiles?
	cargo bench --locked -p aircheck-loadtest --bench selftest

loadtest-sample: setup ## fetches and checks the recorded speech that the load test plays when it is given no other
	@scripts/loadtest-sample.sh

bench-peers: setup ## the whole program beside faster-whisper: make bench-peers AUDIO=show.flac
	@scripts/bench-peers.sh

bench-live-peers: setup loadtest-programs ## live transcription beside WhisperLive, same audio, pace and judge: FEEDS="1 2" LENGTH=2m
	@scripts/bench-live-peers.sh

train-activity: setup ## trains the speech/music model anew (1.4 GB of packages, ten minutes)
	operators/train/fetch.sh .cache/train
	cargo run --locked --release -p aircheck-operators --example train_activity -- .cache/train operators/src/activity/model.rs

deny: ## licences, bans and sources of all dependencies with cargo-deny (installed when missing: slow)
	command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
	cargo deny check licenses bans sources

check-deploy: ## what is in deploy/, as far as this machine can try it: the unit, and a root that cannot be written
	cargo build --locked --bin aircheck
	@scripts/check-deploy.sh

install: ## installs the program for this user
	cargo install --locked --path server

clean: ## removes what was built (not the fetched weights)
	cargo clean
