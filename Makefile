# What people type. Everything real is in CMakeLists.txt, setup and tools/.
BUILD  ?= build/release
PREFIX ?= /usr/local
PROMPT ?= Why is the sky blue?
MODEL  ?= smollm2

.PHONY: setup build run test check soak bench peers fmt clean install deb cross help
.DEFAULT_GOAL := help

help:
	@echo "make run      install what is needed, build, fetch a small model, answer a prompt"
	@echo "make build    the program, at $(BUILD)/freehold"
	@echo "make test     everything that proves it; ends with the counts (about 20 minutes)"
	@echo "make check    house rules and release tests only (a few minutes)"
	@echo "make soak     the long ones: fuzzers for minutes, threads for many rounds"
	@echo "make bench    speed on this machine;  make peers: beside llama.cpp"
	@echo "make setup | fmt | cross | install | deb | clean"

setup:
	@./setup

build: setup
	@cmake --preset release
	@cmake --build build/release --target freehold

run: build
	$(BUILD)/freehold pull $(MODEL)
	$(BUILD)/freehold run $(MODEL) "$(PROMPT)"

test:
	@./setup --tests
	@tools/test

check:
	@./setup --tests
	@tools/test --quick

soak:
	@./setup --tests
	@tools/test --soak

bench: build
	$(BUILD)/freehold pull $(MODEL)
	$(BUILD)/freehold bench $(MODEL)

# make peers [FILES="model.gguf …"] [PEERS_OPTIONS="--peer NAME=LLAMA-BENCH --columns --counts"]
peers: build
	@cmake --build build/release --target model_factory
	@bench/peers $(FILES) $(PEERS_OPTIONS)

fmt:
	@git ls-files -z '*.cc' '*.h' | xargs -0 clang-format-14 -i

# Libraries for aarch64, scalar; needs g++-aarch64-linux-gnu.
cross:
	@cmake --preset aarch64
	@cmake --build build/aarch64

install: build
	install -D -m 755 $(BUILD)/freehold $(DESTDIR)$(PREFIX)/bin/freehold
	install -D -m 644 LICENSE $(DESTDIR)$(PREFIX)/share/doc/freehold/LICENSE
	install -D -m 644 NOTICE $(DESTDIR)$(PREFIX)/share/doc/freehold/NOTICE
	mkdir -p $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions \
	  $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	$(BUILD)/freehold completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/freehold
	$(BUILD)/freehold completion zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_freehold
	$(BUILD)/freehold completion fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/freehold.fish
	$(BUILD)/freehold man --folder $(DESTDIR)$(PREFIX)/share/man/man1

# A Debian package in build/deb.
deb: build
	@packaging/make_deb $(BUILD)

clean:
	rm -rf build
