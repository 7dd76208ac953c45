# SPDX-License-Identifier: GPL-2.0-only
#
# One Makefile for everything; all output goes to build/. `make help` lists the targets.
# Knobs: V=1 shows commands, WERROR=1 makes warnings errors, SAN=1 builds user space with ASan and
# UBSan (in build/san), BUILD=DIR builds elsewhere, CC and CLANG choose compilers, DESTDIR and PREFIX
# steer `install`.

.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
CLANG ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/bin/bpftool /usr/local/sbin/bpftool) bpftool)
PKG_CONFIG ?= pkg-config
PREFIX ?= /usr/local
DESTDIR ?=
PYTHON ?= /usr/bin/python3

V ?= 0
ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-8s %s\n'
endif

BUILD := build
B := $(BUILD)$(if $(SAN),/san)
VERSION := $(shell cat VERSION 2>/dev/null || echo 0)

# clang -target bpf does not look in the multiarch directory, where asm/types.h lies.
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)
BPF_CFLAGS := -g -O2 -fno-strict-aliasing -target bpf -mcpu=v3 -std=gnu11 -Wall -Wextra -Werror -Wshadow \
	-Wno-unused-function -Iinclude -Ibpf -idirafter /usr/include/$(MULTIARCH)

WARN := -Wall -Wextra -Wshadow -Wimplicit-fallthrough -Wstrict-prototypes -Wmissing-prototypes \
	-Wvla -Wundef $(if $(WERROR),-Werror)
LIBS_STORE := libbpf libelf zlib libmnl
LIBS_CLI := jansson smartcols yaml-0.1
PKGS := $(LIBS_STORE) $(LIBS_CLI)
CFLAGS ?= -O2 -g
ALL_CFLAGS := -std=gnu11 -fno-strict-aliasing $(WARN) -Iinclude -Iuser -I$(B) -D_GNU_SOURCE \
	-DPENSTOCK_VERSION='"$(VERSION)"' $(shell $(PKG_CONFIG) --cflags $(PKGS) 2>/dev/null) $(CFLAGS)
LDLIBS := $(shell $(PKG_CONFIG) --libs $(PKGS) 2>/dev/null)
ifneq ($(SAN),)
ALL_CFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
LDFLAGS += -fsanitize=address,undefined
endif

CORE_SRC := $(sort $(wildcard user/core/*.c))
NET_SRC := $(sort $(wildcard user/net/*.c))
STORE_SRC := $(sort $(wildcard user/store/*.c))
CONFIG_SRC := $(sort $(wildcard user/config/*.c))
CLI_SRC := $(sort $(wildcard user/cli/*.c))
BPF_SRC := bpf/xdp.bpf.c bpf/tc.bpf.c
obj = $(patsubst %.c,$(B)/%.o,$(1))

CORE_A := $(B)/libcore.a
LIB_A := $(B)/libpenstock.a
SKEL := $(B)/penstock.skel.h

FUZZ_SRC := $(CORE_SRC) $(patsubst %,user/config/%.c,print schema yaml)
UNIT := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/test_*.c))
PROG := $(patsubst tests/prog/%.c,$(B)/tests/prog/%,$(wildcard tests/prog/test_*.c))
FUZZ := $(patsubst tests/fuzz/%.c,$(B)/tests/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

.PHONY: all
all: $(B)/penstock man ## build the program and the manual pages

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- BPF -------------------------------------------------------------------------------------
$(B)/bpf/%.o: bpf/%.c
	@mkdir -p $(@D)
	$(say) BPF $<
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF $@.d -c $< -o $@

$(B)/penstock.bpf.o: $(call obj,$(BPF_SRC))
	$(say) BPFLINK $@
	$(Q)$(BPFTOOL) gen object $@ $^

$(SKEL): $(B)/penstock.bpf.o
	$(say) SKEL $@
	$(Q)$(BPFTOOL) gen skeleton $< name penstock_bpf > $@

# --- user space ------------------------------------------------------------------------------
# Only core is built without the libraries: its purity is its list of headers.
$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -MF $@.d -c $< -o $@

# The skeleton is included by exactly one file.
$(B)/user/store/load.o: $(SKEL)

$(CORE_A): $(call obj,$(CORE_SRC))
$(LIB_A): $(call obj,$(CORE_SRC) $(NET_SRC) $(STORE_SRC) $(CONFIG_SRC))
$(CORE_A) $(LIB_A):
	@mkdir -p $(@D)
	$(say) AR $@
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/penstock: $(call obj,$(CLI_SRC)) $(LIB_A)
	$(say) LINK $@
	$(Q)$(CC) $(LDFLAGS) $^ $(LDLIBS) -o $@

# --- tests -----------------------------------------------------------------------------------
# Unit tests link core and nothing else: what needs more does not belong there.
$(B)/tests/unit/%: $(B)/tests/unit/%.o $(CORE_A)
	$(say) LINK $@
	$(Q)$(CC) $(LDFLAGS) $^ -lcmocka -o $@

PROG_LIB := $(call obj,$(filter-out $(wildcard tests/prog/test_*.c),$(wildcard tests/prog/*.c)))
$(B)/tests/prog/%: $(B)/tests/prog/%.o $(PROG_LIB) $(LIB_A)
	$(say) LINK $@
	$(Q)$(CC) $(LDFLAGS) $^ $(LDLIBS) -lcmocka -o $@

# libFuzzer is clang's, whatever CC is; all that is fuzzed is built anew for it.
FUZZ_FLAGS := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
$(B)/fuzz/%.o: %.c
	@mkdir -p $(@D)
	$(say) FUZZCC $<
	$(Q)$(CLANG) $(ALL_CFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -MMD -MP -MF $@.d -c $< -o $@

$(B)/tests/fuzz/%: $(B)/fuzz/tests/fuzz/%.o $(patsubst %.c,$(B)/fuzz/%.o,$(FUZZ_SRC))
	@mkdir -p $(@D)
	$(say) LINK $@
	$(Q)$(CLANG) $(FUZZ_FLAGS) -fsanitize=fuzzer $^ $(shell $(PKG_CONFIG) --libs yaml-0.1) -o $@

.PRECIOUS: $(B)/%.o $(B)/fuzz/%.o
.PHONY: tests
tests: $(UNIT) $(PROG) ## build the tests

.PHONY: check check-all
check: all tests $(FUZZ) ## run static, unit, fuzz, prog and net tests; what CI runs
	$(Q)$(PYTHON) tests/run.py --build $(B) static unit fuzz prog net

check-all: all tests $(FUZZ) ## the same with the long versions of the slow ones
	$(Q)$(PYTHON) tests/run.py --build $(B) --long static unit fuzz prog net

.PHONY: check-static check-unit check-fuzz check-prog check-net check-includes
check-static: ## include law, licence lines, sizes, format
	$(Q)$(PYTHON) tests/run.py --build $(B) static
check-unit: $(UNIT) ## unit tests only; need no root
	$(Q)$(PYTHON) tests/run.py --build $(B) unit
check-fuzz: $(FUZZ) ## libFuzzer on the parsers, 20 s; need no root
	$(Q)$(PYTHON) tests/run.py --build $(B) fuzz
check-prog: all $(PROG) ## BPF_PROG_TEST_RUN tests only
	$(Q)$(PYTHON) tests/run.py --build $(B) prog
check-net: all ## network namespace tests only
	$(Q)$(PYTHON) tests/run.py --build $(B) net
check-includes: ## the include law of docs/hacking.md
	$(Q)$(PYTHON) tools/check-includes

# --- demo and bench --------------------------------------------------------------------------
.PHONY: demo bench
demo: all ## show the main job on real packets in network namespaces
	$(Q)sh tools/lab/demo.sh $(B)

-include tools/bench/bench.mk

# --- the rest --------------------------------------------------------------------------------
MAN := $(patsubst docs/man/%.scd,$(B)/man/%,$(wildcard docs/man/*.scd))
.PHONY: man
man: $(MAN)
$(B)/man/%: docs/man/%.scd
	@mkdir -p $(@D)
	$(say) MAN $@
	$(Q)scdoc < $< > $@

.PHONY: install
install: all ## install below $(DESTDIR)$(PREFIX)
	install -D -m 0755 $(B)/penstock $(DESTDIR)$(PREFIX)/sbin/penstock
	install -D -m 0644 tools/completion/penstock.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/penstock
	$(Q)for m in $(MAN); do \
		install -D -m 0644 $$m $(DESTDIR)$(PREFIX)/share/man/man$${m##*.}/$${m##*/}; done

FMT_FILES = $(shell git ls-files '*.c' '*.h')
.PHONY: fmt
fmt: ## format the sources
	$(Q)clang-format -i $(FMT_FILES)

.PHONY: clean
clean: ## remove build/
	$(Q)rm -rf build

-include $(shell find $(B) -name '*.d' 2>/dev/null)
