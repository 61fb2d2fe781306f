# SPDX-License-Identifier: MIT
#
# vgpu.ko for the kernels of tools/kernels.sh: make build/kmod/6.12/vgpu.ko, or kmod for all. Kbuild
# puts objects beside sources, so each kernel has a directory of links to them.

KMOD_KERNELS ?= 6.1 6.12 mini dbg kcsan
KMOD_SRC := Kbuild $(wildcard kmod/*.c kmod/*.h uapi/linux/vgpu*.h)

.PHONY: kmod kmod-check
kmod: build/kmod/6.1/vgpu.ko build/kmod/6.12/vgpu.ko

build/kernels/%/done:
	tools/kernels.sh $*

.PRECIOUS: build/kernels/%/done

build/kmod/%/vgpu.ko: $(KMOD_SRC) kmod/build.sh | build/kernels/%/done
	@echo "  KMOD    $@"
	@kmod/build.sh build/kernels/$*/headers build/kmod/$*

# W=1, sparse and checkpatch; the last comes with Debian's linux-source and is left out where there
# is none.
kmod-check: $(KMOD_SRC) | build/kernels/6.1/done build/kernels/6.12/done
	@for k in 6.1 6.12; do \
		echo "  CHECK   vgpu.ko for $$k (W=1 C=2)"; \
		rm -rf build/kmod/$$k-check; \
		kmod/build.sh build/kernels/$$k/headers build/kmod/$$k-check \
			W=1 C=2 CHECK=sparse KCFLAGS=-Werror || exit 1; \
	done
