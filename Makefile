# SPDX-License-Identifier: MIT
#
# make            everything that runs outside the kernel
# make check      unit tests, wire tests, every CUDA program against softgpu: no root, no GPU, no module
# make kcheck     the module, in virtual machines
# make demo       the whole of it: k-means in a virtual machine without a GPU
# make roundtrips  round trips and bytes of every program of tests/cuda, on softgpu
# make coverage   Documentation/coverage.rst, from the table and the tests
# make gpucheck   on a machine with an NVIDIA GPU: natively and through DGSF
# make gputwin    there too: output, exit status and every return code, natively and through DGSF
# make softtwin   the same on softgpu
# make check-softgpu  of make check what tests softgpu alone
# make check-vcuda    of make check what tests the library and the daemons alone
# make check-tsan     check-vcuda under ThreadSanitizer
# make check-runtimes  of make check what runs on libcudart of other versions
# make fuzz       FUZZ_SECONDS for every decoder: fuzz-worker, fuzz-client, fuzz-wire, fuzz-image, fuzz-vgpud, fuzz-softgpu
# make fuzz-check     each of them for 15 s, over its seeds first: a part of .ci/run; skipped without clang
# make fuzz-rows      which rows of cuda.def the fuzzer of the worker reaches
# make fuzz-softgpu   softgpu's parser under libFuzzer, random programs against a plain interpreter
# make gpulibraries  there too: PyTorch and the CUDA libraries through DGSF
# make gputrips   there too: round trips of PyTorch's programs, and their limits
# make gpubench   there too: calls, copies and PyTorch, in figures
# make bulkbench  large copies beside plain TCP, in one run
# make bench-launch   launches of 1, 2, 4 and 8 threads at once
# make bench-softgpu  softgpu beside plain C
# make modules    vgpu.ko for the running kernel
# make V=1 ...    shows the commands
# make SANITIZE=address,undefined ...   with these sanitizers, or SANITIZE=thread: tools/sanitize.mk

.DEFAULT_GOAL := all
SHELL := /bin/bash
Q := $(if $(V),,@)

CC ?= gcc
PYTHON3 ?= python3
OPT ?= -O2 -g
# Sanitized code is never as fast; gcc warns there of what it only thinks may happen.
ifneq ($(SANITIZE),)
OPT := -O1 -g
SANITIZE_FLAGS := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer -Wno-maybe-uninitialized \
	-Wno-stringop-overflow -Wno-stringop-truncation -Wno-format-truncation $(if $(filter thread,$(SANITIZE)),-Wno-tsan)
LDFLAGS += -fsanitize=$(SANITIZE)
endif
CFLAGS += $(OPT) -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror $(SANITIZE_FLAGS)
# With it a compiler lists the headers of $@; what has such a list is in COMPILED.
DEPS = -MMD -MP -MF $@.d
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
UNITDIR ?= /lib/systemd/system

ifneq ($(if $(SANITIZED),,$(SANITIZE)),)
include tools/sanitize.mk
else

# Where nvcc and cuda.h are: asked once, kept in build/cuda.mk.
ifneq ($(filter-out clean install-deps modules,$(or $(MAKECMDGOALS),all)),)
include build/cuda.mk
endif

# Packages first: everything below needs them.
build/deps: tools/install-deps.sh
	@mkdir -p $(@D)
	@tools/install-deps.sh
	@touch $@

build/cuda.mk: tools/cuda-toolchain.sh build/deps
	@echo "  CUDA    $@"
	@mkdir -p $(@D)
	@tools/cuda-toolchain.sh > $@.tmp && mv $@.tmp $@

include userd/common/build.mk
include tools/build.mk
softgpu_STUBS := build/gen/softgpu_stubs.gen.c
include userd/softgpu/build.mk
include userd/server/build.mk
include userd/vgpud/build.mk
include libvcuda/build.mk
include libnvml/build.mk
include tests/cuda/build.mk
include tests/errors/build.mk
include tests/process/build.mk
include tests/ptx/build.mk
include tests/fuzz/build.mk
include tests/build.mk
include tests/bench/build.mk
include kmod/build.mk
include tests/kselftest/build.mk
include tests/qemu/build.mk

# A header that is gone is no error (-MP) but a change; what lost its list is made again.
$(COMPILED): %: %.d
$(COMPILED:=.d): ;
include $(wildcard $(COMPILED:=.d))

PROGRAMS := build/libvcuda/libcuda.so.1 $(libnvml_LIB) build/softgpu/libcuda.so.1 $(softgpu_DRIVER_LINKER) build/server/vgpu-server build/server/vgpu-worker build/vgpud/vgpud

all: $(PROGRAMS)

modules:
	$(Q)$(MAKE) -C $(or $(KDIR),/lib/modules/$(shell uname -r)/build) M=$(CURDIR) modules

install-deps:
	$(Q)tools/install-deps.sh

install: all
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/lib/dgsf/softgpu/driver-linker $(DESTDIR)$(SYSCONFDIR)/dgsf
	install build/vgpud/vgpud build/server/vgpu-server build/server/vgpu-worker $(DESTDIR)$(PREFIX)/sbin
	install -m 644 build/libvcuda/libcuda.so.1 $(libnvml_LIB) $(DESTDIR)$(PREFIX)/lib/dgsf
	install -m 644 build/softgpu/libcuda.so.1 $(DESTDIR)$(PREFIX)/lib/dgsf/softgpu
	install -m 644 $(softgpu_DRIVER_LINKER) $(DESTDIR)$(PREFIX)/lib/dgsf/softgpu/driver-linker
	install -d $(DESTDIR)$(UNITDIR) $(DESTDIR)/lib/udev/rules.d
	install -m 644 userd/vgpud/vgpud.service userd/server/vgpu-server.service $(DESTDIR)$(UNITDIR)
	install -m 644 userd/vgpud/99-vgpu.rules $(DESTDIR)/lib/udev/rules.d
	install -d $(DESTDIR)/usr/lib/sysusers.d
	install -m 644 userd/vgpud/vgpu.sysusers $(DESTDIR)/usr/lib/sysusers.d/vgpu.conf
	for f in vgpud/vgpud.conf server/vgpu-server.conf; do \
		test -e $(DESTDIR)$(SYSCONFDIR)/dgsf/$${f#*/} || install -m 644 userd/$$f $(DESTDIR)$(SYSCONFDIR)/dgsf; done
	install -d $(DESTDIR)$(PREFIX)/share/man/man4 $(DESTDIR)$(PREFIX)/share/man/man5 $(DESTDIR)$(PREFIX)/share/man/man7 $(DESTDIR)$(PREFIX)/share/man/man8
	install -m 644 Documentation/man/*.4 $(DESTDIR)$(PREFIX)/share/man/man4
	install -m 644 Documentation/man/*.5 $(DESTDIR)$(PREFIX)/share/man/man5
	install -m 644 Documentation/man/*.7 $(DESTDIR)$(PREFIX)/share/man/man7
	install -m 644 Documentation/man/*.8 $(DESTDIR)$(PREFIX)/share/man/man8

clean:
	rm -rf build

.PHONY: all modules install-deps install clean

endif
