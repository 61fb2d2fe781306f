# SPDX-License-Identifier: MIT
.PHONY: kcheck
kcheck: kselftest
	@tests/qemu/kcheck.sh $(KERNELS)
