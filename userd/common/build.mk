# SPDX-License-Identifier: MIT
#
# What the daemons and libvcuda share, as objects: COMMON_OBJS for a daemon; libvcuda compiles env.c, forward.c, net.c and zerocopy.c itself.

COMMON_CFLAGS := -D_GNU_SOURCE -std=gnu11 -Wall -Wextra -Werror -Iuapi -Iuserd/common
COMMON_OUT := build/common
COMMON_OBJS := $(patsubst userd/common/%.c,$(COMMON_OUT)/%.o,$(wildcard userd/common/*.c))

$(COMMON_OUT)/%.o: userd/common/%.c
	@echo "  CC      $@"
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(COMMON_CFLAGS) $(DEPS) -c $< -o $@

COMPILED += $(COMMON_OBJS)

# Unit tests need CMocka.
COMMON_TESTS := build/tests/unit/forward_test build/tests/unit/conf_test build/tests/unit/env_test build/tests/unit/net_test \
	build/tests/unit/zerocopy_test build/tests/unit/halt_poll_test
UNIT_TESTS += $(COMMON_TESTS)

$(COMMON_TESTS): build/tests/unit/%: tests/unit/%.c $(COMMON_OBJS)
	@echo "  CC      $@"
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(COMMON_CFLAGS) $(DEPS) $< $(COMMON_OBJS) -o $@ -lcmocka -lpthread

COMPILED += $(COMMON_TESTS)
