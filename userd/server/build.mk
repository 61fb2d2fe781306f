# SPDX-License-Identifier: MIT
#
# vgpu-server; vgpu-worker's rules are in worker.mk.

SERVER_OUT := build/server
SERVER_SRC := main listener wire lease queue pool info nvml
SERVER_OBJS := $(SERVER_SRC:%=$(SERVER_OUT)/%.o)
SERVER_CFLAGS := $(COMMON_CFLAGS) -Iuserd/server

$(SERVER_OBJS): $(SERVER_OUT)/%.o: userd/server/%.c
	@echo "  CC      $@"
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(SERVER_CFLAGS) $(DEPS) -c $< -o $@

$(SERVER_OUT)/vgpu-server: $(SERVER_OBJS) $(COMMON_OBJS)
	@echo "  LD      $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ -ldl -pthread

COMPILED += $(SERVER_OBJS)

UNIT_TESTS += build/tests/unit/queue_test

build/tests/unit/queue_test: tests/unit/queue_test.c $(SERVER_OUT)/queue.o $(SERVER_OUT)/wire.o
	@echo "  CC      $@"
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(SERVER_CFLAGS) $(DEPS) $< $(filter %.o,$^) -o $@ -lcmocka

COMPILED += build/tests/unit/queue_test

-include userd/server/worker.mk

# NVIDIA's libnvidia-ml.so.1, for tests/e2e/nvml_test.py.
SERVER_NVML_DOUBLE := build/tests/unit/nvml_double.so

$(SERVER_NVML_DOUBLE): tests/unit/nvml_double.c
	@echo "  CC      $@"
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) -shared -fPIC $< -o $@
