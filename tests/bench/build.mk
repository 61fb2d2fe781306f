# SPDX-License-Identifier: MIT
#
# make bench-launch: launches of several threads at once.
# make bench-softgpu: softgpu beside plain C. The plain side is what gcc -O2 makes of it.

bench_OUT := build/tests/bench
bench_softgpu := $(bench_OUT)/softgpu

$(bench_OUT)/plain.o: tests/bench/plain.c tests/bench/plain.h tests/bench/steps.h
	@echo "  CC      $@"
	@mkdir -p $(@D)
	@$(CC) -O2 -std=gnu11 -Wall -Wextra -Werror -c $< -o $@

$(bench_softgpu): tests/bench/softgpu.cu $(bench_OUT)/plain.o tests/cuda/check.h tests/bench/plain.h tests/bench/steps.h
	@echo "  NVCC    $@"
	@$(NVCC) -O2 $< $(bench_OUT)/plain.o -o $@ -lm

bench-softgpu: $(bench_softgpu) $(softgpu_LIB)
	$(Q)LD_LIBRARY_PATH=build/softgpu $(bench_softgpu) $(BENCH_ARGS)

# Launches of several threads at once, for the server that VGPU_SERVER names, or natively.
bench_launch := $(bench_OUT)/launch_threads

$(bench_launch): tests/bench/launch_threads.c uapi/vgpu_stats.h
	@echo "  CC      $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -Iuapi -isystem $(CUDA_HOME)/include -o $@ $< -L$(CUDA_STUBS) -lcuda -pthread

bench-launch: $(bench_launch) build/libvcuda/libcuda.so.1
	$(Q)LD_LIBRARY_PATH=build/libvcuda $(bench_launch) $(BENCH_ARGS)

.PHONY: bench-launch bench-softgpu
