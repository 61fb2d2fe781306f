# SPDX-License-Identifier: MIT
#
# vgpud, which needs libnl (libnl-genl-3-dev).

VGPUD_OUT := build/vgpud
VGPUD_OBJS := $(patsubst userd/vgpud/%.c,$(VGPUD_OUT)/%.o,$(wildcard userd/vgpud/*.c))
VGPUD_CFLAGS = $(COMMON_CFLAGS) -Iuserd/vgpud $(shell pkg-config --cflags libnl-genl-3.0)
VGPUD_LIBS = $(shell pkg-config --libs libnl-genl-3.0) -lpthread

$(VGPUD_OBJS): $(VGPUD_OUT)/%.o: userd/vgpud/%.c
	@echo "  CC      $@"
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(VGPUD_CFLAGS) $(DEPS) -c $< -o $@

$(VGPUD_OUT)/vgpud: $(VGPUD_OBJS) $(COMMON_OBJS)
	@echo "  LD      $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) $^ $(VGPUD_LIBS) -o $@

COMPILED += $(VGPUD_OBJS)

# The sessions and their bulk connections, with the test in the place of the module and of the devices.
vgpud_TEST := build/tests/unit/vgpud_session_test build/tests/unit/vgpud_lane_test
UNIT_TESTS += $(vgpud_TEST)

$(vgpud_TEST): build/tests/unit/%: tests/unit/%.c $(VGPUD_OUT)/session.o $(VGPUD_OUT)/mover.o $(VGPUD_OUT)/lane.o $(VGPUD_OUT)/dial.o $(COMMON_OBJS)
	@echo "  CC      $@"
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(VGPUD_CFLAGS) $(DEPS) $< $(filter %.o,$^) -o $@ -lcmocka -lpthread

COMPILED += $(vgpud_TEST)

# What it asks a server.
vgpud_GPU_TEST := build/tests/unit/vgpud_gpu_test
UNIT_TESTS += $(vgpud_GPU_TEST)

$(vgpud_GPU_TEST): tests/unit/vgpud_gpu_test.c $(VGPUD_OUT)/gpu.o $(VGPUD_OUT)/dial.o $(COMMON_OBJS)
	@echo "  CC      $@"
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(VGPUD_CFLAGS) $(DEPS) $< $(filter %.o,$^) -o $@ -lcmocka -lpthread

COMPILED += $(vgpud_GPU_TEST)

# Runs in a guest: tests/e2e/vgpud_test.sh.
build/tests/e2e/vgpud_test: tests/e2e/vgpud_test.c
	@echo "  CC      $@"
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(COMMON_CFLAGS) $(DEPS) $< -o $@ -lpthread

COMPILED += build/tests/e2e/vgpud_test

# Where no module can be loaded: tests/e2e/standin/standin.h.
vgpud_STANDIN := build/tests/e2e/vgpud_standin build/tests/e2e/libstandin.so

build/tests/e2e/vgpud_standin: tests/e2e/standin/standin_vgpud.c $(filter-out %/control.o %/announce.o,$(VGPUD_OBJS)) $(COMMON_OBJS)
	@echo "  CC      $@"
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(VGPUD_CFLAGS) $(DEPS) $(LDFLAGS) $< $(filter %.o,$^) -o $@ -lpthread

build/tests/e2e/libstandin.so: tests/e2e/standin/standin_function.c
	@echo "  CC      $@"
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(COMMON_CFLAGS) $(DEPS) -shared -fPIC $< -o $@ -ldl

COMPILED += $(vgpud_STANDIN)
