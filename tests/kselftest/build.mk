# SPDX-License-Identifier: MIT
#
# The module's tests, run by tests/qemu/kcheck.sh in a guest.

KSELFTEST_NAMES := ioctl_test mmap_test poll_test lifetime_test netlink_test sysfs_test fault_test
KSELFTEST_BINS := $(KSELFTEST_NAMES:%=build/kselftest/%)
KSELFTEST_CFLAGS := -D_GNU_SOURCE -std=gnu11 -O1 -g -Wall -Wextra -Werror -Iuapi

.PHONY: kselftest
kselftest: $(KSELFTEST_BINS)

build/kselftest/%: tests/kselftest/%.c
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@$(CC) $(KSELFTEST_CFLAGS) $(DEPS) -o $@ $< -pthread

COMPILED += $(KSELFTEST_BINS)
