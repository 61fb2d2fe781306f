# SPDX-License-Identifier: MIT
#
# vgpud, which needs libnl (libnl-genl-3-dev).

VGPUD_OUT := build/vgpud
VGPUD_OBJS := $(patsubst userd/vgpud/%.c,$(VGPUD_OUT)/%.o,$(wildcard userd/vgpud/*.c))
VGPUD_CFLAGS = $(COMMON_CFLAGS) -Iuserd/vgpud $(shell pkg-config --cflags libnl-genl-3.0)
VGPUD_LIBS = $(shell pkg-config --libs libnl-genl-3.0)

$(VGPUD_OBJS): $(VGPUD_OUT)/%.o: userd/vgpud/%.c
	@echo "  CC      $@"
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(VGPUD_CFLAGS) -MMD -c $< -o $@

$(VGPUD_OUT)/vgpud: $(VGPUD_OBJS) $(COMMON_OBJS)
	@echo "  LD      $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) $^ $(VGPUD_LIBS) -o $@

-include $(VGPUD_OBJS:.o=.d)

# Runs in a guest: tests/e2e/vgpud_test.sh.
build/tests/e2e/vgpud_test: tests/e2e/vgpud_test.c
	@echo "  CC      $@"
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(COMMON_CFLAGS) -MMD -MF $@.d $< -o $@ -lpthread

-include build/tests/e2e/vgpud_test.d
