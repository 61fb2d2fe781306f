# SPDX-License-Identifier: MIT
#
# The CUDA programs, built as a user would: nvcc with its defaults. NVCC, CUDA_HOME and CUDA_STUBS
# come from tools/cuda-toolchain.sh. Each program is build/tests/cuda/NAME.

CUDA_DIR := tests/cuda
CUDA_OUT := build/tests/cuda

CUDA_COMMA := ,
CUDA_RUNTIME := vecadd matmul reduce histogram streams threads async pageable
CUDA_RUNTIME += upload gridsync groups fault oom bigcopy bulk spin idle wmma texture memory graphs views
CUDA_RUNTIME += hostfunc printf capture cgroups devlaunch reset runtime
CUDA_RUNTIME += families_int families_float families_half families_warp families_atomics
CUDA_RUNTIME += families_memory families_matrix families_machine families_texture
CUDA_DRIVER := arrays contexts drvptx badimage forkfirst manykernels pools shared
CUDA_PROGRAMS := $(CUDA_RUNTIME) $(CUDA_DRIVER) kmeans vecadd_shared

CUDA_BINARIES := $(CUDA_PROGRAMS:%=$(CUDA_OUT)/%)
CUDA_HEADERS := $(filter-out %families.h,$(wildcard $(CUDA_DIR)/*.h))
CUDA_KMEANS_OBJS := $(CUDA_OUT)/imageio.o $(CUDA_OUT)/csv.o

.PHONY: cuda-programs
cuda-programs: $(CUDA_BINARIES)

$(CUDA_RUNTIME:%=$(CUDA_OUT)/%): $(CUDA_OUT)/%: $(CUDA_DIR)/%.cu $(CUDA_HEADERS)
	@echo "  NVCC    $@"
	@mkdir -p $(@D)
	@$(NVCC) $(CUDA_FLAGS_$*) $< -o $@
	@$(if $(findstring -keep,$(CUDA_FLAGS_$*)),find $(CUDA_OUT)/ptx -name '$*[._]*' ! -name '*.ptx' -delete)

# With the runtime on the device, by which kernels launch others.
CUDA_FLAGS_devlaunch := -rdc=true -gencode arch=compute_90,code=compute_90 -lcudadevrt

# Asks the driver, too.
CUDA_FLAGS_reset := -L$(CUDA_STUBS) -Xlinker --no-as-needed -lcuda

# PTX of two virtual architectures, of which the driver takes the best that the device has.
CUDA_FLAGS_groups := -std=c++17 -gencode arch=compute_75,code=compute_75 -gencode arch=compute_80,code=compute_80
# From 8.0 on there are instructions, and shared memory of the system's, for these.
CUDA_FLAGS_cgroups := -std=c++17 -gencode arch=compute_75,code=compute_75 -gencode arch=compute_90,code=compute_90
# Every instruction family, for three architectures; tests/e2e/families_test.py reads the PTX that they keep.
# -diag-suppress: what only the host's half of a function calls is never referenced on the device.
CUDA_KEPT := $(filter families_%,$(CUDA_RUNTIME)) texture wmma
$(foreach p,$(CUDA_KEPT),$(eval CUDA_FLAGS_$(p) := -std=c++17 -diag-suppress 177 -keep -keep-dir $(CUDA_OUT)/ptx \
	$(foreach a,75 80 90,-gencode arch=compute_$(a)$(CUDA_COMMA)code=compute_$(a))))
$(CUDA_KEPT:%=$(CUDA_OUT)/%): | $(CUDA_OUT)/ptx
$(patsubst %,$(CUDA_OUT)/%,$(filter families_%,$(CUDA_KEPT))): $(CUDA_DIR)/families.h
$(CUDA_OUT)/ptx:
	@mkdir -p $@

# Linked with a stub of libcuda; the library itself is looked up when the program runs.
$(CUDA_DRIVER:%=$(CUDA_OUT)/%): $(CUDA_OUT)/%: $(CUDA_DIR)/%.c $(CUDA_HEADERS)
	@echo "  NVCC    $@"
	@mkdir -p $(@D)
	@$(NVCC) $< -o $@ -L$(CUDA_STUBS) -lcuda

$(CUDA_OUT)/vecadd_shared: $(CUDA_DIR)/vecadd.cu $(CUDA_HEADERS)
	@echo "  NVCC    $@"
	@mkdir -p $(@D)
	@$(NVCC) -cudart shared $< -o $@ -Xlinker -rpath,$(CUDA_HOME)/lib64

$(CUDA_OUT)/kmeans: $(CUDA_DIR)/kmeans.cu $(CUDA_KMEANS_OBJS) $(CUDA_HEADERS)
	@echo "  NVCC    $@"
	@$(NVCC) $< $(CUDA_KMEANS_OBJS) -o $@ -lpng -ljpeg -lz

# Never sanitized: the plain build's and the sanitized one's are the same files (tools/sanitize.mk).
$(CUDA_KMEANS_OBJS): $(CUDA_OUT)/%.o: $(CUDA_DIR)/%.c
	@echo "  CC      $@"
	@mkdir -p $(@D)
	@$(CC) $(filter-out $(SANITIZE_FLAGS),$(CFLAGS)) $(DEPS) -c $< -o $@

COMPILED += $(CUDA_KMEANS_OBJS)

# Where the toolkit has cuFFT; its test is skipped elsewhere.
ifneq ($(wildcard $(CUDA_HOME)/lib64/libcufft.so),)
CUDA_BINARIES += $(CUDA_OUT)/fft
cuda-programs: $(CUDA_OUT)/fft
endif

$(CUDA_OUT)/fft: $(CUDA_DIR)/fft.c $(CUDA_HEADERS)
	@echo "  NVCC    $@"
	@mkdir -p $(@D)
	@$(NVCC) $< -o $@ -lcufft -Xlinker -rpath,$(CUDA_HOME)/lib64

# CUB, in three parts and each for one architecture: the compiler needs ten seconds for each pair.
CUDA_CUB := $(CUDA_OUT)/cub_sort $(CUDA_OUT)/cub_scan $(CUDA_OUT)/cub_pick
CUDA_CUB_sort := -DCUB_SORT -gencode arch=compute_75,code=compute_75
CUDA_CUB_scan := -DCUB_SCAN -gencode arch=compute_80,code=compute_80
CUDA_CUB_pick := -DCUB_PICK -gencode arch=compute_90,code=compute_90

$(CUDA_CUB): $(CUDA_OUT)/cub_%: $(CUDA_DIR)/cub.cu $(CUDA_HEADERS)
	@echo "  NVCC    $@"
	@mkdir -p $(@D)
	@$(NVCC) -O1 -std=c++17 $(CUDA_CUB_$*) $< -o $@

cuda-programs: $(CUDA_CUB)

# Thrust the same way: all of both for each architecture would take the compiler two minutes.
CUDA_THRUST := $(CUDA_OUT)/thrust_order $(CUDA_OUT)/thrust_sums $(CUDA_OUT)/thrust_sets
CUDA_THRUST_order := -DTHRUST_ORDER -gencode arch=compute_75,code=compute_75
CUDA_THRUST_sums := -DTHRUST_SUMS -gencode arch=compute_80,code=compute_80
CUDA_THRUST_sets := -DTHRUST_SETS -gencode arch=compute_90,code=compute_90

$(CUDA_THRUST): $(CUDA_OUT)/thrust_%: $(CUDA_DIR)/thrust.cu $(CUDA_HEADERS)
	@echo "  NVCC    $@"
	@mkdir -p $(@D)
	@$(NVCC) -O1 -std=c++17 $(CUDA_THRUST_$*) $< -o $@

cuda-programs: $(CUDA_THRUST)

# Some of them again, for the runtimes that tools/runtimes.sh brings: their headers, their libcudart, this compiler.
# build/tests/runtimes/VERSION/NAME; vecadd_static where there is a libcudart_static.a.
RUNTIMES_OUT := build/tests/runtimes
RUNTIMES := 12.2 12.4 12.8 13.5
RUNTIMES_PROGRAMS := runtime vecadd streams async kmeans graphs memory
RUNTIMES_BINARIES := $(foreach v,$(RUNTIMES),$(RUNTIMES_PROGRAMS:%=$(RUNTIMES_OUT)/$v/%)) $(RUNTIMES_OUT)/13.5/vecadd_static
RUNTIMES_NVCC = $(NVCC) -gencode arch=compute_75,code=compute_75 -cudart none -Ibuild/runtimes/$1/include
RUNTIMES_LINK = -Lbuild/runtimes/$1/lib -l:libcudart.so.$(basename $1) -Xlinker -rpath,$(CURDIR)/build/runtimes/$1/lib

.PHONY: runtimes runtime-programs
# A failure leaves its reason to the test.
runtimes: $(CUDA_KMEANS_OBJS)
	@if tools/runtimes.sh; then $(MAKE) --no-print-directory runtime-programs; fi

runtime-programs: $(RUNTIMES_BINARIES)

define RUNTIMES_rule
$(filter-out %/kmeans,$(RUNTIMES_PROGRAMS:%=$(RUNTIMES_OUT)/$1/%)): $(RUNTIMES_OUT)/$1/%: $(CUDA_DIR)/%.cu $(CUDA_HEADERS) build/runtimes/packages
	@echo "  NVCC    $$@"
	@mkdir -p $$(@D)
	@$(call RUNTIMES_NVCC,$1) $$< -o $$@ $(call RUNTIMES_LINK,$1)

$(RUNTIMES_OUT)/$1/kmeans: $(CUDA_DIR)/kmeans.cu $(CUDA_KMEANS_OBJS) $(CUDA_HEADERS) build/runtimes/packages
	@echo "  NVCC    $$@"
	@mkdir -p $$(@D)
	@$(call RUNTIMES_NVCC,$1) $$< $(CUDA_KMEANS_OBJS) -o $$@ $(call RUNTIMES_LINK,$1) -lpng -ljpeg -lz
endef
$(foreach v,$(RUNTIMES),$(eval $(call RUNTIMES_rule,$v)))

$(RUNTIMES_OUT)/13.5/vecadd_static: $(CUDA_DIR)/vecadd.cu $(CUDA_HEADERS) build/runtimes/packages
	@echo "  NVCC    $@"
	@mkdir -p $(@D)
	@$(call RUNTIMES_NVCC,13.5) $< -o $@ -Lbuild/runtimes/13.5/lib -lcudart_static -ldl -lrt -lpthread
