# SPDX-License-Identifier: MIT
#
# Bad calls, for tools/gputwin.py. Each program is build/tests/errors/NAME; linked with a stub of
# libcuda as those of tests/cuda are.

errors_PROGRAMS := $(addprefix build/tests/errors/,init context memory launch stream graph pool array sticky recover faults forked several elsewhere)

$(errors_PROGRAMS): build/tests/errors/%: tests/errors/%.c $(wildcard tests/errors/*.h)
	@echo "  CC      $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -isystem $(CUDA_HOME)/include $< -o $@ -L$(CUDA_STUBS) -lcuda
