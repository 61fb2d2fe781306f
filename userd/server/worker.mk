# SPDX-License-Identifier: MIT
#
# vgpu-worker, and its unit tests.

WORKER_OUT := build/server/worker
WORKER_SRC := worker session run context handles memory vmm share module load preload recent link jit image imagecache copy bulk bulkcopy wait launch function device reply sandbox \
	graph graph_node graph_host graph_copy hostcall text array box tensormap texref texture
WORKER_IMAGE_OBJS := $(patsubst userd/image/%.c,$(WORKER_OUT)/image_%.o,$(wildcard userd/image/*.c))
WORKER_GEN := dispatch ids realcuda
WORKER_OBJS := $(WORKER_SRC:%=$(WORKER_OUT)/%.o) $(WORKER_IMAGE_OBJS) $(WORKER_GEN:%=$(WORKER_OUT)/%.gen.o)
WORKER_COMMON := $(COMMON_OUT)/log.o $(COMMON_OUT)/net.o $(COMMON_OUT)/env.o $(COMMON_OUT)/halt_poll.o
WORKER_CFLAGS := $(COMMON_CFLAGS) -Iuserd/server -Iuserd/image -Ibuild/gen -I$(CUDA_HOME)/include

WORKER_LIBS := -l:libzstd.a -l:liblz4.a -ldl -lpthread

# The generated headers have to be there first.
$(WORKER_OBJS): | build/gen/run_hand.gen.h

$(WORKER_SRC:%=$(WORKER_OUT)/%.o): $(WORKER_OUT)/%.o: userd/server/%.c
	@echo "  CC      $@"
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(WORKER_CFLAGS) $(DEPS) -c $< -o $@

$(WORKER_IMAGE_OBJS): $(WORKER_OUT)/image_%.o: userd/image/%.c
	@echo "  CC      $@"
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(WORKER_CFLAGS) $(DEPS) -c $< -o $@

$(WORKER_GEN:%=$(WORKER_OUT)/%.gen.o): $(WORKER_OUT)/%.gen.o: build/gen/%.gen.c
	@echo "  CC      $@"
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(WORKER_CFLAGS) $(DEPS) -c $< -o $@

build/server/vgpu-worker: $(WORKER_OBJS) $(WORKER_COMMON)
	@echo "  LD      $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $(WORKER_LIBS)

COMPILED += $(WORKER_OBJS)

# ---- unit tests, which need CMocka ----

WORKER_TESTS := $(addprefix build/tests/unit/worker_,session_test wait_test frames_test softgpu_test graph_test bulk_test)
WORKER_DOUBLE := build/tests/unit/worker_double.so
WORKER_TEST_CFLAGS := $(WORKER_CFLAGS) -DWORKER_PROGRAM='"build/server/vgpu-worker"' \
	-DWORKER_DOUBLE='"./$(WORKER_DOUBLE)"'
WORKER_PART_TESTS := $(addprefix build/tests/unit/worker_,parts_test cache_test)
UNIT_TESTS += $(WORKER_TESTS) $(WORKER_PART_TESTS)

WORKER_DOUBLE_OBJS := $(patsubst tests/unit/%.c,build/tests/unit/%.o,$(wildcard tests/unit/worker_double*.c))

$(WORKER_DOUBLE_OBJS): build/tests/unit/%.o: tests/unit/%.c
	@echo "  CC      $@"
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(WORKER_CFLAGS) $(DEPS) -fPIC -c $< -o $@

$(WORKER_DOUBLE): $(WORKER_DOUBLE_OBJS)
	@echo "  LD      $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) -shared $^ -o $@

# The client's side of a session, which they share.
WORKER_CLIENT := build/tests/unit/worker_client.o

$(WORKER_CLIENT): tests/unit/worker_client.c | build/gen/run_hand.gen.h
	@echo "  CC      $@"
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(WORKER_TEST_CFLAGS) $(DEPS) -c $< -o $@

$(WORKER_TESTS): build/tests/unit/%: tests/unit/%.c $(WORKER_CLIENT) \
		$(WORKER_OUT)/imagecache.o $(WORKER_IMAGE_OBJS) $(WORKER_OUT)/ids.gen.o $(COMMON_OUT)/log.o \
		| build/server/vgpu-worker $(WORKER_DOUBLE)
	@echo "  CC      $@"
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(WORKER_TEST_CFLAGS) $(DEPS) $< $(filter %.o,$^) -o $@ -lcmocka $(WORKER_LIBS)

build/tests/unit/worker_softgpu_test build/tests/unit/worker_graph_test build/tests/unit/worker_bulk_test: | build/softgpu/libcuda.so.1

# The parts that need no process: linked with all of the worker but its main().
$(WORKER_PART_TESTS): build/tests/unit/%: tests/unit/%.c $(filter-out %/worker.o,$(WORKER_OBJS)) \
		$(WORKER_COMMON) | $(WORKER_DOUBLE)
	@echo "  CC      $@"
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(WORKER_TEST_CFLAGS) $(DEPS) $< $(filter %.o,$^) -o $@ -lcmocka $(WORKER_LIBS)

COMPILED += $(WORKER_TESTS) $(WORKER_CLIENT) $(WORKER_PART_TESTS) $(WORKER_DOUBLE_OBJS)
