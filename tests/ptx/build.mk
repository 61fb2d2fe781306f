# SPDX-License-Identifier: MIT
#
# Tests of PTX instruction by instruction: run carries out rows.py's plans on any libcuda.so.1, cover
# says which rows of the executors' tables they reach.

ptx_OUT := build/tests/ptx
ptx_TESTS := $(ptx_OUT)/run $(ptx_OUT)/cover $(ptx_OUT)/replay $(ptx_OUT)/eval_rows $(ptx_OUT)/progfuzz $(ptx_OUT)/forms

# The evaluator sets rounding modes: the compiler may not move what it computes.
ptx_EVAL := tests/ptx/eval.c tests/ptx/evalfloat.c
ptx_EVAL_HEADERS := tests/ptx/eval.h tests/ptx/evalfloat.h

$(ptx_OUT)/run: tests/ptx/run.c
	@echo "  CC      $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -isystem $(CUDA_HOME)/include -o $@ $< -L$(CUDA_STUBS) -lcuda

$(ptx_OUT)/cover: tests/ptx/cover.c tests/ptx/memory.c $(softgpu_engine_objs)
	@echo "  CC      $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(softgpu_engine_cflags) -Wl,--wrap=ptx_form_find -o $@ $(filter %.c %.o,$^) $(softgpu_engine_libs)

$(ptx_OUT)/progfuzz: tests/ptx/progfuzz.c tests/ptx/prog.c tests/ptx/progtext.c tests/ptx/proginterp.c tests/ptx/memory.c \
		$(ptx_EVAL) $(softgpu_engine_objs) $(ptx_EVAL_HEADERS) tests/ptx/prog.h
	@echo "  CC      $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(softgpu_engine_cflags) -frounding-math -o $@ $(filter %.c %.o,$^) $(softgpu_engine_libs)

$(ptx_OUT)/forms: tests/ptx/rows.py tests/ptx/rows.tsv
	@mkdir -p $(@D)
	$(Q)$(PYTHON3) tests/ptx/rows.py forms > $@

empty :=
ptx_PROGFUZZ := $(foreach isa,$(softgpu_isas),$(ptx_OUT)/progfuzz:$(ptx_OUT)/forms:$(isa):1:300)

# For tests/run.py: the program and its arguments, with colons between.
ptx_REPLAY := $(ptx_OUT)/replay$(subst $(empty) $(empty),,$(patsubst %,:%,$(sort $(wildcard tests/fuzz/ptx/*))))

$(ptx_OUT)/eval_rows: tests/ptx/eval_rows.c $(ptx_EVAL) $(ptx_EVAL_HEADERS)
	@echo "  CC      $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -frounding-math -o $@ $(filter %.c,$^) -lm

# The crashers of the fuzzer, by what make check builds.
$(ptx_OUT)/replay: tests/fuzz/ptx_fuzz.c tests/ptx/memory.c $(softgpu_engine_objs)
	@echo "  CC      $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(softgpu_engine_cflags) -DPTX_FUZZ_MAIN -o $@ $(filter %.c %.o,$^) $(softgpu_engine_libs)

# The parser under libFuzzer (clang and its libclang-rt-dev), built apart with sanitizers. Executors do not run there
# and are taken as they are; so are files that clang 14 does not know a part of.
ptx_FUZZ_CC ?= clang
ptx_FUZZ_FLAGS := -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
ptx_AS_IS := ptx_form texel sample exec_tex exec_surf
ptx_FUZZ_OBJS := $(patsubst %,$(ptx_OUT)/fuzz/%.o,$(filter-out $(ptx_AS_IS),$(softgpu_engine_c)))
ptx_EXEC_OBJS := $(ptx_AS_IS:%=$(softgpu_engine_out)/%.o) $(foreach isa,$(softgpu_isas),$(softgpu_exec_c:%=$(softgpu_engine_out)/%.$(isa).o))
FUZZ_SECONDS ?= 600

$(ptx_FUZZ_OBJS): $(ptx_OUT)/fuzz/%.o: $(softgpu_engine_src)/%.c
	@echo "  FUZZ    $@"
	@mkdir -p $(@D)
	$(Q)$(ptx_FUZZ_CC) $(ptx_FUZZ_FLAGS) -fsanitize=fuzzer-no-link $(softgpu_engine_cflags) -O1 -Wno-error -Wno-unknown-pragmas $(DEPS) -c $< -o $@

$(ptx_OUT)/fuzz/ptx_fuzz: tests/fuzz/ptx_fuzz.c tests/ptx/memory.c $(ptx_FUZZ_OBJS) $(ptx_EXEC_OBJS)
	@echo "  FUZZ    $@"
	$(Q)$(ptx_FUZZ_CC) $(ptx_FUZZ_FLAGS) -fsanitize=fuzzer $(softgpu_engine_cflags) -o $@ $(filter %.c %.o,$^) $(softgpu_engine_libs)

# The words of PTX: those of the tables, and of the directives.
$(ptx_OUT)/fuzz/words: $(ptx_OUT)/cover tests/fuzz/directives
	@mkdir -p $(@D)
	$(Q){ $(ptx_OUT)/cover | cut -f1 | tr '.@' '\n\n'; cat tests/fuzz/directives; } | grep . | LC_ALL=C sort -u | sed 's/.*/"&"/' > $@

COMPILED += $(ptx_FUZZ_OBJS)

# For as long as FUZZ_SECONDS; what it finds stays in build/tests/ptx/fuzz.
fuzz-softgpu: $(ptx_OUT)/fuzz/ptx_fuzz $(ptx_OUT)/fuzz/words $(ptx_OUT)/progfuzz $(ptx_OUT)/forms
	$(Q)for isa in $(softgpu_isas); do \
		$(ptx_OUT)/progfuzz $(ptx_OUT)/forms $$isa $$(date +%s) $$(($(FUZZ_SECONDS) / 3))s || exit 1; done
	$(Q)rm -rf $(ptx_OUT)/fuzz/seeds && mkdir -p $(ptx_OUT)/fuzz/corpus $(ptx_OUT)/fuzz/seeds
	$(Q)cp tests/unit/ptx/*.ptx $(wildcard tests/fuzz/ptx/*) $(ptx_OUT)/fuzz/seeds
	$(Q)$(PYTHON3) tests/ptx/rows.py plan $(ptx_OUT)/fuzz/seeds >/dev/null && rm $(ptx_OUT)/fuzz/seeds/plan
	$(Q)cd $(ptx_OUT)/fuzz && ./ptx_fuzz -dict=words -max_len=20000 -timeout=5 -rss_limit_mb=2500 \
		-max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 corpus seeds

.PHONY: fuzz-softgpu
