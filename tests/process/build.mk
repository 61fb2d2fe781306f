# SPDX-License-Identifier: MIT
#
# Programs that open and close libraries: tests/e2e/process_test.py.

process_OUT := build/tests/process
process_PROGRAMS := $(addprefix $(process_OUT)/,process liblate.so libplugin_static.so libplugin_shared.so linked)

$(process_OUT)/process: tests/process/process.c tests/process/late.h tests/cuda/check.h
	@echo "  CC      $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(filter-out $(SANITIZE_FLAGS),$(CFLAGS)) -isystem $(CUDA_HOME)/include -DLATE='"$(CURDIR)/$(process_OUT)/liblate.so"' $< -o $@ -ldl -lpthread

$(process_OUT)/liblate.so: tests/process/late.c tests/process/late.h
	@echo "  CC      $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(filter-out $(SANITIZE_FLAGS),$(CFLAGS)) -isystem $(CUDA_HOME)/include -shared -fPIC $< -o $@

# The library found by what is written in the program.
$(process_OUT)/linked: tests/cuda/drvptx.c tests/cuda/check.h
	@echo "  NVCC    $@"
	@mkdir -p $(@D)
	$(Q)$(NVCC) $< -o $@ -L$(CUDA_STUBS) -lcuda -Xlinker -rpath,'$$ORIGIN/../../libvcuda'

process_PLUGIN = $(NVCC) -gencode arch=compute_75,code=compute_75 -shared -Xcompiler -fPIC,-fvisibility=hidden
$(process_OUT)/libplugin_%.so: tests/process/plugin.cu
	@echo "  NVCC    $@"
	@mkdir -p $(@D)
	$(Q)$(process_PLUGIN) -cudart $* $< -o $@ $(if $(filter shared,$*),-Xlinker -rpath$(CUDA_COMMA)$(CUDA_HOME)/lib64)

# Where there are other runtimes, with one of those.
$(RUNTIMES_OUT)/12.8/libplugin.so: tests/process/plugin.cu build/runtimes/packages
	@echo "  NVCC    $@"
	@mkdir -p $(@D)
	$(Q)$(process_PLUGIN) -cudart none -Ibuild/runtimes/12.8/include $< -o $@ $(call RUNTIMES_LINK,12.8)

runtime-programs: $(RUNTIMES_OUT)/12.8/libplugin.so
