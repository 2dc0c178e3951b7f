# The commands that people use; `make help` lists them. Each works on a fresh clone: what a
# target needs, it installs or builds first.

SHELL := /bin/bash
.DEFAULT_GOAL := help

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
SYSTOLE := $(TARGET_DIR)/release/systole
VENV := $(or $(SYSTOLE_VENV),.venv)
# What to simulate besides tiny and small: ecp5-85f, large (each takes minutes to compile), and board,
# the smallest one behind a serial link.
RTL ?=
RTL_FEATURES = $(patsubst %,--features systole-cli/rtl-%,$(RTL))
RTL_TESTS = --features systole-cli/rtl-ecp5-85f,systole-cli/rtl-large,systole-cli/rtl-board,systole-sim/rtl-ecp5-85f,systole-sim/rtl-large,systole-sim/rtl-board
# The netlist after synthesis beside the RTL; of the smallest configuration in every test run.
RTL_TESTS += --features systole-sim/netlist-tiny,systole-tests/netlist-tiny
# What `make bench` compares, and where the report goes. ONNX and TFLITE are the same model for ONNX
# Runtime and LiteRT, where MODEL is another kind of file; no RATE means some that follow from what is measured.
MODEL ?= host/demo/digits.onnx
ONNX ?=
TFLITE ?=
DEVICES ?= sim
BATCH ?= 1,16,64
RATE ?=
BENCH_OUTPUT ?= build/bench
# Crates with criterion's benchmarks of their inner parts, and how long each of these takes.
CRITERION_CRATES := systole-host
CRITERION_TIMES := --warm-up-time 0.5 --measurement-time 1
# What `make bitstream` builds; `systole bitstream boards` lists the boards.
BOARD ?= ecp5-evn
CONFIG ?= tiny
# Where `make install` puts the C interface.
PREFIX ?= /usr/local
SEEDS ?= 1
PYTHON_TOOLS := $(VENV)/bin/python

# Models, golden answers and load scripts that are not part of the project.
REFERENCES := $(or $(SYSTOLE_SHARED),../shared)

# QEMU and two kernels for the guest tests.
GUEST := $(TARGET_DIR)/guest

# A client for the tests of `systole serve` that is no package of Python.
CLIENTS := $(TARGET_DIR)/clients

# The machine's own target, which sanitizers need by name.
HOST_TARGET = $(shell rustc -vV | sed -n 's/^host: //p')

# Tests of the driver without a file of memory, a socket or a thousand threads, which Miri does not know.
MIRI_TESTS := memory:: pci:: iova:: address_space:: region:: message::

# A processor with every multiplication of bytes, and one with none of them.
NEON_TARGET := aarch64-unknown-linux-gnu
NEON_PROCESSORS := max cortex-a53

# How long `make fuzz` runs each of its targets, and with what.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS := driver/config_space driver/completions host/tflite host/onnx
# An importer must not need memory out of proportion to what it reads.
FUZZ_LIMITS := -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=512
CARGO_FUZZ := $(TARGET_DIR)/tools/bin/cargo-fuzz
CARGO_FUZZ_VERSION := 0.13.2
# Sanitizers are unstable: they need the nightly toolchain, or the stable one told to behave like it.
FUZZ_TOOLCHAIN = $(shell RUSTUP_AUTO_INSTALL=0 cargo +nightly --version >/dev/null 2>&1 \
  && echo RUSTUP_TOOLCHAIN=nightly || echo RUSTC_BOOTSTRAP=1)

.PHONY: help setup build test test-guest test-neon soak netlist-test sanitize miri fuzz demo bench compare emit bitstream reports docs install wheel lint clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: ## install what is missing: system packages, and the pinned tools into .venv
	@.ci/setup

build: setup ## build the `systole` command (release) with the Verilated accelerator inside; RTL="ecp5-85f large" adds these
	cargo build --release --locked -p systole-cli $(RTL_FEATURES)

demo: build ## classify 360 held-out handwritten digits on the simulated accelerator, check against the CPU
	@$(PYTHON_TOOLS) host/demo/demo.py --systole $(SYSTOLE)

test: setup ## run every test of the workspace, on all four configurations
	@tests/clients/fetch $(CLIENTS) $(PYTHON_TOOLS)
	SYSTOLE_CLIENTS=$(abspath $(CLIENTS)) cargo test --workspace --locked $(RTL_TESTS)

test-guest: build ## test the driver on two real kernels: Linux guests with an IOMMU in QEMU, with the simulated accelerator in them
	@tests/guest/fetch $(GUEST)
	@tests/guest/build-kernel $(GUEST)/iommufd
	SYSTOLE_GUEST=$(abspath $(GUEST)) SYSTOLE_BINARY=$(abspath $(SYSTOLE)) \
	  cargo test --locked -p systole-tests --features guest --test guest --test guest_iommufd

# Installs nothing: not everybody who tests wants a cross compiler.
test-neon: ## run the CPU backend's tests for 64-bit Arm in QEMU, on a processor with dot products and on one without
	@missing=(); \
	command -v aarch64-linux-gnu-gcc >/dev/null || missing+=("a cross compiler: apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross"); \
	command -v qemu-aarch64 >/dev/null || missing+=("an emulator: apt-get install qemu-user"); \
	[ -d "$$(rustc --print sysroot)/lib/rustlib/$(NEON_TARGET)" ] || missing+=("Rust's library: rustup target add $(NEON_TARGET)"); \
	[ $${#missing[@]} -eq 0 ] || { printf 'test-neon needs %s\n' "$${missing[@]}" >&2; exit 1; }
	@for processor in $(NEON_PROCESSORS); do \
	  echo "on $$processor:" && \
	  CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
	  CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -cpu $$processor -L /usr/aarch64-linux-gnu" \
	    cargo test --locked -p systole-host --lib --target $(NEON_TARGET) -- cpu:: || exit 1; \
	done

soak: setup ## run 10,000 random programs on the RTL (tiny and small), compare with the functional model; minutes
	SYSTOLE_COSIM_SEEDS=10000 cargo test --release --locked -p systole-sim --features rtl --test cosim -- --nocapture

netlist-test: setup ## compare RTL and netlist cycle by cycle; CONFIG=small or ecp5-85f (half an hour to build) choose which
	cargo test --release --locked -p systole-sim -p systole-tests --test netlist \
	  --features systole-sim/netlist-$(CONFIG),systole-tests/netlist-$(CONFIG) -- --nocapture

# Not the memory model: its threads are stacks that AddressSanitizer does not know.
sanitize: setup ## run the driver's tests under AddressSanitizer
	RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address cargo test --locked -p systole-driver --lib --tests \
	  --target $(HOST_TARGET) --target-dir $(TARGET_DIR)/sanitize -- --skip rings::ordering

miri: setup ## interpret the driver's tests of memory and parsers (Miri); needs nightly with miri and rust-src
	MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-tree-borrows" PROPTEST_CASES=8 \
	  cargo +nightly miri test --locked -p systole-driver --lib --target-dir $(TARGET_DIR)/miri -- $(MIRI_TESTS)

$(CARGO_FUZZ):
	cargo install --locked --root $(TARGET_DIR)/tools --version $(CARGO_FUZZ_VERSION) cargo-fuzz

fuzz: setup $(CARGO_FUZZ) ## made-up devices against the driver, made-up models against the importers, under AddressSanitizer; FUZZ_SECONDS=60 for each
	@for target in $(FUZZ_TARGETS); do \
	  folder=$${target%/*}/fuzz && name=$${target#*/} && dictionary=$$folder/$$name.dict && \
	  mkdir -p $(TARGET_DIR)/fuzz/$$name && \
	  $(FUZZ_TOOLCHAIN) $(CARGO_FUZZ) run --fuzz-dir $$folder --features libfuzzer $$name \
	    $(TARGET_DIR)/fuzz/$$name $$folder/corpus/$$name -- $(FUZZ_LIMITS) \
	    $$([ ! -f $$dictionary ] || echo -dict=$$dictionary) \
	    -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 || exit 1; \
	done

install: setup ## install the C interface: header, libraries, pkg-config file; PREFIX=/usr/local says where
	cargo build --release --locked -p systole-c
	host/c/install $(TARGET_DIR)/release $(PREFIX)

wheel: setup ## make the Python package into target/wheels
	$(PYTHON_TOOLS) -m maturin build --release --locked --manifest-path host/python/Cargo.toml --out $(TARGET_DIR)/wheels

bench: build ## measure and simulate: one report in build/bench; MODEL, ONNX, TFLITE, DEVICES, BATCH and RATE choose what
	cargo bench --locked $(CRITERION_CRATES:%=-p %) -- $(CRITERION_TIMES)
	$(SYSTOLE) bench --output $(BENCH_OUTPUT) --criterion $(TARGET_DIR)/criterion --model $(MODEL) --batch $(BATCH) \
	  $(DEVICES:%=--device %) $(ONNX:%=--onnx %) $(TFLITE:%=--tflite %) $(RATE:%=--rate %)

compare: build ## load `systole serve`, Triton and MLServer in turn; REFERENCES names the folder with models and load scripts
	$(PYTHON_TOOLS) tests/compare/serving.py --systole $(SYSTOLE) --shared $(REFERENCES) --work build/compare

emit: ## write the accelerator's Verilog to build/
	@mkdir -p build
	cargo run --release --locked -p systole-hdl --bin emit -- --output build

bitstream: build ## build a bitstream into build/bitstream; BOARD=ulx3s-45f CONFIG=tiny SEEDS=4 choose what
	$(SYSTOLE) bitstream build --venv $(VENV) --board $(BOARD) --config $(CONFIG) --seeds $(SEEDS)

reports: build ## remake the committed reports of bitstreams that don't belong to today's Verilog; minutes each
	$(SYSTOLE) bitstream reports --venv $(VENV)

docs: ## regenerate the register reference in docs/
	cargo run --release --locked -p systole-hdl --bin emit -- --docs docs

lint: setup ## format check, clippy and documentation, as CI does
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked $(RTL_TESTS) -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked $(RTL_TESTS)

clean: ## remove what builds made (not .venv)
	cargo clean
	rm -rf build
