# SPDX-License-Identifier: GPL-2.0-only
# The benchmarks (docs/bench.md). Each candidate is linked with the wrapper into an object of its own.

BENCH_CAND := empty encap decap steer lpm
BENCH_OBJ := $(patsubst %,$(B)/bench/%.o,$(BENCH_CAND)) $(B)/bench/chain.bpf.o

$(B)/bench/%.bpf.o: tools/bench/%.bpf.c
	@mkdir -p $(@D)
	$(say) BPF $<
	$(Q)$(CLANG) $(BPF_CFLAGS) -Itools/bench -MMD -MP -MF $@.d -c $< -o $@

$(patsubst %,$(B)/bench/%.o,$(BENCH_CAND)): $(B)/bench/%.o: $(B)/bench/%.bpf.o $(B)/bench/wrap.bpf.o
	$(say) BPFLINK $@
	$(Q)$(BPFTOOL) gen object $@ $^

BENCH_SRC := $(filter-out %.bpf.c,$(wildcard tools/bench/*.c))
$(B)/bench/bench: $(call obj,$(BENCH_SRC)) $(LIB_A)
	@mkdir -p $(@D)
	$(say) LINK $@
	$(Q)$(CC) $(LDFLAGS) $^ $(LDLIBS) -lm -o $@

.PHONY: bench bench-quick
bench: $(B)/bench/bench $(BENCH_OBJ) ## measure: ratios to a floor and to the kernel, table and JSON
	$(Q)$(B)/bench/bench $(B)/bench

bench-quick: $(B)/bench/bench $(BENCH_OBJ) ## the same in under a minute, coarser
	$(Q)$(B)/bench/bench $(B)/bench quick

.PHONY: bench-apply
bench-apply: all ## measure apply with the prefixes of $PENSTOCK_MATERIAL
	$(Q)$(PYTHON) tools/bench/apply.py $(B)
