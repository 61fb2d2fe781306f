# SPDX-License-Identifier: MIT
# softgpu: libcuda.so.1 for the CPU. It has threads, so it stays loaded once it is (nodelete).
# engine.mk adds the objects of the PTX engine, softgpu_engine_objs, and their rules.

CUDA_HOME ?= /usr/local/cuda

softgpu_DIR := userd/softgpu
softgpu_OUT := build/softgpu
softgpu_LIB := $(softgpu_OUT)/libcuda.so.1

softgpu_NAMES := array arraycopy attribute context copy copy2d copy3d ctxinfo current device error event \
	export funcattr function handle host hostfunc image init launch library malloc \
	memory memset module occupancy pointer primary print procaddr profiler ptsz stream \
	streamapi surface tensormap texture vmm
softgpu_NAMES += atomicity ctxorder launch_legacy limit logs
softgpu_NAMES += container file link object peer phys settings target
softgpu_NAMES += advise copybatch ipc ipcevent managed pool poolapi share
softgpu_NAMES += graph_copy graph_event graph_kernel graph_memory graph_run memop
softgpu_OBJS := $(softgpu_NAMES:%=$(softgpu_OUT)/%.o)
# What graphs and captures are, whoever runs them; libvcuda compiles the same sources;
# so it does of userd/driver, which has rules and calls that are the same in any driver.
softgpu_GRAPH_OBJS := $(patsubst userd/graph/%.c,$(softgpu_OUT)/graph/%.o,$(wildcard userd/graph/*.c))
softgpu_DRIVER_OBJS := $(patsubst userd/driver/%.c,$(softgpu_OUT)/driver_%.o,$(wildcard userd/driver/*.c))
# Fatbins; libvcuda and the worker compile the same sources.
softgpu_IMAGE_OBJS := $(patsubst userd/image/%.c,$(softgpu_OUT)/image/%.o,$(wildcard userd/image/*.c))
# What the runtime asks of a driver in private; libvcuda compiles the same sources.
softgpu_CUDART_OBJS := $(patsubst userd/cudart/%.c,$(softgpu_OUT)/cudart_%.o, \
	$(wildcard userd/cudart/*.c))

softgpu_CFLAGS := -D_GNU_SOURCE -std=gnu11 -fPIC -fvisibility=hidden -pthread \
	-Wall -Wextra -Werror -isystem $(CUDA_HOME)/include -I$(softgpu_DIR) -Iuserd/graph -Iuserd/driver -Iuserd/image -Iuserd/common -Iuserd/cudart -Ibuild/gen

-include $(softgpu_DIR)/engine.mk

# Generated: weak stubs of all rows of the table that nothing here implements, and the table of
# cuGetProcAddress().
softgpu_GEN_OBJS := $(softgpu_OUT)/softgpu_stubs.gen.o $(softgpu_OUT)/procaddr.gen.o

$(softgpu_OUT)/procaddr.o: build/gen/procaddr.gen.h

$(softgpu_OBJS): $(softgpu_OUT)/%.o: $(softgpu_DIR)/%.c
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@$(CC) $(CFLAGS) $(softgpu_CFLAGS) $(DEPS) -c -o $@ $<

$(softgpu_GRAPH_OBJS): $(softgpu_OUT)/graph/%.o: userd/graph/%.c
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@$(CC) $(CFLAGS) $(softgpu_CFLAGS) $(DEPS) -c -o $@ $<

$(softgpu_DRIVER_OBJS): $(softgpu_OUT)/driver_%.o: userd/driver/%.c
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@$(CC) $(CFLAGS) $(softgpu_CFLAGS) $(DEPS) -c -o $@ $<

$(softgpu_IMAGE_OBJS): $(softgpu_OUT)/image/%.o: userd/image/%.c
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@$(CC) $(CFLAGS) $(softgpu_CFLAGS) $(DEPS) -c -o $@ $<

$(softgpu_CUDART_OBJS): $(softgpu_OUT)/cudart_%.o: userd/cudart/%.c
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@$(CC) $(CFLAGS) $(softgpu_CFLAGS) $(DEPS) -c -o $@ $<

$(softgpu_GEN_OBJS): $(softgpu_OUT)/%.o: build/gen/%.c build/gen/procaddr.gen.h
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@$(CC) $(CFLAGS) $(softgpu_CFLAGS) $(DEPS) -c -o $@ $<

$(softgpu_LIB): $(softgpu_OBJS) $(softgpu_IMAGE_OBJS) $(softgpu_GRAPH_OBJS) $(softgpu_DRIVER_OBJS) $(softgpu_CUDART_OBJS) $(softgpu_engine_objs) $(softgpu_GEN_OBJS)
	@echo "  LD      $@"
	@$(CC) $(LDFLAGS) -shared -pthread -Wl,-soname,libcuda.so.1 \
		-Wl,-z,defs,-z,nodelete,-Bsymbolic -o $@ $^ -lzstd -llz4 $(softgpu_engine_libs)

# softgpu_module_test loads these from the directory beside it.
softgpu_NVCC = $(or $(NVCC),$(CUDA_HOME)/bin/nvcc)
softgpu_FATBINS := $(patsubst %,$(softgpu_OUT)/fatbins/%.fatbin,default size speed none sass)
softgpu_FATBIN_size := -Xfatbin -compress-all --compress-mode=size
softgpu_FATBIN_speed := -Xfatbin -compress-all --compress-mode=speed
softgpu_FATBIN_none := -no-compress
softgpu_FATBIN_sass := -gencode arch=compute_75,code=sm_75

$(softgpu_FATBINS): $(softgpu_OUT)/fatbins/%.fatbin: tests/unit/softgpu_fatbin.cu
	@mkdir -p $(@D)
	@echo "  NVCC    $@"
	@$(softgpu_NVCC) -fatbin $(softgpu_FATBIN_$*) -o $@ $<

# Unit tests: the driver through its public calls, the walker by itself.
# softgpu_CALL_TESTS go through public calls only and need nothing beside the library.
softgpu_CALL_TESTS := $(patsubst %,$(softgpu_OUT)/softgpu_%_test,array capture context device driver error graph image launch link memory module pool race share \
	stream surface texture)
softgpu_TESTS := $(softgpu_OUT)/fatbin_test $(softgpu_CALL_TESTS)

$(softgpu_CALL_TESTS): $(softgpu_OUT)/%: tests/unit/%.c $(softgpu_LIB)
	@echo "  CC      $@"
	@$(CC) $(CFLAGS) $(softgpu_CFLAGS) $(DEPS) -o $@ $< $(softgpu_LIB) -lcmocka -lm $(LDLIBS) \
		-Wl,-rpath,'$$ORIGIN'

# It loads images that nvcc makes without PTX, and compresses some itself.
$(softgpu_OUT)/softgpu_image_test: private LDLIBS += -lzstd
$(softgpu_OUT)/softgpu_image_test: | $(softgpu_OUT)/fatbins/sass.fatbin $(softgpu_OUT)/fatbins/sass.cubin

$(softgpu_OUT)/fatbins/sass.cubin: tests/unit/softgpu_fatbin.cu
	@mkdir -p $(@D)
	@echo "  NVCC    $@"
	@$(softgpu_NVCC) -cubin -arch=sm_75 -o $@ $<

# It reads the names of the results there.
$(softgpu_OUT)/softgpu_error_test: private softgpu_CFLAGS += -DCUDA_H='"$(CUDA_HOME)/include/cuda.h"' \
	-DCUDART='"$(CUDA_HOME)/lib64/libcudart.so"'

# Objects and a library for softgpu_link_test.
softgpu_LINK_OBJS := $(softgpu_OUT)/link/1.o $(softgpu_OUT)/link/2.o

$(softgpu_LINK_OBJS): $(softgpu_OUT)/link/%.o: tests/unit/softgpu_link.cu
	@mkdir -p $(@D)
	@echo "  NVCC    $@"
	@$(softgpu_NVCC) -dc -DPART=$* -o $@ $<

$(softgpu_OUT)/link/sass.o: tests/unit/softgpu_link.cu
	@mkdir -p $(@D)
	@echo "  NVCC    $@"
	@$(softgpu_NVCC) -dc -gencode arch=compute_75,code=sm_75 -DPART=2 -o $@ $<

$(softgpu_OUT)/link/both.a: $(softgpu_LINK_OBJS)
$(softgpu_OUT)/link/sass.a: $(softgpu_OUT)/link/sass.o
$(softgpu_OUT)/link/both.a $(softgpu_OUT)/link/sass.a:
	@echo "  AR      $@"
	@rm -f $@
	@ar rcs $@ $^

$(softgpu_OUT)/softgpu_link_test: | $(softgpu_OUT)/link/both.a $(softgpu_OUT)/link/sass.a

$(softgpu_OUT)/softgpu_module_test: | $(softgpu_FATBINS)

$(softgpu_OUT)/fatbin_test: tests/unit/fatbin_test.c $(softgpu_IMAGE_OBJS)
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@$(CC) $(CFLAGS) $(softgpu_CFLAGS) $(DEPS) -o $@ $< $(filter %.o,$^) -lcmocka -lzstd -llz4

COMPILED += $(softgpu_OBJS) $(softgpu_IMAGE_OBJS) $(softgpu_GRAPH_OBJS) $(softgpu_DRIVER_OBJS) $(softgpu_CUDART_OBJS) $(softgpu_GEN_OBJS) $(softgpu_TESTS)

# In LD_LIBRARY_PATH it hides nvJitLink, which makes machine code: programs that ask for it (numba)
# then link with the driver, and softgpu gets the PTX. Not beside libcuda.so.1: cuSPARSE and others
# need the real one to load.
softgpu_DRIVER_LINKER := $(softgpu_OUT)/driver-linker/libnvJitLink.so.13

$(softgpu_DRIVER_LINKER):
	@mkdir -p $(@D)
	@echo "  LD      $@"
	@$(CC) -shared -nostdlib -Wl,-soname,$(@F) -o $@ -x c /dev/null
