# SPDX-License-Identifier: MIT
.PHONY: kcheck
kcheck: kselftest all cuda-programs build/tests/e2e/vgpud_test
	@tests/qemu/kcheck.sh $(KERNELS)
