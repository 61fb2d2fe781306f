# SPDX-License-Identifier: MIT
#
# Tests of PTX instruction by instruction: run carries out rows.py's plans on any libcuda.so.1, cover
# says which rows of the executors' tables they reach.

ptx_OUT := build/tests/ptx
ptx_TESTS := $(ptx_OUT)/run $(ptx_OUT)/cover

$(ptx_OUT)/run: tests/ptx/run.c
	@echo "  CC      $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -isystem $(CUDA_HOME)/include -o $@ $< -L$(CUDA_STUBS) -lcuda

$(ptx_OUT)/cover: tests/ptx/cover.c $(softgpu_engine_objs)
	@echo "  CC      $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(softgpu_engine_cflags) -Wl,--wrap=ptx_form_find -o $@ $(filter %.c %.o,$^) $(softgpu_engine_libs)
