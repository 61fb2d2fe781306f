# SPDX-License-Identifier: MIT
#
# make check. Every test speaks TAP; tests/run.py adds them up. UNIT_TESTS are the CMocka programs that the other directories list.

tests_vcuda := build/tests/unit/vcuda_test
UNIT_TESTS += $(tests_vcuda)

# The library's parts that need no server, by themselves.
$(tests_vcuda): tests/unit/vcuda_test.c $(libvcuda_obj)
	@echo "  CC      $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(libvcuda_cflags) $(DEPS) $< $(libvcuda_obj) -o $@ -lcmocka -lzstd -llz4 -pthread

# One file of it, with the test in the place of the others.
tests_vcuda_bulk := build/tests/unit/vcuda_bulk_test
UNIT_TESTS += $(tests_vcuda_bulk)

$(tests_vcuda_bulk): tests/unit/vcuda_bulk_test.c build/libvcuda/obj/libvcuda/bulk.o build/libvcuda/obj/userd/common/env.o
	@echo "  CC      $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(libvcuda_cflags) $(DEPS) $< $(filter %.o,$^) -o $@ -lcmocka -pthread

tests_vcuda_lane := build/tests/unit/vcuda_lane_test
UNIT_TESTS += $(tests_vcuda_lane)

$(tests_vcuda_lane): tests/unit/vcuda_lane_test.c build/libvcuda/obj/libvcuda/lane.o
	@echo "  CC      $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(libvcuda_cflags) $(DEPS) $< $(filter %.o,$^) -o $@ -lcmocka -pthread

# Cubins as nvcc writes them.
tests_vcuda_cubin := build/tests/unit/vcuda_cubin_test
tests_CUBINS := build/tests/unit/cubins
UNIT_TESTS += $(tests_vcuda_cubin)

$(tests_CUBINS)/%.cubin: tests/unit/vcuda_cubin.cu
	@echo "  NVCC    $@"
	@mkdir -p $(@D)
	$(Q)$(NVCC) -cubin -arch=sm_$* $(if $(filter 90,$*),-DWIDE) $< -o $@

$(tests_vcuda_cubin): tests/unit/vcuda_cubin_test.c build/libvcuda/obj/libvcuda/cubin.o | $(tests_CUBINS)/75.cubin $(tests_CUBINS)/90.cubin
	@echo "  CC      $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(libvcuda_cflags) -DCUBINS='"$(tests_CUBINS)"' $(DEPS) $< $(filter %.o,$^) -o $@ -lcmocka

tests_residency := build/tests/unit/residency_test
UNIT_TESTS += $(tests_residency)

$(tests_residency): tests/unit/residency_test.c build/libvcuda/obj/userd/driver/residency.o
	@echo "  CC      $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(filter-out -I%include,$(libvcuda_cflags)) -isystem $(CUDA_HOME)/include $(DEPS) $< $(filter %.o,$^) -o $@ -lcmocka

tests_vcuda_submit := build/tests/unit/vcuda_submit_test
UNIT_TESTS += $(tests_vcuda_submit)

$(tests_vcuda_submit): tests/unit/vcuda_submit_test.c build/libvcuda/obj/libvcuda/submit.o
	@echo "  CC      $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(libvcuda_cflags) $(DEPS) $< $(filter %.o,$^) -o $@ -lcmocka -pthread

COMPILED += $(tests_vcuda) $(tests_vcuda_bulk) $(tests_vcuda_lane) $(tests_vcuda_cubin) $(tests_vcuda_submit) $(tests_residency)

build/libvcuda/obj/build/gen/%.gen.o: build/gen/%.gen.c

CHECK_PY := $(wildcard tests/e2e/*_test.py tests/python/*_test.py) tests/ptx/rows_test.py tests/e2e/roundtrips.py
CHECK_PY += $(if $(NVML_INCLUDE),tools/check-nvml-h.py:$(NVML_INCLUDE)/nvml.h)

# numba-cuda and CuPy; without them their tests say so and are skipped.
python-packages:
	-@tools/python-packages.sh

# A program that is not built here needs the runtime before the library that has it: tests/run.py.
# A child of a process with threads, and its exit, are no fault, nor what a handler of SIGSEGV calls: the program's own access to managed
# memory raises it, in no function of the C library. Threads that wait for the server are there at the end of the process.
ifneq ($(SANITIZE),)
sanitize_RUNTIME := $(shell $(CC) -print-file-name=$(if $(filter thread,$(SANITIZE)),libtsan.so,$(if $(findstring address,$(SANITIZE)),libasan.so,libubsan.so)))
# A worker's stderr is a pipe that ends with it, so reports go to files, for tests/run.py.
sanitize_LOG := log_path=$(CURDIR)/build/report
sanitize_ENV := DGSF_PRELOAD=$(sanitize_RUNTIME) DGSF_REPORTS=$(CURDIR)/build/report DGSF_TEST_LIMIT=900 ASAN_OPTIONS=$(sanitize_LOG) \
	UBSAN_OPTIONS=$(sanitize_LOG):print_stacktrace=1 TSAN_OPTIONS=$(sanitize_LOG):halt_on_error=1:die_after_fork=0:handle_segv=0:report_signal_unsafe=0:report_thread_leaks=0:suppressions=$(CURDIR)/tests/tsan.supp
endif

# Asked by tests/e2e/nvml_test.py; without it that test is skipped.
nvidia-smi:
	-@tools/nvidia-smi.sh

# Bad calls, and softgpu's answers with DGSF between: a part of make check.
twin_PROGRAMS := $(errors_PROGRAMS) $(tools_TWIN)

check: all $(twin_PROGRAMS) $(UNIT_TESTS) $(softgpu_TESTS) $(softgpu_engine_TESTS) $(ptx_TESTS) $(fuzz_REPLAYS) build/tools/roundtrip_test $(tools_DELAYPROXY) $(vgpud_STANDIN) cuda-programs $(process_PROGRAMS) \
		python-packages runtimes nvidia-smi
	$(Q)CUDA_HOME=$(CUDA_HOME) CC=$(CC) $(sanitize_ENV) $(PYTHON3) tests/run.py $(UNIT_TESTS) $(softgpu_TESTS) $(softgpu_engine_TESTS) \
		$(ptx_REPLAY) $(fuzz_REPLAY) $(ptx_PROGFUZZ) build/tools/roundtrip_test tests/apigen/run.py \
		tools/check-cuda-h.py:$(CUDA_HOME)/include/cuda.h tools/coverage.py:--check tools/gputwin.py:--softgpu:--errors $(CHECK_PY)

# Programs built for CUDA runtimes of other versions, directly on softgpu and through DGSF: a part of make check.
check-runtimes: all runtimes
	$(Q)CUDA_HOME=$(CUDA_HOME) CC=$(CC) $(PYTHON3) tests/run.py tests/e2e/runtimes_test.py

# A line for each program of tests/cuda; fails where one needs more than tests/cuda/roundtrips.tsv says.
roundtrips: all cuda-programs
	$(Q)$(PYTHON3) tests/e2e/roundtrips.py

check-softgpu: $(softgpu_LIB) $(softgpu_TESTS) $(softgpu_engine_TESTS) $(ptx_TESTS)
	$(Q)CUDA_HOME=$(CUDA_HOME) $(sanitize_ENV) $(PYTHON3) tests/run.py $(softgpu_TESTS) $(softgpu_engine_TESTS) \
		$(ptx_REPLAY) $(ptx_PROGFUZZ) tests/ptx/rows_test.py

# What libvcuda reads of kernels in the libraries of PyTorch and CUDA, beside what the driver says of them.
tests_ATTRIBUTES := build/tests/gpu/attributes
$(tests_ATTRIBUTES): tests/gpu/attributes.c $(libvcuda_obj)
	@echo "  CC      $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(filter-out -fvisibility=hidden,$(libvcuda_cflags)) $< $(patsubst %,build/libvcuda/obj/%.o,libvcuda/cubin libvcuda/image userd/driver/residency \
		userd/image/code userd/image/fatbin userd/image/decompress) -o $@ -L$(CUDA_STUBS) -lcuda -l:libzstd.a -l:liblz4.a

# The library and the daemons alone.
check_VCUDA_PY := $(patsubst %,tests/e2e/%_test.py,server programs standin process hostile double trips)
check-vcuda: all $(UNIT_TESTS) $(tools_DELAYPROXY) $(vgpud_STANDIN) cuda-programs $(process_PROGRAMS)
	$(Q)CUDA_HOME=$(CUDA_HOME) CC=$(CC) $(sanitize_ENV) $(PYTHON3) tests/run.py $(UNIT_TESTS) $(check_VCUDA_PY)

# The same under ThreadSanitizer: the threads of the library, of vgpud, of the server and its workers.
check-tsan:
	$(Q)$(MAKE) --no-print-directory SANITIZE=thread check-vcuda

demo: all cuda-programs
	$(Q)tools/demo.sh

# What runs there, and no more: such a machine may lack the libraries that the rest is built with.
gpucheck: build/libvcuda/libcuda.so.1 build/softgpu/libcuda.so.1 build/server/vgpu-server build/server/vgpu-worker cuda-programs
	$(Q)$(PYTHON3) tools/gpucheck.py
	$(Q)$(PYTHON3) tools/softcheck.py

# Every return code of tests/cuda and tests/errors, natively and through DGSF.
gputwin: build/libvcuda/libcuda.so.1 build/softgpu/libcuda.so.1 build/server/vgpu-server build/server/vgpu-worker cuda-programs $(twin_PROGRAMS)
	$(Q)$(PYTHON3) tools/gputwin.py

# The same without a GPU: softgpu in its place.
softtwin: all cuda-programs $(twin_PROGRAMS)
	$(Q)$(PYTHON3) tools/gputwin.py --softgpu

tests_MICRO := build/tests/gpu/micro

$(tests_MICRO): tests/gpu/micro.c
	@echo "  CC      $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -isystem $(CUDA_HOME)/include -o $@ $< -L$(CUDA_STUBS) -lcuda -ldl

tests_BULKBENCH := build/tests/gpu/bulkbench

$(tests_BULKBENCH): tests/gpu/bulkbench.c
	@echo "  CC      $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -isystem $(CUDA_HOME)/include -o $@ $< -L$(CUDA_STUBS) -lcuda

# Large copies beside plain TCP, for the server that VGPU_SERVER names; its arguments in BENCH_ARGS. THROUGH=vgpud: by way of one.
bulkbench: build/libvcuda/libcuda.so.1 $(tests_BULKBENCH) $(if $(THROUGH),$(vgpud_STANDIN))
	$(Q)LD_LIBRARY_PATH=build/libvcuda $(if $(THROUGH),tests/e2e/standin/run.sh) $(tests_BULKBENCH) $(BENCH_ARGS)

# Calls, copies and PyTorch natively and through DGSF: build/gpubench.
gpubench: build/libvcuda/libcuda.so.1 build/server/vgpu-server build/server/vgpu-worker $(tests_MICRO) $(tools_DELAYPROXY)
	$(Q)$(PYTHON3) tools/gpubench.py $(BENCH_ARGS)

# Round trips of PyTorch's programs: moving the model, the first step, a steady one.
gputrips: build/libvcuda/libcuda.so.1 build/server/vgpu-server build/server/vgpu-worker
	$(Q)$(PYTHON3) tools/gputrips.py $(BENCH_ARGS)

# PyTorch and the libraries below it, through DGSF.
gpulibraries: build/libvcuda/libcuda.so.1 build/server/vgpu-server build/server/vgpu-worker
	$(Q)$(PYTHON3) tools/gpulibraries.py

.PHONY: gputwin softtwin gpulibraries gpubench gputrips check check-runtimes check-tsan check-vcuda check-softgpu demo gpucheck roundtrips python-packages nvidia-smi
