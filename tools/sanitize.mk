# SPDX-License-Identifier: MIT
#
# make SANITIZE=address,undefined GOAL and make SANITIZE=thread GOAL: the goal in a tree of hard links,
# build/sanitize-address-undefined/, with a build/ of its own. The other files then know of it only
# that SANITIZE is set. Programs that nvcc builds, and the packages of Python, are those of the plain
# build: sanitizers change nothing of them. For gcc, whose runtimes are shared libraries.

comma := ,
sanitize_TREE := build/sanitize-$(subst $(comma),-,$(SANITIZE))
sanitize_ENTRIES := $(filter-out build,$(notdir $(wildcard $(CURDIR)/*)))
sanitize_SHARED := cuda.mk deps python nvml nvml.mk nvidia-smi runtimes tests/cuda tests/runtimes

$(or $(MAKECMDGOALS),all): sanitize-tree
	@$(MAKE) --no-print-directory -C $(sanitize_TREE) SANITIZED=1 $@

sanitize-tree:
	@$(MAKE) --no-print-directory SANITIZE= build/cuda.mk
	@mkdir -p $(sanitize_TREE)/build/tests build/tests/cuda
	@find $(sanitize_TREE) -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
	@cp -rl $(sanitize_ENTRIES) $(sanitize_TREE)
	@for f in $(sanitize_SHARED); do test ! -e build/$$f || ln -sfn $(CURDIR)/build/$$f $(sanitize_TREE)/build/$$f; done

.PHONY: sanitize-tree $(MAKECMDGOALS)
