# SPDX-License-Identifier: MIT
#
# engine.mk - objects of the PTX engine: $(softgpu_engine_objs), under build/softgpu/
#
# The executors are built once for each instruction set; ptx_form.c picks one when the first module is loaded.

softgpu_engine_src := userd/softgpu
softgpu_engine_out := build/softgpu

# The one list has the parser and what runs warps, the other what is built for each instruction set.
softgpu_engine_c := \
	ptx_lex ptx_type ptx_sym ptx_reuse ptx_operand ptx_row ptx_var ptx_func ptx_parse ptx_form ptx_decode \
	ptx_mem ptx_mov ptx_ctl ptx_link ptx_module \
	ptx_async ptx_cache ptx_loc \
	ptx_video ptx_cvt \
	ptx_mma \
	ptx_tex ptx_surf texel sample exec_tex exec_surf \
	devrt warp group frame barrier mbarrier \
	resolve race race_report builtin grid heap
softgpu_exec_c := \
	exec_int exec_float exec_half exec_cmp exec_cvt exec_mem exec_atom exec_warp \
	exec_async exec_mbarrier exec_stack \
	exec_fp8 exec_video \
	exec_mma exec_matrix \
	exec_isa

softgpu_engine_cflags := -O2 -fPIC -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -fno-strict-aliasing \
	-fvisibility=hidden -I$(softgpu_engine_src)
# Contraction or -ffast-math would change results; the rest only lets gcc turn branches into masks.
softgpu_exec_cflags := $(softgpu_engine_cflags) -O3 -fno-trapping-math -fno-math-errno -ffp-contract=off

ifneq ($(SANITIZE),)
softgpu_engine_cflags += -O1
softgpu_exec_cflags += -O1
endif
# What a kernel does with its memory races where the kernel does: that is not for ThreadSanitizer to see.
ifneq ($(filter thread,$(SANITIZE)),)
softgpu_exec_cflags += -fno-sanitize=thread
$(softgpu_engine_out)/exec_tex.o $(softgpu_engine_out)/exec_surf.o $(softgpu_engine_out)/texel.o $(softgpu_engine_out)/sample.o: \
	softgpu_engine_cflags += -fno-sanitize=thread
endif

softgpu_isas := base
softgpu_isa_base :=
ifeq ($(shell $(CC) -dumpmachine | cut -d- -f1),x86_64)
softgpu_isas += v3 v4
softgpu_isa_v3 := -march=x86-64-v3
softgpu_isa_v4 := -march=x86-64-v4 -mprefer-vector-width=512
endif

softgpu_engine_objs := $(softgpu_engine_c:%=$(softgpu_engine_out)/%.o) \
	$(foreach isa,$(softgpu_isas),$(softgpu_exec_c:%=$(softgpu_engine_out)/%.$(isa).o))
softgpu_engine_libs := -lpthread -lm

# Nothing of these is vectorised, so one build serves.
$(softgpu_engine_out)/texel.o $(softgpu_engine_out)/sample.o: softgpu_engine_cflags += -ffp-contract=off

$(softgpu_engine_c:%=$(softgpu_engine_out)/%.o): $(softgpu_engine_out)/%.o: $(softgpu_engine_src)/%.c
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@$(CC) $(CFLAGS) $(softgpu_engine_cflags) $(DEPS) -c $< -o $@

define softgpu_exec_rule
$(softgpu_exec_c:%=$(softgpu_engine_out)/%.$(1).o): $(softgpu_engine_out)/%.$(1).o: $(softgpu_engine_src)/%.c
	@mkdir -p $$(@D)
	@echo "  CC      $$@"
	@$$(CC) $$(CFLAGS) $$(softgpu_exec_cflags) $$(softgpu_isa_$(1)) -DSG_ISA=$(1) $$(DEPS) -c $$< -o $$@
endef
$(foreach isa,$(softgpu_isas),$(eval $(call softgpu_exec_rule,$(isa))))

COMPILED += $(softgpu_engine_objs)

# Run from the top of the tree: it reads programs from tests/unit/ptx.
softgpu_engine_TESTS := $(softgpu_engine_out)/softgpu_engine_test $(softgpu_engine_out)/softgpu_insn_test \
	$(softgpu_engine_out)/softgpu_mma_test $(softgpu_engine_out)/softgpu_wmma_test $(softgpu_engine_out)/softgpu_reuse_test

$(softgpu_engine_TESTS): $(softgpu_engine_out)/%: tests/unit/%.c $(softgpu_engine_objs)
	@echo "  CC      $@"
	@$(CC) $(CFLAGS) $(softgpu_engine_cflags) $(DEPS) -o $@ $< $(filter %.o,$^) -lcmocka $(softgpu_engine_libs)

COMPILED += $(softgpu_engine_TESTS)
